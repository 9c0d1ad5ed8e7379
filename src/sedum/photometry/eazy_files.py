"""Filter, translate and zero-point files of the EAZY code (Brammer et al. 2008)."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np

from sedum.errors import SedumError
from sedum.storage import read_text

__all__ = ["eazy_columns", "eazy_curves", "read_eazy_offsets", "read_translate"]

_CODE = re.compile(r"([FE])(\d+)$")


@cache
def eazy_curves(path: Path, where: str = "filters") -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    r"""Return the wavelengths in Angstrom and the transmission of every curve of a FILTER.RES file.

    Parameters
    ----------
    path
        The file.
    where
        Key of the run file, for messages.

    Raises
    ------
    SedumError
        If the file cannot be read or is damaged; the message names the number of the curve.

    Examples
    --------
    >>> _ = Path("FILTER.RES").write_text("2 box\n1 5000 1\n2 6000 1\n")
    >>> [wavelength.tolist() for wavelength, transmission in eazy_curves(Path("FILTER.RES"))]
    [[5000.0, 6000.0]]
    """
    lines = read_text(path, where).splitlines()
    curves: list[tuple[np.ndarray, np.ndarray]] = []
    cursor = 0
    while cursor < len(lines):
        head = lines[cursor].split()
        cursor += 1
        if not head or not head[0].isdigit():
            continue
        size = int(head[0])
        try:
            rows = [line.split()[1:3] for line in lines[cursor : cursor + size]]
            curve = np.array(rows, float)
        except ValueError:
            curve = np.empty((0, 2))
        if curve.shape != (size, 2):
            raise SedumError(f"{where}: {path} is damaged at filter {len(curves) + 1}")
        curves.append((curve[:, 0], curve[:, 1]))
        cursor += size
    return tuple(curves)


def read_translate(path: str | Path) -> dict[str, str]:
    r"""Read a translate file: the EAZY code (F10, E10, id, z_spec …) of each column.

    Returns
    -------
    dict
        Codes by column.

    Raises
    ------
    SedumError
        If the file cannot be read or a line has fewer than two words.

    Examples
    --------
    >>> _ = Path("zphot.translate").write_text("flux_r F73\nerr_r E73\n")
    >>> read_translate("zphot.translate")
    {'flux_r': 'F73', 'err_r': 'E73'}
    """
    codes = {}
    for number, words in _lines(path, "translate"):
        if len(words) < 2:
            raise SedumError(f"translate file {path} line {number}: expected a column and a code")
        codes[words[0]] = words[1]
    return codes


def read_eazy_offsets(path: str | Path) -> dict[int, float]:
    r"""Read a zero-point file, whose factors EAZY multiplies fluxes by.

    Returns
    -------
    dict
        Magnitudes to add, by the number of the filter.

    Raises
    ------
    SedumError
        If the file cannot be read, or a line is not a code and a positive factor.

    Examples
    --------
    >>> _ = Path("zphot.zeropoint").write_text("F73 1.05\n")
    >>> offsets = read_eazy_offsets("zphot.zeropoint")
    >>> {number: round(offset, 3) for number, offset in offsets.items()}
    {73: -0.053}
    """
    offsets = {}
    for number, words in _lines(path, "zero-point"):
        code = _CODE.match(words[0])
        try:
            factor = float(words[1])
        except (IndexError, ValueError):
            factor = np.nan
        if code is None or not factor > 0:
            raise SedumError(
                f"zero-point file {path} line {number}: expected a code such as F10 and a factor"
            )
        if code.group(1) == "F":
            offsets[int(code.group(2))] = -2.5 * float(np.log10(factor))
    return offsets


def _lines(path: str | Path, what: str) -> list[tuple[int, list[str]]]:
    lines = read_text(path, f"{what} file").splitlines()
    words = [(i + 1, line.split("#")[0].split()) for i, line in enumerate(lines)]
    return [(i, w) for i, w in words if w]


def eazy_columns(
    names: list[str], translate: dict[str, str], codes: list[str] | None = None
) -> tuple[dict[int, tuple[str, str]], dict[str, str]]:
    """Return the columns of flux and error by filter number, and other columns by their EAZY names.

    Parameters
    ----------
    names
        Columns of the catalogue.
    translate
        Codes of columns, from a translate file; may be empty.
    codes
        Codes in a second header line of the catalogue, if it has one.

    Returns
    -------
    bands : dict
        Columns of flux and error by filter number, in the order of the catalogue.
    others : dict
        Columns by name, such as ``id`` and ``z_spec``.

    Examples
    --------
    >>> eazy_columns(["id", "F73", "E73"], {})
    ({73: ('F73', 'E73')}, {'id': 'id'})
    """
    code_of = dict(zip(names, codes or names, strict=True)) | translate
    flux: dict[int, str] = {}
    error: dict[int, str] = {}
    others: dict[str, str] = {}
    for name in names:
        code = _CODE.match(code_of[name])
        if code is None:
            others[code_of[name].lower()] = name
        elif code.group(1) == "F":
            flux.setdefault(int(code.group(2)), name)
        else:
            error.setdefault(int(code.group(2)), name)
    return {n: (flux[n], error[n]) for n in flux if n in error}, others
