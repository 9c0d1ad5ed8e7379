"""Names of emission lines, and the members of each line in published tables."""

from __future__ import annotations

import re

import numpy as np

__all__ = ["LINES", "line_indices"]

#: Element and ionisation stage in the notation of Cloudy, and wavelengths of the members in
#: Angstrom. Cloudy writes ``Blnd`` instead of the element for blends.
LINES: dict[str, tuple[str, tuple[float, ...]]] = {
    "Lya": ("H 1", (1215.67,)),
    "Ha": ("H 1", (6562.80,)),
    "Hb": ("H 1", (4861.32,)),
    "Hg": ("H 1", (4340.46,)),
    "Hd": ("H 1", (4101.73,)),
    "Paa": ("H 1", (18751.0,)),
    "Pab": ("H 1", (12818.1,)),
    "HeII1640": ("He 2", (1640.41,)),
    "HeII4686": ("He 2", (4685.68,)),
    "HeI5876": ("Blnd", (5875.66,)),
    "CIII1908": ("C 3", (1906.68, 1908.73)),
    "OIII1663": ("O 3", (1660.81, 1666.15)),
    "OII3727": ("O 2", (3726.03, 3728.81)),
    "NeIII3869": ("Ne 3", (3868.76,)),
    "OIII4363": ("O 3", (4363.21,)),
    "OIII4959": ("O 3", (4958.91,)),
    "OIII5007": ("O 3", (5006.84,)),
    "OI6300": ("O 1", (6300.30,)),
    "NII6548": ("N 2", (6548.05,)),
    "NII6583": ("N 2", (6583.45,)),
    "SII6716": ("S 2", (6716.44,)),
    "SII6731": ("S 2", (6730.82,)),
    "SIII9069": ("S 3", (9068.62,)),
    "SIII9531": ("S 3", (9530.62,)),
}


def line_indices(line: str, names: list[str], wavelengths: np.ndarray) -> list[int]:
    """Return the indices of a line's members in a grid; an empty list if one is missing.

    Parameters
    ----------
    line
        A key of :data:`LINES`.
    names, wavelengths
        Names in the notation of Cloudy, and wavelengths in Angstrom, of the grid's lines.

    Examples
    --------
    >>> line_indices("Ha", ["H  1  4861.32A", "H  1  6562.80A"], np.array([4861.32, 6562.80]))
    [1]
    """
    element, members = LINES[line]
    tokens = [" ".join(re.split(r"\s+", name.strip())[:2]) for name in names]
    blends = [token.split(" ")[0] for token in tokens]
    indices = []
    for member in members:
        near = [
            k
            for k, at in enumerate(wavelengths)
            if abs(at / member - 1) < 3e-4 and element in (tokens[k], blends[k])
        ]
        if not near:
            return []
        indices.append(min(near, key=lambda k: abs(wavelengths[k] - member)))
    return indices
