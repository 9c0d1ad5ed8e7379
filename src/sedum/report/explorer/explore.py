"""A posterior catalogue to walk about in, as a page in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sedum.errors import SedumError

if TYPE_CHECKING:
    from sedum.report.explorer.server import Explorer

__all__ = ["explore"]


def explore(
    results: str | Path,
    *,
    catalogue: str | Path | None = None,
    estimator: str | Path | None = None,
    run: str | Path | None = None,
    port: int = 0,
    n_rows: int = 20_000,
    show: bool = False,
) -> Explorer:
    """Serve a page about a posterior catalogue to browsers on this machine.

    The page has the catalogue's table and linked plots, and for the chosen galaxy its photometry
    with the posterior spectrum, star-formation history, p(z) and corner plot, computed when it
    is chosen from the draws behind the fit. Serving goes on in a thread until ``stop()``.

    Parameters
    ----------
    results
        A posterior catalogue; see :class:`sedum.PosteriorCatalogue`.
    catalogue, estimator
        What was fitted and with what; where None, looked for beside the results by the names in
        their provenance. Without them there is no more than the catalogue tells.
    run
        The run file, where paths in the one that the results carry do not lead from here.
    port
        Where to serve; 0 for any port that is free.
    n_rows
        How many rows, drawn at random, table and plots show; the search finds any.
    show
        Open the page in a browser.

    Returns
    -------
    Explorer
        With ``url``, ``wait()`` and ``stop()``.

    Raises
    ------
    SedumError
        If Bokeh is not installed, the port is taken, or the files do not belong together.

    Examples
    --------
    >>> explorer = sedum.explore("posteriors.fits", catalogue="cat.fits")  # doctest: +SKIP
    >>> explorer.url  # doctest: +SKIP
    'http://127.0.0.1:40211/'
    """
    try:
        from sedum.report.explorer.server import Explorer
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("bokeh", "tornado"):
            raise
        raise SedumError(
            f"sedum explore needs the package {error.name}: pip install 'sedum[explore]'"
        ) from None
    explorer = Explorer(results, catalogue, estimator, run, port, n_rows)
    if show:
        explorer.show()
    return explorer
