"""Whether an estimator belongs to a run file, and the forward model that both share."""

from __future__ import annotations

from typing import overload

from sedum.config import RunFile
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior, training_fingerprint
from sedum.observe.noise_model import NoiseModel

__all__ = ["trained_model"]


@overload
def trained_model(run: RunFile, posterior: Posterior, model: None = None) -> GalaxyModel: ...


@overload
def trained_model(run: RunFile, posterior: Posterior, model: Simulator | None) -> Simulator: ...


def trained_model(run: RunFile, posterior: Posterior, model: Simulator | None = None) -> Simulator:
    """Return the forward model of a run file, if the estimator was trained for that run file.

    Bands, model, priors, features and noise must be those of the training. The noise is built
    anew from the run file, so that a changed depth or floor is noticed. What was learned of a
    catalogue's noise comes with the estimator: its file need not be there.

    Parameters
    ----------
    run
        The run file.
    posterior
        The trained estimator.
    model
        The forward model, if the caller has it; that of the run file if None.

    Returns
    -------
    Simulator
        The forward model.

    Raises
    ------
    SedumError
        If the estimator was trained with another run file; the parts that differ are named.

    Examples
    --------
    >>> trained_model(run, posterior).prior.names[:2]
    ['redshift', 'log_mass']
    """
    model = model or GalaxyModel.from_run(run)
    noise = NoiseModel.from_run(run, model.filters, posterior.noise.sample)
    posterior.require(training_fingerprint(model.fingerprint(), run, noise))
    return model
