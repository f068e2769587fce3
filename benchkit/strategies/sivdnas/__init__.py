"""SI-VDNAS searches by semi-implicit variational dropout."""
