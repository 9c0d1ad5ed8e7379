"""Writing HDF5 where the disk may be full.

The HDF5 library does not survive a failed write: it fails again when it closes the file, keeps it
open, and later ends the process with a segmentation fault. It is therefore given a file that
never fails. The first error is kept, and raised after the file is closed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from sedum.storage import atomic_path

__all__ = ["NewFile", "new_hdf5"]


#: Oldest and newest version of the HDF5 format. Since this version the metadata of tables have
#: checksums; without them, damaged metadata crash the reader.
_FORMATS = ("v110", "v110")


class _ErrorKeepingFile:
    """A file that accepts every write, and keeps the error of the first that failed."""

    def __init__(self, raw: io.FileIO):
        self._raw = raw
        self.error: OSError | None = None
        self.readinto, self.seek, self.tell = raw.readinto, raw.seek, raw.tell
        self.flush, self.read = raw.flush, raw.read

    def write(self, content: Any) -> int:
        """Write all bytes, as far as the disk has space."""
        left = memoryview(content)
        try:
            while left:
                left = left[self._raw.write(left) :]
        except OSError as error:
            self.error = self.error or error
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        """Set the size of the file."""
        try:
            return self._raw.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0


class NewFile(h5py.File):
    """A file that is being written."""

    def __init__(self, raw: io.FileIO):
        self._raw_file = _ErrorKeepingFile(raw)
        super().__init__(self._raw_file, "w", libver=_FORMATS)

    def check(self) -> None:
        """Raise the error of a write that failed. Long work calls this between writes."""
        if self._raw_file.error:
            raise self._raw_file.error


@contextmanager
def new_hdf5(path: str | Path) -> Iterator[NewFile]:
    """Yield an HDF5 file to write, which is renamed to ``path`` on success.

    Raises
    ------
    SedumError
        As :func:`sedum.storage.atomic_path`.

    Examples
    --------
    >>> with new_hdf5("a.h5") as file:
    ...     file["numbers"] = np.arange(3)
    """
    with atomic_path(path) as temporary, temporary.open("w+b", buffering=0) as raw:
        with NewFile(raw) as file:
            yield file
        file.check()
