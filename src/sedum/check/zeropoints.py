"""Zero-points measured on galaxies of known redshift, by what the posterior predicts."""

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
from sedum.storage import atomic_path, digest
from sedum.survey.prepare import prepare
from sedum.tables.read import TableLike

__all__ = ["ZeroPoints", "measure_zeropoints"]

#: Draws behind each predicted flux.
_DRAWS = 32
#: Fewest galaxies that measure a band, and its least predicted signal-to-noise in each.
_LEAST, _SNR = 20, 5.0
#: Error of the models in a single prediction, as a fraction: no galaxy counts for more.
_MODEL_ERROR = 0.03
#: Systematic error of the models in the median residual of a band, mag.
_MODEL_MEDIAN = 0.02
#: Step of the finite differences; when the offsets are settled, mag; the most rounds until then.
_STEP, _SETTLED, _ROUNDS = 0.05, 0.002, 12
_RESAMPLES = 100


@dataclass(frozen=True)
class ZeroPoints:
    """Offsets of a survey's zero-points and how they were judged; all in mag, [bands].

    Attributes
    ----------
    bands
        Names of the bands.
    pivots
        Their pivot wavelengths in Angstrom.
    anchor
        The band whose zero-point was trusted.
    offset
        To be added to the magnitudes of each band as the catalogue has them; NaN where too few
        galaxies measure it.
    error
        Standard error of the offset relative to the anchor's; degenerate offsets have large ones.
    count
        Galaxies that measured it.
    before, after
        Median residual (predicted minus observed) of the held-out half: without the offsets
        that the other half gave, and with them; NaN where too few galaxies measure it.
    scatter
        Half the distance of the 16th and 84th percentiles of those residuals, after.
    applied
        The offsets that the run file had applied when these were measured, included in
        ``offset``.
    galaxies
        Galaxies of known redshift that were used.
    settled
        Whether the rounds ended because nothing changed any more.
    fingerprint
        Hash of what the estimator was trained for.
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
        """Write to YAML, atomically, as ``catalogue.offsets`` of a run file reads it."""
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
            "settled": self.settled,
            "estimator": self.fingerprint,
            "sedum": __version__,
            "offsets": entries,
        }
        with atomic_path(path) as temporary:
            temporary.write_text(
                "# Zero-points: mag to add to each band, with the error relative to the anchor.\n"
                "# A run file applies them by catalogue: {offsets: THIS FILE}.\n"
                + yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=100)
            )


def measure_zeropoints(
    run: RunFile,
    posterior: Posterior,
    catalogue: TableLike | CatalogueRows,
    *,
    model: Simulator | None = None,
    anchor: str | None = None,
    prior: float = 0.1,
    galaxies: int = 1000,
    seed: int = 1,
    show_progress: bool = False,
) -> ZeroPoints:
    """Measure the offset of each band's zero-point from galaxies of known redshift.

    Each band is predicted from the posterior given the redshift and all other bands. The
    offsets are those that bring the median residuals of all bands nearest to zero at once,
    with a normal prior on the offsets: some combinations, such as a slope with wavelength, look
    like dust or age and hardly change any residual, and without a prior they would run away.
    Residuals count by their error (of the median, by resampling, and of the models, 0.02 mag);
    how they answer to offsets is found by finite differences, and the solution iterated
    (Gauss-Newton). Galaxies are weighted by the uncertainty of their residual, and chosen by
    the predicted signal-to-noise, so that noise in the band itself selects nobody. A common
    offset of all bands is a change of mass and cannot be measured: the anchor's is zero. So is
    that of the selection band, which no training galaxy lacked.

    Parameters
    ----------
    run
        The run file.
    posterior
        The estimator, trained with some redshifts given and some bands missing.
    catalogue
        A file, a table, or rows that were read already. Rows without a redshift, and rows that
        cannot be fitted, are not used.
    model
        The forward model, where the caller has it already.
    anchor
        The band whose zero-point is trusted; the selection band if None, or else the band
        measured most often.
    prior
        How far zero-points are expected to be off: standard deviation of the prior in mag.
    galaxies
        The most galaxies to use, drawn at random. Half of them measure and half judge; the
        result is of all.
    seed
        Of that choice, and of draws.
    show_progress
        Show a progress bar.

    Raises
    ------
    SedumError
        If there are fewer than 40 galaxies of known redshift, the anchor is not a band or not
        measured, or the estimator was never shown given redshifts or missing bands.
    """
    model = trained_model(run, posterior, model)
    _check_trained(posterior)
    ready = prepare(run, posterior, catalogue, model=model, give_redshifts=True)
    photometry = ready.photometry
    usable = np.flatnonzero(ready.status.ok & np.isfinite(photometry.redshift))
    if len(usable) < 2 * _LEAST:
        raise SedumError(
            f"zero-points need {2 * _LEAST} galaxies of known redshift that can be fitted, found "
            f"{len(usable)}; map catalogue.redshift to a column of spectroscopic redshifts"
        )
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(usable)[:galaxies]
    seen = photometry[chosen]
    bands = run.band_names()
    cut = posterior.noise.spec.selection
    first = _anchor(bands, seen, anchor, cut.band if cut else None)
    fixed = {first} | ({bands.index(cut.band)} if cut else set())
    halves = [np.arange(len(seen)) % 2 == k for k in (0, 1)]
    counts = np.stack([seen.measured[half].sum(axis=0) for half in halves])
    free = [b for b in range(len(bands)) if b not in fixed and counts[:, b].min() >= _LEAST]
    if not free:
        raise SedumError(f"no band but the anchor is measured in {2 * _LEAST} of the galaxies")
    solver = _Solver(_Predictor(posterior, model, seed), free, len(bands), prior)
    measuring, judging = (seen[half] for half in halves)
    with progress(len(free) + 4, "zero-points", "steps", show_progress) as advance:
        response = solver.response(measuring, advance)
        half = solver.settle(measuring, response, np.zeros(len(bands)), rng)
        advance(1, "judging on the other half")
        before = solver.judge(judging, np.zeros(len(bands)))
        advance(1)
        after = solver.judge(judging, half.offset)
        advance(1, "measuring on all")
        found = solver.settle(seen, response, half.offset, rng)
        advance(1)
    applied = np.zeros(len(bands))
    if run.catalogue is not None:
        applied = np.array([run.catalogue.offsets.get(b, 0.0) for b in bands])
    known = np.isin(np.arange(len(bands)), [*free, *fixed])
    return ZeroPoints(
        bands=bands,
        pivots=model.filters.pivots,
        anchor=bands[first],
        offset=np.where(known, found.offset + applied, np.nan),
        error=_placed(len(bands), free, found.error, np.nan),
        count=_placed(len(bands), free, found.count, 0).astype(int),
        before=_placed(len(bands), free, before[:, 0], np.nan),
        after=_placed(len(bands), free, after[:, 0], np.nan),
        scatter=_placed(len(bands), free, after[:, 1], np.nan),
        applied=applied,
        galaxies=len(seen),
        settled=found.settled,
        fingerprint=digest(posterior.fingerprint),
    )


def _placed(size: int, at: list[int], values: np.ndarray, blank: float) -> np.ndarray:
    """Return values at some places of an array that is otherwise blank."""
    out = np.full(size, blank, float)
    out[at] = values
    return out


def _check_trained(posterior: Posterior) -> None:
    """Refuse an estimator that never saw a band missing: each is left out in turn."""
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
    if seen.measured[:, at].sum() < 2 * _LEAST:
        raise SedumError(
            f"anchor {bands[at]}: measured in fewer than {2 * _LEAST} galaxies of known redshift; "
            "name another band"
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
        """Return the weighted median in mag, predicted minus observed; zero if there is none."""
        if not self.count:
            return 0.0
        return float(_in_magnitudes(_weighted_median(self.ratio, self.weight)))

    def summary(self) -> tuple[float, float]:
        """Return median and half of the central 68% in mag; NaN of too few."""
        if self.count < _LEAST:
            return np.nan, np.nan
        low, high = _in_magnitudes(np.percentile(self.ratio, [16, 84]))
        return self.median(), float(high - low) / 2

    def error(self, rng: np.random.Generator) -> float:
        """Return the standard error of the median, by resampling galaxies."""
        if self.count < _LEAST:
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
        """Return what a band shows against what the others predict."""
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
    """Offsets of all bands; their errors and galaxies in the free ones."""

    offset: np.ndarray
    error: np.ndarray
    count: np.ndarray
    settled: bool


class _Solver:
    """Finds offsets of the free bands that bring the residuals of all of them near zero."""

    def __init__(self, predictor: _Predictor, free: list[int], bands: int, prior: float):
        self.predictor, self.free, self.bands, self.prior = predictor, free, bands, prior

    def _residuals(self, seen: Photometry, offset: np.ndarray) -> list[_Residuals]:
        corrected = seen.scaled(10 ** (-0.4 * offset))
        return [self.predictor.residuals(corrected, b) for b in self.free]

    def _medians(self, seen: Photometry, offset: np.ndarray) -> np.ndarray:
        return np.array([r.median() for r in self._residuals(seen, offset)])

    def judge(self, seen: Photometry, offset: np.ndarray) -> np.ndarray:
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
        """Iterate from some offsets, [bands]."""
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
