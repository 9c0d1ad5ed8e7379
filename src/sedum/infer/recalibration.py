"""Recalibration: a small map of the normal base samples of every draw.

An estimator of any kind turns standard normal base samples into draws. A map g of the base samples
widens, shifts, skews or correlates its posteriors. It is the same for all galaxies except for a
few coarse properties of the observation. Since g is invertible, the density of the draws remains
exact and normalised: the density of the mapped base samples replaces the standard normal density.
In a mixture, g acts within every component, so that separate peaks keep their places and each
becomes wider or narrower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from sedum.photometry.observed import Photometry

__all__ = ["BaseTransform", "Covariates", "Recalibration", "log_standard"]

_LOG_TWO_PI = math.log(2 * math.pi)
#: Arguments of hyperbolic sines are limited to this, so that squares remain finite.
_MAX_ARGUMENT = 30.0
#: Covariates are limited to this many standard deviations of those that the map was fitted to.
_REACH = 2.5


@dataclass(frozen=True)
class BaseTransform:
    """The map g of n galaxies: x = shift + scale (1 + lower) sinh(tail asinh(z) + skew).

    The innermost part is the sinh-arcsinh transformation (Jones & Pewsey 2009), which changes the
    tails and the skewness of a normal distribution. Zeros give the identity.

    Attributes
    ----------
    shift, log_scale, log_tail, skew
        Parameters of each galaxy and coordinate, [n, d] each.
    lower
        The correlations below the diagonal, the same for all galaxies, [d, d].
    """

    shift: torch.Tensor
    log_scale: torch.Tensor
    log_tail: torch.Tensor
    skew: torch.Tensor
    lower: torch.Tensor

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Map standard normals [n, ..., d]."""
        shift, scale, tail, skew = self._like(z)
        u = torch.sinh((tail.exp() * torch.asinh(z) + skew).clamp(-_MAX_ARGUMENT, _MAX_ARGUMENT))
        return shift + scale.exp() * (u + u @ self.lower.to(z).mT)

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """Return the log density at x [n, ..., d] of mapped standard normals, [n, ...]."""
        shift, scale, tail, skew = self._like(x)
        lower = self.lower.to(x)
        unit = torch.eye(len(lower), dtype=x.dtype, device=x.device)
        back = torch.linalg.solve_triangular(unit + lower, unit, upper=False, unitriangular=True)
        u = ((x - shift) * (-scale).exp()) @ back.mT
        z = torch.sinh(
            ((torch.asinh(u) - skew) * (-tail).exp()).clamp(-_MAX_ARGUMENT, _MAX_ARGUMENT)
        )
        slope = tail + 0.5 * torch.log1p(u.square()) - 0.5 * torch.log1p(z.square())
        return (-0.5 * (z.square() + _LOG_TWO_PI) - slope - scale).sum(-1)

    def packed(self) -> np.ndarray:
        """Return all parameters of each galaxy for compiled loops, float32, [n, 4 d + d²]."""
        n, d = self.shift.shape
        lower = self.lower.reshape(1, d * d).expand(n, -1)
        parts = [self.shift, self.log_scale.exp(), self.log_tail.exp(), self.skew, lower]
        return torch.cat(parts, dim=1).float().contiguous().cpu().numpy()

    def _like(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the parameters in the shape of x [n, ..., d]."""
        shape = (len(x), *[1] * (x.dim() - 2), x.shape[-1])
        parts = (self.shift, self.log_scale, self.log_tail, self.skew)
        return tuple(p.to(x).reshape(shape) for p in parts)


def log_standard(x: torch.Tensor, transform: BaseTransform | None) -> torch.Tensor:
    """Return log densities of mapped standard normals at x [n, ..., d]; without a map if None."""
    if transform is None:
        return -0.5 * (x.square() + _LOG_TWO_PI).sum(-1)
    return transform.log_prob(x)


@dataclass(frozen=True)
class Covariates:
    """The coarse properties of an observation that a recalibration may depend on.

    They are a constant 1, the standardised log of the total signal-to-noise, limited to the range
    that the map was fitted to, and whether a redshift is given.

    Attributes
    ----------
    centre, scale
        Mean and spread of the log of the total signal-to-noise.
    """

    centre: float
    scale: float

    @classmethod
    def of(cls, photometry: Photometry) -> Covariates:
        """Return covariates standardised on n observations."""
        log_snr = photometry.log_snr
        return cls(float(log_snr.mean()), max(float(log_snr.std()), 1e-6))

    def __call__(self, photometry: Photometry) -> np.ndarray:
        """Return the covariates of n observations, [n, 3]."""
        standard = np.clip((photometry.log_snr - self.centre) / self.scale, -_REACH, _REACH)
        known = np.isfinite(photometry.redshift)
        return np.stack([np.ones(len(standard)), standard, known], axis=1)


@dataclass(frozen=True)
class Recalibration:
    """The base transforms of all galaxies, as functions of covariates.

    Attributes
    ----------
    weights
        Coefficients of shift, log scale, log tail and skew of each coordinate for each covariate,
        [covariates, 4, d].
    lower
        The correlations, as of :class:`BaseTransform`, [d, d].
    covariates
        The covariates.
    about
        Record of the fit and of the improvement, for JSON.
    """

    weights: np.ndarray
    lower: np.ndarray
    covariates: Covariates
    about: dict[str, Any] = field(default_factory=dict)

    def base_transform(
        self, photometry: Photometry, device: torch.device | None = None
    ) -> BaseTransform:
        """Return the maps of n observations."""
        known = self.covariates(photometry)
        # Explicit sums, since matrix products round differently for different numbers of rows.
        parts = sum(known[:, k, None, None] * self.weights[k] for k in range(known.shape[1]))
        tensor = torch.from_numpy(np.asarray(parts, np.float32)).to(device)
        lower = torch.from_numpy(np.tril(self.lower, -1).astype(np.float32)).to(device)
        shift, log_scale, log_tail, skew = tensor.unbind(1)
        return BaseTransform(shift, log_scale, log_tail, skew, lower)

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that are stored."""
        standard = np.array([self.covariates.centre, self.covariates.scale])
        return {"weights": self.weights, "lower": self.lower, "signal_to_noise": standard}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray], about: dict[str, Any]) -> Recalibration:
        """Restore from :meth:`state`.

        Raises
        ------
        ValueError
            If the arrays do not belong together.
        """
        weights, lower = state["weights"], state["lower"]
        d = weights.shape[-1]
        if weights.shape != (3, 4, d) or lower.shape != (d, d):
            raise ValueError("recalibration of the wrong shape")
        centre, scale = (float(v) for v in state["signal_to_noise"])
        return cls(weights, lower, Covariates(centre, scale), about)
