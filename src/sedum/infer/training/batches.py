"""Training batches: galaxies with a new draw of the noise in every batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.galaxies.model_parameters import prior_of
from sedum.infer.condition import Condition, condition_of
from sedum.library.training_source import TrainingGalaxies
from sedum.observe.features import FeatureTransform
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.observed import Photometry

__all__ = ["Batch", "Batches", "observe_for_training"]

#: Latent coordinates of some galaxies, [n, d], and the condition of their observations.
Batch = tuple[torch.Tensor, Condition]

#: Number of galaxies whose noise is drawn together.
_PORTION = 32_768
#: Fraction of galaxies whose errors reach beyond those of the survey. Posteriors depend on the
#: reported errors, so these galaxies move no posterior of others.
_WIDER = 0.03
#: Number of galaxies for the standardisation, and maximum number for validation.
_SAMPLE = 200_000
_VALIDATION = 8_192


class Batches:
    """Observations of galaxies for one training.

    Parameters
    ----------
    run
        The run file.
    galaxies
        The source of the galaxies.
    features
        The transform of the observations; fitted to the training galaxies if None.
    seed
        Seed of noise and order; ``training.seed`` of the run file if None.

    Raises
    ------
    SedumError
        If the survey selects too few of the galaxies.
    """

    def __init__(
        self,
        run: RunFile,
        galaxies: TrainingGalaxies,
        features: FeatureTransform | None = None,
        seed: int | None = None,
    ):
        self.run, self.galaxies = run, galaxies
        self.seed = run.training.seed if seed is None else seed
        self.prior = prior_of(run.model, run.priors)
        self.noise = NoiseModel.from_run(run)
        self._column = galaxies.names.index("redshift")
        self.features = features or self._fit_features()

    def _fit_features(self) -> FeatureTransform:
        rng = self._rng(0)
        seen: list[Photometry] = []
        looked = 0
        for theta, flux in self.galaxies.training(rng, _PORTION):
            seen.append(self._observe(theta, flux, rng)[0])
            looked += len(theta)
            if looked >= _SAMPLE:
                break
        selected = sum(len(p) for p in seen)
        if selected < 100:
            raise SedumError(
                f"only {selected} of {looked} galaxies pass noise.selection; simulate more, or "
                "ease the selection or the priors"
            )
        transform = FeatureTransform.of(self.noise, self.run.features, self.run.embeds_bands())
        return transform.fit(Photometry.concatenate(seen))

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *key])

    def _observe(
        self, theta: np.ndarray, flux: np.ndarray, rng: np.random.Generator
    ) -> tuple[Photometry, np.ndarray]:
        """Observe galaxies; return the selected ones and their parameters."""
        return observe_for_training(self.noise, theta, flux, theta[:, self._column], rng)

    def _tensors(self, photometry: Photometry, theta: np.ndarray) -> Batch:
        latent = torch.from_numpy(self.prior.to_latent(theta).astype(np.float32))
        return latent, condition_of(self.prior, self.features, photometry)

    def round(self, index: int, count: int, size: int) -> Iterator[Batch]:
        """Yield the batches of one round, which depend only on the seed and the index."""
        rng = self._rng(1, index)
        left: list[Batch] = []
        held = 0
        while count:
            for theta, flux in self.galaxies.training(rng, _PORTION):
                left.append(self._tensors(*self._observe(theta, flux, rng)))
                held += len(left[-1][0])
                if held < size:
                    continue
                y = torch.cat([part for part, _ in left])
                condition = Condition(
                    *(torch.cat(parts) for parts in zip(*(c for _, c in left), strict=True))
                )
                whole = min(held // size, count)
                for k in range(whole):
                    rows = slice(k * size, (k + 1) * size)
                    yield y[rows], condition.rows(rows)
                rest = slice(whole * size, None)
                left = [(y[rest], condition.rows(rest))]
                held -= whole * size
                count -= whole
                if not count:
                    return

    def validation(self) -> Batch:
        """Return observations of the held-out galaxies, the same at every call."""
        photometry, theta = self._observe(*self.galaxies.held_out(4 * _VALIDATION), self._rng(2))
        if not len(theta):
            raise SedumError("no held-out galaxy passes noise.selection; simulate more")
        return self._tensors(photometry[:_VALIDATION], theta[:_VALIDATION])


def observe_for_training(
    noise: NoiseModel,
    theta: np.ndarray,
    flux: np.ndarray,
    redshift: np.ndarray,
    rng: np.random.Generator,
) -> tuple[Photometry, np.ndarray]:
    """Observe galaxies as an estimator is to know them.

    Parameters
    ----------
    noise
        The noise.
    theta, flux, redshift
        Parameters [n, d], noiseless fluxes in µJy [n, bands] and redshifts [n].
    rng
        Random number generator.

    Returns
    -------
    photometry, theta
        Of the galaxies that the survey selects.

    Examples
    --------
    >>> theta, flux = library.theta, library.flux
    >>> rng = np.random.default_rng(1)
    >>> seen, _ = observe_for_training(posterior.noise, theta, flux, theta[:, 0], rng)
    >>> len(seen) < len(theta)  # some are too faint to be detected
    True
    """
    photometry = noise.observe(flux, rng, redshift, wider=_WIDER)
    kept = noise.selected(photometry)
    return photometry[kept], theta[kept]
