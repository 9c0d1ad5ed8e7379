"""The effect of a survey on fluxes: noise, missing bands, selection, and learning it from data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sedum._lazy import attach

if TYPE_CHECKING:
    from sedum.observe.features import FeatureTransform as FeatureTransform
    from sedum.observe.learn_noise import fit_noise as fit_noise
    from sedum.observe.noise_model import NoiseModel as NoiseModel

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "FeatureTransform": "sedum.observe.features",
        "NoiseModel": "sedum.observe.noise_model",
        "fit_noise": "sedum.observe.learn_noise",
    },
)
