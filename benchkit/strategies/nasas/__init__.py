"""NASAS: Bayesian search for the structure of masked kernels."""
