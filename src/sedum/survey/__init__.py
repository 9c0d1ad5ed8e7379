"""Fitting catalogues and writing what comes of it."""

from sedum.survey.fit import fit

__all__ = ["fit"]
