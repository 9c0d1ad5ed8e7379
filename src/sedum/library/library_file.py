"""The library file: noiseless fluxes and the parameters behind them, in checked HDF5."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sedum._version import __version__
from sedum.errors import SedumError
from sedum.introduced import Facts, Introduced, listed
from sedum.storage import digest, require_same
from sedum.storage.hdf5 import new_hdf5

__all__ = ["Library", "open_library", "versions", "write_library"]

_KIND = "sedum library"
_FORMAT = 1


def versions() -> dict[str, str]:
    """Return the versions of what a result depends on, for provenance."""
    names = ("numpy", "torch", "bagpipes", "astro-sedpy", "zuko")
    return {"sedum": __version__, **{n: importlib.metadata.version(n) for n in names}}


@dataclass(frozen=True, repr=False)
class Library(Introduced):
    """Simulated galaxies, read from a file.

    Attributes
    ----------
    names
        The parameters.
    bands
        The filters.
    theta
        Parameters, float64, [n, d].
    flux
        Noiseless flux densities in µJy, float32, [n, bands].
    fingerprint
        What the fluxes depend on; see :meth:`sedum.GalaxyModel.fingerprint`.
    provenance
        Run file and versions.

    Examples
    --------
    >>> library.names[:2], library.theta.shape[0], library.flux.shape
    (['redshift', 'log_mass'], 2000, (2000, 3))
    """

    names: list[str]
    bands: list[str]
    theta: np.ndarray
    flux: np.ndarray
    fingerprint: dict[str, str]
    provenance: dict[str, Any]

    def _facts(self) -> Facts:
        facts = {"galaxies": f"{len(self):,}", "parameters": listed(self.names)}
        return "", facts | {"bands": listed(self.bands)}

    def __len__(self) -> int:
        return len(self.theta)

    @classmethod
    def read(cls, path: str | Path) -> Library:
        """Read a library and verify the checksums of all its chunks.

        Raises
        ------
        SedumError
            If the file is absent, truncated, damaged or not a library; it is named.
        """
        path = Path(path)
        meta, _ = open_library(path)
        with _naming(path), h5py.File(path, "r") as file:
            theta, flux = file["parameters"][()], file["flux"][()]
        return cls(
            meta["names"], meta["bands"], theta, flux, meta["fingerprint"], meta["provenance"]
        )

    def require(self, fingerprint: dict[str, str], path: str | Path) -> None:
        """Make sure that the library belongs to a model, or say what differs.

        Raises
        ------
        SedumError
            Naming the parts of the run file that differ.
        """
        require_same(self.fingerprint, fingerprint, f"library {path}", "simulate again")


def open_library(path: Path) -> tuple[dict[str, Any], int]:
    """Return the metadata of a library and the number of galaxies in a chunk, without reading any.

    Raises
    ------
    SedumError
        If the file is absent, truncated, damaged or not a library; it is named.
    """
    if not path.is_file():
        raise SedumError(f"library {path} does not exist; make it with 'sedum simulate'")
    with _naming(path), h5py.File(path, "r") as file:
        if _text(file, "kind") != _KIND:
            raise SedumError(f"{path} is not a sedum library; make one with 'sedum simulate'")
        if file.attrs["format"] != _FORMAT:
            raise SedumError(
                f"library {path} has format {file.attrs['format']}; this sedum reads {_FORMAT}; "
                "simulate it again"
            )
        meta = json.loads(_text(file, "metadata"))
        theta, flux = file["parameters"], file["flux"]
        # HDF5 has checksums of the chunks of a table, but not of its attributes.
        recorded = _text(file, "digest")
        if recorded not in ("", digest(meta)) or (theta.dtype, flux.dtype) != ("<f8", "<f4"):
            raise ValueError("its metadata are not what was written")
        if len(theta) != len(flux) or len(theta) != meta["size"]:
            raise SedumError(f"library {path} is incomplete; simulate it again")
        return meta, theta.chunks[0]


def _text(file: h5py.File, key: str) -> str:
    """Return an attribute as text; empty if there is none."""
    value = file.attrs.get(key, "")
    return value.decode() if isinstance(value, bytes) else str(value)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the library in errors of reading."""
    try:
        yield
    except (OSError, KeyError, ValueError) as error:
        first = str(error).strip().splitlines()[0][:100]
        raise SedumError(
            f"library {path} is damaged or not HDF5 ({first}); simulate it again"
        ) from None


def write_library(
    path: Path,
    chunks: Iterable[tuple[np.ndarray, np.ndarray]],
    names: list[str],
    bands: list[str],
    size: int,
    chunk: int,
    fingerprint: dict[str, str],
    provenance: dict[str, Any],
) -> None:
    """Write a library from chunks of parameters and fluxes, atomically.

    The file does not depend on the date or on interruptions: equal runs give equal bytes.
    """
    meta = {
        "names": names,
        "bands": bands,
        "size": size,
        "fingerprint": fingerprint,
        "provenance": provenance,
    }
    rows = min(chunk, size)
    with new_hdf5(path) as file:
        # Bytes of fixed length: HDF5 has no checksums for text of variable length.
        attributes = {
            "kind": _KIND,
            "metadata": json.dumps(meta, sort_keys=True),
            "digest": digest(json.loads(json.dumps(meta))),
        }
        for key, text in attributes.items():
            file.attrs[key] = np.bytes_(text.encode())
        file.attrs["format"] = _FORMAT
        theta = file.create_dataset(
            "parameters", (size, len(names)), "f8", chunks=(rows, len(names)), fletcher32=True
        )
        flux = file.create_dataset(
            "flux", (size, len(bands)), "f4", chunks=(rows, len(bands)), fletcher32=True
        )
        theta.attrs["names"] = np.array([name.encode() for name in names])
        flux.attrs["names"] = np.array([name.encode() for name in bands])
        flux.attrs["unit"] = np.bytes_(b"uJy")
        start = 0
        for part_theta, part_flux in chunks:
            stop = start + len(part_theta)
            theta[start:stop], flux[start:stop] = part_theta, part_flux
            file.check()
            start = stop
        if start != size:
            raise SedumError(f"library {path}: {start} galaxies came where {size} were announced")
