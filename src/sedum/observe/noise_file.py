"""What was learned of a catalogue's noise, and the file that holds it."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

import h5py
import numpy as np

from sedum.errors import SedumError
from sedum.storage.hdf5 import new_hdf5

__all__ = ["SurveySample"]

_KIND = "sedum noise"
_FORMAT = 1


@dataclass(frozen=True)
class SurveySample:
    """Galaxies of a catalogue as examples of its noise, and the trends among them.

    Attributes
    ----------
    bands
        Names of the bands, in order.
    reference
        Index of the band in which brightness is compared.
    depth
        Median 1-sigma error of the faintest in µJy, [bands].
    nodes, centre, spread
        Brightness ``arcsinh(flux / 2 depth)``, and there the median of ln(error / µJy) and half
        the distance of its 16th and 84th percentiles, [bands, nodes].
    correlation
        Of standardised errors between bands, [bands, bands].
    flux, error
        Of the galaxies in µJy, float32, [galaxies, bands].
    observed, upper
        Which bands they have, and which of those are upper limits, [galaxies, bands].
    source
        The catalogue and how many of its rows were used, for people.
    """

    bands: list[str]
    reference: int
    depth: np.ndarray
    nodes: np.ndarray
    centre: np.ndarray
    spread: np.ndarray
    correlation: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    observed: np.ndarray
    upper: np.ndarray
    source: str

    @property
    def measured(self) -> np.ndarray:
        """True where a flux was measured, [galaxies, bands]."""
        return self.observed & ~self.upper

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays, for storing inside another file."""
        arrays = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name not in ("bands", "source", "reference")
        }
        return {**arrays, "reference": np.array(self.reference)}

    @classmethod
    def from_state(
        cls, bands: list[str], state: dict[str, np.ndarray], source: str = ""
    ) -> SurveySample:
        """Restore from :meth:`state`."""
        state = dict(state)
        return cls(bands=bands, reference=int(state.pop("reference")), source=source, **state)

    def write(self, path: str | Path) -> None:
        """Write to HDF5, atomically."""
        with new_hdf5(path) as file:
            file.attrs["kind"] = _KIND
            file.attrs["format"] = _FORMAT
            file.attrs["bands"] = json.dumps(self.bands)
            file.attrs["source"] = self.source
            for name, array in self.state().items():
                chunked = array.ndim > 0
                file.create_dataset(name, data=array, fletcher32=chunked, chunks=chunked or None)

    @classmethod
    def read(cls, path: str | Path) -> SurveySample:
        """Read from a file that :meth:`write` made.

        Raises
        ------
        SedumError
            If it is absent, damaged or not such a file; it is named.
        """
        path = Path(path)
        if not path.is_file():
            raise SedumError(f"noise.file: {path} does not exist; make it with 'sedum noise fit'")
        try:
            with h5py.File(path, "r") as file:
                if file.attrs.get("kind") != _KIND or file.attrs.get("format") != _FORMAT:
                    raise SedumError(
                        f"noise.file: {path} is not noise of format {_FORMAT}; make it with "
                        "'sedum noise fit'"
                    )
                bands = json.loads(file.attrs["bands"])
                state = {name: file[name][()] for name in file}
                return cls.from_state(bands, state, str(file.attrs["source"]))
        except (OSError, KeyError, ValueError, TypeError) as error:
            first = (str(error).strip().splitlines() or ["unknown cause"])[0][:100]
            raise SedumError(
                f"noise.file: {path} is damaged or not HDF5 ({first}); make it again with "
                "'sedum noise fit'"
            ) from None

    def of_bands(self, bands: list[str]) -> SurveySample:
        """Return the part for some of the bands, in their order.

        Raises
        ------
        SedumError
            If a band is not among those of the catalogue, or the reference band is left out.
        """
        absent = [b for b in bands if b not in self.bands]
        if absent:
            raise SedumError(
                f"noise.file: it was fitted without {', '.join(absent)}; its bands are "
                f"{', '.join(self.bands)}; fit it again with 'sedum noise fit'"
            )
        reference = self.bands[self.reference]
        if reference not in bands:
            raise SedumError(
                f"noise.file: its reference band {reference} is not among the filters; fit it "
                "again with 'sedum noise fit'"
            )
        if bands == self.bands:
            return self
        at = [self.bands.index(b) for b in bands]
        return SurveySample(
            bands=bands,
            reference=bands.index(reference),
            depth=self.depth[at],
            nodes=self.nodes[at],
            centre=self.centre[at],
            spread=self.spread[at],
            correlation=self.correlation[np.ix_(at, at)],
            flux=self.flux[:, at],
            error=self.error[:, at],
            observed=self.observed[:, at],
            upper=self.upper[:, at],
            source=self.source,
        )
