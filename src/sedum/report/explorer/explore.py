"""The explorer: a posterior catalogue on a page in the browser."""

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

    The page has the table of the catalogue and linked plots. For the selected galaxy it shows the
    photometry with the posterior spectrum, star-formation history, p(z) and corner plot, which
    are computed from the draws of the fit when the galaxy is selected. A thread serves the page
    until ``stop()``.

    Parameters
    ----------
    results
        A posterior catalogue; see :class:`sedum.PosteriorCatalogue`.
    catalogue, estimator
        The catalogue that was fitted, and the estimator. If None, they are searched for beside
        the results by the names in their provenance. Without them, the page shows only the
        columns of the results.
    run
        The run file, if the paths in the one stored with the results are not valid here.
    port
        The port of the server; 0 takes a free one.
    n_rows
        Maximum number of rows, drawn at random, in table and plots; the search finds all rows.
    show
        Open the page in a browser.

    Returns
    -------
    Explorer
        The server, with ``url``, ``wait()`` and ``stop()``.

    Raises
    ------
    SedumError
        If Bokeh is not installed, the port is taken, or the files do not belong together.

    Examples
    --------
    >>> import sedum  # needs bokeh
    >>> _ = sedum.fit(run, posterior, catalogue, "posteriors.fits")
    >>> explorer = explore("posteriors.fits")
    >>> explorer.url
    'http://127.0.0.1:.../'
    >>> explorer.stop()
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
