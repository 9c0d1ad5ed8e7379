"""Panels of the explorer, each drawn from arrays."""
