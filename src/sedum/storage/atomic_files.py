"""Files that are whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import glob
import os
import re
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sedum.errors import SedumError

__all__ = [
    "atomic_path",
    "cannot_write",
    "check_writable",
    "is_full",
    "read_text",
    "sweep",
]

_umask = threading.Lock()
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
#: Errors of the system for a full disk, quota or index, and texts of libraries that raise other
#: errors than OSError.
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FULL_TEXT = re.compile(
    r"No space left on device|Not enough space on disk|Disk quota exceeded|disk is full"
    rf"|(?:errno =|os error) (?:{errno.ENOSPC}|{errno.EDQUOT})\b"
)


def is_full(error: BaseException) -> bool:
    """Return whether an error means that there is no space left to write.

    HDF5, safetensors, FITS and databases have their own errors for it.

    Examples
    --------
    >>> is_full(RuntimeError("No space left on device"))
    True
    """
    return getattr(error, "errno", None) in _FULL or bool(_FULL_TEXT.search(str(error)))


def cannot_write(target: Path, error: Exception) -> SedumError:
    """Return an error that says in one line why a file cannot be written, and the remedy."""
    if is_full(error):
        return SedumError(
            f"cannot write {target}: no space is left on its disk; free some, then give the same "
            "command again"
        )
    reason = getattr(error, "strerror", None) or error
    return SedumError(f"cannot write {target}: {reason}; choose another output path")


@contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``, and rename it to ``target`` on success.

    A reader therefore sees the old file or the new file, never an incomplete one, even if the
    writer is killed or the machine stops. The suffix is kept, since it determines the format.

    Raises
    ------
    SedumError
        If there is no space left, or the folder cannot be written; the message names the file.

    Examples
    --------
    >>> with atomic_path("notes.txt") as temporary:
    ...     _ = temporary.write_text("complete")
    >>> open("notes.txt").read()
    'complete'
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{target.name}.", suffix=f".partial{target.suffix}", dir=target.parent
        )
    except OSError as error:
        raise cannot_write(target, error) from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _put(temporary, target)
    except Exception as error:
        # Other errors of the body, such as those of reading, are passed on.
        if isinstance(error, SedumError) or not is_full(error):
            raise
        raise cannot_write(target, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def _put(temporary: Path, target: Path) -> None:
    """Rename a written file, after its content has reached the disk."""
    # mkstemp makes files private; restore the permissions of the user's umask.
    with _umask:  # or another thread could read the temporary zero
        mask = os.umask(0)
        os.umask(mask)
    try:
        temporary.chmod(0o666 & ~mask)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise cannot_write(target, error) from None


def sweep(target: str | Path) -> None:
    """Remove temporary files that killed writers of ``target`` left beside it.

    Only the holder of the lock of ``target`` may call this: others would lose their file.
    """
    target = Path(target)
    # tempfile draws eight letters; longer names belong to other targets.
    pattern = f".{glob.escape(target.name)}.????????.partial{glob.escape(target.suffix)}"
    for left in target.parent.glob(pattern):
        left.unlink(missing_ok=True)


def check_writable(path: str | Path) -> Path:
    """Return a path that can be written, before any work is spent on its content.

    Raises
    ------
    SedumError
        If the path is a folder or a write-protected file, or its folder cannot be created or
        written.
    """
    path = Path(path)
    if path.is_dir():
        raise SedumError(f"cannot write {path}: it is a folder; give a file name")
    # The file could be replaced, since its folder can be written: but it is to be kept.
    if path.exists() and not path.stat().st_mode & _WRITABLE:
        raise SedumError(
            f"cannot write {path}: the file is there and write-protected; remove it, or choose "
            "another output path"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise cannot_write(path, error) from None
    return path


def read_text(path: str | Path, what: str) -> str:
    """Return the content of a text file; ``what`` describes it in the message.

    Raises
    ------
    SedumError
        If the file cannot be read or is not text.
    """
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SedumError(f"{what}: cannot read {path}: {reason}") from None
