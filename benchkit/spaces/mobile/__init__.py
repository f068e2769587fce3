"""The chains of mobile operators of PC-NAS."""
