"""Priors as one-to-one maps between the unit cube and the parameters."""

from sedum.priors.joint import Prior

__all__ = ["Prior"]
