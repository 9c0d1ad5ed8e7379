"""Writing HDF5 where the disk may be full, and seals of small files.

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
import numpy as np

from sedum.storage import array_digest, atomic_path, digest

__all__ = ["NewFile", "new_hdf5", "seal", "verify_seal"]


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


#: Attribute with the checksum of all others and of the tables.
_SEAL = "sha256"


def seal(file: h5py.File) -> None:
    """Store the checksum of the attributes and tables of a small file. Call it last.

    Examples
    --------
    >>> with new_hdf5("a.h5") as file:
    ...     file["numbers"] = np.arange(3)
    ...     seal(file)
    >>> with h5py.File("a.h5") as file:
    ...     verify_seal(file)
    True
    """
    file.attrs[_SEAL] = np.bytes_(_content_digest(file).encode())


def verify_seal(file: h5py.File) -> bool:
    """Return whether a file has a seal, after verifying it.

    Raises
    ------
    ValueError
        If the content is not what was sealed.
    """
    if _SEAL not in file.attrs:
        return False
    recorded = file.attrs[_SEAL]
    if not isinstance(recorded, bytes) or recorded.decode("ascii", "replace") != _content_digest(
        file
    ):
        raise ValueError("its content is not what was written")
    return True


def _content_digest(file: h5py.File) -> str:
    attributes = {name: str(value) for name, value in file.attrs.items() if name != _SEAL}
    return digest([attributes, {name: array_digest(file[name][()]) for name in file}])


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
