"""What a survey does to light: noise, missing bands, selection, and what of it is learned from."""

from sedum.observe.features import FeatureTransform
from sedum.observe.noise import NoiseModel

__all__ = ["FeatureTransform", "NoiseModel"]
