"""A trained bridge: what predicts, its correction, its errors and the ranges it holds for."""

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
from sedum.storage import digest, read_tensors, write_tensors

__all__ = ["Bridge", "Prediction", "bridge_fingerprint"]

_KIND, _FORMAT = "sedum bridge", 1
#: What in a run file changes what is learnt.
_LEARNT = {
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
    """Return the hash of all that decides what a bridge learns and from what."""
    stored = run.model_dump(mode="json", include=_LEARNT | {"audit", "survey", "correction"})
    (stored.get("survey") or {}).pop("file", None)
    return digest(stored)


@dataclass(frozen=True)
class Prediction:
    """Predictions for galaxies, all [n, targets] but where said.

    Attributes
    ----------
    raw
        As the regressor gives them.
    value
        Corrected.
    photometric, model
        Errors by the photometry and by the model itself, one sigma.
    total
        Both in quadrature.
    linear
        Their sum, as published by Elson (2026).
    outside
        Which features lie outside the simulation's range, [n, f].
    """

    raw: np.ndarray
    value: np.ndarray
    photometric: np.ndarray
    model: np.ndarray
    outside: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """Photometric and model errors in quadrature, [n, targets]."""
        return np.hypot(self.photometric, self.model)

    @property
    def linear(self) -> np.ndarray:
        """Their linear sum, [n, targets]."""
        return self.photometric + self.model


@dataclass(frozen=True)
class Bridge:
    """A regressor trained on simulations, ready for a survey.

    Attributes
    ----------
    run
        The run file it was trained with.
    features
        What it reads: those that the range audit left.
    regressor
        What predicts.
    ranges
        Of the features in the simulation, [f, 2].
    scatter
        The model's scatter for each target.
    correction
        For each target, or None where there is none.
    audit
        The range audit of the survey it was trained for; empty without one.
    about
        Provenance and what training measured, for JSON.
    source
        Its file.
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

    @property
    def targets(self) -> list[str]:
        """Names of what it predicts."""
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
        """Predict for galaxies.

        Parameters
        ----------
        magnitude
            AB magnitudes less the distance modulus in the bands of the run file, [n, bands]; NaN
            where a band is missing.
        error
            Their errors, [n, bands]; none are propagated where None.
        redshift
            [n]; zeros where None.
        perturbations
            Behind the photometric errors; those of the run file where None.
        seed
            Of the perturbations.

        Returns
        -------
        Prediction
            NaN for galaxies without a feature that the regressor cannot do without.
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
        """Say which galaxies have the features [n, f] that are needed, [n]."""
        there = np.isfinite(x)
        # Where nothing is measured there is only the prior.
        return there.any(axis=1) if self.regressor.partial else there.all(axis=1)

    def corrected(self, raw: np.ndarray) -> np.ndarray:
        """Return predictions [n, targets] less their expected residual."""
        value = raw.copy()
        for k, correction in enumerate(self.correction):
            if correction is not None:
                known = np.isfinite(raw[:, k])
                value[known, k] -= correction(raw[known, k])
        return value

    def _model_error(self, x: np.ndarray, value: np.ndarray) -> np.ndarray:
        """Return the model's error: its scatter by predicted value and the regressor's spread.

        The flow knows its own error galaxy by galaxy; where it is larger, it counts.
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
            "kind": _KIND,
            "format": _FORMAT,
            "sedum": __version__,
            "run": self.run.model_dump(mode="json"),
            "features": self.features.names,
            "scatter": [s.state() for s in self.scatter],
            "correction": [None if c is None else c.state() for c in self.correction],
            "audit": [f.as_dict() for f in self.audit],
            "about": self.about,
        }
        arrays = {f"regressor.{k}": v for k, v in self.regressor.arrays().items()}
        write_tensors(path, {**arrays, "ranges": self.ranges}, meta)

    @classmethod
    def read(cls, path: str | Path) -> Bridge:
        """Read from a file; nothing in it is executed.

        Raises
        ------
        SedumError
            If it is absent, damaged or not a bridge; it is named.
        """
        path = Path(path)
        if not path.is_file():
            raise SedumError(f"bridge {path} does not exist; make it with 'sedum bridge train'")
        try:
            meta, arrays = read_tensors(path, "numpy")
        except ValueError as error:
            raise SedumError(
                f"bridge {path} is damaged or not safetensors ({error}); train it again"
            ) from None
        if meta.get("kind") != _KIND or meta.get("format") != _FORMAT:
            raise SedumError(f"{path} is not a bridge of format {_FORMAT}; train it again")
        run = parse(meta["run"], source=f"run file stored in {path}")
        try:
            ranges = arrays.pop("ranges")
            learnt = {k.removeprefix("regressor."): v for k, v in arrays.items()}
            return cls(
                run,
                FeatureSet(meta["features"], list(run.bands)),
                read_regressor(run.regression, learnt),
                ranges,
                [ScatterModel.from_state(s) for s in meta["scatter"]],
                [
                    None if c is None else ResidualCorrection.from_state(c)
                    for c in meta["correction"]
                ],
                [FeatureRange(**f) for f in meta["audit"]],
                meta["about"],
                str(path),
            )
        except (RuntimeError, KeyError, TypeError, ValueError, IndexError):
            raise SedumError(
                f"bridge {path} does not fit its own run file; train it again"
            ) from None

    def require(self, run: BridgeFile) -> None:
        """Make sure that it was trained with a run file.

        Raises
        ------
        SedumError
            If that differs in what is learnt.
        """
        if bridge_fingerprint(run) != bridge_fingerprint(self.run):
            raise SedumError(
                f"bridge {self.source} was trained with another run file; train it again, or use "
                "the run file it was made with"
            )

    def with_run(self, run: BridgeFile) -> Bridge:
        """Return the same bridge with the run file's survey and perturbations."""
        return replace(self, run=run)
