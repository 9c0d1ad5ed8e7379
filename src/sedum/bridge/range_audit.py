"""Range audit: comparison of the features of a survey with the range of the simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sedum.bridge.magnitude_features import FeatureSet
from sedum.config.bridge_file import AuditSettings
from sedum.errors import SedumError

__all__ = ["FeatureRange", "audit_ranges", "kept_features", "outside_ranges", "ranges_of"]


@dataclass(frozen=True)
class FeatureRange:
    """One feature in the simulation and in the survey.

    Attributes
    ----------
    name
        The name of the feature.
    low, high
        The range of the simulation, without its tails and with the margin added.
    measured
        The number of survey galaxies that have the feature.
    outside
        The fraction of these outside the range.
    dropped
        Whether the feature is left out, and why: ``""``, ``"outside"`` or ``"not measured"``.
    """

    name: str
    low: float
    high: float
    measured: int
    outside: float
    dropped: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def ranges_of(features: FeatureSet, x: np.ndarray, spec: AuditSettings) -> np.ndarray:
    """Return the range of each feature in the simulation, [f, 2], of features x [n, f].

    Raises
    ------
    SedumError
        If a feature is constant, or no galaxy has it.
    """
    out = np.empty((len(features), 2))
    for i, name in enumerate(features.names):
        values = x[np.isfinite(x[:, i]), i]
        if len(values) == 0:
            raise SedumError(
                f"features: no simulated galaxy has {name!r}; its bands have no light, or no column"
            )
        if np.ptp(values) < 1e-9:  # differences of equal magnitudes differ by rounding
            raise SedumError(
                f"features: {name!r} is the same ({values[0]:g}) for all {len(values)} simulated "
                "galaxies; leave it out"
            )
        low, high = np.quantile(values, [spec.tail, 1 - spec.tail])
        out[i] = low - spec.margin, high + spec.margin
    return out


def audit_ranges(
    features: FeatureSet, ranges: np.ndarray, survey: np.ndarray, spec: AuditSettings
) -> list[FeatureRange]:
    """Compare a survey's features [m, f] with the simulation's ranges [f, 2].

    A feature is dropped if more than a fraction ``drop_beyond`` of the survey's values are outside,
    unless ``keep`` names it, or if no galaxy of the survey has it.
    """
    audit = []
    outside = outside_ranges(survey, ranges)
    for i, name in enumerate(features.names):
        measured = int(np.isfinite(survey[:, i]).sum())
        fraction = float(outside[:, i].sum() / measured) if measured else 0.0
        dropped = (
            "not measured" if not measured else "outside" if fraction > spec.drop_beyond else ""
        )
        if name in spec.keep and measured:
            dropped = ""
        low, high = map(float, ranges[i])
        audit.append(FeatureRange(name, low, high, measured, fraction, dropped))
    return audit


def outside_ranges(x: np.ndarray, ranges: np.ndarray) -> np.ndarray:
    """Return which features [n, f] are measured and outside their range, as a mask."""
    return (x < ranges[:, 0]) | (x > ranges[:, 1])


def kept_features(features: FeatureSet, audit: Sequence[FeatureRange]) -> FeatureSet:
    """Return the features that the audit kept.

    Raises
    ------
    SedumError
        If none is left: survey and simulation do not overlap.
    """
    dropped = [f.name for f in audit if f.dropped]
    if len(dropped) == len(audit):
        worst = ", ".join(
            f"{f.name} ({'not measured' if not f.measured else f'{f.outside:.0%} outside'})"
            for f in audit[:6]
        )
        raise SedumError(
            f"the survey overlaps with the simulation in no feature: {worst}"
            f"{' …' if len(audit) > 6 else ''}; check units, zero-points and distances"
        )
    return features.without(dropped) if dropped else features
