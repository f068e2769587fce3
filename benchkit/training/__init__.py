"""Training: the trainer that walks a weight-sharing strategy over images, and what it leaves behind.

`recipe` and `presets` are light; everything else here loads torch.
"""
