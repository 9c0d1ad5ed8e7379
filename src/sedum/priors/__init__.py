"""Priors as one-to-one maps between the unit cube and the parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sedum._lazy import attach

if TYPE_CHECKING:
    from sedum.priors.joint import Prior as Prior

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Prior": "sedum.priors.joint",
    },
)
