"""Catalogues of any size, portion by portion in little memory.

Parquet files and folders of them, FITS and HDF5 are read a portion at a time; other formats are
read whole and handed out in portions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Column, MaskedColumn, Table

from sedum.errors import SedumError
from sedum.photometry.tables import (
    TableLike,
    fits_hdu_number,
    format_of,
    from_arrow,
    hdf5_columns,
    parquet_files,
    read_table,
    reading,
)

__all__ = ["is_streamed", "known_length", "stream_table"]

#: Rows of Parquet that are decoded together where they are passed over.
_PASSED = 8192


def is_streamed(path: Path) -> bool:
    """Say whether a file or folder can be read in portions, without reading it whole."""
    compressed = path.name.lower().endswith((".gz", ".fz"))
    return path.is_dir() or (format_of(path) in ("parquet", "fits", "hdf5") and not compressed)


def stream_table(
    source: TableLike,
    columns: Sequence[str],
    rows: int,
    extension: str | int | None = None,
    start: int = 0,
) -> Iterator[Table]:
    """Yield a table in portions of so many rows, the last of what is left.

    Portions do not hang on how a file is divided into row groups or a folder into files.

    Parameters
    ----------
    source
        A file, a folder of Parquet files, an astropy Table or a pandas DataFrame.
    columns
        What is wanted; names that the table does not have are left out. ``meta["columns"]`` of a
        portion tells all names.
    rows
        Rows of a portion.
    extension
        As for :func:`sedum.photometry.tables.read_table`.
    start
        The row to begin with; those before it are passed over, not read, as far as the format
        allows.

    Raises
    ------
    SedumError
        If it cannot be read, has no rows from ``start`` on, or files of a folder differ in their
        columns.
    """
    path = Path(source) if isinstance(source, str | Path) else None
    if path is None or not path.exists() or not is_streamed(path):
        table = read_table(source, extension)
        for first in range(start, len(table), rows):
            yield table[first : first + rows]
        return
    match format_of(path):
        case "parquet":
            portions = _stream_parquet(path, columns, rows, start)
        case "fits":
            portions = _stream_fits(path, columns, rows, extension, start)
        case _:
            portions = _stream_hdf5(path, columns, rows, extension, start)
    yield from _guarded(path, portions)


def known_length(source: Path, extension: str | int | None = None) -> int | None:
    """Return the rows of Parquet, FITS or HDF5 without reading them; None of other formats.

    None of a damaged one too: whoever reads it says what is wrong.
    """
    try:
        match format_of(source):
            case "parquet":
                import pyarrow.parquet as parquet

                return sum(int(parquet.read_metadata(p).num_rows) for p in parquet_files(source))
            case "fits":
                from astropy.io import fits

                with fits.open(source) as hdus:
                    return int(hdus[fits_hdu_number(source, extension)].header["NAXIS2"])
            case "hdf5":
                import h5py

                with h5py.File(source, "r") as file:
                    return len(next(iter(hdf5_columns(file, source, extension)[0].values())))
    except (OSError, ValueError, SedumError):
        pass
    return None


def _guarded(path: Path, portions: Iterator[Table]) -> Iterator[Table]:
    """Hand portions on, with what readers raise turned into a line only while they read."""
    count = 0
    while True:
        with reading(path):
            portion = next(portions, None)
        if portion is None:
            break
        count += len(portion)
        yield portion
    if not count:
        raise SedumError(f"catalogue {path} has no rows")


def _stream_parquet(path: Path, columns: Sequence[str], rows: int, start: int) -> Iterator[Table]:
    import pyarrow as pa

    waiting: list[Any] = []
    count = 0
    names: list[str] = []
    for batch, names in _batches(path, columns, rows, start):
        waiting.append(batch)
        count += len(batch)
        while count >= rows:
            whole = pa.Table.from_batches(waiting)
            yield from_arrow(whole.slice(0, rows), names)
            waiting = whole.slice(rows).to_batches()
            count -= rows
    if count:
        yield from_arrow(pa.Table.from_batches(waiting), names)


def _batches(
    path: Path, columns: Sequence[str], rows: int, start: int
) -> Iterator[tuple[Any, list[str]]]:
    """Yield record batches of a file or folder from a row on, and the names of all columns."""
    import pyarrow.parquet as parquet

    first, schema = None, None
    for part in parquet_files(path):
        with parquet.ParquetFile(part) as file:
            names = file.schema_arrow.names
            there = [name for name in columns if name in names]
            if first is not None and there != first:
                odd = sorted(set(there) ^ set(first))
                raise SedumError(
                    f"catalogue {path}: {part.name} and the first of its files differ in column "
                    f"{odd[0]!r}; files of one catalogue have the same columns"
                )
            first = there
            # Group by group: a reading of all of them keeps the buffers of those it has passed.
            for group in range(file.num_row_groups):
                length = file.metadata.row_group(group).num_rows
                if start >= length:
                    start -= length
                    continue
                # To pass over rows one by one would take long.
                size = max(rows, _PASSED) if start else rows
                for batch in file.iter_batches(batch_size=size, row_groups=[group], columns=there):
                    if start >= len(batch):
                        start -= len(batch)
                        continue
                    if start:
                        batch, start = batch.slice(start), 0
                    # Files may hold numbers in different widths: those of the first are kept.
                    schema = schema or batch.schema
                    yield batch if batch.schema == schema else batch.cast(schema), names


def _stream_fits(
    path: Path, columns: Sequence[str], rows: int, extension: str | int | None, start: int
) -> Iterator[Table]:
    from astropy.io import fits

    with fits.open(path, memmap=True) as hdus:
        hdu = hdus[fits_hdu_number(path, extension)]
        info = {c.name: c for c in hdu.columns}
        there = [name for name in columns if name in info]
        for first in range(start, hdu.header["NAXIS2"], rows):
            part = hdu.data[first : first + rows]
            made = {}
            for name in there:
                values = np.array(part[name])  # a copy in native memory, freed with the portion
                null = info[name].null
                made[name] = (
                    Column(values) if null is None else MaskedColumn(values, mask=values == null)
                )
                if info[name].unit:
                    made[name].unit = info[name].unit
            yield _portion(made, len(part), list(info))


def _stream_hdf5(
    path: Path, columns: Sequence[str], rows: int, extension: str | int | None, start: int
) -> Iterator[Table]:
    import h5py

    with h5py.File(path, "r") as file:
        found, units = hdf5_columns(file, path, extension)
        there = [name for name in columns if name in found]
        length = len(next(iter(found.values())))
        for first in range(start, length, rows):
            stop = min(first + rows, length)
            made = {name: Column(found[name][first:stop], unit=units.get(name)) for name in there}
            yield _portion(made, stop - first, list(found))


def _portion(columns: dict[str, Column], rows: int, names: list[str]) -> Table:
    """Return a portion; a table that knows how long it is even if no column is wanted of it."""
    table = Table(columns, copy=False) if columns else Table({"": np.zeros(rows)})
    table.meta["columns"] = names
    return table
