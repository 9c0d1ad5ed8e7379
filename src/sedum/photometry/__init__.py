"""Filters, units, observed photometry, and the catalogues that contain it."""

from sedum.photometry.catalogue import CatalogueRows, read_catalogue, stream_catalogue
from sedum.photometry.filters import Filter, FilterSet
from sedum.photometry.observed import Photometry

__all__ = [
    "CatalogueRows",
    "Filter",
    "FilterSet",
    "Photometry",
    "read_catalogue",
    "stream_catalogue",
]
