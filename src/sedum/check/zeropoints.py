"""Measuring zero-points with galaxies of known redshift, from what the posterior predicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from sedum._version import __version__
from sedum.config import BootstrapNoise, LearnedNoise, RunFile
from sedum.errors import SedumError, allowed
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.infer.trained_model import trained_model
from sedum.photometry.catalogue import CatalogueRows
from sedum.photometry.observed import Photometry
from sedum.progress import Advance, progress
from sedum.storage import atomic_path, digest, sealed
from sedum.survey.prepare import prepare
from sedum.tables.read import TableLike

__all__ = ["ZeroPoints", "measure_zeropoints"]

#: Draws for each predicted flux.
_DRAWS = 32
#: Minimum number of galaxies for a band, and the minimum predicted signal-to-noise of each.
_MINIMUM, _SNR = 20, 5.0
#: Relative error of the models in a single prediction, which limits the weight of a galaxy.
_MODEL_ERROR = 0.03
#: Systematic error of the models in the median residual of a band, mag.
_MODEL_MEDIAN = 0.02
#: Step of the finite differences, change below which the offsets have settled (both in mag), and
#: maximum number of rounds.
_STEP, _SETTLED, _ROUNDS = 0.05, 0.002, 12
_RESAMPLES = 100


@dataclass(frozen=True)
class ZeroPoints:
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
        Whether the iteration converged.
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
    model = trained_model(run, posterior, model)
    _check_trained(posterior)
    ready = prepare(run, posterior, catalogue, model=model, give_redshifts=True)
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
    counts = np.stack([seen.measured[half].sum(axis=0) for half in halves])
    free = [b for b in range(len(bands)) if b not in fixed and counts[:, b].min() >= _MINIMUM]
    if not free:
        raise SedumError(f"no band but the anchor is measured in {2 * _MINIMUM} of the galaxies")
    solver = _Solver(_Predictor(posterior, model, seed), free, len(bands), prior)
    measuring, testing = (seen[half] for half in halves)
    with progress(len(free) + 4, "zero-points", "steps", show_progress) as advance:
        response = solver.response(measuring, advance)
        half = solver.settle(measuring, response, np.zeros(len(bands)), rng)
        advance(1, "testing on the other half")
        before = solver.test(testing, np.zeros(len(bands)))
        advance(1)
        after = solver.test(testing, half.offset)
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
        error=_placed(len(bands), free, solution.error, np.nan),
        count=_placed(len(bands), free, solution.count, 0).astype(int),
        before=_placed(len(bands), free, before[:, 0], np.nan),
        after=_placed(len(bands), free, after[:, 0], np.nan),
        scatter=_placed(len(bands), free, after[:, 1], np.nan),
        applied=applied,
        galaxies=len(seen),
        settled=solution.settled,
        fingerprint=digest(posterior.fingerprint),
    )


def _placed(size: int, at: list[int], values: np.ndarray, blank: float) -> np.ndarray:
    """Return an array with values at some places and ``blank`` elsewhere."""
    out = np.full(size, blank, float)
    out[at] = values
    return out


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


@dataclass(frozen=True)
class _Residuals:
    """Ratios of observed to predicted flux in one band, and their weights, [galaxies]."""

    ratio: np.ndarray
    weight: np.ndarray

    @property
    def count(self) -> int:
        return len(self.ratio)

    def median(self) -> float:
        """Return the weighted median in mag, predicted minus observed; zero without galaxies."""
        if not self.count:
            return 0.0
        return float(_in_magnitudes(_weighted_median(self.ratio, self.weight)))

    def summary(self) -> tuple[float, float]:
        """Return median and half of the central 68% in mag; NaN if there are too few galaxies."""
        if self.count < _MINIMUM:
            return np.nan, np.nan
        low, high = _in_magnitudes(np.percentile(self.ratio, [16, 84]))
        return self.median(), float(high - low) / 2

    def error(self, rng: np.random.Generator) -> float:
        """Return the standard error of the median, by resampling galaxies."""
        if self.count < _MINIMUM:
            return np.nan
        picks = rng.integers(self.count, size=(_RESAMPLES, self.count))
        medians = [_weighted_median(self.ratio[p], self.weight[p]) for p in picks]
        return float(_in_magnitudes(np.array(medians)).std())


def _in_magnitudes(ratio: np.ndarray | float) -> np.ndarray:
    return 2.5 * np.log10(np.maximum(ratio, 0.01))


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    summed = np.cumsum(weights[order])
    return float(np.interp(summed[-1] / 2, summed - weights[order] / 2, values[order]))


class _Predictor:
    """Predicts single bands from all others."""

    def __init__(self, posterior: Posterior, model: Simulator, seed: int):
        self.posterior, self.model, self.seed = posterior, model, seed

    def residuals(self, photometry: Photometry, band: int) -> _Residuals:
        """Return the residuals of a band about the prediction from the others."""
        there = np.flatnonzero(photometry.measured[:, band])
        part = photometry[there].without(band)
        draws = self.posterior.sample(part, _DRAWS, self.seed, keys=there)
        flux = self.model.photometry(draws.reshape(-1, draws.shape[-1]))[:, band]
        low, middle, high = np.percentile(flux.reshape(len(there), _DRAWS), [16, 50, 84], axis=1)
        error = photometry.error[there, band]
        use = middle > _SNR * error
        relative = np.sqrt(error**2 + ((high - low) / 2) ** 2)[use] / middle[use]
        ratio = photometry.flux[there, band][use] / middle[use]
        return _Residuals(ratio, 1 / np.hypot(relative, _MODEL_ERROR))


@dataclass(frozen=True)
class _Solution:
    """Offsets of all bands, and the errors and numbers of galaxies of the free bands."""

    offset: np.ndarray
    error: np.ndarray
    count: np.ndarray
    settled: bool


class _Solver:
    """Computes the offsets of the free bands that bring all their residuals near zero."""

    def __init__(self, predictor: _Predictor, free: list[int], bands: int, prior: float):
        self.predictor, self.free, self.bands, self.prior = predictor, free, bands, prior

    def _residuals(self, seen: Photometry, offset: np.ndarray) -> list[_Residuals]:
        corrected = seen.scaled(10 ** (-0.4 * offset))
        return [self.predictor.residuals(corrected, b) for b in self.free]

    def _medians(self, seen: Photometry, offset: np.ndarray) -> np.ndarray:
        return np.array([r.median() for r in self._residuals(seen, offset)])

    def test(self, seen: Photometry, offset: np.ndarray) -> np.ndarray:
        """Return median and scatter of the residuals with some offsets, [free, 2]."""
        return np.array([r.summary() for r in self._residuals(seen, offset)])

    def response(self, seen: Photometry, advance: Advance) -> np.ndarray:
        """Return the change of each residual with each offset, [free, free]."""
        start = self._medians(seen, np.zeros(self.bands))
        columns = []
        for band in self.free:
            advance(1, "how the bands depend on each other")
            step = np.zeros(self.bands)
            step[band] = _STEP
            columns.append((self._medians(seen, step) - start) / _STEP)
        return np.stack(columns, axis=1)

    def settle(
        self, seen: Photometry, response: np.ndarray, start: np.ndarray, rng: np.random.Generator
    ) -> _Solution:
        """Return the offsets by iteration, starting from offsets [bands]."""
        first = self._residuals(seen, start)
        error = np.hypot([r.error(rng) for r in first], _MODEL_MEDIAN)
        weighted = response.T / error**2
        information = weighted @ response + np.eye(len(self.free)) / self.prior**2
        values, left, settled = start[self.free], np.array([r.median() for r in first]), False
        for _ in range(_ROUNDS):
            step = -np.linalg.solve(information, weighted @ left + values / self.prior**2)
            values = values + step
            if settled := bool(np.abs(step).max() < _SETTLED):
                break
            left = self._medians(seen, _placed(self.bands, self.free, values, 0.0))
        return _Solution(
            _placed(self.bands, self.free, values, 0.0),
            np.sqrt(np.diag(np.linalg.inv(information))),
            np.array([r.count for r in first]),
            settled,
        )
