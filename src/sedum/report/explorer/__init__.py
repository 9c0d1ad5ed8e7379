"""The local page of a posterior catalogue: its table, linked plots, and single galaxies."""
