"""VAENAS: a variational autoencoder that learns to sample architectures."""
