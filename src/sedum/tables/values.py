"""Single columns of a catalogue as plain arrays."""

from __future__ import annotations

import numpy as np
from astropy.table import Table

from sedum.errors import SedumError, nearest

__all__ = ["identifiers", "means_missing", "number_or_text", "numeric"]


def find(table: Table, name: str, source: str, key: str) -> np.ndarray:
    """Return a column; raise an error that suggests similar names if it is missing."""
    if name not in table.colnames:
        known = table.meta.get("columns", table.colnames)
        near = nearest(name, known) or ";"
        raise SedumError(
            f"{source} has no column {name!r} (mapped by {key}){near} "
            f"its columns are {', '.join(known[:20])}{' …' if len(known) > 20 else ''}"
        )
    return table[name]


def numeric(table: Table, name: str, source: str, key: str) -> np.ndarray:
    """Return a column as float64, [n], with NaN for masked values.

    Parameters
    ----------
    table
        The catalogue.
    name
        Name of the column.
    source
        Name of the catalogue in messages.
    key
        Key of the run file that names the column, for messages.

    Raises
    ------
    SedumError
        If the column is missing, is not numeric or has more than one value in each row.

    Examples
    --------
    >>> numeric(Table({"flux": [1, 2]}), "flux", "survey.fits", "catalogue.columns.r.value")
    array([1., 2.])
    """
    column = find(table, name, source, key)
    try:
        masked = np.ma.masked_array(getattr(column, "value", column))
        if masked.dtype.kind == "c":
            raise TypeError("complex")
        values = masked.astype(float)
    except (TypeError, ValueError):
        raise SedumError(f"{source}: column {name!r} (mapped by {key}) is not numeric") from None
    if values.ndim != 1:
        raise SedumError(f"{source}: column {name!r} (mapped by {key}) holds more than one value")
    return np.asarray(np.ma.filled(values, np.nan))


def means_missing(
    values: np.ndarray, markers: list[float], beyond: float | None = None
) -> np.ndarray:
    """Return which values mean "not observed", [n].

    Parameters
    ----------
    values
        Values of a column, [n].
    markers
        Values that mean "not observed", such as -99.
    beyond
        Absolute value from which on a value means "not observed"; None for no such limit.

    Examples
    --------
    >>> means_missing(np.array([1.0, -99.0, 1e30]), [-99.0], beyond=1e20)
    array([False,  True,  True])
    """
    exact = np.asarray(markers, float)
    missing = np.zeros(len(values), bool)
    # Files often store the markers in 32 bits.
    for marker in {*exact, *exact.astype(np.float32).astype(float)}:
        missing |= values == marker
    return missing if beyond is None else missing | (np.abs(values) >= beyond)


def number_or_text(table: Table, name: str, source: str, key: str) -> np.ndarray:
    """Return a column as float64 if it is numeric, else as text, [n].

    Parameters are those of :func:`numeric`.

    Examples
    --------
    >>> number_or_text(Table({"kind": ["star", "galaxy"]}), "kind", "survey.fits", "key").tolist()
    ['star', 'galaxy']
    """
    if np.asarray(find(table, name, source, key)).dtype.kind in "SUO":
        return identifiers(table, name, source, key).astype(str)
    return numeric(table, name, source, key)


def identifiers(table: Table, name: str, source: str, key: str) -> np.ndarray:
    """Return identifiers as numbers or text that any format can store, [n].

    Unknown identifiers become "" or -1. Whole numbers stay numbers: if only the portions with an
    unknown identifier became text, one galaxy could get two identifiers.

    Parameters are those of :func:`numeric`.

    Examples
    --------
    >>> identifiers(Table({"id": [b"A1", b"B2"]}), "id", "survey.fits", "catalogue.id").tolist()
    ['A1', 'B2']
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
