"""Hashes that say what files were made from, and the folder that keeps what is converted once."""

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
