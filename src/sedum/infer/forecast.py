"""A forecast, before any fit, of which rows of a catalogue an estimator will be able to fit."""

from __future__ import annotations

import numpy as np

from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.galaxies.simulator import Simulator
from sedum.infer.trained_limits import TrainedLimits
from sedum.infer.training.batches import observe_for_training
from sedum.observe.features import FeatureTransform
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.catalogue import CatalogueRows
from sedum.photometry.observed import Photometry
from sedum.photometry.row_reasons import OK, Reason
from sedum.photometry.row_status import RowStatus

__all__ = ["forecast", "forecast_lines", "rows_of_noise"]

#: Galaxies that are simulated for the forecast of a run file that was not trained yet.
_GALAXIES = 20_000
#: Fewer galaxies than these after the selection make no forecast.
_MINIMUM = 100


def forecast(
    run: RunFile, rows: CatalogueRows, model: Simulator, n_galaxies: int = _GALAXIES
) -> RowStatus:
    """Forecast the status of each row for an estimator that a run file describes.

    Some galaxies are simulated and observed as in training. Rows beyond their range will not be
    fitted.

    Parameters
    ----------
    run
        The run file.
    rows
        The rows of a catalogue, n.
    model
        Its forward model.
    n_galaxies
        Number of galaxies to simulate.

    Returns
    -------
    RowStatus
        The status of each row, [n].

    Raises
    ------
    SedumError
        If the selection of the run file leaves hardly any simulated galaxy.

    Examples
    --------
    >>> from sedum import FilterSet, GalaxyModel, read_catalogue
    >>> rows = read_catalogue(catalogue, run.catalogue, FilterSet.from_run(run))
    >>> forecast(run, rows, GalaxyModel.from_run(run), n_galaxies=2000).counts()[0][0]
    'ok'
    """
    noise = NoiseModel.from_run(run)
    rng = np.random.default_rng(run.library.seed)
    theta = model.prior.sample(n_galaxies, rng)
    redshift = theta[:, model.prior.names.index("redshift")]
    seen, _ = observe_for_training(noise, theta, model.photometry(theta), redshift, rng)
    if len(seen) < _MINIMUM:
        raise SedumError(
            f"only {len(seen)} of {n_galaxies:,} simulated galaxies pass noise.selection; ease the "
            "selection, or narrow the priors to galaxies that the survey detects"
        )
    features = FeatureTransform.of(noise, run.features, run.embeds_bands()).fit(seen)
    given = run.catalogue is not None and run.catalogue.use_redshift
    return TrainedLimits(features, noise, model.prior).apply(rows, given)[1]


def rows_of_noise(noise: NoiseModel) -> CatalogueRows | None:
    """Return the galaxies of the catalogue that a noise model was learned from, if it was.

    Examples
    --------
    >>> rows_of_noise(posterior.noise) is None  # its noise is given by depths
    True
    """
    sample = noise.sample
    if sample is None:
        return None
    flux = np.where(sample.observed, sample.flux, np.nan)
    photometry = Photometry.make(flux, sample.error, sample.upper)
    unknown = np.full(len(flux), np.nan)
    return CatalogueRows(np.arange(len(flux)), photometry, unknown, unknown, RowStatus(len(flux)))


def forecast_lines(status: RowStatus, what: str) -> list[str]:
    """Return a forecast in words: the fraction of rows, and why the others are left.

    Parameters
    ----------
    status
        The forecast.
    what
        What the rows are, such as ``"rows"``.

    Examples
    --------
    >>> forecast_lines(RowStatus(200), "rows")
    ['forecast: 100.0% of 200 rows will be fitted']
    """
    n = len(status.ok)
    lines = [f"forecast: {status.ok.mean():.1%} of {n:,} {what} will be fitted"]
    for text, count in status.counts():
        if text != OK:
            reason = Reason.of(text)
            remedy = f": {reason.remedy}" if reason is not None else ""
            lines.append(f"  {count:8,}  {text}{remedy}")
    return lines
