"""Errors of the library, which name arguments, in the words of the command line."""

from __future__ import annotations

import re

__all__ = ["in_flags"]

#: Flags that are not named as the argument they set.
_FLAGS = {"rows": "--row", "ids": "--id", "references": "--reference"}


def in_flags(message: str) -> str:
    """Return a message of the library with ``argument NAME`` as ``--name``.

    Examples
    --------
    >>> in_flags("report.html exists; name another file, or set argument force=True")
    'report.html exists; name another file, or set --force'
    """
    return re.sub(r"\bargument (\w+)(=True)?", lambda match: _flag(match[1]), message)


def _flag(name: str) -> str:
    return _FLAGS.get(name, f"--{name.replace('_', '-')}")
