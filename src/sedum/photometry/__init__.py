"""Filters, units, observed photometry, and the catalogues that contain it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sedum._lazy import attach

if TYPE_CHECKING:
    from sedum.photometry.catalogue import CatalogueRows as CatalogueRows
    from sedum.photometry.catalogue import read_catalogue as read_catalogue
    from sedum.photometry.catalogue import stream_catalogue as stream_catalogue
    from sedum.photometry.filters import Filter as Filter
    from sedum.photometry.filters import FilterSet as FilterSet
    from sedum.photometry.filters import list_filters as list_filters
    from sedum.photometry.observed import Photometry as Photometry
    from sedum.photometry.row_reasons import Reason as Reason

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "CatalogueRows": "sedum.photometry.catalogue",
        "read_catalogue": "sedum.photometry.catalogue",
        "stream_catalogue": "sedum.photometry.catalogue",
        "Filter": "sedum.photometry.filters",
        "FilterSet": "sedum.photometry.filters",
        "list_filters": "sedum.photometry.filters",
        "Photometry": "sedum.photometry.observed",
        "Reason": "sedum.photometry.row_reasons",
    },
)
