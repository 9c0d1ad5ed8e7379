"""Features: absolute magnitudes and colours, named by expressions such as ``M_r`` and ``u-r``."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from sedum.errors import SedumError, allowed

__all__ = ["FeatureSet", "default_features"]

#: The 24 features of GAMA's ultraviolet to W2: twelve magnitudes and as many colours.
_DEFAULT = (
    *("M_fuv", "M_nuv", "M_u", "M_g", "M_r", "M_i", "M_z", "M_y", "M_j", "M_h", "M_k", "M_w1"),
    *("fuv-nuv", "nuv-u", "nuv-r", "u-g", "u-r", "g-r", "g-i", "r-i", "i-j", "r-k", "j-k", "k-w1"),
)


def default_features(bands: Sequence[str]) -> list[str]:
    """Return those of the 24 default features whose bands are available.

    Bands are recognised by their short names, in upper or lower case; ``ks`` is ``k``.

    Raises
    ------
    SedumError
        If there is no such feature.
    """
    known = {_plain(band): band for band in bands}
    names = []
    for name in _DEFAULT:
        parts = name.removeprefix("M_").split("-")
        if all(part in known for part in parts):
            short = [known[part] for part in parts]
            names.append(f"M_{short[0]}" if len(short) == 1 else f"{short[0]}-{short[1]}")
    if not names:
        raise SedumError(
            "features: none of the default ones can be made of the bands "
            f"{', '.join(bands)}; list features such as M_{bands[0]}"
        )
    return names


def _plain(band: str) -> str:
    lower = band.lower()
    return {"ks": "k"}.get(lower, lower)


class FeatureSet:
    """A list of features of some bands.

    Parameters
    ----------
    names
        ``M_b`` is the absolute magnitude in band b (or, in the observed frame, the magnitude
        minus the distance modulus), ``a-b`` a colour, and ``z`` the redshift.
    bands
        Short names of the bands.

    Raises
    ------
    SedumError
        If a feature cannot be parsed, needs an absent band, or is listed twice.

    Examples
    --------
    >>> FeatureSet(["M_r", "g-r"], ["g", "r"])(np.array([[-19.0, -20.0]]), np.zeros(1))
    array([[-20.,   1.]])
    """

    def __init__(self, names: Sequence[str], bands: Sequence[str]):
        self.names, self.bands = list(names), list(bands)
        if not self.names:
            raise SedumError("features: list at least one")
        self.matrix = np.zeros((len(bands), len(self.names)))
        self.redshift = np.zeros(len(self.names), bool)
        for i, name in enumerate(self.names):
            if self.names.index(name) != i:
                raise SedumError(f"features: {name!r} stands twice")
            for band, sign in self._parse(name):
                self.matrix[self.bands.index(band), i] += sign
            self.redshift[i] = name == "z"

    def _parse(self, name: str) -> list[tuple[str, float]]:
        if name == "z":
            return []
        magnitude = re.fullmatch(r"M_(\w+)", name)
        colour = re.fullmatch(r"(\w+)-(\w+)", name)
        if magnitude:
            parts = [(magnitude.group(1), 1.0)]
        elif colour:
            parts = [(colour.group(1), 1.0), (colour.group(2), -1.0)]
        else:
            raise SedumError(
                f"features: cannot read {name!r}; write M_r for a magnitude, u-r for a colour, z "
                "for the redshift"
            )
        for band, _ in parts:
            if band not in self.bands:
                raise SedumError(
                    f"features: {name!r} needs band {band!r}{allowed(band, self.bands)}"
                )
        if len(parts) == 2 and parts[0][0] == parts[1][0]:
            raise SedumError(f"features: {name!r} is zero by construction")
        return parts

    def __len__(self) -> int:
        return len(self.names)

    def __call__(self, magnitude: np.ndarray, redshift: np.ndarray) -> np.ndarray:
        """Return features, [n, f], of magnitudes [n, bands] and redshifts [n].

        A feature is NaN if a band that it needs is NaN.
        """
        absent = ~np.isfinite(magnitude)
        values = np.where(absent, 0.0, magnitude) @ self.matrix
        if absent.any():
            values[(absent.astype(np.float32) @ np.abs(self.matrix)) > 0] = np.nan
        if self.redshift.any():
            values[:, self.redshift] = np.asarray(redshift)[:, None]
        return values

    def needed(self) -> list[str]:
        """Return the bands that at least one feature needs."""
        return [b for b, row in zip(self.bands, self.matrix, strict=True) if row.any()]

    def without(self, dropped: Sequence[str]) -> FeatureSet:
        """Return the set without some features."""
        return FeatureSet([n for n in self.names if n not in dropped], self.bands)
