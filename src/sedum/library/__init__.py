"""Simulated galaxies: making, storing and reading them."""

from sedum.library.store import Library

__all__ = ["Library"]
