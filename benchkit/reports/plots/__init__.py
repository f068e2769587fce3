"""Figures drawn again from what was run and kept: a folder in, figure files and their data out."""
