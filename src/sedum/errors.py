"""The one exception that sedum raises for a mistake in what it was given.

Everything a user can put right (a wrong key, a missing column, a damaged file) is a
:class:`SedumError` whose message is complete in one line: what was found, where, and what
to do. The command line prints that line and leaves with exit code 2; any other exception
is a defect of sedum and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["SedumError", "allowed", "nearest"]


class SedumError(Exception):
    """A mistake in the input, described so that the user can mend it."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """Suggest known names close to a mistyped one.

    Parameters
    ----------
    name
        What was found.
    known
        What would have been accepted.
    count
        The most suggestions to give.

    Returns
    -------
    str
        ``"; did you mean a, b?"``, or an empty string where nothing is close.
    """
    folded = {str(k).lower(): str(k) for k in known}
    wanted = name.lower()
    hits = difflib.get_close_matches(wanted, folded, n=count, cutoff=0.6)
    if not hits:
        hits = [k for k in folded if wanted and (wanted in k or k in wanted)][:count]
    return f"; did you mean {', '.join(folded[h] for h in hits)}?" if hits else ""


def allowed(name: str, known: Iterable[str]) -> str:
    """Say what would have been accepted, near names first, as the end of a message.

    Returns
    -------
    str
        ``"; did you mean a? allowed: a, b, c"`` or ``"; allowed: a, b, c"``.
    """
    names = list(known)
    near = nearest(name, names)
    return f"{near or ';'} allowed: {', '.join(names)}"
