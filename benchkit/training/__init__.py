"""Training: one engine for supernets and single networks, their recipes, and what they leave behind.

`recipe`, `presets` and the settings are light; everything else here loads torch.
"""
