"""The forward model: photometry and spectra of galaxies from their parameters."""

from sedum.galaxies.model import GalaxyModel

__all__ = ["GalaxyModel"]
