"""Training of a bridge on simulations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sedum.bridge.domain_shift import shift_weights
from sedum.bridge.magnitude_features import FeatureSet, default_features
from sedum.bridge.prediction_errors import ScatterModel, photometric_errors
from sedum.bridge.range_audit import FeatureRange, audit_ranges, kept_features, ranges_of
from sedum.bridge.regressors.regressor import Regressor
from sedum.bridge.regressors.regressor_kinds import fit_regressor
from sedum.bridge.residual_correction import ResidualCorrection, corrected_out_of_fold
from sedum.bridge.simulations.simulate import simulate
from sedum.bridge.simulations.simulated_galaxies import SimulatedGalaxies
from sedum.bridge.survey_rows import SurveyRows, read_survey
from sedum.bridge.trained_bridge import Bridge
from sedum.bridge.training_examples import Examples, SurveyErrors
from sedum.config.bridge_file import BridgeFile
from sedum.errors import SedumError
from sedum.progress import progress

__all__ = ["Prepared", "prepare", "train"]

#: Minimum number of simulated galaxies for training.
_MIN_GALAXIES = 50
#: Fraction of the simulation that is not used in training, to measure the model's scatter.
_TESTED = 0.1


@dataclass(frozen=True)
class Prepared:
    """Simulation and survey, ready for training.

    Attributes
    ----------
    features
        The features that the audit kept.
    galaxies, y
        Simulated galaxies that have all targets, and their targets, [n, targets].
    survey
        The survey, or None.
    audit
        The range audit of its features.
    ranges
        Ranges of the features in the simulation, [f, 2].
    left_out
        The number of simulated galaxies without a target or without any feature.
    """

    features: FeatureSet
    galaxies: SimulatedGalaxies
    y: np.ndarray
    survey: SurveyRows | None
    audit: list[FeatureRange]
    ranges: np.ndarray
    left_out: int


def prepare(run: BridgeFile, galaxies: SimulatedGalaxies, survey: SurveyRows | None) -> Prepared:
    """Select features and galaxies.

    Raises
    ------
    SedumError
        If a target or feature cannot be computed, or too few galaxies are left.
    """
    names = run.features if run.features is not None else default_features(list(run.bands))
    features = FeatureSet(names, list(run.bands))
    y = galaxies.targets(run.targets)
    x = features(galaxies.magnitude, galaxies.redshift)
    use = np.isfinite(y).all(axis=1) & np.isfinite(x).any(axis=1)
    if use.sum() < _MIN_GALAXIES:
        raise SedumError(
            f"{int(use.sum())} of {len(galaxies)} simulated galaxies have all targets and a "
            f"feature; at least {_MIN_GALAXIES} are needed"
        )
    ranges = ranges_of(features, x[use], run.audit)
    audit: list[FeatureRange] = []
    if survey is not None:
        seen = survey.row_status.ok
        if not seen.any():
            raise SedumError("survey: no row can be used; the column 'status' gives the reasons")
        audit = audit_ranges(
            features, ranges, features(survey.magnitude[seen], survey.redshift[seen]), run.audit
        )
        kept = kept_features(features, audit)
        ranges = ranges[[features.names.index(n) for n in kept.names]]
        features = kept
    used = galaxies[use]
    return Prepared(features, used, y[use], survey, audit, ranges, int((~use).sum()))


def train(
    run: BridgeFile,
    galaxies: SimulatedGalaxies | None = None,
    *,
    survey: SurveyRows | None = None,
    show_progress: bool = False,
) -> Bridge:
    """Train a bridge.

    Parameters
    ----------
    run
        The run file.
    galaxies
        The simulated galaxies; those of the run file if None.
    survey
        The survey. If None, ``survey.file`` of the run file is read if it is given. The features
        of the survey are audited, and its known values fit the residual correction.
    show_progress
        Show progress bars.

    Raises
    ------
    SedumError
        If simulations or survey cannot be used as the run file says.
    """
    if galaxies is None:
        galaxies = simulate(run, show_progress=show_progress)
    if survey is None and run.survey is not None and run.survey.file is not None:
        survey = read_survey(run)
    ready = prepare(run, galaxies, survey)
    n = len(ready.y)
    order = np.random.default_rng(run.seed).permutation(n)
    tested, rest = np.split(order, [max(int(_TESTED * n), 5)])
    regressor, effective = fit_on(run, ready, rest, show_progress=show_progress)
    x = ready.features(ready.galaxies.magnitude[tested], ready.galaxies.redshift[tested])
    if not regressor.partial:
        tested = tested[np.isfinite(x).all(1)]
        x = x[np.isfinite(x).all(1)]
    predicted = regressor.predict(x)
    scatter = [
        ScatterModel.fit(predicted[:, k], predicted[:, k] - ready.y[tested, k])
        for k in range(predicted.shape[1])
    ]
    about: dict[str, Any] = {
        "galaxies": n,
        "left_out": ready.left_out,
        "sources": ready.galaxies.sources,
        "effective_fraction": effective,
        "held_out": {
            name: {
                "bias": float(np.mean(predicted[:, k] - ready.y[tested, k])),
                "scatter": float(np.std(predicted[:, k] - ready.y[tested, k])),
                "galaxies": len(tested),
            }
            for k, name in enumerate(run.targets)
        },
    }
    made = Bridge(
        run,
        ready.features,
        regressor,
        ready.ranges,
        scatter,
        [None] * len(run.targets),
        ready.audit,
        about,
    )
    if survey is None or run.correction.kind == "none":
        return made
    return calibrated(made, survey)


def fit_on(
    run: BridgeFile, ready: Prepared, rows: np.ndarray, *, show_progress: bool = False
) -> tuple[Regressor, float]:
    """Train on some rows; return the regressor and the effective fraction of the weights."""
    spec = run.regression
    weight, effective = np.ones(len(rows)), 1.0
    if (spec.noise or spec.missing or spec.reweight) and ready.survey is None:
        raise SedumError("regression: noise, missing and reweight need a survey with a file")
    if spec.reweight and ready.survey is not None:
        seen = ready.survey[ready.survey.row_status.ok]
        weight, effective = shift_weights(
            ready.features(ready.galaxies.magnitude[rows], ready.galaxies.redshift[rows]),
            ready.features(seen.magnitude, seen.redshift),
            run.seed,
        )
    errors = None
    if ready.survey is not None and (spec.noise or spec.missing):
        errors = SurveyErrors(ready.survey)
    examples = Examples(
        ready.features,
        ready.galaxies.magnitude[rows],
        ready.galaxies.redshift[rows],
        ready.y[rows],
        weight,
        errors,
        spec.noise,
        spec.missing,
    )
    stop = max(int(spec.held_out * len(rows)), 5)
    total = getattr(spec, "epochs", getattr(spec, "steps", 1))
    with progress(total, "training", "steps", show_progress) as advance:
        regressor = fit_regressor(
            run, examples[np.arange(stop, len(rows))], examples[np.arange(stop)], advance
        )
    return regressor, effective


def calibrated(bridge: Bridge, survey: SurveyRows) -> Bridge:
    """Fit the residual correction and the scatter on survey galaxies of known values.

    The scatter is measured out of fold, and the part due to photometric errors is subtracted.
    Targets without reference values do not change.
    """
    from dataclasses import replace

    run = bridge.run
    correction, scatter = list(bridge.correction), list(bridge.scatter)
    x = bridge.features(survey.magnitude, survey.redshift)
    good = survey.row_status.ok & bridge.usable(x)
    for k in range(len(run.targets)):
        rows = np.flatnonzero(good & np.isfinite(survey.reference[:, k]))
        if len(rows) == 0:
            continue
        raw = bridge.regressor.predict(x[rows])[:, k]
        truth = survey.reference[rows, k]
        value = corrected_out_of_fold(run.correction, raw, truth, run.seed)
        correction[k] = ResidualCorrection.fit(run.correction, raw, truth)
        noise = photometric_errors(
            bridge.regressor,
            bridge.features,
            survey.magnitude[rows],
            survey.error[rows],
            survey.redshift[rows],
            run.perturbations,
            run.seed,
        )[:, k]
        scatter[k] = ScatterModel.fit(value, value - truth, noise)
    return replace(bridge, correction=correction, scatter=scatter)
