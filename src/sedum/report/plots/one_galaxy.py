"""Figures of one galaxy of a catalogue, from an estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.infer.posterior import Posterior
from sedum.photometry.catalogue import CatalogueRows, read_for_run
from sedum.photometry.filters import FilterSet
from sedum.photometry.observed import Photometry
from sedum.report.plots.galaxy_plots import draw_corner, draw_sed
from sedum.report.plots.style import figure, styled
from sedum.survey.predict import predict_draws
from sedum.survey.prepare import galaxy_keys
from sedum.tables.read import TableLike

__all__ = ["corner", "sed"]

#: Draws for a corner plot, and for a spectrum.
_MARGINALS, _SPECTRA = 4000, 300


def corner(
    posterior: Posterior,
    catalogue: Photometry | TableLike,
    row: int = 0,
    *,
    n_draws: int = _MARGINALS,
    seed: int = 1,
) -> Figure:
    """Draw the posterior of one galaxy: all one- and two-dimensional marginals.

    Parameters
    ----------
    posterior
        The estimator.
    catalogue
        A catalogue that the run file of the estimator describes: a file or a table. Or photometry
        in its bands.
    row
        Number of the row, counted from 0.
    n_draws
        Number of draws.
    seed
        Seed of the draws; with that of the run file they are those of :func:`sedum.fit`.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, which notebooks show, and ``savefig`` writes.

    Raises
    ------
    SedumError
        If there is no such row, or it cannot be fitted.

    Examples
    --------
    >>> figure = corner(posterior, catalogue, row=1)
    >>> figure.savefig("corner.png")
    """
    _, _, draws = _of_row(posterior, catalogue, row, n_draws, seed)
    count = int((np.ptp(draws, axis=0) > 0).sum())
    with styled():
        fig = figure(1.35 * count, 1.35 * count, constrained=False)
        draw_corner(fig, draws, posterior.names)
    return fig


def sed(
    posterior: Posterior,
    catalogue: Photometry | TableLike,
    row: int = 0,
    *,
    model: GalaxyModel | None = None,
    n_draws: int = _SPECTRA,
    seed: int = 1,
) -> Figure:
    """Draw the photometry of one galaxy over the posterior of its spectrum.

    Parameters
    ----------
    posterior, catalogue, row, n_draws, seed
        As for :func:`corner`.
    model
        The forward model, if the caller has it.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    SedumError
        As for :func:`corner`.

    Examples
    --------
    >>> figure = sed(posterior, catalogue, row=1)
    >>> figure.axes[0].get_xlabel()
    'observed wavelength [µm]'
    """
    name, seen, draws = _of_row(posterior, catalogue, row, n_draws, seed)
    model = model or GalaxyModel.from_run(posterior.run)
    predictions = predict_draws(model, draws[None], derived=[])
    with styled():
        fig = figure(7.2, 4.2)
        axis = fig.subplots()
        draw_sed(axis, model.filters, seen, predictions)
        axis.set_title(name)
    return fig


def _of_row(
    posterior: Posterior, catalogue: Any, row: int, n_draws: int, seed: int
) -> tuple[str, Photometry, np.ndarray]:
    """Return the name of a galaxy, its photometry [1], and its draws [draws, d]."""
    if not isinstance(catalogue, Photometry | CatalogueRows):
        run = posterior.run
        catalogue = read_for_run(catalogue, run, FilterSet.from_run(run))
    if not 0 <= row < len(catalogue):
        raise SedumError(f"argument row: found {row}; the catalogue has {len(catalogue)} rows")
    if isinstance(catalogue, Photometry):
        seen, key, name = catalogue[row : row + 1], np.array([row]), f"row {row}"
    else:
        seen = posterior.of_row(catalogue, row)
        key, name = galaxy_keys(catalogue.ids[row : row + 1]), f"{catalogue.ids[row]}"
    return name, seen, posterior.sample(seen, n_draws, seed, key)[0]
