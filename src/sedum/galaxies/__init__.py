"""The forward model: from parameters of galaxies to their light."""

from sedum.galaxies.model import GalaxyModel

__all__ = ["GalaxyModel"]
