"""VAENAS learns to sample architectures by a variational autoencoder."""
