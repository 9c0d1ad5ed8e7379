"""The errors of a survey: drawn independently of the true flux, and recovered from observations.

An error model describes the noise of a band by a latent number t that is drawn before any flux: it
stands for the position of the galaxy in the survey or the size of its aperture. ``scale`` gives the
1-sigma noise of a source of any flux for this number. The survey reports the scale at the
*observed* flux, so the reported error contains no more information on the true flux than the
observed flux does. The latent number follows from the observed flux and the reported error. Hence
the noise at any assumed true flux, and with it the likelihood, is known exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from sedum import config
from sedum.photometry.units import magnitude_to_flux

__all__ = ["MARGIN", "DepthErrors", "ErrorModel", "Measure"]

#: How far the errors of some training galaxies reach beyond those of the survey, in dex.
MARGIN = 0.5

#: Function that returns the noisy flux [n] in a band, by its index, for latent numbers [n].
Measure = Callable[[int, np.ndarray], np.ndarray]


class ErrorModel(Protocol):
    """The errors of the bands, as a noise model uses them.

    Examples
    --------
    >>> errors: ErrorModel = DepthErrors(["r"], config.DepthNoise(depths={"r": 25.0}))
    >>> latent, present = errors.draw(5, np.random.default_rng(1), lambda band, latent: latent)
    >>> latent.shape, present.all()
    ((5, 1), np.True_)
    """

    depth: np.ndarray
    """Typical 1-sigma error of a faint source in µJy, [bands]."""

    def draw(
        self, n: int, rng: np.random.Generator, measure: Measure, wider: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw latent numbers, and which bands the survey has, both [n, bands].

        ``measure`` returns the noisy flux in a band, for models that depend on the observed flux.
        The galaxies ``wider``, [n], have errors beyond those of the survey, by up to
        :data:`MARGIN` at either end.
        """

    def scale(self, flux: np.ndarray, latent: np.ndarray) -> np.ndarray:
        """Return the 1-sigma noise in µJy of fluxes [..., bands] at latent numbers."""

    def latent_of(self, flux: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Return the latent numbers at which fluxes [..., bands] have these errors."""


class DepthErrors:
    """Errors about survey depths, independent of the flux.

    The latent number is log10(error / depth). It is normal about the depth of the region of the
    galaxy, with one part common to the bands of a galaxy (apertures differ) and one part of each
    band (exposures differ).

    Parameters
    ----------
    bands
        Names of the bands, in order.
    spec
        The ``noise`` section of the run file, of kind ``depths`` or ``regions``.

    Examples
    --------
    >>> errors = DepthErrors(["r"], config.DepthNoise(depths={"r": 25.0}))
    >>> errors.depth.round(4)  # 1 sigma in µJy
    array([0.0726])
    """

    def __init__(self, bands: list[str], spec: config.DepthNoise | config.RegionNoise):
        self._spec = spec
        if isinstance(spec, config.RegionNoise):
            regions, fractions = (
                [r.depths for r in spec.regions],
                [r.fraction for r in spec.regions],
            )
        else:
            regions, fractions = [spec.depths], [1.0]
        depths = np.array([[region[band] for band in bands] for region in regions])
        sigma = magnitude_to_flux(depths) / 5
        self._fractions = np.array(fractions) / np.sum(fractions)
        #: Mean 1-sigma error over the area, averaged in the logarithm, in µJy, [bands].
        self.depth = np.exp(self._fractions @ np.log(sigma))
        self._region = np.log10(sigma / self.depth)

    def draw(
        self, n: int, rng: np.random.Generator, measure: Measure, wider: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return latent numbers and presence; see :class:`ErrorModel`."""
        bands = len(self.depth)
        shared = self._spec.shared_scatter * rng.standard_normal((n, 1), np.float32)
        latent = shared + self._spec.scatter * rng.standard_normal((n, bands), np.float32)
        if len(self._fractions) > 1:
            latent = latent + self._region[rng.choice(len(self._fractions), n, p=self._fractions)]
        if wider is not None:
            latent = latent + wider[:, None] * rng.uniform(-MARGIN, MARGIN, latent.shape)
        return latent, np.ones((n, bands), bool)

    def scale(self, flux: np.ndarray, latent: np.ndarray) -> np.ndarray:
        """Return the 1-sigma noise; see :class:`ErrorModel`."""
        return np.broadcast_to(self.depth * 10**latent, np.shape(flux))

    def latent_of(self, flux: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Return the latent numbers; see :class:`ErrorModel`."""
        return np.log10(error / self.depth)
