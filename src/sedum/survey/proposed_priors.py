"""Priors that a catalogue suggests: how far its galaxies can be, and how light."""

from __future__ import annotations

from typing import Any

import numpy as np

from sedum.photometry.catalogue import CatalogueRows
from sedum.photometry.units import flux_to_magnitude

__all__ = ["propose_priors"]

#: Redshift up to which galaxies of a magnitude are sought, where redshifts are not known: the
#: magnitude that one galaxy in a hundred exceeds, and the redshift. Generous.
_DEPTHS = [(17.0, 0.5), (18.5, 0.8), (20.0, 1.5), (22.0, 2.5), (24.0, 5.0), (26.0, 8.0)]
_FARTHEST = 14.0
#: Fraction of galaxies with a known redshift from which on these speak for the others.
_MOST = 0.5
#: Lowest redshift of the prior, distance modulus there, and absolute magnitude of a galaxy of one
#: solar mass that is young and bright for its mass.
_NEAREST, _MODULUS, _BRIGHTEST = 0.01, 33.2, 2.8
_MASSES = (4.0, 12.0)


def propose_priors(rows: CatalogueRows, band: int) -> tuple[dict[str, Any], list[str]]:
    """Return priors of redshift and mass by key of the run file, and what was assumed.

    Parameters
    ----------
    rows
        The catalogue.
    band
        Index of the band in which galaxies are detected.

    Examples
    --------
    >>> from sedum import FilterSet, read_catalogue
    >>> rows = read_catalogue(catalogue, run.catalogue, FilterSet.from_run(run))
    >>> priors, assumed = propose_priors(rows, band=1)
    >>> sorted(priors)
    ['priors.log_mass', 'priors.redshift']
    """
    good = rows.row_status.ok & rows.photometry.measured[:, band]
    magnitudes = flux_to_magnitude(rows.photometry.flux[good, band])
    faint = float(np.nanpercentile(magnitudes, 99)) if np.isfinite(magnitudes).any() else 30.0
    known = rows.catalogue_redshift[good]
    known = known[np.isfinite(known) & (known > 0)]
    by_depth = next((z for magnitude, z in _DEPTHS if faint < magnitude), _FARTHEST)
    if len(known) > _MOST * max(good.sum(), 1):
        # A fifth beyond nearly all, since redshifts are known of the brighter galaxies.
        high = min(float(np.percentile(known, 99.9)) * 1.2 + 0.1, _FARTHEST)
        reason = f"the {len(known):,} known redshifts reach {known.max():.2f}"
    else:
        farthest = float(known.max()) * 1.2 if len(known) else 0.0
        high = min(max(by_depth, farthest), _FARTHEST)
        reason = f"galaxies are as faint as {faint:.1f} mag"
    high = float(np.ceil(10 * high) / 10)
    # The least massive galaxy that could be seen where the prior begins, a factor 3 below.
    low = 0.4 * (_BRIGHTEST - (faint - _MODULUS)) - 0.5
    low = float(np.clip(np.floor(2 * low) / 2, _MASSES[0], 9.0))
    return {
        "priors.redshift": {"kind": "uniform", "low": _NEAREST, "high": high},
        "priors.log_mass": {"kind": "uniform", "low": low, "high": _MASSES[1]},
    }, [f"prior of the redshift up to {high:g}: {reason}; of log_mass from {low:g}"]
