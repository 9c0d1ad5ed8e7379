"""Writing HDF5 where the disk may be full.

The HDF5 library does not survive a failed write: it fails again as it closes the file, keeps it
open, and ends the process with a segmentation fault later. It is therefore given a file that
never fails; what went wrong is kept and raised once the file is closed.
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


#: The oldest and newest versions of HDF5 that are to read the files. From this one on, what a file
#: says of its tables has checksums; without them, damage there ends a reader by a crash.
_FORMATS = ("v110", "v110")


class _Undaunted:
    """A file that takes every write, and remembers the first that failed."""

    def __init__(self, raw: io.FileIO):
        self._raw = raw
        self.error: OSError | None = None
        self.readinto, self.seek, self.tell = raw.readinto, raw.seek, raw.tell
        self.flush, self.read = raw.flush, raw.read

    def write(self, content: Any) -> int:
        """Write all of some bytes, as far as the disk takes them."""
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
        self._undaunted = _Undaunted(raw)
        super().__init__(self._undaunted, "w", libver=_FORMATS)

    def check(self) -> None:
        """Raise what went wrong in writing; for long work, which would go on to no purpose."""
        if self._undaunted.error:
            raise self._undaunted.error


@contextmanager
def new_hdf5(path: str | Path) -> Iterator[NewFile]:
    """Write an HDF5 file, atomically.

    Raises
    ------
    SedumError
        As :func:`sedum.storage.atomic_path`.
    """
    with atomic_path(path) as temporary, temporary.open("w+b", buffering=0) as raw:
        with NewFile(raw) as file:
            yield file
        file.check()
