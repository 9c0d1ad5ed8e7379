"""Models compared by their evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sedum._lazy import attach

if TYPE_CHECKING:
    from sedum.comparison.compare_models import compare as compare

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "compare": "sedum.comparison.compare_models",
    },
)
