"""The parameters of a forward model and their joint prior."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from sedum import config
from sedum.errors import SedumError
from sedum.galaxies.cosmology import CosmologyTable
from sedum.priors.joint import Prior

__all__ = ["prior_of"]


def prior_of(model: config.AnyModel, priors: Mapping[str, config.AnyPrior]) -> Prior:
    """Return the joint prior of a model without building the model itself.

    Parameters
    ----------
    model
        The components: the ``model`` section of a run file.
    priors
        Priors of the parameters in ``model.parameters()``, with defaults for those not given.

    Raises
    ------
    SedumError
        If a prior allows values at which its parameter is not defined.

    Examples
    --------
    >>> prior_of(run.model, run.priors).names[:3]
    ['redshift', 'log_mass', 'log_z']
    """
    if isinstance(model, config.ExternalModelSettings):
        specs = {name: priors[name] for name in model.parameters()}
        return Prior(specs, CosmologyTable(model.cosmology).age_gyr)
    specs = {name: priors.get(name, config.default_prior(name)) for name in model.parameters()}
    for name, spec in specs.items():
        _check_range(name, spec)
    cosmology = CosmologyTable(model.cosmology)
    prior = Prior(specs, cosmology.age_gyr, model.history.vectors())
    _check_ages(prior, cosmology)
    return prior


def _check_range(name: str, spec: config.AnyPrior) -> None:
    """Refuse priors that allow values at which the parameter is not defined."""
    known = config.parameter(name)
    values = [getattr(spec, key, None) for key in ("value", "low", "high")]
    values += getattr(spec, "x", [])
    # Unbounded normal priors of bounded parameters would give such values sooner or later.
    if isinstance(spec, config.NormalPrior | config.StudentTPrior):
        values += [-math.inf if spec.low is None else spec.low]
        values += [math.inf if spec.high is None else spec.high]
    for value in values:
        if value is not None and not known.low <= value <= known.high:
            raise SedumError(
                f"priors.{name}: reaches {value:g}; {known.description} is defined from "
                f"{known.low:g} to {known.high:g}"
            )


def _check_ages(prior: Prior, cosmology: CosmologyTable) -> None:
    """Refuse ages that may exceed the age of the Universe."""
    oldest_redshift = prior.support("redshift")[1]
    limit = float(cosmology.age_gyr(np.array([oldest_redshift]))[0])
    for name, spec in prior.specs.items():
        if not name.endswith("age") or isinstance(spec, config.UniverseAgePrior):
            continue
        high = prior.support(name)[1]
        if high > limit:
            raise SedumError(
                f"priors.{name}: reaches {high:g} Gyr, but the Universe is {limit:.3g} Gyr old at "
                f"z = {oldest_redshift:g}; use kind universe_age"
            )
