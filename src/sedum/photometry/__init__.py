"""Filters, units, observed photometry and the catalogues that hold it."""

from sedum.photometry.filters import Filter, FilterSet
from sedum.photometry.observed import Photometry

__all__ = ["Filter", "FilterSet", "Photometry"]
