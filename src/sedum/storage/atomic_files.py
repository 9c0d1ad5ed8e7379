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
#: What the system reports where a disk, a quota or an index is full, and for what libraries say
#: of it that raise something else than OSError.
_FULL = {errno.ENOSPC, errno.EDQUOT}
_FULL_TEXT = re.compile(
    r"No space left on device|Not enough space on disk|Disk quota exceeded|disk is full"
    rf"|(?:errno =|os error) (?:{errno.ENOSPC}|{errno.EDQUOT})\b"
)


def is_full(error: BaseException) -> bool:
    """Say whether an error means that there is no space left to write.

    HDF5, safetensors, FITS and databases have errors of their own for it.
    """
    return getattr(error, "errno", None) in _FULL or bool(_FULL_TEXT.search(str(error)))


def cannot_write(target: Path, error: Exception) -> SedumError:
    """Say in one line why a file cannot be written, and the remedy."""
    if is_full(error):
        return SedumError(
            f"cannot write {target}: no space is left on its disk; free some, then give the same "
            "command again"
        )
    reason = getattr(error, "strerror", None) or error
    return SedumError(f"cannot write {target}: {reason}; choose another output path")


@contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``target`` and rename it there on success.

    A reader therefore sees the old file or the new one, never a part of one, whenever the
    writer is killed or the machine stops. The suffix is kept, since writers choose a format by
    it.

    Raises
    ------
    SedumError
        If there is no space left, or the folder cannot be written; the file is named.
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
        # Errors of the body that are not about space are its own, as when it reads.
        if isinstance(error, SedumError) or not is_full(error):
            raise
        raise cannot_write(target, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def _put(temporary: Path, target: Path) -> None:
    """Rename a file that is written, once its content is on the disk."""
    # mkstemp makes files private; give back what the user's umask would have given.
    with _umask:  # or another thread would take the zero for the user's
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

    For those who hold its lock alone: a living writer would lose its file.
    """
    target = Path(target)
    # So many letters are what tempfile draws; more would be another target's.
    pattern = f".{glob.escape(target.name)}.????????.partial{glob.escape(target.suffix)}"
    for left in target.parent.glob(pattern):
        left.unlink(missing_ok=True)


def check_writable(path: str | Path) -> Path:
    """Make sure that ``path`` can be written, before any work is spent on its content.

    Raises
    ------
    SedumError
        If the path is a folder or a write-protected file, or its folder cannot be made or
        written.
    """
    path = Path(path)
    if path.is_dir():
        raise SedumError(f"cannot write {path}: it is a folder; give a file name")
    # Its folder could be written, and the file replaced: but somebody wanted it kept.
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
    """Read a text file that a user named; ``what`` it is, for the message.

    Raises
    ------
    SedumError
        If it cannot be read or is not text.
    """
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SedumError(f"{what}: cannot read {path}: {reason}") from None
