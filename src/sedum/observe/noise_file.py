"""The noise learned from a catalogue, and the file that stores it."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

import h5py
import numpy as np

from sedum.errors import SedumError
from sedum.introduced import Facts, Introduced, listed
from sedum.storage import warn_unsealed
from sedum.storage.hdf5 import new_hdf5, seal, verify_seal

__all__ = ["SurveySample"]

_KIND = "sedum noise"
_FORMAT = 1


@dataclass(frozen=True, repr=False)
class SurveySample(Introduced):
    """Galaxies of a catalogue as examples of its noise, and the trends among them.

    Attributes
    ----------
    bands
        Names of the bands, in order.
    reference
        Index of the band in which brightness is compared.
    depth
        Median 1-sigma error of faint sources in µJy, [bands].
    nodes
        Brightness ``arcsinh(flux / 2 depth)`` at the nodes of the error curves, [bands, nodes].
    centre, spread
        Median of ln(error / µJy) at the nodes, and half the interval between its 16th and 84th
        percentiles, [bands, nodes].
    correlation
        Correlation of the standardised errors between bands, [bands, bands].
    flux, error
        Fluxes and errors of the example galaxies in µJy, float32, [galaxies, bands].
    observed, upper
        Which bands the galaxies have, and which of those are upper limits, [galaxies, bands].
    source
        Name of the catalogue and number of rows used.

    Examples
    --------
    >>> from sedum import FilterSet, fit_noise, read_catalogue
    >>> rows = read_catalogue(catalogue, run.catalogue, FilterSet.from_run(run))
    >>> fit_noise(rows, run.band_names(), source="mock").write("noise.h5")
    >>> SurveySample.read("noise.h5").source
    'mock, 20 of 20 rows'
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

    def _facts(self) -> Facts:
        facts = {"galaxies": f"{len(self.flux):,}", "bands": listed(self.bands)}
        return f"of {self.source}", facts | {"reference band": self.bands[self.reference]}

    @property
    def measured(self) -> np.ndarray:
        """True if a flux was measured, [galaxies, bands]."""
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
        """Write to an HDF5 file, atomically."""
        with new_hdf5(path) as file:
            file.attrs["kind"] = _KIND
            file.attrs["format"] = _FORMAT
            file.attrs["bands"] = json.dumps(self.bands)
            file.attrs["source"] = self.source
            for name, array in self.state().items():
                chunked = array.ndim > 0
                file.create_dataset(name, data=array, fletcher32=chunked, chunks=chunked or None)
            seal(file)

    @classmethod
    def read(cls, path: str | Path) -> SurveySample:
        """Read from a file that :meth:`write` made.

        Raises
        ------
        SedumError
            If the file is missing, damaged or of another kind; the message names it.
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
                if not verify_seal(file):
                    warn_unsealed(path, "noise.file:", "sedum noise fit")
                bands = json.loads(file.attrs["bands"])
                state = {name: file[name][()] for name in file}
                sample = cls.from_state(bands, state, str(file.attrs["source"]))
                sample.require_consistent()
                return sample
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError) as error:
            first = (str(error).strip().splitlines() or ["unknown cause"])[0][:100]
            raise SedumError(
                f"noise.file: {path} is damaged or not HDF5 ({first}); make it again with "
                "'sedum noise fit'"
            ) from None

    def require_consistent(self) -> None:
        """Make sure that the arrays belong to the bands.

        Raises
        ------
        ValueError
            Naming an array of another shape, or without finite numbers where they are needed.
        """
        b, nodes, n = len(self.bands), self.nodes.shape[-1], len(self.flux)
        shapes: dict[str, tuple[int, ...]] = {"depth": (b,), "correlation": (b, b)}
        shapes |= dict.fromkeys(("nodes", "centre", "spread"), (b, nodes))
        shapes |= dict.fromkeys(("flux", "error", "observed", "upper"), (n, b))
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise ValueError(f"{name} has another shape than its bands")
            if name in ("depth", "nodes", "centre", "spread", "correlation") and not (
                array.dtype.kind == "f" and np.isfinite(array).all()
            ):
                raise ValueError(f"{name} holds values that are not finite numbers")
        if not 0 <= self.reference < b:
            raise ValueError("reference is the index of no band")

    def of_bands(self, bands: list[str]) -> SurveySample:
        """Return the part for some of the bands, in the given order.

        Raises
        ------
        SedumError
            If the catalogue lacks a band, or the reference band is not among the given ones.
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
