"""Reading columns of a posterior catalogue again, portion by portion of any number of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sedum.errors import SedumError

__all__ = ["stored_columns", "stored_rows", "stream_columns"]


def stored_columns(path: str | Path) -> list[str]:
    """Return the names of a catalogue's columns.

    Raises
    ------
    SedumError
        If the file cannot be read, here as below.
    """
    return _file(path).columns


def stored_rows(path: str | Path) -> int:
    """Return the number of a catalogue's rows."""
    return _file(path).rows


def stream_columns(
    path: str | Path, names: Sequence[str], portion: int = 10_000
) -> Iterator[dict[str, np.ndarray]]:
    """Yield some columns of a catalogue, ``portion`` rows at a time, in order.

    Parameters
    ----------
    path
        FITS, Parquet or ECSV.
    names
        Of columns that are there.
    portion
        Rows of each portion but the last.

    Yields
    ------
    dict
        Columns by name, [rows] or, of lists, [rows, k].
    """
    yield from _file(path).stream(list(names), portion)


class _Fits:
    def __init__(self, path: Path):
        from astropy.io import fits

        self.path = path
        with fits.open(path) as hdus:
            self.columns = list(hdus[1].columns.names)
            self.rows = int(hdus[1].header["NAXIS2"])

    def stream(self, names: list[str], portion: int) -> Iterator[dict[str, np.ndarray]]:
        from astropy.io import fits

        with fits.open(self.path, memmap=True) as hdus:
            for start in range(0, self.rows, portion):
                rows = hdus[1].data[start : start + portion]
                yield {name: _native(rows[name]) for name in names}


class _Parquet:
    def __init__(self, path: Path):
        import pyarrow.parquet as parquet

        self.path = path
        with parquet.ParquetFile(path) as file:
            self.columns = list(file.schema_arrow.names)
            self.rows = int(file.metadata.num_rows)

    def stream(self, names: list[str], portion: int) -> Iterator[dict[str, np.ndarray]]:
        import pyarrow as pa
        import pyarrow.parquet as parquet

        with parquet.ParquetFile(self.path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(batch_size=portion, columns=names):
                found = {}
                for name in names:
                    column = batch.column(name)
                    if pa.types.is_fixed_size_list(column.type):
                        values = column.flatten().to_numpy(zero_copy_only=False)
                        found[name] = values.reshape(len(column), column.type.list_size)
                    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                        found[name] = np.array(column.to_pylist(), "U")
                    else:
                        found[name] = column.to_numpy(zero_copy_only=False)
                yield found


class _Ecsv:
    def __init__(self, path: Path):
        from astropy.table import Table

        self.table = Table.read(path, format="ascii.ecsv")
        self.columns, self.rows = list(self.table.colnames), len(self.table)

    def stream(self, names: list[str], portion: int) -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, self.rows, portion):
            rows = self.table[start : start + portion]
            yield {name: _filled(rows[name]) for name in names}


def _native(values: np.ndarray) -> np.ndarray:
    return np.asarray(values).astype(values.dtype.newbyteorder("="))


def _filled(values: np.ndarray) -> np.ndarray:
    """Return a column of text as numbers or strings; ECSV holds empty texts as masked."""
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(values.filled("" if values.dtype.kind == "U" else np.nan))
    return np.asarray(values)


_FORMATS: dict[str, type[_Fits] | type[_Parquet] | type[_Ecsv]] = {
    ".fits": _Fits,
    ".parquet": _Parquet,
    ".ecsv": _Ecsv,
}


def _file(path: str | Path) -> _Fits | _Parquet | _Ecsv:
    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise SedumError(f"{path}: results are FITS, Parquet or ECSV, by the file's extension")
    if not path.is_file():
        raise SedumError(f"results {path} do not exist")
    try:
        return _FORMATS[path.suffix.lower()](path)
    except Exception as error:  # whatever the formats' readers raise of damaged files
        raise SedumError(f"cannot read {path}: {error}") from None
