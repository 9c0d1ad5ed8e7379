"""Reading a survey's table into :class:`Photometry`, every row accounted for."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units
from astropy.table import Table

from sedum import config
from sedum.errors import SedumError, nearest
from sedum.photometry.filters import FilterSet
from sedum.photometry.observed import Photometry
from sedum.photometry.units import to_microjansky

__all__ = ["OK", "CatalogueRows", "mark", "read_catalogue", "read_table", "to_photometry"]

#: The status of a row with nothing against it.
OK = "ok"


@dataclass(frozen=True)
class CatalogueRows:
    """A catalogue as read: rows in the order of the file.

    Attributes
    ----------
    ids
        Identifiers, [n]: the mapped column, or the row numbers from 0.
    photometry
        The measurements; rows whose status is not ``ok`` hold placeholders where they are bad.
    catalogue_redshift
        The mapped redshift column, [n], NaN where absent, whether or not it is used.
    status
        ``ok``, or why the row cannot be fitted, [n].
    """

    ids: np.ndarray
    photometry: Photometry
    catalogue_redshift: np.ndarray
    status: np.ndarray


_FORMATS = {
    ".fits": "fits",
    ".fit": "fits",
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
}


def read_table(path: str | Path) -> Table:
    """Read a table by its extension: FITS, CSV, ECSV, Parquet, VOTable, or else ASCII.

    Raises
    ------
    SedumError
        If the file is absent, unreadable as that format, or has no rows.
    """
    path = Path(path)
    if not path.is_file():
        raise SedumError(f"catalogue {path} does not exist")
    name = path.name.lower().removesuffix(".gz")
    suffix = Path(name).suffix
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if suffix in (".parquet", ".pq"):
                table = _read_parquet(path)
            elif suffix in _FORMATS:
                table = Table.read(path, format=_FORMATS[suffix])
            else:
                table = _read_ascii(path)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # readers of foreign formats raise nearly anything
        kind = _FORMATS.get(suffix, suffix.strip(".") or "ASCII")
        first = (str(error).strip().splitlines() or ["unknown cause"])[0][:120]
        raise SedumError(f"catalogue {path} cannot be read as {kind}: {first}") from None
    if len(table) == 0:
        raise SedumError(f"catalogue {path} has no rows")
    return table


def _read_parquet(path: Path) -> Table:
    import pyarrow.parquet as parquet

    frame = parquet.read_table(path)
    columns = {}
    for name in frame.column_names:
        column = frame[name].combine_chunks()
        if column.null_count and (str(column.type).startswith(("int", "uint"))):
            column = column.cast("float64")
        columns[name] = column.to_numpy(zero_copy_only=False)
    return Table(columns)


def _read_ascii(path: Path) -> Table:
    """Read whitespace-separated text whose header may be the first comment line."""
    with path.open(errors="strict") as file:
        first = file.readline()
    kind = "ascii.commented_header" if first.startswith("#") else "ascii.basic"
    return Table.read(path, format=kind)


def to_photometry(
    table: Table, mapping: config.Catalogue, filters: FilterSet, source: str = "catalogue"
) -> CatalogueRows:
    """Turn a table into photometry by the mapping of the run file.

    A flux that is NaN, masked or one of ``mapping.missing`` means that the band was not
    observed. A measured flux with an error that is not finite and positive makes the row
    unusable: guessing would change the answer in silence.

    Raises
    ------
    SedumError
        If a mapped column is absent, not numeric or in another unit than the run file says,
        or the unit is not a flux density.
    """
    n = len(table)
    flux = np.full((n, len(filters)), np.nan)
    error = np.full((n, len(filters)), np.nan)
    status = np.full(n, OK, dtype=object)
    for i, band in enumerate(filters):
        if band.name not in mapping.columns:
            continue
        column = mapping.columns[band.name]
        value = _numeric(table, column.value, source, f"catalogue.columns.{band.name}.value")
        sigma = _numeric(table, column.error, source, f"catalogue.columns.{band.name}.error")
        for which in ("value", "error"):
            key = f"catalogue.columns.{band.name}.{which}"
            _check_unit(table, getattr(column, which), mapping.unit, source, key)
        missing = np.isnan(value) | _is_marker(value, mapping.missing)
        missing |= _is_marker(sigma, mapping.missing)
        with np.errstate(over="ignore", invalid="ignore"):
            value, sigma = to_microjansky(value, sigma, mapping.unit, mapping.zeropoint, band.pivot)
        mark(status, ~missing & ~np.isfinite(value), f"flux not finite in {band.name}")
        mark(status, ~missing & ~np.isfinite(sigma), f"error not finite in {band.name}")
        mark(status, ~missing & ~(sigma > 0), f"error not positive in {band.name}")
        flux[:, i] = np.where(missing | ~np.isfinite(value), np.nan, value)
        error[:, i] = np.where(missing | ~(sigma > 0) | ~np.isfinite(sigma), 1.0, sigma)
    mark(status, ~np.isfinite(flux).any(axis=1), "no band observed")
    redshift = np.full(n, np.nan)
    if mapping.redshift is not None:
        redshift = _numeric(table, mapping.redshift, source, "catalogue.redshift")
        redshift = np.where(np.isfinite(redshift) & (redshift > 0), redshift, np.nan)
    ids = np.arange(n)
    if mapping.id is not None:
        ids = _identifiers(_column(table, mapping.id, source, "catalogue.id"))
    return CatalogueRows(ids, Photometry.make(flux, error), redshift, status)


def read_catalogue(
    path: str | Path, mapping: config.Catalogue, filters: FilterSet
) -> CatalogueRows:
    """Read a file; see :func:`read_table` and :func:`to_photometry`."""
    return to_photometry(read_table(path), mapping, filters, source=str(path))


def mark(status: np.ndarray, rows: np.ndarray, reason: str) -> None:
    """Give rows a reason, unless they have one already."""
    status[rows & (status == OK)] = reason


def _column(table: Table, name: str, source: str, key: str) -> np.ndarray:
    if name not in table.colnames:
        near = nearest(name, table.colnames) or ";"
        raise SedumError(
            f"{source} has no column {name!r} (mapped by {key}){near} "
            f"its columns are {', '.join(table.colnames[:20])}"
        )
    return table[name]


def _is_marker(values: np.ndarray, markers: list[float]) -> np.ndarray:
    """Say which values mean "missing", also where the file holds them in 32 bits."""
    exact = np.asarray(markers, float)
    return np.isin(values, np.concatenate([exact, exact.astype(np.float32).astype(float)]))


def _identifiers(column: np.ndarray) -> np.ndarray:
    """Return identifiers as numbers or text that any format can store; unknown ones as ""."""
    ids = np.ma.masked_array(column)
    if ids.dtype.kind == "S":  # FITS holds text as bytes
        ids = np.ma.masked_array(np.char.decode(ids.data, "ascii", "replace"), ids.mask)
    if ids.dtype.kind == "O":  # a None among text
        unknown = np.array([value is None for value in ids.data]) | np.ma.getmaskarray(ids)
        ids = np.ma.masked_array([str(value) for value in ids.data], unknown)
    if np.ma.getmaskarray(ids).any():
        ids = np.ma.masked_array(ids.data.astype(str), ids.mask)
        return np.where(np.ma.getmaskarray(ids), "", ids.data)
    return np.asarray(ids.data)


def _check_unit(table: Table, name: str, unit: str, source: str, key: str) -> None:
    """Refuse a column whose own unit contradicts the run file: the flux would be off unseen."""
    own = getattr(table[name], "unit", None)
    if own is None:
        return
    try:
        own = units.Unit(str(own))
    except ValueError:
        return  # a word that is no unit contradicts nothing
    if unit == "ABmag":
        agrees = "mag" in str(own).lower()
    elif unit == "zeropoint":
        agrees = not own.is_equivalent(units.Jy)
    else:
        agrees = own == units.Unit(unit, parse_strict="silent")
    if not agrees:
        raise SedumError(
            f"{source}: column {name!r} (mapped by {key}) is in {own}, but catalogue.unit is "
            f"{unit!r}; set catalogue.unit to what the column holds"
        )


def _numeric(table: Table, name: str, source: str, key: str) -> np.ndarray:
    """Return a column as float64 with masked values as NaN."""
    column = _column(table, name, source, key)
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
