"""Single columns of a catalogue as plain arrays, or one line that says why not."""

from __future__ import annotations

import numpy as np
from astropy.table import Table

from sedum.errors import SedumError, nearest

__all__ = ["identifiers", "means_missing", "number_or_text", "numeric"]


def find(table: Table, name: str, source: str, key: str) -> np.ndarray:
    """Return a column, or say that there is none, with names that come near."""
    if name not in table.colnames:
        known = table.meta.get("columns", table.colnames)
        near = nearest(name, known) or ";"
        raise SedumError(
            f"{source} has no column {name!r} (mapped by {key}){near} "
            f"its columns are {', '.join(known[:20])}{' …' if len(known) > 20 else ''}"
        )
    return table[name]


def numeric(table: Table, name: str, source: str, key: str) -> np.ndarray:
    """Return a column as float64 with masked values as NaN, [n].

    Raises
    ------
    SedumError
        If it is absent, not numeric or holds more than one value a row.
    """
    column = find(table, name, source, key)
    try:
        found = np.ma.masked_array(getattr(column, "value", column))
        if found.dtype.kind == "c":
            raise TypeError("complex")
        values = found.astype(float)
    except (TypeError, ValueError):
        raise SedumError(f"{source}: column {name!r} (mapped by {key}) is not numeric") from None
    if values.ndim != 1:
        raise SedumError(f"{source}: column {name!r} (mapped by {key}) holds more than one value")
    return np.asarray(np.ma.filled(values, np.nan))


def means_missing(
    values: np.ndarray, markers: list[float], beyond: float | None = None
) -> np.ndarray:
    """Say which values mean "not observed": markers, and whatever is as large as ``beyond``."""
    exact = np.asarray(markers, float)
    found = np.zeros(len(values), bool)
    # Files often hold the markers in 32 bits.
    for marker in {*exact, *exact.astype(np.float32).astype(float)}:
        found |= values == marker
    return found if beyond is None else found | (np.abs(values) >= beyond)


def number_or_text(table: Table, name: str, source: str, key: str) -> np.ndarray:
    """Return a column as float64 where it is numeric, else as text, [n]."""
    if np.asarray(find(table, name, source, key)).dtype.kind in "SUO":
        return identifiers(table, name, source, key).astype(str)
    return numeric(table, name, source, key)


def identifiers(table: Table, name: str, source: str, key: str) -> np.ndarray:
    """Return identifiers as numbers or text that any format can store; unknown ones as "" or -1.

    Whole numbers stay numbers: text for them in the portions alone that have an unknown one would
    give the same galaxy two identifiers.
    """
    ids = np.ma.masked_array(find(table, name, source, key))
    if ids.ndim != 1:
        raise SedumError(f"{source}: column {name!r} (mapped by {key}) holds more than one value")
    if ids.dtype.kind == "S":  # FITS holds text as bytes
        ids = np.ma.masked_array(np.char.decode(ids.data, "ascii", "replace"), ids.mask)
    if ids.dtype.kind == "O":  # a None among text
        unknown = np.array([value is None for value in ids.data], bool) | np.ma.getmaskarray(ids)
        text = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in ids.data]
        ids = np.ma.masked_array(text, unknown)
    if ids.dtype.kind in "iu":
        return np.where(np.ma.getmaskarray(ids), -1, ids.data) if ids.mask.any() else ids.data
    if np.ma.getmaskarray(ids).any():
        ids = np.ma.masked_array(ids.data.astype(str), ids.mask)
        return np.where(np.ma.getmaskarray(ids), "", ids.data)
    return np.asarray(ids.data)
