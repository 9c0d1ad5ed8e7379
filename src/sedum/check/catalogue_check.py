"""Comparing a whole catalogue with simulations: residuals, typicality, population."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from sedum.check.misspecification import Misspecification, misspecification
from sedum.config import RunFile, TypicalitySettings
from sedum.errors import SedumError
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.infer.verify.best_fit import BestFit
from sedum.infer.verify.importance_weights import resampled, reweight
from sedum.infer.verify.predictive_check import posterior_predictive
from sedum.infer.verify.typicality import Typicality, mock_observations
from sedum.introduced import Facts, Introduced, listed
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.catalogue import CatalogueRows
from sedum.photometry.observed import Photometry
from sedum.progress import Advance, progress
from sedum.survey.prepare import prepare
from sedum.tables.read import TableLike

__all__ = ["BandResidual", "CatalogueCheck", "check_catalogue"]

#: False-alarm rate of each of the two tests of a catalogue.
_ALARM = 0.005
#: A band is far off if its median residual exceeds this many sigma, and this many of its errors.
_FAR, _ERRORS = 0.5, 5.0
#: Minimum number of galaxies, and of measurements in a band.
_MINIMUM = 30
#: Mock galaxies to select from, for each galaxy and at most; and from how many mocks of similar
#: signal-to-noise each is drawn.
_MOCKS_EACH, _MOCKS, _NEAR = 40, 20_000, 50
#: Draws and rounds of refinement for posterior-predictive checks, and the draws that they use.
_DRAWS, _ROUNDS, _PREDICTED = 1000, 1, 50
_TOGETHER = 64


@dataclass(frozen=True)
class BandResidual:
    """Residuals of one band about the best-fitting models of a catalogue.

    Attributes
    ----------
    band
        Name of the band.
    galaxies
        Number of galaxies in which it is measured.
    sigma
        Median residual in sigma, positive if the observed flux is higher; NaN if there are too
        few galaxies.
    sigma_error
        Standard error of ``sigma``.
    magnitude
        Median of model minus observed magnitude, of measurements with a signal-to-noise above 5.
    far_off
        Whether the median residual is far from zero, compared with its error.
    """

    band: str
    galaxies: int
    sigma: float
    sigma_error: float
    magnitude: float
    far_off: bool


@dataclass(frozen=True, repr=False)
class CatalogueCheck(Introduced):
    """How a catalogue compares with simulations.

    Attributes
    ----------
    galaxies
        Number of galaxies that were checked, n.
    level
        Level of ``in_distribution``: the expected fraction of galaxies with a typicality below it.
    typicality
        Typicality of each galaxy, [n]; see :class:`sedum.infer.verify.typicality.Typicality`.
    flagged_p_value
        Probability of at least as many galaxies below the level, if all were simulated.
    residuals
        Test of the residuals about the best-fitting models against those of mock galaxies.
    population
        Test of the photometry against mock galaxies drawn from the prior.
    ppp
        Posterior-predictive p-values of some of the galaxies, [predicted].
    bands
        Residuals of each band.
    """

    galaxies: int
    level: float
    typicality: np.ndarray
    flagged_p_value: float
    residuals: Misspecification
    population: Misspecification
    ppp: np.ndarray
    bands: list[BandResidual]

    def _facts(self) -> Facts:
        facts = {"galaxies": f"{self.galaxies:,}", "not typical": f"{self.flagged:,}"}
        return "", facts | {"faults": listed(self.faults(), 1)}

    @property
    def flagged(self) -> int:
        """Number of galaxies whose typicality is below the level."""
        return int((self.typicality <= self.level).sum())

    def faults(self) -> list[str]:
        """Return how the catalogue differs from the simulations, one text for each difference.

        The list is empty if it does not differ. The false-alarm rate is one per cent. The
        population does not count: no survey has the distribution of the prior, nor need it.
        """
        faults = []
        if self.residuals.p_value <= _ALARM:
            faults.append(
                f"residuals about the best models are not those of simulated galaxies, p = "
                f"{self.residuals.p_value:.2g}"
            )
        if self.flagged_p_value <= _ALARM:
            faults.append(
                f"{self.flagged} of {self.galaxies} galaxies are not typical at a level of "
                f"{self.level:g}, expected {self.level * self.galaxies:.1f}"
            )
        if faults:
            for b in sorted(self.bands, key=lambda b: -abs(np.nan_to_num(b.sigma))):
                if b.far_off:
                    faults.append(
                        f"{b.band}: median residual {b.sigma:+.2f} sigma, {b.magnitude:+.3f} mag "
                        "brighter than the models"
                    )
        return faults

    def summary(self) -> dict[str, Any]:
        """Return all numbers, ready for JSON."""
        return {
            "galaxies": self.galaxies,
            "level": self.level,
            "flagged": self.flagged,
            "expected": self.level * self.galaxies,
            "flagged_p_value": self.flagged_p_value,
            "residuals": vars(self.residuals),
            "population": vars(self.population),
            "ppp": {
                "galaxies": len(self.ppp),
                "percentiles": {
                    str(q): float(np.percentile(self.ppp, q)) for q in (1, 5, 16, 50, 84)
                },
                "below_0.01": float((self.ppp < 0.01).mean()),
            },
            "bands": [
                {k: None if v != v else v for k, v in vars(band).items()} for band in self.bands
            ],
            "faults": self.faults(),
        }


def check_catalogue(
    run: RunFile,
    posterior: Posterior,
    catalogue: TableLike | CatalogueRows,
    *,
    model: Simulator | None = None,
    n_galaxies: int = 1000,
    n_predicted: int = 200,
    seed: int = 1,
    show_progress: bool = False,
) -> CatalogueCheck:
    """Compare a catalogue with the simulations that an estimator was trained on.

    The best-fitting model of each galaxy gives its typicality and its residuals. The residuals
    of all galaxies together are compared with those of mock galaxies that have the same bands
    and signal-to-noise. A survey whose galaxies are not distributed like the prior passes; a
    survey with wrong zero-points, wrong errors or other objects does not. The photometry itself
    is compared with mock galaxies of the prior in the same bands. It differs for nearly every
    survey.

    Parameters
    ----------
    run
        The run file.
    posterior
        The estimator trained for it.
    catalogue
        A file, an astropy Table, a pandas DataFrame, or rows that were read already. Rows that
        cannot be fitted are left out.
    model
        The forward model, if the caller has it already.
    n_galaxies
        Maximum number of galaxies to check, drawn at random.
    n_predicted
        Number of these galaxies with a posterior-predictive check, which needs verified draws.
    seed
        Random seed of the selection, the mock galaxies and the draws.
    show_progress
        Show a progress bar.

    Returns
    -------
    CatalogueCheck
        The results; :meth:`CatalogueCheck.faults` lists what differs.

    Raises
    ------
    SedumError
        If fewer than 30 galaxies can be fitted, the estimator belongs to another run file, or
        the package sbi is not installed.

    Examples
    --------
    For speed, typicality is measured here at a level of 0.05, with few mock galaxies:

    >>> import sbi  # needs sbi
    >>> from astropy.table import vstack
    >>> from sedum.config import TypicalitySettings
    >>> quick = TypicalitySettings(level=0.05, galaxies=200)
    >>> output = run.output.model_copy(update={"typicality": quick})
    >>> small = run.model_copy(update={"output": output})
    >>> check = check_catalogue(small, posterior, vstack([catalogue] * 3))
    >>> check.galaxies
    54
    >>> check.bands[0].band
    'sdss_g0'
    """
    ready = prepare(run, posterior, catalogue, model=model)
    model, photometry, good = ready.model, ready.photometry, ready.good
    if len(good) < _MINIMUM:
        reasons = "; ".join(f"{count} {reason}" for reason, count in ready.status.counts()[:3])
        raise SedumError(
            f"checking a catalogue needs {_MINIMUM} galaxies that can be fitted, found {len(good)} "
            f"({reasons})"
        )
    rng = np.random.default_rng(seed)
    at = np.sort(rng.permutation(good)[:n_galaxies])
    seen = photometry[at]
    pool = _in_same_bands(seen, _pool(posterior, model, len(at), seed), rng)
    mocks = _as_bright(seen, pool, rng)
    spec = run.output.typicality or TypicalitySettings()
    typicality = Typicality(posterior, model, spec.galaxies, show_progress)
    some = np.sort(rng.permutation(len(at))[:n_predicted])
    with progress(3 * len(at) + len(some), "checking", "galaxies", show_progress) as advance:
        best = _search(typicality, seen, at, advance)
        # Their keys are those of no row of the catalogue.
        about_mocks = _search(typicality, mocks, np.arange(len(mocks)) + 2**29, advance)
        ppp = _predictive(typicality, seen[some], at[some], seed, advance)
    values = typicality(seen, at, best)
    below = int((values <= spec.level).sum())
    width = posterior.features.layout.raw_size
    return CatalogueCheck(
        galaxies=len(at),
        level=spec.level,
        typicality=values,
        flagged_p_value=float(stats.binom.sf(below - 1, len(at), spec.level)),
        residuals=misspecification(best.residual, about_mocks.residual, seed=seed),
        population=misspecification(
            posterior.features(_unknown(seen))[:, :width],
            posterior.features(_unknown(pool[: 2 * len(at)]))[:, :width],
            seed=seed,
        ),
        ppp=ppp,
        bands=_by_band(posterior.noise.bands, model, seen, best),
    )


def _pool(posterior: Posterior, model: Simulator, galaxies: int, seed: int) -> Photometry:
    """Return mock galaxies with redshifts, in all bands that the noise model has."""
    size = min(_MOCKS_EACH * galaxies, _MOCKS)
    noise = posterior.noise
    whole = noise.spec.model_copy(update={"missing": 0.0})
    complete = NoiseModel(noise.bands, whole, noise.pivots, noise.sample)
    return mock_observations(model, complete, size, seed + 20_260_401, given=True)


def _in_same_bands(seen: Photometry, pool: Photometry, rng: np.random.Generator) -> Photometry:
    """Return mocks with the bands of galaxies drawn at random, and a redshift if those have one."""
    like = rng.integers(len(seen), size=len(pool))
    there = pool.observed & seen.observed[like]
    given = np.where(np.isfinite(seen.redshift[like]), pool.redshift, np.nan)
    kept = replace(
        pool,
        flux=np.where(there, pool.flux, 0.0),
        error=np.where(there, pool.error, 1.0),
        observed=there,
        upper=pool.upper & there,
    ).with_redshift(given, np.nan_to_num(pool.redshift_error, nan=1.0))
    return kept[there.any(axis=1)]


def _as_bright(seen: Photometry, pool: Photometry, rng: np.random.Generator) -> Photometry:
    """Return two mocks for each galaxy, of nearly the same signal-to-noise."""
    snr = pool.log_snr
    order = np.argsort(snr)
    place = np.searchsorted(snr[order], np.repeat(seen.log_snr, 2))
    near = place + rng.integers(-_NEAR // 2, _NEAR // 2 + 1, size=len(place))
    return pool[rng.permutation(order[np.clip(near, 0, len(pool) - 1)])]


def _search(
    typicality: Typicality, seen: Photometry, keys: np.ndarray, advance: Advance
) -> BestFit:
    parts = []
    for start in range(0, len(seen), _TOGETHER):
        rows = slice(start, min(start + _TOGETHER, len(seen)))
        parts.append(typicality.search(seen[rows], keys[rows]))
        advance(len(keys[rows]))
    names = list(BestFit.__dataclass_fields__)
    return BestFit(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def _predictive(
    typicality: Typicality, seen: Photometry, keys: np.ndarray, seed: int, advance: Advance
) -> np.ndarray:
    """Return posterior-predictive p-values from verified draws, [n]."""
    out = np.empty(len(seen))
    exact = typicality.exact
    for start in range(0, len(seen), _TOGETHER):
        rows = slice(start, min(start + _TOGETHER, len(seen)))
        part = seen[rows]
        weights = reweight(typicality.posterior, exact, part, _DRAWS, seed, keys[rows], _ROUNDS)
        draws = resampled(weights, seed)[:, :: _DRAWS // _PREDICTED]
        out[rows] = posterior_predictive(exact, part, draws).p_value
        advance(len(part))
    return out


def _unknown(seen: Photometry) -> Photometry:
    """Return the same photometry without redshifts."""
    return seen.with_redshift(np.full(len(seen), np.nan), 1.0)


def _by_band(
    names: list[str], model: Simulator, seen: Photometry, best: BestFit
) -> list[BandResidual]:
    flux = model.photometry(best.theta)
    residuals = []
    for i, name in enumerate(names):
        there = seen.measured[:, i]
        residual = best.residual[there, i]
        count = int(there.sum())
        if count < _MINIMUM:
            residuals.append(BandResidual(name, count, np.nan, np.nan, np.nan, False))
            continue
        low, middle, high = np.percentile(residual, [16, 50, 84])
        # The standard error of a median, 1.25 times that of a mean, by the central 68%.
        error = 1.2533 * (high - low) / 2 / np.sqrt(count)
        bright = there & (seen.flux[:, i] > 5 * seen.error[:, i]) & (flux[:, i] > 0)
        ratio = seen.flux[bright, i] / flux[bright, i]
        magnitude = float(np.median(2.5 * np.log10(ratio))) if bright.any() else np.nan
        far = bool(abs(middle) > _FAR and abs(middle) > _ERRORS * error)
        residuals.append(BandResidual(name, count, float(middle), float(error), magnitude, far))
    return residuals
