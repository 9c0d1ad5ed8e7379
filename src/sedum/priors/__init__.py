"""Priors as bijections between the unit cube and the parameters."""

from sedum.priors.joint import Prior

__all__ = ["Prior"]
