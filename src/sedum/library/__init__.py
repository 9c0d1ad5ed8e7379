"""Simulated galaxies: making, storing and reading them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sedum._lazy import attach

if TYPE_CHECKING:
    from sedum.library.generate import simulate as simulate
    from sedum.library.library_file import Library as Library
    from sedum.library.synthesizer_model import SynthesizerModel as SynthesizerModel

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Library": "sedum.library.library_file",
        "SynthesizerModel": "sedum.library.synthesizer_model",
        "simulate": "sedum.library.generate",
    },
)
