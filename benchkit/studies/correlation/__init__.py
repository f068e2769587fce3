"""Compares finished trainings with each other and with tables: rank correlation, samples.

Runs after `benchkit.training`, on the folders and checkpoints that it left.
"""
