"""Hashes that identify what files were made from, and the folder of cached files."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from sedum.errors import SedumError

__all__ = [
    "array_digest",
    "cache_folder",
    "digest",
    "file_digest",
    "require_same",
]


def digest(content: Any) -> str:
    """Return the SHA-256 of content that JSON can hold, independent of the order of its keys.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file, which is read in pieces."""
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


def require_same(recorded: dict[str, str], wanted: dict[str, str], what: str, remedy: str) -> None:
    """Make sure that a file was made with a run file.

    Parameters
    ----------
    recorded
        Fingerprint recorded in the file: hashes by the name of the part of the run file.
    wanted
        Fingerprint of the run file.
    what
        Description of the file, for the message.
    remedy
        What the user can do, for the message.

    Raises
    ------
    SedumError
        If the fingerprints differ; the message names the parts that differ.

    Examples
    --------
    >>> require_same({"priors": "1f"}, {"priors": "1f"}, "library a.h5", "simulate again")
    """
    differing = [part for part in wanted if recorded.get(part) != wanted[part]]
    if differing:
        verb = "differs" if len(differing) == 1 else "differ"
        raise SedumError(
            f"{what} was made with another run file: its {' and '.join(differing)} {verb}; "
            f"{remedy}, or use the run file it was made with"
        )


def cache_folder() -> Path:
    """Return the folder of converted grids: ``SEDUM_CACHE``, or the default of the system."""
    return Path(os.environ.get("SEDUM_CACHE") or platformdirs.user_cache_dir("sedum"))
