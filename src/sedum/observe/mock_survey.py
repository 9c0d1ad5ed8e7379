"""Mock surveys: galaxies drawn from the prior as a survey would detect and measure them."""

from __future__ import annotations

import numpy as np

from sedum.errors import SedumError
from sedum.galaxies.simulator import Simulator
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.observed import Photometry

__all__ = ["mock_survey"]


def mock_survey(
    model: Simulator, noise: NoiseModel, n_galaxies: int, seed: int, *, hide_redshift: bool = True
) -> tuple[np.ndarray, Photometry]:
    """Draw galaxies from the prior until the survey has detected the requested number.

    Parameters
    ----------
    model
        Forward model that gives the prior and the true fluxes.
    noise
        Noise and selection of the survey.
    n_galaxies
        Number of detected galaxies.
    seed
        Seed of the random numbers.
    hide_redshift
        Whether no redshift is known. Otherwise as many are known as in training.

    Returns
    -------
    theta : ndarray
        True parameters, [galaxies, d].
    photometry : Photometry
        The observations.

    Raises
    ------
    SedumError
        If the survey detects fewer than one galaxy in a thousand.

    Examples
    --------
    >>> from sedum import GalaxyModel, NoiseModel
    >>> model, noise = GalaxyModel.from_run(run), NoiseModel.from_run(run)
    >>> theta, photometry = mock_survey(model, noise, 10, seed=1)
    >>> theta.shape == (10, len(model.prior.names)), photometry.flux.shape
    (True, (10, 3))
    """
    rng = np.random.default_rng(seed)
    kept: list[tuple[np.ndarray, Photometry]] = []
    count = drawn = 0
    while count < n_galaxies:
        theta = model.prior.sample(4096, rng)
        redshift = theta[:, model.prior.names.index("redshift")]
        photometry = noise.observe(model.photometry(theta), rng, redshift)
        if hide_redshift:
            photometry = photometry.with_redshift(np.full(len(theta), np.nan), 1.0)
        good = noise.selected(photometry)
        kept.append((theta[good], photometry[good]))
        count += int(good.sum())
        drawn += len(theta)
        if drawn > 1000 * (count + 10):
            raise SedumError("noise.selection: the survey detects hardly any galaxy of the prior")
    theta = np.concatenate([t for t, _ in kept])[:n_galaxies]
    return theta, Photometry.concatenate([p for _, p in kept])[:n_galaxies]
