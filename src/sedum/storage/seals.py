"""Seals of documents in JSON and YAML: a checksum of the content, as one of its keys."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sedum.errors import SedumError
from sedum.storage.atomic_files import atomic_path, read_text
from sedum.storage.digests import digest

__all__ = ["read_json", "sealed", "unsealed", "warn_unsealed", "write_json"]

#: The key. It comes first, so that a text that is cut short still has it.
_KEY = "checksum"


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with the checksum of its content as the first key.

    Raises
    ------
    TypeError
        If JSON cannot hold the content.

    Examples
    --------
    >>> list(sealed({"galaxies": 80}))
    ['checksum', 'galaxies']
    """
    plain = json.loads(json.dumps(content))
    return {_KEY: digest(plain), **plain}


def unsealed(content: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the content of a document, and whether it had a seal.

    Raises
    ------
    ValueError
        If the content is not what was sealed.

    Examples
    --------
    >>> unsealed(sealed({"galaxies": 80}))
    ({'galaxies': 80}, True)
    >>> unsealed({**sealed({"galaxies": 80}), "galaxies": 81})
    Traceback (most recent call last):
    ...
    ValueError: its content is not what was written
    """
    plain = {key: value for key, value in content.items() if key != _KEY}
    if _KEY not in content:
        return plain, False
    if content[_KEY] != digest(plain):
        raise ValueError("its content is not what was written")
    return plain, True


def warn_unsealed(path: str | Path, what: str, maker: str) -> None:
    """Warn that a file of an older sedum has no checksum."""
    warnings.warn(
        f"{what} {path} has no checksum, so that damage to it would not be noticed; '{maker}' "
        "makes one that has",
        stacklevel=3,
    )


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a sealed JSON file, atomically.

    Examples
    --------
    >>> write_json("scorecard.json", {"galaxies": 80})
    >>> read_json("scorecard.json", "scorecard", "sedum validate")
    {'galaxies': 80}
    """
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(sealed(content), indent=1) + "\n")


def read_json(path: str | Path, what: str, maker: str) -> dict[str, Any]:
    """Read a JSON file and verify its seal.

    Parameters
    ----------
    path
        The file. One without a seal, as older versions wrote, is read with a warning.
    what
        What it is, for messages.
    maker
        The command that makes one.

    Raises
    ------
    SedumError
        If it cannot be read, is damaged, or holds no mapping.
    """
    text = read_text(path, what)
    try:
        content = json.loads(text)
        if isinstance(content, dict):
            content, whole = unsealed(content)
            if not whole:
                warn_unsealed(path, what, maker)
            return content
    except (ValueError, RecursionError):
        raise SedumError(f"{what} {path} is damaged; make it again with '{maker}'") from None
    raise SedumError(f"{path} is no {what}; make one with '{maker}'")
