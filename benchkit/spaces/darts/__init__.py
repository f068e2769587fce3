"""DARTS: a normal and a reduction cell with two inputs a node."""
