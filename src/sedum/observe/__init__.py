"""The effect of a survey on fluxes: noise, missing bands, selection, and learning it from data."""

from sedum.observe.features import FeatureTransform
from sedum.observe.learn_noise import fit_noise
from sedum.observe.noise_model import NoiseModel

__all__ = ["FeatureTransform", "NoiseModel", "fit_noise"]
