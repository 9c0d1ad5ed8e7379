"""Grids of stellar populations and their gas: where they come from, and their one form."""
