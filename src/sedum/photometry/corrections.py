"""Corrections of a catalogue's fluxes: zero-point offsets, foreground dust, aperture."""

from __future__ import annotations

import numpy as np
from astropy.table import Table

from sedum import config
from sedum.photometry.extinction import foreground_coefficient
from sedum.photometry.filters import Filter
from sedum.photometry.units import MAGNITUDES
from sedum.tables.values import means_missing, numeric

__all__ = ["Corrections"]


class Corrections:
    """The correction factors of the rows of a table.

    Parameters
    ----------
    table
        The table.
    mapping
        The ``catalogue`` section of a run file.
    source
        Name of the table in messages.

    Raises
    ------
    SedumError
        If a column that a correction needs is missing or not numeric.

    Examples
    --------
    >>> from sedum.photometry import FilterSet
    >>> mapping = config.CatalogueSettings(
    ...     columns={"sdss_r0": {"value": "f", "error": "e"}}, offsets={"sdss_r0": 0.1}
    ... )
    >>> corrections = Corrections(Table({"f": [1.0, 2.0]}), mapping, "survey.fits")
    >>> corrections.factor(FilterSet.from_names(["sdss_r0"])[0]).round(3)
    array([0.912, 0.912])
    """

    def __init__(self, table: Table, mapping: config.CatalogueSettings, source: str):
        self._mapping = mapping
        self._rows = len(table)
        self._ebv = np.zeros(self._rows)
        self._aperture = np.ones(self._rows)
        if mapping.extinction is not None:
            self._ebv = _reddening(table, mapping.extinction, source)
        if mapping.aperture is not None:
            self._aperture = _to_total(table, mapping, mapping.aperture, source)

    def factor(self, band: Filter) -> np.ndarray:
        """Return the factor of flux and error in a band, [n]; NaN if unknown."""
        magnitudes = np.full(self._rows, self._mapping.offsets.get(band.name, 0.0))
        spec = self._mapping.extinction
        if spec is not None:
            coefficient = spec.coefficients.get(band.name)
            if coefficient is None:
                coefficient = foreground_coefficient(spec.law, band.pivot)
            magnitudes = magnitudes - coefficient * spec.factor * self._ebv
        with np.errstate(over="ignore"):
            factor = 10 ** (-0.4 * magnitudes)
        aperture = self._mapping.aperture
        if aperture is not None and (aperture.bands is None or band.name in aperture.bands):
            factor = factor * self._aperture
        return factor


def _reddening(table: Table, spec: config.ExtinctionCorrection, source: str) -> np.ndarray:
    if not isinstance(spec.ebv, str):
        return np.full(len(table), spec.ebv)
    ebv = numeric(table, spec.ebv, source, "catalogue.extinction.ebv")
    # Maps mark positions without a measurement by values outside the range of E(B-V).
    return np.where((ebv > -1) & (ebv < 50), ebv, np.nan)


def _to_total(
    table: Table, mapping: config.CatalogueSettings, spec: config.ApertureCorrection, source: str
) -> np.ndarray:
    """Return the ratio of total to aperture flux, [n]; NaN if unknown."""

    def read(name: str, key: str) -> np.ndarray:
        values = numeric(table, name, source, f"catalogue.aperture.{key}")
        missing = means_missing(values, mapping.missing, mapping.missing_beyond)
        return np.where(missing, np.nan, values)

    if spec.offset is not None:
        with np.errstate(over="ignore"):
            return 10 ** (-0.4 * read(spec.offset, "offset"))
    assert spec.total is not None
    total = read(spec.total, "total")
    reference = np.full(len(table), np.nan)
    for i, name in enumerate(spec.reference):
        reference = np.where(np.isnan(reference), read(name, f"reference[{i}]"), reference)
    if mapping.unit in MAGNITUDES:
        with np.errstate(over="ignore", invalid="ignore"):
            return 10 ** (-0.4 * (total - reference))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = total / reference
    return np.where((total > 0) & (reference > 0), ratio, np.nan)
