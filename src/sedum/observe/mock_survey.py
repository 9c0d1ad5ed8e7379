"""Mock surveys: galaxies of the prior as a survey would detect and measure them."""

from __future__ import annotations

import numpy as np

from sedum.errors import SedumError
from sedum.galaxies.simulator import Simulator
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.observed import Photometry

__all__ = ["mock_survey"]


def mock_survey(
    model: Simulator, noise: NoiseModel, galaxies: int, seed: int, *, hide_redshift: bool = True
) -> tuple[np.ndarray, Photometry]:
    """Draw galaxies from the prior until the survey has detected as many as wanted.

    Parameters
    ----------
    model, noise
        Where galaxies come from, and what the survey does to them.
    galaxies
        How many.
    seed
        Of galaxies and noise.
    hide_redshift
        Give no redshifts; else as often as in training.

    Returns
    -------
    theta, photometry
        True parameters [galaxies, d] and what was observed.

    Raises
    ------
    SedumError
        If the survey detects fewer than one galaxy in a thousand.
    """
    rng = np.random.default_rng(seed)
    kept: list[tuple[np.ndarray, Photometry]] = []
    count = drawn = 0
    while count < galaxies:
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
    theta = np.concatenate([t for t, _ in kept])[:galaxies]
    return theta, Photometry.concatenate([p for _, p in kept])[:galaxies]
