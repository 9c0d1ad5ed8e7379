"""Reading posterior catalogues of any size from disk, a few columns at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import QTable, Table, vstack

from sedum.config import RunFile, parse_run
from sedum.errors import SedumError, nearest
from sedum.introduced import Facts, Introduced, listed
from sedum.results.provenance import provenance_in, read_metadata
from sedum.results.schema import from_vounit, split_unit
from sedum.tables.read import format_of, parquet_files, read_table
from sedum.tables.single_rows import RowReader
from sedum.tables.stream import known_length, stream_table

__all__ = ["ColumnInfo", "PosteriorCatalogue"]

#: Rows that are in memory at a time.
_TOGETHER = 100_000


@dataclass(frozen=True)
class ColumnInfo:
    """Unit of a column as astropy names it (empty without a unit), and its description."""

    unit: str
    description: str


@dataclass(frozen=True, repr=False)
class PosteriorCatalogue(Introduced):
    """A posterior catalogue of any size on disk. Rows are read when they are needed.

    Attributes
    ----------
    path
        The catalogue: a FITS, ECSV or Parquet file, a folder of Parquet files, or a catalogue in
        HATS (without its margin).
    rows
        Number of rows.
    columns
        Unit and description of each column, by name, in their order.
    provenance
        The provenance of the catalogue: ``run`` (the run file), ``fingerprint``, ``versions``
        and, if known, the name of the ``catalogue``; see :func:`sedum.results.read_provenance`.

    Examples
    --------
    >>> import sedum
    >>> table = sedum.fit(run, posterior, catalogue, "posteriors.parquet")
    >>> results = PosteriorCatalogue.open("posteriors.parquet")
    >>> results.rows
    20
    >>> results.columns["log_mass_p50"].unit
    'dex(solMass)'
    >>> results.read(["id", "redshift_p50"]).colnames
    ['id', 'redshift_p50']
    >>> print(results.row(3)["status"])
    ok
    """

    path: Path
    rows: int
    columns: dict[str, ColumnInfo]
    provenance: dict[str, Any]

    def _facts(self) -> Facts:
        return str(self.path), {"rows": f"{self.rows:,}", "quantities": listed(self.quantities())}

    @classmethod
    def open(cls, path: str | Path) -> PosteriorCatalogue:
        """Open a posterior catalogue.

        Raises
        ------
        SedumError
            If it does not exist, cannot be read, or is not a posterior catalogue.
        """
        path = Path(path)
        if not path.name:  # "." has none, and related files are searched by it
            path = path.absolute()
        if not path.exists():
            raise SedumError(f"results {path} do not exist; make them with 'sedum fit'")
        rows = path
        provenance = cls.provenance_of(path)
        columns = _columns(rows) if provenance else {}
        if "status" not in columns or "run" not in provenance:
            raise SedumError(f"{path} is no posterior catalogue; make one with 'sedum fit'")
        length = known_length(rows)
        if length is None:
            length = len(read_table(rows))
        return cls(path, length, columns, provenance)

    @staticmethod
    def provenance_of(path: str | Path) -> dict[str, Any]:
        """Return the provenance of any table that sedum wrote; an empty dict for other tables.

        Raises
        ------
        SedumError
            If the table cannot be read.
        """
        return provenance_in(read_metadata(path), path)

    @property
    def run(self) -> RunFile:
        """The run file that the catalogue was fitted with."""
        return parse_run(self.provenance["run"], source=f"the run file in {self.path}")

    def quantities(self) -> list[str]:
        """Return the parameters and derived quantities that have percentiles, in order."""
        return [name[:-4] for name in self.columns if name.endswith("_p50")]

    def stream(self, names: Sequence[str], rows: int = _TOGETHER) -> Iterator[Table]:
        """Yield some columns, portion by portion.

        Parameters
        ----------
        names
            Names of the columns. Columns of lists have two dimensions.
        rows
            Number of rows of a portion.

        Raises
        ------
        SedumError
            If there is no such column.
        """
        for name in names:
            if name not in self.columns:
                raise SedumError(
                    f"{self.path} has no column {name!r}{nearest(name, list(self.columns))}"
                )
        for table in stream_table(self.path, names, rows):
            portion = Table({name: _native(table[name]) for name in names})
            for name in names:
                portion[name].unit = self.columns[name].unit or None
                portion[name].description = self.columns[name].description
            yield portion

    def read(self, names: Sequence[str] | None = None, *, units: bool = False) -> Table:
        """Return some columns of all rows.

        Parameters
        ----------
        names
            Names of the columns; all if None.
        units
            Whether columns with a unit are astropy quantities: a ``QTable``. Otherwise they are
            plain columns, which have the unit as an attribute.
        """
        parts = list(self.stream(names or list(self.columns)))
        table = vstack(parts, metadata_conflicts="silent")
        return QTable(table) if units else table

    def sample(self, names: Sequence[str], n_rows: int, seed: int = 1) -> Table:
        """Return about ``n_rows`` rows drawn at random, in order, with a column ``row``.

        Parameters
        ----------
        names
            Names of the columns.
        n_rows
            Expected number of rows; all rows if there are fewer.
        seed
            Random seed.
        """
        rng = np.random.default_rng(seed)
        portions, start = [], 0
        for portion in self.stream(names):
            portion["row"] = np.arange(start, start + len(portion))
            start += len(portion)
            if self.rows > n_rows:
                portion = portion[rng.uniform(size=len(portion)) < n_rows / self.rows]
            portions.append(portion)
        return vstack(portions, metadata_conflicts="silent")

    @cached_property
    def _single(self) -> RowReader:
        return RowReader(self.path)

    def row(self, number: int) -> dict[str, Any]:
        """Return all columns of one row, given by its number from 0: scalars, text or arrays.

        Raises
        ------
        SedumError
            If there is no such row.
        """
        table = self._single.read(number, list(self.columns))
        return {name: _native(table[name])[0] for name in self.columns}

    def find(self, identifier: str) -> int | None:
        """Return the number of the first row with an identifier; None if there is none."""
        # FITS holds characters beyond ASCII as escapes.
        escaped = identifier.encode("ascii", "backslashreplace").decode()
        start = 0
        for portion in self.stream(["id"]):
            ids = np.asarray(portion["id"])
            if ids.dtype.kind == "U":
                rows = np.flatnonzero((ids == identifier) | (ids == escaped))
            else:
                try:
                    rows = np.flatnonzero(ids == ids.dtype.type(identifier))
                except (ValueError, OverflowError):
                    return None
            if len(rows):
                return start + int(rows[0])
            start += len(portion)
        return None


def _native(column: Any) -> np.ndarray:
    """Return a column as a numpy array, with NaN for nulls and text for bytes."""
    values = np.ma.getdata(column)
    if values.dtype.kind == "S":
        return np.char.decode(values, "ascii")
    if values.dtype.kind == "O":
        return np.array(["" if v is None else str(v) for v in values], "U")
    if np.ma.is_masked(column) and values.dtype.kind == "f":
        return np.ma.filled(column, np.nan)
    return np.asarray(values)


def _columns(path: Path) -> dict[str, ColumnInfo]:
    """Return the columns of a file, with units as astropy names them."""
    match format_of(path):
        case "parquet":
            return _columns_of_parquet(path)
        case "fits":
            return _columns_of_fits(path)
    return _infos(read_table(path))


def _columns_of_parquet(path: Path) -> dict[str, ColumnInfo]:
    import pyarrow.parquet as parquet

    columns = {}
    for field in parquet.read_schema(parquet_files(path)[0]):
        meta = field.metadata or {}
        unit, text = (meta.get(key, b"").decode() for key in (b"unit", b"description"))
        columns[field.name] = ColumnInfo(_unit(unit), text)
    return columns


def _columns_of_fits(path: Path) -> dict[str, ColumnInfo]:
    from astropy.io import fits

    columns = {}
    with fits.open(path) as hdus:
        header = hdus[1].header
        for i, column in enumerate(hdus[1].columns):
            text, unit = split_unit(header.get(f"TCOMM{i + 1}", ""))
            columns[column.name] = ColumnInfo(_unit(unit) or column.unit or "", text)
    return columns


def _unit(text: str) -> str:
    """Return the astropy name of a VOUnit."""
    return str(from_vounit(text) or "")


def _infos(table: Table) -> dict[str, ColumnInfo]:
    return {
        name: ColumnInfo(str(table[name].unit or ""), table[name].description or "")
        for name in table.colnames
    }
