"""Posterior fading, measured: stand-alone trainings beside supernets of more and more architectures."""
