"""NASAS searches the structure of masked kernels by Bayesian inference."""
