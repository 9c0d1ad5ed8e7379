"""Files that are whole or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import platform
import re
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sedum.errors import SedumError

__all__ = [
    "atomic_path",
    "cannot_write",
    "check_writable",
    "is_full",
    "is_too_large",
    "read_text",
    "sweep",
    "sweep_folder",
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
_LARGE_TEXT = re.compile(rf"File too large|(?:errno =|os error) {errno.EFBIG}\b")
#: How numpy, and with it FITS, says that less was written, without the reason.
_SHORT = re.compile(r"\d+ requested and \d+ written")
#: Errors by which reading ends too. Of other errors only writing is the cause.
_READING = {errno.ENOENT, errno.EISDIR, errno.ENOTDIR}
#: Folders in which this process has removed what killed writers left.
_swept: set[tuple[int, str]] = set()


def is_full(error: BaseException) -> bool:
    """Return whether an error means that there is no space left to write.

    HDF5, safetensors, FITS and databases have their own errors for it.

    Examples
    --------
    >>> is_full(RuntimeError("No space left on device"))
    True
    """
    if getattr(error, "errno", None) in _FULL or _FULL_TEXT.search(str(error)):
        return True
    return bool(_SHORT.search(str(error))) and not _is_limited()


def is_too_large(error: BaseException) -> bool:
    """Return whether an error means that a file would pass the largest allowed size.

    Examples
    --------
    >>> is_too_large(OSError(errno.EFBIG, "File too large"))
    True
    """
    if getattr(error, "errno", None) == errno.EFBIG or _LARGE_TEXT.search(str(error)):
        return True
    return bool(_SHORT.search(str(error))) and _is_limited()


def _is_limited() -> bool:
    """Return whether the files of this process may have some size only ('ulimit -f')."""
    import resource

    return resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY


def cannot_write(target: Path, error: BaseException) -> SedumError:
    """Return an error that says in one line why a file cannot be written, and the remedy."""
    if is_full(error):
        return SedumError(
            f"cannot write {target}: no space is left on its disk; free some, then give the same "
            "command again"
        )
    if is_too_large(error):
        return SedumError(
            f"cannot write {target}: it would be larger than files may be here; raise the limit "
            "('ulimit -f'), then give the same command again"
        )
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return SedumError(f"cannot write {target}: {reason}; choose another output path")


@contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``target``, and rename it to ``target`` on success.

    A reader therefore sees the old file or the new file, never an incomplete one, even if the
    writer is killed or the machine stops. The suffix is kept, since it determines the format.
    The name of the temporary file tells its process. The next process that writes to the folder
    removes it if that one is gone.

    Raises
    ------
    SedumError
        If the file cannot be written; the message names it and says why.

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
        _sweep_once(target.parent)
        temporary = _temporary(target)
    except OSError as error:
        raise cannot_write(target, error) from None
    try:
        yield temporary
        _put(temporary, target)
    except Exception as error:
        # Other errors of the body, such as those of reading, are passed on.
        if isinstance(error, SedumError) or not _of_writing(error, temporary):
            raise
        raise cannot_write(target, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def _of_writing(error: Exception, temporary: Path) -> bool:
    """Return whether writing to a temporary file raised an error."""
    if is_full(error) or is_too_large(error):
        return True
    if not isinstance(error, OSError) or error.errno is None:
        return False
    if error.filename is not None:
        return str(error.filename) == str(temporary)
    return error.errno not in _READING


def _writer() -> str:
    """Return what the names of this process's temporary files have in common."""
    host = hashlib.sha256(platform.node().encode()).hexdigest()[:6]
    return f"{host}-{os.getpid()}-"


def _temporary(target: Path) -> Path:
    """Make the temporary file of a target."""
    handle, name = tempfile.mkstemp(
        prefix=f".{target.name}.{_writer()}", suffix=f".partial{target.suffix}", dir=target.parent
    )
    os.close(handle)
    return Path(name)


def _sweep_once(folder: Path) -> None:
    """Remove from a folder, once in a process, the temporary files of processes that are gone."""
    key = (os.getpid(), str(folder.resolve()))
    if key not in _swept:
        _swept.add(key)
        sweep_folder(folder)


def sweep_folder(folder: str | Path) -> None:
    """Remove the temporary files of processes of this machine that are gone.

    Files of processes that run, and of other machines that share the folder, are left alone.

    Examples
    --------
    >>> left = Path(f".a.txt.{_writer().replace(str(os.getpid()), '4194305')}abcdefgh.partial.txt")
    >>> _ = left.write_text("half")
    >>> sweep_folder(".")
    >>> left.exists()
    False
    """
    host = _writer().partition("-")[0]
    pattern = re.compile(rf"\..+\.{host}-(\d+)-[^.]+\.partial(?:\.[^.]*)?")
    with os.scandir(folder) as entries:
        left = [
            entry.path
            for entry in entries
            if (found := pattern.fullmatch(entry.name)) and not _runs(int(found[1]))
        ]
    for path in left:
        with suppress(OSError):
            os.unlink(path)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


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
    # The middle has no dot: longer names belong to other targets.
    pattern = re.compile(
        rf"{re.escape(f'.{target.name}.')}[^.]+{re.escape(f'.partial{target.suffix}')}"
    )
    for left in target.parent.glob(f".{glob.escape(target.name)}.*"):
        if pattern.fullmatch(left.name):
            left.unlink(missing_ok=True)


def check_writable(path: str | Path) -> Path:
    """Return a path that can be written, before any work is spent on its content.

    Raises
    ------
    SedumError
        If the path is a folder, a write-protected file or a link to nothing, its name is too
        long, or its folder cannot be created or written.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise SedumError(f"cannot write {path}: it is a folder; give a file name")
        if path.is_symlink() and not path.exists():
            raise SedumError(
                f"cannot write {path}: it is a link to {os.readlink(path)}, where no file is; "
                "remove the link, or choose another output path"
            )
        # The file could be replaced, since its folder can be written: but it is to be kept.
        if path.exists() and not path.stat().st_mode & _WRITABLE:
            raise SedumError(
                f"cannot write {path}: the file is there and write-protected; remove it, or choose "
                "another output path"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_folder(path.parent)
        _temporary(path).unlink()
    except OSError as error:
        raise cannot_write(path, error) from None
    except ValueError as error:  # a name with a byte of zero
        raise SedumError(f"cannot write {str(path)!r}: {error}; choose another path") from None
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
