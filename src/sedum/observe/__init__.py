"""What a survey does to light: noise, missing bands, selection, and what of it is learned from."""

from sedum.observe.features import FeatureTransform
from sedum.observe.learn_noise import fit_noise
from sedum.observe.noise_model import NoiseModel

__all__ = ["FeatureTransform", "NoiseModel", "fit_noise"]
