"""Dust attenuation: curves A(λ) / A(V), and optical depths for the parameters of galaxies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from sedum import config
from sedum.photometry.extinction import extinction

__all__ = ["Attenuation", "calzetti"]

_DEPTH = 0.4 * np.log(10)
_V = 5500.0
_CALZETTI_RV = 4.05


def calzetti(wavelength: np.ndarray) -> np.ndarray:
    """Return A(λ)/A(V) of Calzetti et al. (2000), eq. 4, with R_V = 4.05.

    Below 0.12 µm, where the law is not defined, it continues as λ^-0.77 like in the bagpipes code,
    so that both codes can be compared. Beyond 2.2 µm the infrared branch continues down to zero.

    Parameters
    ----------
    wavelength
        Rest-frame wavelengths in Angstrom, in any shape.

    Returns
    -------
    ndarray
        A(λ)/A(V), in the shape of ``wavelength``.

    Examples
    --------
    >>> calzetti(np.array([1500.0, 5500.0])).round(2)
    array([2.55, 1.  ])
    """
    micron = np.asarray(wavelength, float) / 1e4

    def blue(m: np.ndarray | float) -> np.ndarray | float:
        return 2.659 * (-2.156 + 1.509 / m - 0.198 / m**2 + 0.011 / m**3) + _CALZETTI_RV

    red = 2.659 * (-1.857 + 1.040 / micron) + _CALZETTI_RV
    k = np.where(micron < 0.63, blue(np.maximum(micron, 0.12)), np.maximum(red, 0))
    k = np.where(micron < 0.12, blue(0.12) * (np.minimum(micron, 0.12) / 0.12) ** -0.77, k)
    return k / _CALZETTI_RV


class Attenuation:
    """Optical depths of diffuse dust and of birth clouds.

    Parameters
    ----------
    spec
        The attenuation law.
    wavelength
        Rest-frame wavelengths in Angstrom, [m].
    device
        Torch device.

    Notes ----- Without birth clouds, all light is attenuated by A_V times the curve. With birth
    clouds, the attenuation of young stars and gas in V is ``eta`` times as high. The difference is
    that of the clouds, which follows the same curve or, in ``charlot_fall`` (Charlot & Fall 2000),
    its own power law. ``salim`` is the law of Noll et al. (2009) and Salim, Boquien & Lee (2018):
    that of Calzetti times (λ/V)^delta, plus a Drude profile at 2175 Å.

    Examples
    --------
    >>> dust = Attenuation(config.DustSettings(law="smc"), np.array([5500.0]), torch.device("cpu"))
    >>> diffuse, clouds = dust.depths({"av": torch.tensor([1.0])})
    >>> round(diffuse.item(), 2), clouds
    (0.92, None)
    """

    def __init__(self, spec: config.DustSettings, wavelength: np.ndarray, device: torch.device):
        self.spec = spec

        def tensor(values: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.asarray(values, np.float32)).to(device)

        log_ratio = np.log(wavelength / _V)
        if spec.law in ("power_law", "charlot_fall", "salim"):
            self._log_ratio = tensor(log_ratio)
        if spec.law == "calzetti":
            self._curve = tensor(_DEPTH * calzetti(wavelength))
        elif spec.law in ("smc", "milky_way"):
            self._curve = tensor(_DEPTH * extinction(spec.law, wavelength))
        elif spec.law == "salim":
            self._curve = tensor(_DEPTH * calzetti(wavelength))
            square = wavelength**2
            drude = square * 350.0**2 / ((square - 2175.0**2) ** 2 + square * 350.0**2)
            self._drude = tensor(_DEPTH * drude)

    def depths(
        self, p: Mapping[str, torch.Tensor], cells: slice = slice(None)
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the optical depths of diffuse dust and of birth clouds, [n, cells].

        The second is None if the law has no birth clouds.
        """
        av = p["av"].float()[:, None]
        shape = self._shape(p, cells)
        diffuse = av * shape
        if not self.spec.two_components:
            return diffuse, None
        extra = av * (p["eta"].float()[:, None] - 1)
        if self.spec.law == "charlot_fall":
            shape = self._power(p["dust_slope_birth"], cells)
        return diffuse, extra * shape

    def _power(self, slope: torch.Tensor, cells: slice) -> torch.Tensor:
        return float(_DEPTH) * torch.exp(-slope.float()[:, None] * self._log_ratio[cells])

    def _shape(self, p: Mapping[str, torch.Tensor], cells: slice) -> torch.Tensor:
        """Return the optical depth for A_V = 1, [n or 1, cells]."""
        match self.spec.law:
            case "power_law" | "charlot_fall":
                return self._power(p["dust_slope"], cells)
            case "salim":
                delta = p["dust_delta"].float()[:, None]
                bump = p["dust_bump"].float()[:, None]
                # R_V of the modified law (Salim et al. 2018, eq. 4).
                r_v = _CALZETTI_RV / ((_CALZETTI_RV + 1) * (4400 / _V) ** delta - _CALZETTI_RV)
                tilted = self._curve[cells] * torch.exp(delta * self._log_ratio[cells])
                return tilted + bump / r_v * self._drude[cells]
        return self._curve[cells][None]
