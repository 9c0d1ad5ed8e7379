"""Spectra at any wavelengths and resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from sedum.errors import SedumError, allowed
from sedum.galaxies.axis import WavelengthAxis

if TYPE_CHECKING:
    from sedum.galaxies.components.starlight import GalaxyBatch
    from sedum.galaxies.light import GalaxyLight

__all__ = ["observed_spectrum"]

_LIGHT_SPEED = 2.99792458e18  # Å / s
_FWHM = 2.3548200450309493


def observed_spectrum(
    model: GalaxyLight,
    galaxies: GalaxyBatch,
    wavelength: np.ndarray | None,
    frame: str,
    resolution: float | None,
) -> np.ndarray:
    """Return flux densities f_ν in µJy, [n, m]; see :meth:`sedum.GalaxyModel.spectrum`.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> model = GalaxyModel.from_run(run)
    >>> theta = torch.from_numpy(model.prior.sample(5, np.random.default_rng(1)))
    >>> galaxies = model.galaxies(theta)
    >>> observed_spectrum(model, galaxies, np.array([5000.0, 6000.0]), "observed", None).shape
    (5, 2)
    """
    if frame not in ("observed", "rest"):
        raise SedumError(f"frame: found {frame!r}{allowed(frame, ['observed', 'rest'])}")
    rest = frame == "rest"
    redshift = galaxies.p["redshift"]
    stretch = torch.ones_like(redshift) if rest else 1 + redshift
    cells = _needed(model.axis, wavelength, stretch, resolution)
    axis = model.axis.cut(cells)
    centres = torch.from_numpy(axis.centres).to(model.device)
    scale = model.flux_scale(galaxies, rest) / _LIGHT_SPEED
    size = axis.size if wavelength is None else len(wavelength)
    out = np.empty((len(redshift), size))
    kernel = _kernel(axis.step, resolution, model.device)
    for rows, light in model.emergent.spectra(galaxies, cells):
        if not rest:
            light = model.on_the_way(light, galaxies, rows, cells)
        light = _smooth(light, kernel).double()
        seen = centres * stretch[rows, None]
        spectra = light * seen**2 * scale[rows, None]
        if wavelength is not None:
            spectra = _sample(spectra, axis, wavelength, stretch[rows])
        out[rows.cpu().numpy()] = spectra.cpu().numpy()
    return out


def _needed(
    axis: WavelengthAxis,
    wavelength: np.ndarray | None,
    stretch: torch.Tensor,
    resolution: float | None,
) -> slice:
    """Return the cells that contain the wavelengths of any galaxy, with a margin."""
    if wavelength is None or not len(wavelength) or not len(stretch):
        return slice(0, axis.size)
    wavelength = np.asarray(wavelength, float)
    if not (np.isfinite(wavelength).all() and wavelength.min() > 0):
        raise SedumError("wavelength: found a value that is not finite and positive")
    around = np.exp(4 / min(resolution or np.inf, 1 / axis.step) + 2 * axis.step)
    low = wavelength.min() / float(stretch.max()) / around
    high = wavelength.max() / float(stretch.min()) * around
    cells = axis.part(low, high)
    if cells.stop - cells.start < 2:
        raise SedumError(
            f"wavelength: no value lies within the spectra, {axis.edges[0]:.0f} to "
            f"{axis.edges[-1]:.3g} Å at rest"
        )
    return cells


def _kernel(step: float, resolution: float | None, device: torch.device) -> torch.Tensor | None:
    """Return the Gaussian, in cells, that smooths spectra to a resolution."""
    if resolution is None:
        return None
    own = 1 / step
    if not 0 < resolution <= own * 1.001:
        raise SedumError(
            f"resolution: {resolution:g} is finer than the model's cells, {own:.0f}; raise "
            "model.resolving_power"
        )
    # A cell averages over a box, whose variance step² / 12 the spectrum already contains.
    variance = (1 / (resolution * _FWHM)) ** 2 - step**2 / 12
    sigma = max(variance, 0.0) ** 0.5 / step
    reach = max(int(np.ceil(4 * sigma)), 1)
    x = torch.arange(-reach, reach + 1, device=device)
    kernel = torch.exp(-((x / max(sigma, 1e-3)) ** 2) / 2)
    return (kernel / kernel.sum()).float()


def _smooth(light: torch.Tensor, kernel: torch.Tensor | None) -> torch.Tensor:
    if kernel is None:
        return light
    reach = len(kernel) // 2
    padded = torch.nn.functional.pad(light[:, None], (reach, reach), mode="replicate")
    return torch.nn.functional.conv1d(padded, kernel[None, None])[:, 0]


def _sample(
    spectra: torch.Tensor, axis: WavelengthAxis, wavelength: np.ndarray, stretch: torch.Tensor
) -> torch.Tensor:
    """Interpolate spectra [n, cells] to wavelengths [m], linearly in ln λ."""
    log = torch.from_numpy(np.log(np.asarray(wavelength, float) / axis.centres[0]))
    at = (log.to(stretch.device) - torch.log(stretch)[:, None]) / axis.step
    i = at.floor().long().clamp(0, axis.size - 2)
    value = torch.lerp(torch.gather(spectra, 1, i), torch.gather(spectra, 1, i + 1), at - i)
    # The axis extends half a cell beyond the outermost centres.
    inside = (at >= -0.5) & (at <= axis.size - 0.5)
    return value.masked_fill(~inside, float("nan"))
