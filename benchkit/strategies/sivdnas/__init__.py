"""SI-VDNAS: semi-implicit variational dropout."""
