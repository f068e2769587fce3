"""PC-NAS decides architectures operator by operator in a pool of partial models."""
