"""NAS-Bench-201: densely connected cells of four nodes, and their sister of three."""
