"""Catalogues of any size, read in portions that need little memory.

Parquet files and folders of them, FITS and HDF5 are read one portion at a time. Other formats are
read whole and returned in portions.
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

#: Rows of Parquet that are decoded together while skipping to the first row.
_SKIPPED = 8192


def is_streamed(path: Path) -> bool:
    """Return whether a file or folder can be read in portions without reading it whole.

    Examples
    --------
    >>> is_streamed(Path("survey.fits")), is_streamed(Path("survey.csv"))
    (True, False)
    """
    compressed = path.name.lower().endswith((".gz", ".fz"))
    return path.is_dir() or (format_of(path) in ("parquet", "fits", "hdf5") and not compressed)


def stream_table(
    source: TableLike,
    columns: Sequence[str],
    rows: int,
    extension: str | int | None = None,
    start: int = 0,
) -> Iterator[Table]:
    """Yield a table in portions of equal length; the last may be shorter.

    The portions do not depend on how a file is divided into row groups or a folder into files.

    Parameters
    ----------
    source
        File, folder of Parquet files, astropy Table or pandas DataFrame.
    columns
        Names of the columns to read. Those that the table does not have are left out;
        ``meta["columns"]`` of each portion lists all names of the table.
    rows
        Number of rows in a portion.
    extension
        As for :func:`sedum.tables.read.read_table`.
    start
        First row. Earlier rows are skipped without reading them, as far as the format allows.

    Yields
    ------
    astropy.table.Table
        The next portion.

    Raises
    ------
    SedumError
        If the table cannot be read, has no rows from ``start`` on, or the files of a folder differ
        in their columns.

    Examples
    --------
    >>> table = Table({"id": np.arange(5)})
    >>> [len(portion) for portion in stream_table(table, ["id"], rows=2)]
    [2, 2, 1]
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
    """Return the number of rows of a Parquet, FITS or HDF5 table without reading them.

    Returns
    -------
    int or None
        None for other formats, and for a damaged file: reading it will report what is wrong.

    Examples
    --------
    >>> Table({"id": np.arange(5)}).write("survey.fits")
    >>> known_length(Path("survey.fits"))
    5
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
    """Pass portions on, and turn exceptions into one line only while a portion is read."""
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
    """Yield record batches of a file or folder from row ``start``, and all column names."""
    import pyarrow.parquet as parquet

    schema = parquet_schema(path, columns)
    for part in parquet_files(path):
        with parquet.ParquetFile(part, page_checksum_verification=True) as file:
            names, present = file.schema_arrow.names, schema.names
            # One group at a time: reading all of them at once keeps all their buffers.
            for group in range(file.num_row_groups):
                length = file.metadata.row_group(group).num_rows
                if start >= length:
                    start -= length
                    continue
                # Skipping rows in small batches would be slow.
                size = max(rows, _SKIPPED) if start else rows
                for batch in file.iter_batches(
                    batch_size=size, row_groups=[group], columns=present
                ):
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
    present = [name for name in columns if name in info]
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
            for name in present:
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

    They are read as a separate file: slicing a table in astropy copies all its rows.
    """
    from astropy.io import fits

    header["NAXIS2"], header["PCOUNT"] = count, 0
    headers = fits.PrimaryHDU().header.tostring() + header.tostring()
    with fits.open(BytesIO(headers.encode("ascii") + data + b"\0" * (-len(data) % 2880))) as hdus:
        return hdus[1].data


def _stream_hdf5(
    path: Path, columns: Sequence[str], rows: int, extension: str | int | None, start: int
) -> Iterator[Table]:
    import h5py

    with h5py.File(path, "r") as file:
        datasets, units = hdf5_columns(file, path, extension)
        present = [name for name in columns if name in datasets]
        length = len(next(iter(datasets.values())))
        for first in range(start, length, rows):
            stop = min(first + rows, length)
            read = {name: datasets[name][first:stop] for name in present}
            made = {name: Column(v, unit=units.get(name)) for name, v in read.items()}
            yield _portion(made, stop - first, list(datasets))


def _portion(columns: dict[str, Column], rows: int, names: list[str]) -> Table:
    """Return a portion as a table that knows its length even without columns."""
    table = Table(columns, copy=False) if columns else Table({"": np.zeros(rows)})
    table.meta["columns"] = names
    return table
