"""The cells of DARTS with several operations on an edge."""
