"""What the numbers say: pure functions over arrays and data frames, figures, LaTeX."""
