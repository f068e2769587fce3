"""The kernel slices of multi-branch networks, which NASAS chooses among."""
