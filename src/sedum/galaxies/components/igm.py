"""Absorption by the intergalactic medium: mean transmission, and the damping wing."""

from __future__ import annotations

import numpy as np
import torch

from sedum.galaxies.axis import LYMAN_ALPHA, LYMAN_LIMIT, WavelengthAxis
from sedum.galaxies.cosmology import MAX_REDSHIFT
from sedum.galaxies.stellar_grids.bagpipes_files import lyman_series_file
from sedum.galaxies.stellar_grids.grid import cached_arrays

__all__ = [
    "TABLE_STEP",
    "Medium",
    "damping_wing",
    "inoue14_optical_depth",
    "madau95_optical_depth",
    "transmission_table",
]

#: Spacing in redshift of the tabulated transmission.
TABLE_STEP = 0.02
_SUBSAMPLES = 4


def inoue14_optical_depth(wavelength: np.ndarray, redshift: float) -> np.ndarray:
    """Return the mean optical depth of the intergalactic medium of Inoue et al. (2014).

    The equations are 15 and 20-29: absorption by the Lyman series and the Lyman continuum.

    Parameters
    ----------
    wavelength
        Rest-frame wavelengths of the source in Angstrom, [m].
    redshift
        Redshift of the source.

    Returns
    -------
    ndarray
        Optical depths, [m].

    Examples
    --------
    >>> inoue14_optical_depth(np.array([1000.0, 1300.0]), 3.0).round(2)
    array([0.3, 0. ])
    """
    observed = np.asarray(wavelength, float) * (1 + redshift)
    series = np.loadtxt(lyman_series_file(), usecols=range(1, 7))
    tau = np.zeros_like(observed)
    for line, *forest, damped_low, damped_high in series:
        x = observed / line
        absorbed = (x > 1) & (x < 1 + redshift)
        laf = np.select(
            [x < 2.2, x < 5.7],
            [forest[0] * x**1.2, forest[1] * x**3.7],
            forest[2] * x**5.5,
        )
        dla = np.where(x < 3, damped_low * x**2, damped_high * x**3)
        tau += np.where(absorbed, laf + dla, 0)
    x = observed / LYMAN_LIMIT
    ionised = (x > 1) & (x < 1 + redshift)
    x = np.maximum(x, 1e-3)
    return tau + np.where(ionised, _continuum_forest(x, redshift) + _continuum_dla(x, redshift), 0)


def _continuum_forest(x: np.ndarray, z: float) -> np.ndarray:
    """Return the Lyman-continuum depth of the Lyman-alpha forest, eqs. 25-27, with x = λ / λ_L."""
    if z < 1.2:
        return 0.325 * (x**1.2 - (1 + z) ** -0.9 * x**2.1)
    if z < 4.7:
        late = 2.55e-2 * (1 + z) ** 1.6 * x**2.1 + 0.325 * x**1.2 - 0.250 * x**2.1
        return np.where(x < 2.2, late, 2.55e-2 * ((1 + z) ** 1.6 * x**2.1 - x**3.7))
    early = 5.22e-4 * (1 + z) ** 3.4 * x**2.1
    return np.select(
        [x < 2.2, x < 5.7],
        [early + 0.325 * x**1.2 - 3.14e-2 * x**2.1, early + 0.218 * x**2.1 - 2.55e-2 * x**3.7],
        early - 5.22e-4 * x**5.5,
    )


def _continuum_dla(x: np.ndarray, z: float) -> np.ndarray:
    """Return the Lyman-continuum depth of damped systems, eqs. 28-29."""
    if z < 2:
        return 0.211 * (1 + z) ** 2 - 7.66e-2 * (1 + z) ** 2.3 * x**-0.3 - 0.135 * x**2
    deep = 4.70e-2 * (1 + z) ** 3 - 1.78e-2 * (1 + z) ** 3.3 * x**-0.3
    return np.where(x < 3, 0.634 + deep - 0.135 * x**2 - 0.291 * x**-0.3, deep - 2.92e-2 * x**3)


def madau95_optical_depth(wavelength: np.ndarray, redshift: float) -> np.ndarray:
    """Return the mean optical depth of the intergalactic medium of Madau (1995).

    The equations are 12-16 and that of footnote 3.

    Parameters
    ----------
    wavelength
        Rest-frame wavelengths of the source in Angstrom, [m].
    redshift
        Redshift of the source.

    Returns
    -------
    ndarray
        Optical depths, [m].

    Examples
    --------
    >>> madau95_optical_depth(np.array([1000.0, 1300.0]), 3.0).round(2)
    array([0.41, 0.  ])
    """
    observed = np.asarray(wavelength, float) * (1 + redshift)
    tau = np.zeros_like(observed)
    strengths = ((LYMAN_ALPHA, 3.6e-3), (1025.72, 1.7e-3), (972.537, 1.2e-3), (949.743, 9.3e-4))
    for line, strength in strengths:
        tau += np.where(observed < line * (1 + redshift), strength * (observed / line) ** 3.46, 0)
    x, top = observed / LYMAN_LIMIT, 1 + redshift
    x = np.clip(x, 1e-3, top)
    continuum = (
        0.25 * x**3 * (top**0.46 - x**0.46)
        + 9.4 * x**1.5 * (top**0.18 - x**0.18)
        - 0.7 * x**3 * (x**-1.32 - top**-1.32)
        - 0.023 * (top**1.68 - x**1.68)
    )
    ionised = observed < LYMAN_LIMIT * (1 + redshift)
    return tau + np.where(ionised, np.maximum(continuum, 0), 0)


_MODELS = {"inoue14": inoue14_optical_depth, "madau95": madau95_optical_depth}


def transmission_table(axis: WavelengthAxis, model: str = "inoue14") -> np.ndarray:
    """Return the transmission averaged over cells, [redshifts, blue cells].

    Parameters
    ----------
    axis
        Axis of the rest-frame spectra. The blue cells are those below Lyman alpha.
    model
        ``"inoue14"`` or ``"madau95"``.

    Returns
    -------
    ndarray
        Mean transmission. The redshifts run from 0 to 20 in steps of :data:`TABLE_STEP`.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> model = GalaxyModel.from_run(run)
    >>> table = transmission_table(model.axis)
    >>> table.shape == (1001, -model.axis.first)
    True
    """

    def build() -> dict[str, np.ndarray]:
        blue = WavelengthAxis(axis.first, -axis.first, axis.fineness)
        offsets = (np.arange(_SUBSAMPLES) + 0.5) / _SUBSAMPLES
        log_fine = (blue.first + np.arange(blue.size)[:, None] + offsets) * blue.step
        fine = LYMAN_ALPHA * np.exp(log_fine.ravel())
        redshifts = np.arange(0, MAX_REDSHIFT + TABLE_STEP / 2, TABLE_STEP)
        table = np.stack([np.exp(-_MODELS[model](fine, z)) for z in redshifts])
        table = table.reshape(len(redshifts), blue.size, _SUBSAMPLES).mean(axis=2)
        return {"transmission": table.astype(np.float32)}

    key = {
        "model": model,
        "first": axis.first,
        "fineness": axis.fineness,
        "step": TABLE_STEP,
        "fine": _SUBSAMPLES,
    }
    return cached_arrays(f"igm_{model}", key, build)[0]["transmission"]


#: Redshift below which hydrogen is ionised, so that the damping wing ends.
END_OF_REIONISATION = 6.0


def damping_wing(
    wavelength: torch.Tensor, redshift: torch.Tensor, neutral: torch.Tensor
) -> torch.Tensor:
    """Return the transmission redward of Lyman alpha through neutral gas in front of a galaxy.

    The optical depth is that of Miralda-Escudé (1998), eqs. 8-12, for a uniform neutral fraction
    from the redshift of the galaxy down to 6, and zero at lower redshifts.

    Parameters
    ----------
    wavelength
        Rest-frame wavelengths above Lyman alpha in Angstrom, [m].
    redshift, neutral
        Redshifts and neutral fractions, [n].

    Returns
    -------
    Tensor
        Transmission, [n, m].

    Examples
    --------
    >>> wavelength = torch.tensor([1220.0, 1300.0])
    >>> passed = damping_wing(wavelength, torch.tensor([8.0]), torch.tensor([1.0]))
    >>> bool(passed[0, 0] < passed[0, 1] < 1)
    True
    """
    top = (1 + redshift)[:, None]
    depth = 7.16e5 * (top / 10) ** 1.5 * neutral[:, None]
    near = LYMAN_ALPHA / wavelength.to(top.dtype)
    far = near * (1 + END_OF_REIONISATION) / top
    # 2.02e-8 is the damping constant of Lyman alpha over 4 π ν.
    wing = _wing(near) - _wing(far.clamp(max=near.max()))
    tau = 2.02e-8 * depth / torch.pi * near**-1.5 * wing.clamp(min=0)
    beyond = top > 1 + END_OF_REIONISATION
    return torch.where(beyond, torch.exp(-tau), torch.ones_like(tau))


def _wing(x: torch.Tensor) -> torch.Tensor:
    """Return I(x) of Miralda-Escudé (1998), eq. 12."""
    root = x.sqrt()
    return (
        x**4.5 / (1 - x)
        + 9 / 7 * x**3.5
        + 9 / 5 * x**2.5
        + 3 * x**1.5
        + 9 * root
        - 4.5 * torch.log((1 + root) / (1 - root))
    )


class Medium:
    """The intergalactic medium in front of galaxies.

    Parameters
    ----------
    model
        ``"inoue14"`` or ``"madau95"``.
    axis
        Axis of the rest-frame spectra.
    device
        Torch device.

    Attributes
    ----------
    table
        Mean transmission, [redshifts, cells below Lyman alpha].

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> model = GalaxyModel.from_run(run)
    >>> medium = Medium("inoue14", model.axis, torch.device("cpu"))
    >>> cells = model.axis.part(1150.0, 1300.0)
    >>> light = torch.ones(1, cells.stop - cells.start)
    >>> passed = medium.transmit(light, torch.tensor([3.0]), cells)
    >>> passed[0, -1].item(), bool(passed[0, 0] < 1)
    (1.0, True)
    """

    def __init__(self, model: str, axis: WavelengthAxis, device: torch.device):
        self.table = torch.from_numpy(transmission_table(axis, model)).to(device)
        self._centres = torch.from_numpy(axis.centres).to(device)

    def transmit(
        self,
        light: torch.Tensor,
        redshift: torch.Tensor,
        cells: slice,
        neutral: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the transmitted spectra, [n, cells].

        Parameters
        ----------
        light
            Spectra in the cells, [n, cells].
        redshift
            Redshifts, [n].
        cells
            Cells of the axis.
        neutral
            Neutral fraction of the gas for a damping wing, [n]; None for no damping wing.
        """
        table = self.table[:, cells.start : cells.stop]
        at = redshift / TABLE_STEP
        i = at.detach().floor().long().clamp(max=len(table) - 2)
        passed = torch.lerp(table[i], table[i + 1], (at - i).float()[:, None])
        blue = passed.shape[1]
        red = light[:, blue:]
        if neutral is not None and red.shape[1]:
            wavelength = self._centres[cells][blue:]
            near = int((wavelength < 2 * LYMAN_ALPHA).sum())
            wing = damping_wing(wavelength[:near], redshift, neutral).float()
            red = torch.cat([red[:, :near] * wing, red[:, near:]], dim=1)
        return torch.cat([light[:, :blue] * passed, red], dim=1)
