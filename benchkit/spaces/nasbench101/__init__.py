"""NAS-Bench-101: directed cells of up to seven vertices."""
