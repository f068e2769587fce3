"""What finished trainings say beside each other and beside tables: rank correlation, samples.

Runs after `benchkit.training`, on the folders and checkpoints that it left.
"""
