"""Draws figures: frames in, matplotlib's figures out.

For each kind of figure a function ``..._info`` computes what is shown, and a function ``draw_...`` draws it.
"""
