"""The parameters of a forward model and their joint prior."""

from __future__ import annotations

from collections.abc import Mapping

from sedum import config
from sedum.galaxies.cosmology import CosmologyTable
from sedum.priors.joint import Prior

__all__ = ["prior_of"]


def prior_of(model: config.Model, priors: Mapping[str, config.PriorSpec]) -> Prior:
    """Return the joint prior of a model, without building the model itself.

    Parameters
    ----------
    model
        The components, from the run file.
    priors
        Priors of the parameters that ``model.parameters()`` lists; defaults where absent.
    """
    specs = {name: priors.get(name, config.default_prior(name)) for name in model.parameters()}
    history = model.history
    quantiles = history.quantiles if isinstance(history, config.DenseBasis) else 0
    return Prior(specs, CosmologyTable(model.cosmology).age_gyr, quantiles)
