"""Catalogues of any size, portion by portion in little memory.

Parquet files and folders of them, FITS and HDF5 are read a portion at a time; other formats are
read whole and handed out in portions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Column, MaskedColumn, Table

from sedum.errors import SedumError
from sedum.tables.read import (
    TableLike,
    fits_hdu_number,
    format_of,
    from_arrow,
    hdf5_columns,
    parquet_files,
    parquet_schema,
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
        As for :func:`sedum.tables.read.read_table`.
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

    schema = parquet_schema(path, columns)
    for part in parquet_files(path):
        with parquet.ParquetFile(part) as file:
            names, there = file.schema_arrow.names, schema.names
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
                    yield batch.cast(schema), names


def _stream_fits(
    path: Path, columns: Sequence[str], rows: int, extension: str | int | None, start: int
) -> Iterator[Table]:
    from astropy.io import fits

    with fits.open(path, memmap=True) as hdus:
        hdu = hdus[fits_hdu_number(path, extension)]
        info = {c.name: c for c in hdu.columns}
        header, at = hdu.header.copy(), hdu.fileinfo()["datLoc"]
    there = [name for name in columns if name in info]
    length, width = header["NAXIS2"], header["NAXIS1"]
    with path.open("rb") as file:
        for first in range(start, length, rows):
            count = min(rows, length - first)
            file.seek(at + first * width)
            data = file.read(count * width)
            if len(data) < count * width:
                raise SedumError(f"catalogue {path} is truncated: it ends within row {first:,} on")
            part = _fits_rows(header, data, count)
            made = {}
            for name in there:
                values = np.array(part[name])  # a copy in native memory, freed with the portion
                null = info[name].null
                made[name] = (
                    Column(values) if null is None else MaskedColumn(values, mask=values == null)
                )
                if info[name].unit:
                    made[name].unit = info[name].unit
            yield _portion(made, count, list(info))


def _fits_rows(header: Any, data: bytes, count: int) -> Any:
    """Return some rows of a FITS table from their bytes.

    They are read as a file of their own: a slice of a table in astropy copies all its rows.
    """
    from astropy.io import fits

    header["NAXIS2"], header["PCOUNT"] = count, 0
    told = fits.PrimaryHDU().header.tostring() + header.tostring()
    with fits.open(BytesIO(told.encode("ascii") + data + b"\0" * (-len(data) % 2880))) as hdus:
        return hdus[1].data


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
