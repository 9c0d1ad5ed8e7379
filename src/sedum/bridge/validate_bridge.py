"""Validation of a bridge: within the simulation, across simulations, and on the survey."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sedum.bridge.apply_bridge import predict_rows
from sedum.bridge.domain_shift import DomainShift, domain_shift
from sedum.bridge.feature_importance import permutation_importance, saliency
from sedum.bridge.prediction_errors import ScatterModel
from sedum.bridge.residual_correction import corrected_out_of_fold, folds_of
from sedum.bridge.simulations.simulated_galaxies import SimulatedGalaxies
from sedum.bridge.survey_rows import SurveyRows, read_survey
from sedum.bridge.train_bridge import Prepared, fit_on, prepare
from sedum.bridge.trained_bridge import Bridge, Prediction
from sedum.config.bridge_file import BridgeFile
from sedum.errors import SedumError
from sedum.introduced import Facts, Introduced, listed
from sedum.statistics import nmad
from sedum.storage import write_json

__all__ = [
    "BridgeValidation",
    "across_simulations",
    "residual_measures",
    "validate",
    "within_simulation",
]

#: A residual beyond this is an outlier: in dex, half an order of magnitude.
_OUTLIER = 0.5
#: Maximum number of galaxies on which importance is measured.
_EXPLAINED = 2000
_BINS = 6
#: The quantile that 68.3% and 95.4% of a normal distribution lie within, in sigma.
_SIGMAS = {"coverage_68": 1.0, "coverage_95": 2.0}


def residual_measures(residual: np.ndarray) -> dict[str, float]:
    """Return bias, scatter and outliers of residuals [n] (predicted - true).

    Returns
    -------
    dict
        ``galaxies``; ``bias`` (median) and ``mean``; ``scatter`` (standard deviation), ``nmad``
        (1.4826 times the median absolute deviation) and their bootstrap errors; ``outliers``,
        the fraction beyond 0.5; ``clipped``, the standard deviation of the others.
    """
    n = len(residual)
    if n == 0:
        return {"galaxies": 0}
    draws = np.random.default_rng(1).integers(0, n, (200, n) if n < 20_000 else (20, n))
    boot = residual[draws]
    near = np.abs(residual - np.median(residual)) < _OUTLIER
    return {
        "galaxies": n,
        "bias": float(np.median(residual)),
        "mean": float(residual.mean()),
        "scatter": float(residual.std()),
        "scatter_error": float(boot.std(axis=1).std()),
        "nmad": nmad(residual),
        "nmad_error": float(nmad(boot, axis=1).std()),
        "outliers": float(1 - near.mean()),
        "clipped": float(residual[near].std()),
    }


def binned_measures(by: np.ndarray, residual: np.ndarray) -> list[dict[str, float]]:
    """Return measures of residuals in bins of equal count of another quantity."""
    out = []
    bins = int(np.clip(len(by) // 20, 1, _BINS))
    for rows in np.array_split(np.argsort(by), bins):
        if len(rows):
            span = {"low": float(by[rows].min()), "high": float(by[rows].max())}
            out.append({**span, **residual_measures(residual[rows])})
    return out


@dataclass(frozen=True, repr=False)
class BridgeValidation(Introduced):
    """The measures of a validation, and the data for its figures.

    Attributes
    ----------
    card
        Plain values for JSON.
    bridge
        The bridge that was validated.
    survey, prediction
        The rows of the survey and their predictions, or None.
    corrected
        Predictions corrected out of fold, [n, targets]; NaN where the truth is not known.
    shift
        The domain shift from the simulation to the survey, or None.
    """

    card: dict[str, Any]
    bridge: Bridge
    survey: SurveyRows | None
    prediction: Prediction | None
    corrected: np.ndarray | None
    shift: DomainShift | None

    def _facts(self) -> Facts:
        rows = "none" if self.survey is None else f"{len(self.survey):,} rows"
        return self.bridge.run.name, {"targets": listed(self.bridge.targets), "survey": rows}

    def write(self, path: str | Path) -> None:
        """Write the scorecard as JSON, atomically."""
        write_json(path, self.card)


def validate(
    bridge: Bridge,
    galaxies: SimulatedGalaxies,
    catalogue: Any = None,
    *,
    folds: int = 5,
    show_progress: bool = False,
) -> BridgeValidation:
    """Measure the errors of a bridge.

    Parameters
    ----------
    bridge
        The trained bridge.
    galaxies
        The simulated galaxies that it was trained on.
    catalogue
        The survey; ``survey.file`` of its run file if None.
    folds
        Folds of the validation within the simulation, each of which is a training; 0 for none.
    show_progress
        Show progress bars.

    Returns
    -------
    BridgeValidation
        Its ``card``: ``within`` (out-of-fold within all simulations), ``across`` (each
        simulation predicted by the others, if there are several), ``importance``,
        ``audit``, ``shift`` and, for each target with reference values, ``survey``: measures
        before and after the out-of-fold correction, by value, and coverage.
    """
    run = bridge.run
    survey = None
    if run.survey is not None and (catalogue is not None or run.survey.file is not None):
        survey = read_survey(run, catalogue)
    ready = replace(
        prepare(run, galaxies, survey),
        features=bridge.features,
        ranges=bridge.ranges,
        audit=bridge.audit,
    )
    card: dict[str, Any] = {"name": run.name, "features": bridge.features.names, **bridge.about}
    card["audit"] = [f.as_dict() for f in bridge.audit]
    if folds:
        card["within"] = within_simulation(run, ready, folds, show_progress=show_progress)
    if len(galaxies.sources) > 1:
        card["across"] = across_simulations(run, ready, show_progress=show_progress)
    card["importance"] = _importance(bridge, ready)
    prediction = corrected = shift = None
    if survey is not None:
        seen = survey[survey.row_status.ok]
        x = bridge.features(ready.galaxies.magnitude, ready.galaxies.redshift)
        seen_x = bridge.features(seen.magnitude, seen.redshift)
        if min(len(x), len(seen_x)) >= 10:
            shift = domain_shift(bridge.features.names, x, seen_x, run.seed)
            card["shift"] = shift.as_dict()
        prediction = predict_rows(bridge, survey, show_progress=show_progress)
        card["survey"], corrected = measure_survey(bridge, survey, prediction)
    return BridgeValidation(card, bridge, survey, prediction, corrected, shift)


def within_simulation(
    run: BridgeFile, ready: Prepared, folds: int, *, show_progress: bool = False
) -> dict[str, Any]:
    """Return measures of predictions by regressors trained on the other folds, by target."""
    n = len(ready.y)
    predicted = np.full(ready.y.shape, np.nan)
    for others, fold in folds_of(n, folds, run.seed):
        regressor, _ = fit_on(run, ready, np.flatnonzero(others), show_progress=show_progress)
        x = ready.features(ready.galaxies.magnitude[fold], ready.galaxies.redshift[fold])
        use = np.ones(len(x), bool) if regressor.partial else np.isfinite(x).all(1)
        rows = np.flatnonzero(fold)[use]
        predicted[rows] = regressor.predict(x[use])
    return _by_target(run, predicted, ready.y)


def across_simulations(
    run: BridgeFile, ready: Prepared, *, show_progress: bool = False
) -> dict[str, Any]:
    """Return measures of each simulation predicted by the others, as it is and corrected."""
    out = {}
    source = ready.galaxies.source
    for k, name in enumerate(ready.galaxies.sources):
        test = np.flatnonzero(source == k)
        rest = np.random.default_rng(run.seed).permutation(np.flatnonzero(source != k))
        if len(test) < 20 or len(rest) < 50:
            continue
        regressor, _ = fit_on(run, ready, rest, show_progress=show_progress)
        x = ready.features(ready.galaxies.magnitude[test], ready.galaxies.redshift[test])
        use = np.ones(len(x), bool) if regressor.partial else np.isfinite(x).all(1)
        predicted, truth = regressor.predict(x[use]), ready.y[test[use]]
        corrected = np.stack(
            [
                corrected_out_of_fold(run.correction, predicted[:, t], truth[:, t], run.seed)
                for t in range(truth.shape[1])
            ],
            axis=1,
        )
        out[name] = {
            "before": _by_target(run, predicted, truth),
            "after": _by_target(run, corrected, truth),
        }
    return out


def measure_survey(
    bridge: Bridge, survey: SurveyRows, prediction: Prediction
) -> tuple[dict[str, Any], np.ndarray]:
    """Judge predictions by the survey's known values.

    No galaxy is corrected by itself, and no galaxy's error is measured on itself.

    Returns
    -------
    card : dict
        For each target with known values: measures ``before`` and ``after``, ``in_sample``
        (corrected by what was fitted on all of them, as published), ``by_value``, medians of the
        errors, and coverage of 1 and 2 sigma of the total error, alone and with the error of the
        reference values.
    corrected : ndarray
        Predictions corrected out of fold, NaN where the truth is not known, [n, targets].
    """
    run = bridge.run
    corrected = np.full(prediction.raw.shape, np.nan)
    card: dict[str, Any] = {}
    for k, name in enumerate(bridge.targets):
        truth = survey.reference[:, k]
        rows = np.flatnonzero(np.isfinite(truth) & np.isfinite(prediction.raw[:, k]))
        if len(rows) < 20:
            continue
        raw, true = prediction.raw[rows, k], truth[rows]
        value = corrected_out_of_fold(run.correction, raw, true, run.seed)
        corrected[rows, k] = value
        residual, noise = value - true, prediction.photometric[rows, k]
        sigma = np.empty(len(rows))
        for others, fold in folds_of(len(rows), run.correction.folds, run.seed + 1):
            model = ScatterModel.fit(value[others], residual[others], noise[others])(value[fold])
            sigma[fold] = np.hypot(model, noise[fold])
        known = np.nan_to_num(survey.reference_error[rows, k])
        # The scatter is measured against the reference, so it includes the errors of the reference.
        card[name] = {
            "before": residual_measures(raw - true),
            "after": residual_measures(residual),
            "in_sample": residual_measures(prediction.value[rows, k] - true),
            "by_value": binned_measures(true, residual),
            "error_photometric": float(np.median(noise)),
            "error_model": float(np.median(prediction.model[rows, k])),
            "error": float(np.median(np.hypot(prediction.model[rows, k], noise))),
            "error_linear": float(np.median(prediction.model[rows, k] + noise)),
            "reference_error": float(np.median(known)),
            **{key: float(np.mean(np.abs(residual) < s * sigma)) for key, s in _SIGMAS.items()},
            "outside": float(prediction.outside[rows].any(1).mean()),
        }
    return card, corrected


def _importance(bridge: Bridge, ready: Prepared) -> dict[str, Any]:
    rng = np.random.default_rng(bridge.run.seed)
    rows = rng.permutation(len(ready.y))[:_EXPLAINED]
    x = ready.features(ready.galaxies.magnitude[rows], ready.galaxies.redshift[rows])
    use = np.ones(len(x), bool) if bridge.regressor.partial else np.isfinite(x).all(1)
    x, y = x[use], ready.y[rows][use]
    if len(x) == 0:
        raise SedumError("importance: no simulated galaxy has all features")
    permuted = permutation_importance(bridge.regressor, x, y, bridge.run.seed)
    slopes = saliency(bridge.regressor, x)
    out: dict[str, Any] = {}
    for k, name in enumerate(bridge.targets):
        out[name] = {
            feature: {
                "permutation": float(permuted[k, i]),
                "saliency": None if slopes is None else float(slopes[k, i]),
            }
            for i, feature in enumerate(bridge.features.names)
        }
    return out


def _by_target(run: BridgeFile, predicted: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    out = {}
    for k, name in enumerate(run.targets):
        use = np.isfinite(predicted[:, k])
        residual = predicted[use, k] - truth[use, k]
        out[name] = {
            **residual_measures(residual),
            "by_value": binned_measures(truth[use, k], residual),
        }
    return out
