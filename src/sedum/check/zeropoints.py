"""Measuring zero-points with galaxies of known redshift, from what the posterior predicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from sedum._version import __version__
from sedum.check.zeropoint_solver import THIN, Predictor, Solver, placed
from sedum.config import BootstrapNoise, LearnedNoise, RunFile
from sedum.errors import SedumError, allowed
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.introduced import Facts, Introduced, listed
from sedum.photometry.catalogue import CatalogueRows
from sedum.photometry.observed import Photometry
from sedum.progress import progress
from sedum.storage import atomic_path, digest, sealed
from sedum.survey.prepare import prepare
from sedum.tables.read import TableLike

__all__ = ["ZeroPoints", "measure_zeropoints"]

#: Minimum number of galaxies of known redshift for a band, in either half.
_MINIMUM = THIN


@dataclass(frozen=True, repr=False)
class ZeroPoints(Introduced):
    """Zero-point offsets of a survey, and how well they work on held-out galaxies.

    Arrays are [bands], in mag.

    Attributes
    ----------
    bands
        Names of the bands.
    pivots
        Pivot wavelengths of the bands in Angstrom.
    anchor
        The reference band, whose zero-point is assumed to be right.
    offset
        Offset to add to the magnitudes of the catalogue in each band; NaN if too few galaxies
        measure it.
    error
        Standard error of the offset relative to that of the anchor. It is large for degenerate
        offsets.
    count
        Number of galaxies that measure each band.
    before, after
        Median residual (predicted minus observed) of the held-out half of the galaxies, without
        and with the offsets that the other half gave; NaN if too few galaxies measure the band.
    scatter
        Half the distance between the 16th and 84th percentiles of the residuals ``after``.
    applied
        Offsets that the run file had applied already. They are included in ``offset``.
    galaxies
        Number of galaxies of known redshift that were used.
    settled
        Whether the iteration converged; if not, the offsets are not to be trusted.
    fingerprint
        Hash of the settings that the estimator was trained with.
    """

    bands: list[str]
    pivots: np.ndarray
    anchor: str
    offset: np.ndarray
    error: np.ndarray
    count: np.ndarray
    before: np.ndarray
    after: np.ndarray
    scatter: np.ndarray
    applied: np.ndarray
    galaxies: int
    settled: bool
    fingerprint: str

    def _facts(self) -> Facts:
        known = np.flatnonzero(np.isfinite(self.offset))
        offsets = [f"{self.bands[i]} {self.offset[i]:+.3f}" for i in known]
        facts = {"galaxies": f"{self.galaxies:,}", "anchor": self.anchor}
        facts |= {"settled": "yes" if self.settled else "no", "mag": listed(offsets, 5)}
        if self.thin:
            facts[listed(self.thin)] = "too few galaxies"
        return "", facts

    @property
    def thin(self) -> list[str]:
        """Bands that too few galaxies measure, which have no offset."""
        return [b for b, offset in zip(self.bands, self.offset, strict=True) if np.isnan(offset)]

    def write(self, path: str | Path, source: str = "catalogue") -> None:
        """Write the offsets to a YAML file that ``catalogue.offsets`` of a run file reads.

        Parameters
        ----------
        path
            The file. It is written atomically.
        source
            Name of the catalogue, recorded in the file.
        """
        entries = {}
        for i, band in enumerate(self.bands):
            if not np.isfinite(self.offset[i]):
                continue
            values = {
                "offset": self.offset[i],
                "error": self.error[i],
                "held_out_before": self.before[i],
                "held_out_after": self.after[i],
                "held_out_scatter": self.scatter[i],
            }
            rounded = {k: round(float(v), 4) for k, v in values.items() if np.isfinite(v)}
            entries[band] = {**rounded, "galaxies": int(self.count[i])}
        document = {
            "catalogue": source,
            "anchor": self.anchor,
            "galaxies": self.galaxies,
            "settled": bool(self.settled),
            "too_few_galaxies": self.thin,
            "estimator": self.fingerprint,
            "sedum": __version__,
            "offsets": entries,
        }
        whole = sealed(document)
        with atomic_path(path) as temporary:
            temporary.write_text(
                "# Zero-points: mag to add to each band, with the error relative to the anchor.\n"
                "# A run file applies them by catalogue: {offsets: THIS FILE}.\n"
                + yaml.safe_dump(whole, sort_keys=False, default_flow_style=None, width=100)
            )


def measure_zeropoints(
    run: RunFile,
    posterior: Posterior,
    catalogue: TableLike | CatalogueRows,
    *,
    model: Simulator | None = None,
    anchor: str | None = None,
    prior: float = 0.1,
    n_galaxies: int = 1000,
    seed: int = 1,
    show_progress: bool = False,
) -> ZeroPoints:
    """Measure the offset of each band's zero-point from galaxies of known redshift.

    Each band is predicted from the posterior, given the redshift and all other bands. The
    offsets bring the median residuals of all bands as close to zero as possible, with a normal
    prior on the offsets. The prior is needed because some combinations, such as a slope with
    wavelength, look like dust or age and hardly change any residual.

    Residuals are weighted by their error (of the median, by resampling, and of the models, 0.02
    mag). Their response to offsets is computed by finite differences, and the solution is
    iterated (Gauss-Newton). Galaxies are weighted by the uncertainty of their residual, and
    selected by the predicted signal-to-noise, so that noise in the band itself does not select
    them. A common offset of all bands is a change of mass and cannot be measured: the offset of
    the anchor is zero. So is that of the selection band, which all training galaxies have.

    Parameters
    ----------
    run
        The run file.
    posterior
        The estimator trained for it, with some redshifts given and some bands missing.
    catalogue
        A file, an astropy Table, a pandas DataFrame, or rows that were read already. Rows
        without a redshift, and rows that cannot be fitted, are not used.
    model
        The forward model, if the caller has it already.
    anchor
        The reference band, whose zero-point is assumed to be right. If None, it is the selection
        band, or without one the band measured most often.
    prior
        Standard deviation of the prior on the offsets, in mag.
    n_galaxies
        Maximum number of galaxies to use, drawn at random. Half of them measure the offsets that
        the other half tests; the result uses all.
    seed
        Random seed of the selection and of draws.
    show_progress
        Show a progress bar.

    Returns
    -------
    ZeroPoints
        The offsets and their test. :meth:`ZeroPoints.write` writes them for the run file.

    Raises
    ------
    SedumError
        If there are fewer than 40 galaxies of known redshift, the anchor is not a band or not
        measured, the estimator was trained without given redshifts or missing bands, or it
        belongs to another run file.

    Examples
    --------
    >>> from astropy.table import vstack
    >>> zeropoints = measure_zeropoints(run, posterior, vstack([catalogue] * 3))
    >>> zeropoints.anchor, zeropoints.offset[0].item()
    ('sdss_g0', 0.0)
    >>> zeropoints.write("zeropoints.yaml")  # catalogue: {offsets: zeropoints.yaml}
    """
    _check_trained(posterior)
    ready = prepare(run, posterior, catalogue, model=model, give_redshifts=True)
    model = ready.model
    photometry = ready.photometry
    usable = np.flatnonzero(ready.status.ok & np.isfinite(photometry.redshift))
    if len(usable) < 2 * _MINIMUM:
        raise SedumError(
            f"zero-points need {2 * _MINIMUM} galaxies of known redshift that can be fitted, found "
            f"{len(usable)}; map catalogue.redshift to a column of spectroscopic redshifts"
        )
    rng = np.random.default_rng(seed)
    selected = rng.permutation(usable)[:n_galaxies]
    seen = photometry[selected]
    bands = run.band_names()
    cut = posterior.noise.spec.selection
    first = _anchor(bands, seen, anchor, cut.band if cut else None)
    fixed = {first} | ({bands.index(cut.band)} if cut else set())
    halves = [np.arange(len(seen)) % 2 == k for k in (0, 1)]
    predictor = Predictor(posterior, model, seed)
    candidates = [b for b in range(len(bands)) if b not in fixed]
    with progress(len(candidates) + 5, "zero-points", "steps", show_progress) as advance:
        now = {b: predictor.residuals(seen, b) for b in candidates}
        advance(1)
        free = [b for b, r in now.items() if min(r.among(h).count for h in halves) >= _MINIMUM]
        if not free:
            raise SedumError(
                f"no band but the anchor is measured well in {2 * _MINIMUM} of the galaxies"
            )
        solver = Solver(predictor, free, len(bands), prior)
        measuring, testing = (seen[half] for half in halves)
        nothing = np.zeros(len(bands))
        response = solver.response(measuring, advance)
        start = [now[b].among(halves[0]) for b in free]
        half = solver.settle(measuring, response, nothing, rng, start)
        advance(1, "testing on the other half")
        before = np.array([now[b].among(halves[1]).summary() for b in free])
        after = np.array([r.summary() for r in solver.residuals(testing, half.offset)])
        advance(1, "measuring on all")
        solution = solver.settle(seen, response, half.offset, rng)
        advance(1)
    applied = np.zeros(len(bands))
    if run.catalogue is not None:
        applied = np.array([run.catalogue.offsets.get(b, 0.0) for b in bands])
    known = np.isin(np.arange(len(bands)), [*free, *fixed])
    return ZeroPoints(
        bands=bands,
        pivots=model.filters.pivots,
        anchor=bands[first],
        offset=np.where(known, solution.offset + applied, np.nan),
        error=placed(len(bands), free, solution.error, np.nan),
        count=placed(len(bands), free, solution.count, 0).astype(int),
        before=placed(len(bands), free, before[:, 0], np.nan),
        after=placed(len(bands), free, after[:, 0], np.nan),
        scatter=placed(len(bands), free, after[:, 1], np.nan),
        applied=applied,
        galaxies=len(seen),
        settled=solution.settled,
        fingerprint=digest(posterior.fingerprint),
    )


def _check_trained(posterior: Posterior) -> None:
    """Refuse an estimator that was trained without missing bands: each is left out in turn."""
    spec = posterior.noise.spec
    missing = spec.missing_bands
    patterns = isinstance(spec, LearnedNoise | BootstrapNoise)
    if not (missing.rate or missing.band_dropout or patterns):
        raise SedumError(
            "zero-points leave out each band in turn, but the estimator was trained with "
            "noise.missing: 0; train with some missing, as {rate: 0.05, band_dropout: 0.2}"
        )


def _anchor(bands: list[str], seen: Photometry, wanted: str | None, cut: str | None) -> int:
    if wanted is not None and wanted not in bands:
        raise SedumError(f"anchor {wanted!r} is not among the filters{allowed(wanted, bands)}")
    name = wanted or cut
    at = int(seen.measured.sum(axis=0).argmax()) if name is None else bands.index(name)
    if seen.measured[:, at].sum() < 2 * _MINIMUM:
        raise SedumError(
            f"anchor {bands[at]}: measured in fewer than {2 * _MINIMUM} galaxies of known "
            "redshift; name another band"
        )
    return at
