"""A trained bridge: the regressor, its correction, its errors and its valid ranges."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sedum._version import __version__
from sedum.bridge.magnitude_features import FeatureSet
from sedum.bridge.prediction_errors import ScatterModel, photometric_errors
from sedum.bridge.range_audit import FeatureRange, outside_ranges
from sedum.bridge.regressors.regressor import Regressor
from sedum.bridge.regressors.regressor_kinds import read_regressor
from sedum.bridge.residual_correction import ResidualCorrection
from sedum.config.bridge_file import BridgeFile, parse
from sedum.errors import SedumError
from sedum.introduced import Facts, Introduced, listed
from sedum.storage import ModelFile, digest, tensors_below

__all__ = ["Bridge", "Prediction", "bridge_fingerprint"]

_FILE = ModelFile("bridge", "sedum bridge train", (1,), ("regressor.", "ranges"))
#: Keys of the run file that the training depends on.
_TRAINED_ON = {
    "seed",
    "frame",
    "cosmology",
    "bands",
    "simulations",
    "targets",
    "features",
    "regression",
}


def bridge_fingerprint(run: BridgeFile) -> str:
    """Return the hash of all settings that the training of a bridge depends on."""
    stored = run.model_dump(mode="json", include=_TRAINED_ON | {"audit", "survey", "correction"})
    (stored.get("survey") or {}).pop("file", None)
    return digest(stored)


@dataclass(frozen=True, repr=False)
class Prediction(Introduced):
    """Predictions for galaxies; all arrays are [n, targets] unless stated otherwise.

    Attributes
    ----------
    raw
        Predictions of the regressor.
    value
        Corrected predictions.
    photometric, model
        One-sigma errors from the photometry and of the model.
    total
        Both errors in quadrature.
    linear
        The sum of both errors, as published by Elson (2026).
    outside
        Which features are outside the range of the simulation, [n, f].
    """

    raw: np.ndarray
    value: np.ndarray
    photometric: np.ndarray
    model: np.ndarray
    outside: np.ndarray

    def _facts(self) -> Facts:
        n, targets = self.value.shape
        outside = int(np.asarray(self.outside).any(axis=-1).sum())
        return "", {"galaxies": f"{n:,}", "targets": f"{targets}", "out of range": f"{outside:,}"}

    @property
    def total(self) -> np.ndarray:
        """Photometric and model errors in quadrature, [n, targets]."""
        return np.hypot(self.photometric, self.model)

    @property
    def linear(self) -> np.ndarray:
        """Their linear sum, [n, targets]."""
        return self.photometric + self.model


@dataclass(frozen=True, repr=False)
class Bridge(Introduced):
    """A regressor trained on simulations, ready for a survey.

    Attributes
    ----------
    run
        The run file it was trained with.
    features
        The features that it reads, which the range audit kept.
    regressor
        The regressor.
    ranges
        Ranges of the features in the simulation, [f, 2].
    scatter
        The model's scatter for each target.
    correction
        The residual correction of each target, or None.
    audit
        The range audit of the survey that it was trained for; empty without a survey.
    about
        Provenance and measures of the training, for JSON.
    source
        The file that it was read from.
    """

    run: BridgeFile
    features: FeatureSet
    regressor: Regressor
    ranges: np.ndarray
    scatter: list[ScatterModel]
    correction: list[ResidualCorrection | None]
    audit: list[FeatureRange] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    source: str = "bridge"

    def _facts(self) -> Facts:
        facts = {"targets": listed(self.targets), "features": listed(self.features.names)}
        return self.run.name, facts

    @property
    def targets(self) -> list[str]:
        """Names of the targets."""
        return list(self.run.targets)

    def predict(
        self,
        magnitude: np.ndarray,
        error: np.ndarray | None = None,
        redshift: np.ndarray | None = None,
        *,
        perturbations: int | None = None,
        seed: int = 1,
    ) -> Prediction:
        """Predict the targets of galaxies.

        Parameters
        ----------
        magnitude
            AB magnitudes minus the distance modulus in the bands of the run file, [n, bands]; NaN
            where a band is missing.
        error
            Their errors, [n, bands]; no errors are propagated if None.
        redshift
            Redshifts, [n]; zeros if None.
        perturbations
            Number of perturbations for the photometric errors; that of the run file if None.
        seed
            Seed of the perturbations.

        Returns
        -------
        Prediction
            The predictions; NaN for galaxies without a feature that the regressor needs.
        """
        z = np.zeros(len(magnitude)) if redshift is None else redshift
        count = perturbations or self.run.perturbations
        x = self.features(magnitude, z)
        raw = np.full((len(x), len(self.targets)), np.nan)
        photometric = raw.copy()
        use = self.usable(x)
        raw[use] = self.regressor.predict(x[use])
        if error is None:
            photometric[use] = 0.0
        else:
            photometric[use] = photometric_errors(
                self.regressor, self.features, magnitude[use], error[use], z[use], count, seed
            )
        value = self.corrected(raw)
        return Prediction(
            raw,
            value,
            photometric,
            self._model_error(x, value),
            outside_ranges(x, self.ranges),
        )

    def usable(self, x: np.ndarray) -> np.ndarray:
        """Return which galaxies have the features [n, f] that are needed, as a mask [n]."""
        there = np.isfinite(x)
        # Without any measurement there is only the prior.
        return there.any(axis=1) if self.regressor.partial else there.all(axis=1)

    def corrected(self, raw: np.ndarray) -> np.ndarray:
        """Return predictions [n, targets] minus their expected residual."""
        value = raw.copy()
        for k, correction in enumerate(self.correction):
            if correction is not None:
                known = np.isfinite(raw[:, k])
                value[known, k] -= correction(raw[known, k])
        return value

    def _model_error(self, x: np.ndarray, value: np.ndarray) -> np.ndarray:
        """Return the error of the model: its scatter, or the spread of the regressor if larger.

        The flow estimates its own error for each galaxy.
        """
        out = np.full_like(value, np.nan)
        use = np.isfinite(value).all(axis=1)
        spread = self.regressor.spread(x[use])
        for k, scatter in enumerate(self.scatter):
            out[use, k] = np.maximum(scatter(value[use, k]), spread[:, k])
        return out

    # --- storing -------------------------------------------------------------------------

    def write(self, path: str | Path) -> None:
        """Write to one ``.safetensors`` file, atomically; its metadata is JSON."""
        meta = {
            "sedum": __version__,
            "run": self.run.model_dump(mode="json"),
            "features": self.features.names,
            "scatter": [s.state() for s in self.scatter],
            "correction": [None if c is None else c.state() for c in self.correction],
            "audit": [f.as_dict() for f in self.audit],
            "about": self.about,
        }
        arrays = {f"regressor.{k}": v for k, v in self.regressor.arrays().items()}
        _FILE.write(path, {**arrays, "ranges": self.ranges}, meta)

    @classmethod
    def read(cls, path: str | Path) -> Bridge:
        """Read from a file; nothing in it is executed.

        Raises
        ------
        SedumError
            If the file is absent, damaged or not a bridge; it is named.
        """

        def build(metadata: dict[str, Any], arrays: dict[str, np.ndarray]) -> Bridge:
            run = parse(metadata["run"], source=f"run file stored in {path}")
            corrections = metadata["correction"]
            features, ranges = FeatureSet(metadata["features"], list(run.bands)), arrays["ranges"]
            regressor = read_regressor(run.regression, tensors_below("regressor", arrays))
            if ranges.shape != (len(features.names), 2):
                raise ValueError("ranges of another number of features")
            # Shapes and types of the weights of all kinds of regressors are tried here.
            if regressor.predict(ranges.mean(axis=1)[None]).shape != (1, len(run.targets)):
                raise ValueError("a regressor of another number of targets")
            return cls(
                run,
                features,
                regressor,
                ranges,
                [ScatterModel.from_state(s) for s in metadata["scatter"]],
                [None if c is None else ResidualCorrection.from_state(c) for c in corrections],
                [FeatureRange(**f) for f in metadata["audit"]],
                metadata["about"],
                str(path),
            )

        return _FILE.read(path, "numpy", build)

    def require(self, run: BridgeFile) -> None:
        """Check that the bridge was trained with a run file.

        Raises
        ------
        SedumError
            If the run files differ in a setting of the training.
        """
        if bridge_fingerprint(run) != bridge_fingerprint(self.run):
            raise SedumError(
                f"bridge {self.source} was trained with another run file; train it again, or use "
                "the run file that it was trained with"
            )

    def with_run(self, run: BridgeFile) -> Bridge:
        """Return the same bridge with the run file's survey and perturbations."""
        return replace(self, run=run)
