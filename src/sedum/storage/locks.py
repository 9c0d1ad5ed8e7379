"""Locks of outputs: one process at a time, released even if the process is killed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sedum.errors import SedumError
from sedum.storage.atomic_files import cannot_write, sweep

__all__ = [
    "lock_path",
    "locked",
]


def lock_path(target: str | Path) -> Path:
    """Return the lock file of an output. It exists while a process works on it, or was killed."""
    target = Path(target)
    return target.with_name(f".{target.name}.lock")


@contextmanager
def locked(target: str | Path, doing: str) -> Iterator[None]:
    """Lock an output for this process. The lock ends with the process, however that ends.

    Parameters
    ----------
    target
        The output, a file or a folder. It need not exist. The lock is a hidden file beside it.
        Temporary files of killed writers are removed.
    doing
        What the other process does with the output, for the message, such as ``"training"``.

    Raises
    ------
    SedumError
        If another process holds the lock, or the folder cannot be written.

    Examples
    --------
    >>> with locked("out.fits", "fitting to"):
    ...     print(lock_path("out.fits").exists())
    True
    """
    target = Path(target)
    path = lock_path(target)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _lock(path)
    except BlockingIOError:
        raise SedumError(
            f"another process is {doing} {target}; wait for it, or choose another output"
        ) from None
    except OSError as error:
        raise cannot_write(path, error) from None
    with file:
        sweep(target)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _lock(path: Path) -> IO[str]:
    """Open and lock the file at ``path``, not one that its last holder has removed."""
    import fcntl

    while True:
        file = path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise
        except OSError as error:  # some network file systems do not support locks
            warnings.warn(
                f"cannot lock {path} ({error.strerror}): a second process on the same output would "
                "not be noticed",
                stacklevel=4,
            )
            return file
        try:
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass
        file.close()
