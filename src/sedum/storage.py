"""Files that are whole or absent, locks, and hashes that say what files were made from."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import re
import stat
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import platformdirs

from sedum.errors import SedumError

__all__ = [
    "array_digest",
    "atomic_path",
    "cache_folder",
    "check_writable",
    "digest",
    "file_digest",
    "is_full",
    "lock_path",
    "locked",
    "read_tensors",
    "read_text",
    "require_same",
    "sweep",
    "write_tensors",
]


#: Under what name the digest of a file of tensors stands in its metadata.
_DIGEST = "digest"
_asking = threading.Lock()
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


def _cannot_write(target: Path, error: Exception) -> SedumError:
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
        raise _cannot_write(target, error) from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _put(temporary, target)
    except Exception as error:
        # Errors of the body that are not about space are its own, as when it reads.
        if isinstance(error, SedumError) or not is_full(error):
            raise
        raise _cannot_write(target, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def _put(temporary: Path, target: Path) -> None:
    """Rename a file that is written, once its content is on the disk."""
    # mkstemp makes files private; give back what the user's umask would have given.
    with _asking:  # or another thread would take the zero for the user's
        mask = os.umask(0)
        os.umask(mask)
    try:
        temporary.chmod(0o666 & ~mask)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise _cannot_write(target, error) from None


def sweep(target: str | Path) -> None:
    """Remove temporary files that killed writers of ``target`` left beside it.

    For those who hold its lock alone: a living writer would lose its file.
    """
    target = Path(target)
    # So many letters are what tempfile draws; more would be another target's.
    pattern = f".{glob.escape(target.name)}.????????.partial{glob.escape(target.suffix)}"
    for left in target.parent.glob(pattern):
        left.unlink(missing_ok=True)


def lock_path(target: str | Path) -> Path:
    """Return the lock of an output: there while a process is at work on it, or was killed."""
    target = Path(target)
    return target.with_name(f".{target.name}.lock")


@contextmanager
def locked(target: str | Path, doing: str) -> Iterator[None]:
    """Let no other process work on an output; the lock ends with the process, however that ends.

    Parameters
    ----------
    target
        The output, a file or a folder; it need not exist. The lock is a hidden file beside it.
        What killed writers left of a file is removed.
    doing
        What the other process would be doing to it, for the message: ``"training"``.

    Raises
    ------
    SedumError
        If another process holds the lock, or the folder cannot be written.
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
        raise _cannot_write(path, error) from None
    with file:
        sweep(target)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _lock(path: Path) -> IO[str]:
    """Open and lock a file; it is the one at ``path``, not one that its last holder removed."""
    import fcntl

    while True:
        file = path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise
        except OSError as error:  # some network file systems have no locks
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
        raise _cannot_write(path, error) from None
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


def write_tensors(
    path: str | Path, tensors: Mapping[str, Any], meta: dict[str, Any], key: str = "sedum"
) -> None:
    """Write a ``.safetensors`` file whose metadata holds JSON, atomically, with its digest.

    Parameters
    ----------
    path
        The file.
    tensors
        Tensors of torch, or arrays.
    meta
        What JSON can hold.
    key
        Of the JSON in the metadata: there is one, since several would come in any order.
    """
    from safetensors.numpy import save

    # Copied: the format refuses tensors that share memory.
    arrays = {name: np.array(_as_array(value), order="C") for name, value in tensors.items()}
    meta = {**meta, _DIGEST: _tensors_digest(arrays, meta)}
    with atomic_path(path) as temporary:
        # Its own writer makes one more temporary file, which would stay behind after a kill.
        temporary.write_bytes(save(arrays, metadata={key: json.dumps(meta)}))


def read_tensors(
    path: str | Path, framework: str, key: str = "sedum"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a ``.safetensors`` file whose metadata holds JSON; nothing in it is executed.

    The digest is verified, but for files of other programs and of earlier versions.

    Parameters
    ----------
    path
        The file.
    framework
        ``"pt"`` for tensors of torch, ``"numpy"`` for arrays.
    key
        Of the JSON in the metadata.

    Returns
    -------
    meta, tensors : dict
        The JSON, empty where there is none, and the tensors by name.

    Raises
    ------
    ValueError
        If the file cannot be read or is damaged; says how.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework=framework) as file:
            meta = json.loads((file.metadata() or {}).get(key, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        told = meta.pop(_DIGEST, None)
    except (OSError, SafetensorError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(str(error)) from None
    if told is not None and told != _tensors_digest(tensors, meta):
        raise ValueError("its content is not what was written")
    return meta, tensors


def _as_array(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _tensors_digest(tensors: Mapping[str, Any], meta: dict[str, Any]) -> str:
    names = sorted(tensors)
    return digest([meta, names, array_digest(*(_as_array(tensors[name]) for name in names))])


def require_same(found: dict[str, str], wanted: dict[str, str], what: str, remedy: str) -> None:
    """Make sure that an artefact was made with a run file, or say which parts differ.

    Parameters
    ----------
    found, wanted
        Fingerprints of the artefact and of the run file: hashes by the name of the part.
    what
        The artefact, with its file.
    remedy
        What to do.

    Raises
    ------
    SedumError
        Naming the parts that differ.
    """
    differing = [part for part in wanted if found.get(part) != wanted[part]]
    if differing:
        verb = "differs" if len(differing) == 1 else "differ"
        raise SedumError(
            f"{what} was made with another run file: its {' and '.join(differing)} {verb}; "
            f"{remedy}, or use the run file it was made with"
        )


def cache_folder() -> Path:
    """Return the folder for converted grids; ``SEDUM_CACHE`` overrides the user's default."""
    return Path(os.environ.get("SEDUM_CACHE") or platformdirs.user_cache_dir("sedum"))


def digest(content: Any) -> str:
    """Return the SHA-256 of any JSON-able content, independent of the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def array_digest(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of the shapes, types and values of some arrays."""
    sha = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()
