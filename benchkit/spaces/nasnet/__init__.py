"""The cells of VAENAS, which free those of DARTS; and what all such pairs of cells share."""
