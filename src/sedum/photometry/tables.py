"""Tables of any common format, whole or in portions, as astropy tables.

A catalogue may be a file (FITS, Parquet, HDF5, VOTable, CSV, ECSV, ASCII; gzip where astropy
reads it), an astropy ``Table`` or a pandas ``DataFrame``.
"""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from astropy.table import Column, MaskedColumn, Table

from sedum.errors import SedumError, nearest

__all__ = [
    "TableLike",
    "has_extension",
    "known_length",
    "leading_comments",
    "name_of",
    "read_table",
    "stream_table",
]

#: What can be read as a catalogue: a path, an astropy Table or a pandas DataFrame.
TableLike: TypeAlias = Any

_FORMATS = {
    ".fits": "fits",
    ".fit": "fits",
    ".fz": "fits",
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".hdf": "hdf5",
}


def name_of(source: TableLike) -> str:
    """Return what messages call a catalogue: its path, or what kind of object it is."""
    return str(source) if isinstance(source, str | Path) else type(source).__name__


def read_table(source: TableLike, extension: str | int | None = None) -> Table:
    """Read a whole table.

    Parameters
    ----------
    source
        A file, whose format its extension says (whitespace-separated text if none is known),
        an astropy Table or a pandas DataFrame.
    extension
        Name or number of the FITS extension, or path of the group or dataset in HDF5; the
        first table if None.

    Raises
    ------
    SedumError
        If the file is absent, unreadable as that format, or has no rows.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise SedumError(f"catalogue {path} does not exist")
        with _reading(path):
            table = _read_file(path, _format(path), extension)
    else:
        table = _from_memory(source)
    if len(table) == 0:
        raise SedumError(f"catalogue {name_of(source)} has no rows")
    return table


def stream_table(
    source: TableLike, columns: list[str], rows: int, extension: str | int | None = None
) -> Iterator[Table]:
    """Yield a table in portions of at most so many rows; only ``columns`` need be in them.

    Parquet and FITS are read portion by portion, so that memory does not grow with the file;
    other formats are read whole and handed out in portions. Columns that the table does not
    have are left out.
    """
    if isinstance(source, str | Path):
        path, kind = Path(source), _format(Path(source))
        if kind == "parquet" and path.is_file():
            yield from _guarded_stream(path, _stream_parquet(path, columns, rows))
            return
        if kind == "fits" and path.is_file() and not path.name.lower().endswith((".gz", ".fz")):
            yield from _guarded_stream(path, _stream_fits(path, columns, rows, extension))
            return
    table = read_table(source, extension)
    for start in range(0, len(table), rows):
        yield table[start : start + rows]


def known_length(source: Path, extension: str | int | None = None) -> int | None:
    """Return the rows of a Parquet or FITS file without reading them; None of other formats.

    None of a damaged one too: whoever reads it says what is wrong.
    """
    kind = _format(source)
    try:
        if kind == "parquet":
            import pyarrow.parquet as parquet

            return int(parquet.read_metadata(source).num_rows)
        if kind == "fits":
            from astropy.io import fits

            with fits.open(source) as hdus:
                return int(hdus[_fits_hdu(source, extension)].header["NAXIS2"])
    except (OSError, ValueError, SedumError):
        pass
    return None


def _format(path: Path) -> str:
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    return _FORMATS.get(suffix, "ascii")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever a reader raises inside the body into one line that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (MemoryError, KeyboardInterrupt, SedumError):
        raise
    except Exception as error:  # readers of foreign formats raise nearly anything
        first = (str(error).strip().splitlines() or ["unknown cause"])[0][:120]
        raise SedumError(f"catalogue {path} cannot be read as {_format(path)}: {first}") from None


def _guarded_stream(path: Path, portions: Iterator[Table]) -> Iterator[Table]:
    """Hand portions on, under :func:`_reading` only while the next one is read."""
    count = 0
    while True:
        with _reading(path):
            portion = next(portions, None)
        if portion is None:
            break
        count += len(portion)
        yield portion
    if not count:
        raise SedumError(f"catalogue {path} has no rows")


def _read_file(path: Path, kind: str, extension: str | int | None) -> Table:
    match kind:
        case "parquet":
            import pyarrow.parquet as parquet

            return _from_arrow(parquet.read_table(path))
        case "fits":
            return Table.read(path, format="fits", hdu=_fits_hdu(path, extension))
        case "hdf5":
            return _read_hdf5(path, extension)
        case "ascii":
            return _read_ascii(path)
    return Table.read(path, format=kind)


def _from_memory(source: Any) -> Table:
    if isinstance(source, Table):
        return source
    if hasattr(source, "columns") and hasattr(source, "to_numpy"):  # a pandas DataFrame
        return Table.from_pandas(source)
    raise SedumError(
        "a catalogue is a file, an astropy Table or a pandas DataFrame, not "
        f"{type(source).__name__}"
    )


def _fits_hdu(path: Path, extension: str | int | None) -> int:
    """Return the number of the wanted extension, or of the first that holds a table."""
    from astropy.io import fits

    with fits.open(path) as hdus:
        tables = [i for i, h in enumerate(hdus) if isinstance(h, fits.BinTableHDU | fits.TableHDU)]
        if extension is None:
            if not tables:
                raise SedumError(f"catalogue {path} holds no table")
            return tables[0]
        for i in tables:
            if extension in (i, hdus[i].name) or str(extension).upper() == hdus[i].name:
                return i
        names = [hdus[i].name or str(i) for i in tables]
        raise SedumError(
            f"catalogue.extension: {path} has no table {extension!r}"
            f"{nearest(str(extension), names) or ';'} it holds {', '.join(names)}"
        )


def _from_arrow(frame: Any) -> Table:
    """Turn an arrow table into an astropy one; nulls are masked."""
    columns = {}
    for name in frame.column_names:
        arrow = frame[name].combine_chunks()
        kind = str(arrow.type)
        if arrow.null_count and kind.startswith(("int", "uint", "bool")):
            mask = arrow.is_null().to_numpy(zero_copy_only=False)
            filled = arrow.fill_null(False if kind == "bool" else 0)
            columns[name] = MaskedColumn(filled.to_numpy(zero_copy_only=False), mask=mask)
        else:
            columns[name] = Column(arrow.to_numpy(zero_copy_only=False), copy=False)
        unit = (frame.schema.field(name).metadata or {}).get(b"unit", b"").decode()
        if unit:
            columns[name].unit = unit
    return Table(columns, copy=False)


def _stream_parquet(path: Path, columns: list[str], rows: int) -> Iterator[Table]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        there = [name for name in columns if name in file.schema_arrow.names]
        # Group by group: a reading of all of them keeps the buffers of those it has passed.
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(batch_size=rows, row_groups=[group], columns=there):
                table = _from_arrow(pa.Table.from_batches([batch]))
                table.meta["columns"] = file.schema_arrow.names
                yield table


def _stream_fits(
    path: Path, columns: list[str], rows: int, extension: str | int | None
) -> Iterator[Table]:
    from astropy.io import fits

    with fits.open(path, memmap=True) as hdus:
        hdu = hdus[_fits_hdu(path, extension)]
        info = {c.name: c for c in hdu.columns}
        there = [name for name in columns if name in info]
        for start in range(0, hdu.header["NAXIS2"], rows):
            part = hdu.data[start : start + rows]
            made = {}
            for name in there:
                values = np.array(part[name])  # a copy in native memory, freed with the portion
                null = info[name].null
                made[name] = (
                    Column(values) if null is None else MaskedColumn(values, mask=values == null)
                )
                if info[name].unit:
                    made[name].unit = info[name].unit
            table = Table(made, copy=False) if made else Table({"": np.zeros(len(part))})
            table.meta["columns"] = list(info)
            yield table


def _read_hdf5(path: Path, extension: str | int | None) -> Table:
    """Read a group of one-dimensional datasets, or a dataset of records."""
    import h5py

    with h5py.File(path, "r") as file:
        if extension is not None and str(extension) not in file:
            known = ", ".join(list(file)[:20])
            raise SedumError(f"catalogue.extension: {path} has no {extension!r}; it holds {known}")
        node = file[str(extension)] if extension is not None else _first_table(file)
        if isinstance(node, h5py.Dataset):
            return Table(node[()])
        data = {k: v for k, v in node.items() if isinstance(v, h5py.Dataset) and v.ndim >= 1}
        if not data:
            raise SedumError(
                f"catalogue {path} holds no table at {node.name}; name its group by "
                "catalogue.extension"
            )
        lengths = {len(v) for v in data.values()}
        if len(lengths) > 1:
            raise SedumError(f"catalogue {path}: the columns of {node.name} differ in length")
        table = Table({k: v[()] for k, v in data.items()})
        for name, dataset in data.items():
            unit = dataset.attrs.get("unit", dataset.attrs.get("units"))
            if isinstance(unit, str | bytes) and unit:
                table[name].unit = unit.decode() if isinstance(unit, bytes) else unit
        return table


def _first_table(node: Any) -> Any:
    """Return the first group that holds columns, or dataset of records, depth first."""
    import h5py

    if any(
        isinstance(v, h5py.Dataset) and v.ndim == 1 and not v.dtype.names for v in node.values()
    ):
        return node
    for child in node.values():
        if isinstance(child, h5py.Dataset):
            if child.dtype.names:
                return child
        else:
            found = _first_table(child)
            if isinstance(found, h5py.Dataset) or len(found):
                return found
    return node


def _read_ascii(path: Path) -> Table:
    """Read whitespace-separated text.

    The names stand in the first line, or in a comment line before the data that has one word
    for each column, the first of them if there are several (EAZY's second holds its codes).
    """
    comments, width = leading_comments(path)
    names = next((words for words in comments if len(words) == width), None)
    if names is None:
        return Table.read(path, format="ascii.basic")
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise SedumError(f"catalogue {path}: column {twice!r} stands twice")
    return Table.read(path, format="ascii.no_header", names=names, comment=r"\s*#")


def leading_comments(path: Path) -> tuple[list[list[str]], int]:
    """Return the words of each comment line before the data, and the number of columns."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    comments: list[list[str]] = []
    with opener(path, "rt", errors="strict") as file:
        for line in file:
            if line.lstrip().startswith("#"):
                comments.append(line.lstrip().lstrip("#").split())
            elif line.strip():
                return comments, len(line.split())
    return comments, 0


def has_extension(source: TableLike, extension: str) -> bool:
    """Say whether a catalogue is a FITS file with a table of that name."""
    if not isinstance(source, str | Path) or not Path(source).is_file():
        return False
    if _format(Path(source)) != "fits":
        return False
    from astropy.io import fits

    with _reading(Path(source)), fits.open(source) as hdus:
        return extension.upper() in [hdu.name for hdu in hdus[1:]]
