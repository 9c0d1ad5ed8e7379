"""The one exception that sedum raises for a mistake in its input.

Everything that a user can put right (a wrong key, a missing column, a damaged file) raises
:class:`SedumError`. Its message is one line that says what is wrong, where, and what to do. The
command line prints that line and exits with code 2. Any other exception is a defect of sedum and
keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["SedumError", "allowed", "nearest"]


class SedumError(Exception):
    """A mistake in the input that the user can correct.

    Examples
    --------
    >>> from sedum import SedumError
    >>> from sedum.photometry import FilterSet
    >>> try:
    ...     FilterSet.from_names(["sdss_x0"])
    ... except SedumError as error:
    ...     print(error)
    filters: unknown band 'sdss_x0'; did you mean sdss_z0, sdss_u0, sdss_r0? ...
    """


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """Suggest known names that are close to a mistyped one.

    Parameters
    ----------
    name
        The mistyped name.
    known
        The accepted names.
    count
        Maximum number of suggestions.

    Returns
    -------
    str
        ``"; did you mean a, b?"``, or an empty string if no name is close.

    Examples
    --------
    >>> nearest("redshfit", ["redshift", "log_mass"])
    '; did you mean redshift?'
    """
    folded = {str(k).lower(): str(k) for k in known}
    lowered = name.lower()
    matches = difflib.get_close_matches(lowered, folded, n=count, cutoff=0.6)
    if not matches:
        matches = [k for k in folded if lowered and (lowered in k or k in lowered)][:count]
    return f"; did you mean {', '.join(folded[h] for h in matches)}?" if matches else ""


def allowed(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: suggestions, then all accepted names.

    Parameters
    ----------
    name
        The mistyped name.
    known
        The accepted names.

    Returns
    -------
    str
        ``"; did you mean a? allowed: a, b, c"`` or ``"; allowed: a, b, c"``.

    Examples
    --------
    >>> allowed("smcc", ["calzetti", "smc"])
    '; did you mean smc? allowed: calzetti, smc'
    """
    names = list(known)
    near = nearest(name, names)
    return f"{near or ';'} allowed: {', '.join(names)}"
