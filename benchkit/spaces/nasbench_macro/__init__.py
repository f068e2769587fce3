"""NAS-Bench-Macro: chains of eight layers."""
