"""Simulated galaxies: making, storing and reading them."""

from sedum.library.library_file import Library

__all__ = ["Library"]
