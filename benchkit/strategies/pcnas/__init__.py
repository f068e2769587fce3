"""PC-NAS: posterior convergent search over partial models."""
