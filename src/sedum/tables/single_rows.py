"""Single rows of a catalogue of any size, read by number without reading the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from sedum.errors import SedumError
from sedum.tables.read import format_of, parquet_files, read_table, reading
from sedum.tables.stream import is_streamed, known_length, stream_table

__all__ = ["RowReader"]


class RowReader:
    """Read single rows of a table.

    From FITS and HDF5 only the requested row is read; from Parquet, its row group up to that row.
    Other formats are read whole, once.

    Parameters
    ----------
    source
        File or folder of Parquet files.
    extension
        As for :func:`sedum.tables.read.read_table`.

    Raises
    ------
    SedumError
        If the table cannot be read.

    Examples
    --------
    >>> Table({"id": [5, 6, 7], "flux": [1.0, 2.0, 3.0]}).write("survey.fits")
    >>> reader = RowReader("survey.fits")
    >>> len(reader), float(reader.read(2, ["flux"])["flux"][0])
    (3, 3.0)
    """

    def __init__(self, source: str | Path, extension: str | int | None = None):
        self.source, self.extension = Path(source), extension
        self._whole: Table | None = None
        self._files = [self.source]
        lengths: list[int | None]
        if self.source.exists() and is_streamed(self.source):
            # The first row of each file is looked up once: folders have many files.
            if format_of(self.source) == "parquet":
                self._files = parquet_files(self.source)
            lengths = [known_length(path, extension) for path in self._files]
            for path, length in zip(self._files, lengths, strict=True):
                if length is None:
                    with reading(path):
                        read_table(path, extension)
                    raise SedumError(f"catalogue {path} cannot be read row by row")
        else:
            self._whole = read_table(self.source, extension)
            lengths = [len(self._whole)]
        self._ends = np.cumsum(np.array(lengths, np.int64))

    def __len__(self) -> int:
        return int(self._ends[-1])

    def read(self, row: int, columns: Sequence[str]) -> Table:
        """Return a table of one row.

        Parameters
        ----------
        row
            Number of the row, from 0.
        columns
            Names of the columns. Those that the table does not have are left out.

        Raises
        ------
        SedumError
            If there is no such row.
        """
        if not 0 <= row < len(self):
            raise SedumError(f"{self.source} has rows 0 to {len(self) - 1:,}, and no row {row:,}")
        if self._whole is not None:
            return self._whole[row : row + 1]
        part = int(np.searchsorted(self._ends, row, side="right"))
        before = int(self._ends[part - 1]) if part else 0
        return next(stream_table(self._files[part], columns, 1, self.extension, row - before))
