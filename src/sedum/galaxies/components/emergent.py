"""Light that leaves galaxies: attenuated by dust, with the emission of dust and nucleus."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from sedum import config
from sedum.galaxies.axis import LYMAN_LIMIT
from sedum.galaxies.components.agn import ActiveNucleus
from sedum.galaxies.components.attenuation import Attenuation
from sedum.galaxies.components.dust_emission import make_emission
from sedum.galaxies.components.starlight import GalaxyBatch, Light, Starlight

__all__ = ["EmergentLight"]

#: Wavelength in Angstrom beyond which absorption by dust is negligible.
_ABSORBED_TO = 5e4


class EmergentLight:
    """Spectra of galaxies before absorption by the intergalactic medium.

    Parameters
    ----------
    starlight
        Light of stars and gas.
    spec
        The components of the model.
    device
        Torch device.

    Attributes
    ----------
    line_attenuation
        Attenuation at the wavelengths of the grid's lines; None without dust.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> model = GalaxyModel.from_run(run)
    >>> theta = torch.from_numpy(model.prior.sample(5, np.random.default_rng(1)))
    >>> galaxies = model.galaxies(theta)
    >>> cells = slice(0, 100)
    >>> sum(len(rows) for rows, light in model.emergent.spectra(galaxies, cells))
    5
    """

    def __init__(self, starlight: Starlight, spec: config.ModelSettings, device: torch.device):
        self.starlight, self.config, self.device = starlight, spec, device
        self.axis = starlight.grid.axis
        self._widths = torch.from_numpy(self.axis.widths.astype(np.float32)).to(device)
        self._dust = self._attenuation(self.axis.centres)
        self.line_attenuation = self._attenuation(starlight.grid.line_wavelengths)
        self._emission = make_emission(spec.dust, self.axis, device)
        self._nucleus = ActiveNucleus(self.axis, device) if spec.agn else None

    def _attenuation(self, wavelength: np.ndarray) -> Attenuation | None:
        spec = self.config.dust
        return None if spec.law == "none" else Attenuation(spec, wavelength, self.device)

    def spectra(
        self, galaxies: GalaxyBatch, cells: slice, dust: bool = True
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield rows of galaxies and their L_λ per solar mass formed, [rows, cells].

        Parameters
        ----------
        galaxies
            The galaxies.
        cells
            Cells of the axis.
        dust
            Whether dust attenuates the light and emits.
        """
        p = galaxies.p
        work = cells
        if self._emission is not None and dust:
            absorbed = self.axis.part(LYMAN_LIMIT, _ABSORBED_TO)
            work = slice(min(cells.start, absorbed.start), max(cells.stop, absorbed.stop))
        inner = slice(cells.start - work.start, cells.stop - work.start)
        bolometric = self.starlight.bolometric(galaxies.mixture) if self._nucleus else None
        for rows, light in self.starlight.light(galaxies.mixture, work, p.get("f_esc")):
            own = {name: p[name][rows] for name in self._dust_and_agn}
            out, lost = self._through_dust(light, own, work, dust)
            out = out[:, inner]
            if self._emission is not None and lost is not None:
                out = out + lost[:, None] * self._emission.spectrum(own, cells)
            if self._nucleus is not None and bolometric is not None:
                power = (own["agn_fraction"] * bolometric[rows]).float()[:, None]
                out = out + power * self._nucleus.spectrum(own, cells)
            yield rows, out

    @property
    def _dust_and_agn(self) -> list[str]:
        """Names of the parameters of dust and nucleus."""
        agn = ["agn_fraction", "agn_torus", "agn_slope", "agn_av"] if self.config.agn else []
        return self.config.dust.parameters() + agn

    def stellar_continuum(self, galaxies: GalaxyBatch, cells: slice) -> torch.Tensor:
        """Return the mean L_λ of attenuated starlight without gas, per solar mass formed, [n]."""
        bare = galaxies.mixture._replace(gas=torch.zeros_like(galaxies.mixture.gas))
        out = torch.empty(len(galaxies.universe), dtype=torch.float64, device=self.device)
        for rows, light in self.starlight.light(bare, cells, galaxies.p.get("f_esc")):
            own = {name: galaxies.p[name][rows] for name in self._dust_and_agn}
            out[rows] = self._through_dust(light, own, cells)[0].mean(1).double()
        return out

    def absorbed(self, galaxies: GalaxyBatch, cells: slice) -> torch.Tensor:
        """Return the luminosity that dust absorbs in some cells, in Lsun/Msun, [n]."""
        out = torch.empty(len(galaxies.universe), dtype=torch.float32, device=self.device)
        for rows, light in self.starlight.light(galaxies.mixture, cells, galaxies.p.get("f_esc")):
            own = {name: galaxies.p[name][rows] for name in self._dust_and_agn}
            _, lost = self._through_dust(light, own, cells, energy=True)
            assert lost is not None
            out[rows] = lost
        return out

    def _through_dust(
        self,
        light: Light,
        p: dict[str, torch.Tensor],
        cells: slice,
        dust: bool = True,
        energy: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the attenuated light, [n, cells], and the luminosity that dust absorbs, [n].

        The second is None unless dust emits or ``energy`` is set.
        """
        old, young, bare = light
        if self._dust is None or not dust:
            total = old if young is None else old + young
            total = total if bare is None else total + bare
            return total, total.new_zeros(len(total)) if energy else None
        diffuse, clouds = self._dust.depths(p, cells)
        passed = torch.exp(-diffuse)
        if young is None:
            before, after = old, old * passed
        else:
            before = old + young
            covered = young if clouds is None else young * torch.exp(-clouds)
            after = (old + covered) * passed
        lost = None
        if self._emission is not None or energy:
            lost = (before - after) @ self._widths[cells]
        # Light that escapes through holes in the clouds escapes all dust.
        return (after if bare is None else after + bare), lost
