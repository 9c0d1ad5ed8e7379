"""The scorecard of an estimator: recovery, calibration, information; overall and in bins."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from sedum.check.calibration import Tarp, rank_tests, tarp
from sedum.check.joint_posteriors import LocalTests, lc2st
from sedum.check.recovery import recovery_scores
from sedum.infer.posterior import Posterior
from sedum.introduced import Facts, Introduced, listed
from sedum.photometry.observed import Photometry

__all__ = ["MockValidation", "bin_labels", "validate"]

#: A deviation of this many standard errors is a fault; by chance it happens once in 16,000.
_SIGMA = 4.0
_P_VALUE = 1e-4
#: Number of bootstrap resamples for the errors of a scorecard, and minimum galaxies of a bin.
_RESAMPLES, _MINIMUM = 200, 50
#: Coverage of a calibrated posterior, and the spread of its PIT.
_NOMINAL = {"coverage_68": 0.68, "coverage_95": 0.95}
_UNIFORM = 1 / np.sqrt(12)


class MockValidation(Introduced):
    """Validation of an estimator on galaxies whose parameters are known.

    Parameters
    ----------
    names
        Names of the d parameters.
    draws, truth
        Posterior draws, [n, draws, d], and true parameters, [n, d].
    latent_draws, latent_truth
        The same in the latent space, in which joint calibration is tested.
    log_prob
        Log posterior density of the truths in the latent space, [n].
    log_prior
        Log prior density of the truths in the latent space, [n].
    bins
        Labels of the galaxies, [n], by the name of the binning.
    seed
        Random seed of resampling and of the reference points of TARP.
    joint
        Local tests of the joint posterior, or None.
    """

    def __init__(
        self,
        names: list[str],
        draws: np.ndarray,
        truth: np.ndarray,
        latent_draws: np.ndarray,
        latent_truth: np.ndarray,
        log_prob: np.ndarray,
        log_prior: np.ndarray,
        bins: dict[str, np.ndarray] | None = None,
        seed: int = 1,
        joint: LocalTests | None = None,
    ):
        self.names, self.draws, self.truth = names, draws, truth
        self.ranks = rank_tests(latent_draws, latent_truth)
        self.tarp: Tarp = tarp(latent_draws, latent_truth, np.random.default_rng(seed))
        self._residual = np.median(draws, axis=1) - truth
        self._pit = self.ranks["pit"]
        self.gain = log_prob - log_prior
        self.log_prob = log_prob
        self.bins = bins or {}
        self._seed = seed
        self.joint = joint

    def _facts(self) -> Facts:
        facts = {"galaxies": f"{len(self.truth):,}", "parameters": listed(self.names)}
        return "", facts | {"faults": listed(self.faults())}

    def scorecard(self) -> dict[str, Any]:
        """Return all numbers, with errors by resampling galaxies, ready for JSON."""
        whole = np.arange(len(self.truth))
        card: dict[str, Any] = {
            "galaxies": len(self.truth),
            "draws": self.draws.shape[1],
            "log_prob": _mean(self.log_prob),
            "information": _mean(self.gain),
            "tarp": {"deviation": self.tarp.deviation, "p_value": self.tarp.p_value},
            "parameters": self._parameters(whole),
            "bins": {},
            "faults": self.faults(),
        }
        if self.joint is not None:
            card["lc2st"] = self.joint.summary()
        for name, labels in self.bins.items():
            card["bins"][name] = {
                str(label): {
                    "galaxies": int((labels == label).sum()),
                    "information": _mean(self.gain[labels == label]),
                    "parameters": self._parameters(np.flatnonzero(labels == label)),
                }
                for label in dict.fromkeys(np.sort(labels).tolist())
                if (labels == label).sum() >= _MINIMUM
            }
        return card

    def _parameters(self, rows: np.ndarray) -> dict[str, Any]:
        rng = np.random.default_rng(self._seed)
        metrics = _metrics(self._residual[rows], self.truth[rows], self._pit[rows])
        again = []
        for _ in range(_RESAMPLES):
            pick = rows[rng.integers(len(rows), size=len(rows))]
            again.append(_metrics(self._residual[pick], self.truth[pick], self._pit[pick]))
        out = {}
        for j, name in enumerate(self.names):
            out[name] = {key: float(values[j]) for key, values in metrics.items()}
            out[name] |= {f"{k}_error": float(np.std([a[k][j] for a in again])) for k in metrics}
            if len(rows) == len(self.truth):
                for key in ("ks", "p_value", "mean", "spread"):
                    out[name][f"pit_{key}"] = float(self.ranks[key][j])
        return out

    def faults(self) -> list[str]:
        """Return the faults, one text each; none for a calibrated and informative posterior.

        Each test has a false-alarm rate of about 1e-4. There are five tests for each parameter
        and two for all together. The false-alarm rate of the local tests is one over the number
        of their trials.
        """
        n = len(self.truth)
        faults = []
        whole = _metrics(self._residual, self.truth, self._pit)
        for j, name in enumerate(self.names):
            for key, nominal in _NOMINAL.items():
                value = whole[key][j]
                error = np.sqrt(nominal * (1 - nominal) / n)
                if abs(value - nominal) > _SIGMA * error:
                    kind = "over-confident" if value < nominal else "under-confident"
                    faults.append(f"{name}: {kind}, {key} is {value:.3f}, not {nominal}")
        for j, name in enumerate(self.names):
            mean, spread = self.ranks["mean"][j], self.ranks["spread"][j]
            if abs(mean - 0.5) > _SIGMA * _UNIFORM / np.sqrt(n):
                side = "low" if mean > 0.5 else "high"
                faults.append(f"{name}: biased {side}, the mean of its PIT is {mean:.3f}, not 0.5")
            if self.ranks["p_value"][j] < _P_VALUE:
                faults.append(
                    f"{name}: PIT not uniform, KS {self.ranks['ks'][j]:.3f}, "
                    f"p = {self.ranks['p_value'][j]:.1e}, spread {spread:.3f}"
                )
        if self.tarp.p_value < _P_VALUE:
            faults.append(
                f"all together: TARP deviates by {self.tarp.deviation:.3f}, "
                f"p = {self.tarp.p_value:.1e}"
            )
        if self.joint is not None and self.joint.fails:
            faults.append(
                "single galaxies: L-C2ST distinguishes truths from draws, "
                f"p = {self.joint.p_value:.2g} of {len(self.joint.rows)} galaxies together"
            )
        gain, error = self.gain.mean(), self.gain.std() / np.sqrt(n)
        if not gain > _SIGMA * error:
            faults.append(f"no information: {gain:.3f} ± {error:.3f} nat more than the prior")
        return faults


def validate(
    posterior: Posterior,
    theta: np.ndarray,
    photometry: Photometry,
    n_draws: int = 500,
    seed: int = 1,
    joint: bool = False,
    show_progress: bool = False,
) -> MockValidation:
    """Validate an estimator on galaxies whose parameters are known.

    Parameters
    ----------
    posterior
        The estimator.
    theta
        True parameters, [n, d].
    photometry
        What was observed of them.
    n_draws, seed
        As for :meth:`Posterior.sample`.
    joint
        Test the joint posteriors of single galaxies too, which takes a minute or two; see
        :func:`sedum.check.joint_posteriors.lc2st`.
    show_progress
        Show a progress bar of that.

    Raises
    ------
    SedumError
        If the joint test is asked for and the package sbi is absent.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> from sedum.observe.mock_survey import mock_survey
    >>> theta, seen = mock_survey(GalaxyModel.from_run(run), posterior.noise, 200, seed=1)
    >>> card = validate(posterior, theta, seen, n_draws=100).scorecard()
    >>> card["galaxies"], sorted(card["parameters"])[:2]
    (200, ['av', 'log_mass'])
    """
    prior = posterior.prior
    drawn = posterior.sample(photometry, n_draws, seed)
    latent = prior.to_latent(drawn.reshape(-1, drawn.shape[-1]))
    truth = prior.to_latent(theta)
    log_prob = np.concatenate(
        [
            posterior.log_prob_latent(photometry[k : k + 500], theta[k : k + 500])
            for k in _starts(theta)
        ]
    ).astype(float)
    log_prior = -0.5 * (truth**2 + np.log(2 * np.pi)).sum(axis=1)
    free = [posterior.names.index(name) for name in prior.free]
    latent = latent.reshape(*drawn.shape[:2], -1)
    local = None
    if joint:
        seen = posterior.features(photometry)
        local = lc2st(latent, truth, seen, seed=seed, show_progress=show_progress)
    return MockValidation(
        prior.free,
        drawn[..., free],
        theta[:, free],
        latent,
        truth,
        log_prob,
        log_prior,
        bins_of(posterior, theta, photometry),
        seed,
        local,
    )


def bins_of(
    posterior: Posterior, theta: np.ndarray, photometry: Photometry
) -> dict[str, np.ndarray]:
    """Return labels of galaxies by signal-to-noise, redshift, mass and number of bands, [n]."""
    measured = photometry.measured
    snr = np.where(measured, photometry.flux / photometry.error, 0).sum(axis=1)
    snr = snr / np.maximum(measured.sum(axis=1), 1)
    count = measured.sum(axis=1)
    most = measured.shape[1]
    groups = {
        "signal-to-noise": bin_labels(snr, [5, 20, 100]),
        "bands": np.where(count == most, "all", np.where(2 * count >= most, "half", "few")),
    }
    for name, edges in (("redshift", [1, 3, 6]), ("log_mass", [8, 9, 10, 11])):
        if name in posterior.names:
            groups[name] = bin_labels(theta[:, posterior.names.index(name)], edges)
    return groups


def _starts(theta: np.ndarray) -> range:
    return range(0, len(theta), 500)


def bin_labels(values: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    """Return a label for each value [n], that of its bin; labels sort as the bins do."""
    labels = [f"0: below {edges[0]:g}"]
    labels += [f"{i}: {a:g} to {b:g}" for i, (a, b) in enumerate(pairwise(edges), start=1)]
    labels += [f"{len(edges)}: above {edges[-1]:g}"]
    return np.array(labels)[np.searchsorted(edges, values)]


def _mean(values: np.ndarray) -> dict[str, float]:
    return {"mean": float(values.mean()), "error": float(values.std() / np.sqrt(len(values)))}


def _metrics(residual: np.ndarray, truth: np.ndarray, pit: np.ndarray) -> dict[str, np.ndarray]:
    """Return recovery and coverage, each [d], of median residuals, truths and PITs [n, d]."""
    scores = recovery_scores(residual, truth, pit)
    far = np.abs(residual - scores["bias"]) > 3 * np.maximum(scores["nmad"], 1e-12)
    return {
        **scores,
        "outliers": far.mean(axis=0),
    }
