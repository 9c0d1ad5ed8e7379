"""Simulated galaxies of any origin: magnitudes and true properties."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from sedum.config.bridge_file import TargetSettings
from sedum.errors import SedumError, allowed
from sedum.results.table_seals import sealed_schema, verify_parquet
from sedum.storage import atomic_path

__all__ = ["SimulatedGalaxies"]

_KIND = "sedum simulated galaxies"
_BAND, _PROPERTY = "magnitude.", "property."


@dataclass(frozen=True)
class SimulatedGalaxies:
    """Galaxies with noiseless magnitudes and true properties.

    Attributes
    ----------
    bands
        Short names of the bands.
    magnitude
        AB magnitudes minus the distance modulus, [n, bands]: absolute magnitudes at redshift 0,
        or those of the observed frame. NaN where the galaxy has no light in the band.
    properties
        True properties by name, each [n].
    redshift
        Observed redshifts, [n].
    source
        Index into ``sources`` of each galaxy, [n].
    sources
        Names of the simulations.
    about
        How they were made, as a record.
    """

    bands: list[str]
    magnitude: np.ndarray
    properties: dict[str, np.ndarray]
    redshift: np.ndarray
    source: np.ndarray
    sources: list[str]
    about: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        name: str,
        bands: Sequence[str],
        magnitude: np.ndarray,
        properties: dict[str, np.ndarray],
        redshift: np.ndarray | None = None,
        about: dict[str, Any] | None = None,
    ) -> SimulatedGalaxies:
        """Make galaxies of one simulation; see the attributes.

        Raises
        ------
        SedumError
            If there are no galaxies, or arrays differ in length.
        """
        n = len(magnitude)
        if n == 0:
            raise SedumError(f"simulation {name}: no galaxies")
        for key, values in properties.items():
            if len(values) != n:
                raise SedumError(
                    f"simulation {name}: {len(values)} values of {key!r}, {n} galaxies"
                )
        z = np.zeros(n) if redshift is None else np.asarray(redshift, float)
        return cls(
            list(bands),
            np.asarray(magnitude, float),
            {key: np.asarray(values, float) for key, values in properties.items()},
            z,
            np.zeros(n, int),
            [name],
            {name: about or {}},
        )

    @classmethod
    def concatenate(cls, parts: Sequence[SimulatedGalaxies]) -> SimulatedGalaxies:
        """Join simulations, with the properties that all of them have."""
        first = parts[0]
        shared = [k for k in first.properties if all(k in p.properties for p in parts)]
        sources: list[str] = []
        source = []
        for part in parts:
            if part.bands != first.bands:
                raise SedumError("simulations of different bands cannot be joined")
            names = [_unused(name, sources) for name in part.sources]
            source.append(part.source + len(sources))
            sources += names
        return cls(
            first.bands,
            np.concatenate([p.magnitude for p in parts]),
            {k: np.concatenate([p.properties[k] for p in parts]) for k in shared},
            np.concatenate([p.redshift for p in parts]),
            np.concatenate(source),
            sources,
            {k: v for p in parts for k, v in p.about.items()},
        )

    def __len__(self) -> int:
        return len(self.magnitude)

    def __getitem__(self, rows: np.ndarray | slice) -> SimulatedGalaxies:
        return replace(
            self,
            magnitude=self.magnitude[rows],
            properties={k: v[rows] for k, v in self.properties.items()},
            redshift=self.redshift[rows],
            source=self.source[rows],
        )

    def targets(self, spec: dict[str, TargetSettings]) -> np.ndarray:
        """Return the targets, [n, targets]; NaN where a galaxy has no value.

        Raises
        ------
        SedumError
            If a property is absent, or no galaxy has a value.
        """
        out = np.empty((len(self), len(spec)))
        for i, (name, target) in enumerate(spec.items()):
            if target.property not in self.properties:
                raise SedumError(
                    f"targets.{name}: the simulations have no property {target.property!r}"
                    f"{allowed(target.property, self.properties)}"
                )
            values = self.properties[target.property].copy()
            if target.floor is not None:
                values = np.where(values < target.floor, target.floor, values)
            if target.log:
                values = np.log10(values, out=np.full_like(values, np.nan), where=values > 0)
            out[:, i] = np.where(np.isfinite(values), values, np.nan)
            if not np.isfinite(out[:, i]).any():
                raise SedumError(
                    f"targets.{name}: no galaxy has a usable {target.property!r}"
                    + ("; a log needs positive values" if target.log else "")
                )
        return out

    def write(self, path: str | Path) -> None:
        """Write Parquet, atomically: a column for each band and property."""
        columns: dict[str, Any] = {"redshift": self.redshift, "source": self.source}
        for i, band in enumerate(self.bands):
            columns[_BAND + band] = self.magnitude[:, i].astype(np.float32)
        columns |= {_PROPERTY + k: v for k, v in self.properties.items()}
        meta = {"kind": _KIND, "sources": self.sources, "about": self.about}
        table = pa.table(columns).replace_schema_metadata({"sedum": json.dumps(meta)})
        table = table.cast(sealed_schema(table.schema))
        with atomic_path(path) as temporary:
            parquet.write_table(table, temporary, write_page_checksum=True)

    @classmethod
    def read(cls, path: str | Path) -> SimulatedGalaxies:
        """Read what :meth:`write` wrote.

        Raises
        ------
        SedumError
            If the file is absent, damaged or something else.
        """
        path = Path(path)
        if not path.is_file():
            raise SedumError(
                f"simulated galaxies {path} do not exist; make them with 'sedum bridge simulate'"
            )
        try:
            verify_parquet(path)
            table = parquet.read_table(path, page_checksum_verification=True)
            meta = json.loads((table.schema.metadata or {})[b"sedum"])
            if meta["kind"] != _KIND:
                raise KeyError
        except (OSError, pa.ArrowException, ValueError, KeyError):
            raise SedumError(
                f"{path} is damaged or holds no simulated galaxies; delete it and make it again "
                "with 'sedum bridge simulate'"
            ) from None
        values = {name: table[name].to_numpy() for name in table.column_names}
        bands = [k.removeprefix(_BAND) for k in values if k.startswith(_BAND)]
        return cls(
            bands,
            np.stack([values[_BAND + b] for b in bands], axis=1).astype(float),
            {k.removeprefix(_PROPERTY): v for k, v in values.items() if k.startswith(_PROPERTY)},
            values["redshift"],
            values["source"],
            meta["sources"],
            meta["about"],
        )


def _unused(name: str, taken: Sequence[str]) -> str:
    """Return a name that is not taken: the name itself, or with a number appended."""
    count = 2
    unused = name
    while unused in taken:
        unused, count = f"{name}-{count}", count + 1
    return unused
