"""Light of an active nucleus: a power-law disc and a dusty torus."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from sedum.galaxies.axis import WavelengthAxis
from sedum.photometry.extinction import extinction

__all__ = ["ActiveNucleus"]

_BREAK = 5000.0
_RED_SLOPE = -0.42
#: Wavelength in Angstrom at which the disc bends to the Rayleigh-Jeans tail of its outer edge.
_DISC_END = 1e4


class ActiveNucleus:
    """Disc and torus of an active nucleus, each normalised to its luminosity from 912 Å to 1 mm.

    The disc is L_λ ∝ λ^agn_slope below 5000 Å and λ^-0.42 above, as in the composite quasar of
    Vanden Berk et al. (2001), and bends to the Rayleigh-Jeans slope λ^-4 beyond 1 µm. The torus
    follows the mean intrinsic infrared spectrum of active galaxies of Mullaney et al. (2011): L_ν ∝
    λ^1.8 below 19 µm and λ^0.2 up to 40 µm, and a modified black body (100 K) beyond. In the near
    infrared it has the Wien tail of dust that sublimates at 1500 K.

    Parameters
    ----------
    axis
        Axis of the rest-frame spectra.
    device
        Torch device.

    Examples -------- >>> axis = WavelengthAxis.covering(1000.0, 1e6) >>> nucleus =
    ActiveNucleus(axis, torch.device("cpu")) >>> p = {"agn_slope": torch.tensor([-1.54]), "agn_av":
    torch.zeros(1), "agn_torus": torch.ones(1)} >>> nucleus.spectrum(p, slice(0, axis.size)).shape
    == (1, axis.size) True
    """

    def __init__(self, axis: WavelengthAxis, device: torch.device):
        wavelength, widths = axis.centres, axis.widths
        self._log = torch.from_numpy(np.log(wavelength / _BREAK)).to(device)
        self._use = torch.from_numpy(widths * (wavelength > 911.75)).to(device)
        bend = (1 + (wavelength / _DISC_END) ** 4) ** ((-4 - _RED_SLOPE) / 4)
        self._bend = torch.from_numpy(bend).to(device)
        torus = _torus(wavelength)
        torus = torus / (torus * widths).sum()
        self._torus = torch.from_numpy(torus.astype(np.float32)).to(device)
        depth = 0.4 * np.log(10) * extinction("smc", wavelength)
        self._screen = torch.from_numpy(depth.astype(np.float32)).to(device)

    def spectrum(self, p: Mapping[str, torch.Tensor], cells: slice) -> torch.Tensor:
        """Return L_λ of disc and torus for unit luminosity before dust, [n, cells].

        Parameters
        ----------
        p
            Parameters of the nucleus by name, each [n].
        cells
            Cells of the axis.
        """
        slope = p["agn_slope"][:, None]
        red = self._log > 0
        power = torch.where(red, torch.full_like(slope, _RED_SLOPE), slope)
        disc = torch.exp(power * self._log) * self._bend
        disc = disc / (disc @ self._use)[:, None]
        seen = disc[:, cells].float() * torch.exp(
            -p["agn_av"].float()[:, None] * self._screen[cells]
        )
        torus_fraction = p["agn_torus"].float()[:, None]
        return (1 - torus_fraction) * seen + torus_fraction * self._torus[cells]


def _torus(wavelength: np.ndarray) -> np.ndarray:
    """Return L_λ of the torus in arbitrary units."""
    micron = wavelength / 1e4
    l_nu = np.where(micron < 19, (micron / 19) ** 1.8, (micron / 19) ** 0.2)
    far = micron > 40
    # L_ν of a modified black body with beta = 1.5, whose L_ν falls from 40 µm on.
    x = np.minimum(1.438776877e4 / (np.maximum(micron, 1.0) * 100.0), 500.0)
    x40 = 1.438776877e4 / (40.0 * 100.0)
    grey = (x / x40) ** 4.5 * np.expm1(x40) / np.expm1(x)
    l_nu = np.where(far, (40 / 19) ** 0.2 * grey, l_nu)
    wien = np.exp(-np.minimum(1.438776877e4 / (micron * 1500.0), 500.0))
    return l_nu * wien / wavelength**2
