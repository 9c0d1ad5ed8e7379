"""Reddening by dust of the Milky Way, in the observed frame."""

from __future__ import annotations

import numpy as np
import torch

from sedum.galaxies.axis import WavelengthAxis
from sedum.galaxies.cosmology import MAX_REDSHIFT
from sedum.photometry.extinction import R_V, extinction

__all__ = ["MilkyWay"]


class MilkyWay:
    """Extinction of Cardelli, Clayton & Mathis (1989) with R_V = 3.1 at observed wavelengths.

    Parameters
    ----------
    axis
        Axis of the rest-frame spectra. The curve is tabulated on this axis, extended to the red, so
        that a redshift is a shift along it.
    device
        Torch device.

    Examples
    --------
    >>> axis = WavelengthAxis.covering(3000.0, 10000.0)
    >>> foreground = MilkyWay(axis, torch.device("cpu"))
    >>> ebv, redshift = torch.tensor([0.0]), torch.tensor([0.5])
    >>> bool((foreground.transmission(ebv, redshift, slice(0, axis.size)) == 1).all())
    True
    """

    def __init__(self, axis: WavelengthAxis, device: torch.device):
        self._step = axis.step
        extra = int(np.ceil(np.log1p(MAX_REDSHIFT) / axis.step)) + 2
        long = WavelengthAxis(axis.first, axis.size + extra, axis.fineness)
        depth = 0.4 * np.log(10) * R_V * extinction("milky_way", long.centres)
        self._depth = torch.from_numpy(depth.astype(np.float32)).to(device)

    def transmission(self, ebv: torch.Tensor, redshift: torch.Tensor, cells: slice) -> torch.Tensor:
        """Return the transmission, [n, cells].

        Parameters
        ----------
        ebv
            E(B-V) in mag, [n].
        redshift
            Redshifts, [n].
        cells
            Cells of the axis.
        """
        shift = torch.log1p(redshift) / self._step
        whole = shift.detach().floor().long()
        index = torch.arange(cells.start, cells.stop, device=ebv.device) + whole[:, None]
        depth = torch.lerp(
            self._depth[index], self._depth[index + 1], (shift - whole).float()[:, None]
        )
        return torch.exp(-ebv.float()[:, None] * depth)
