"""Grids of stellar populations and gas: their sources, and the form in which they are used."""
