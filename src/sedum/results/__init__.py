"""Posterior catalogues: their columns, writing them, and reading them back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sedum._lazy import attach

if TYPE_CHECKING:
    from sedum.results.posterior_catalogue import PosteriorCatalogue as PosteriorCatalogue
    from sedum.results.provenance import read_provenance as read_provenance

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "PosteriorCatalogue": "sedum.results.posterior_catalogue",
        "read_provenance": "sedum.results.provenance",
    },
)
