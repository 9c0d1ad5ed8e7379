"""Generating a library in chunks, which can be interrupted at any time.

Every chunk has its own seed and is written to its own file beside the library. The library is
assembled from all chunks. A resumed run therefore gives the same library, bit for bit, as an
uninterrupted run, on any number of processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.simulator import Simulator
from sedum.library.chunks import draw_chunk
from sedum.library.library_file import Library, versions, write_library
from sedum.parallel.threads import in_threads
from sedum.progress import Advance, progress
from sedum.storage import (
    PartFolder,
    check_writable,
    digest,
    lock_path,
    locked,
    read_tensors,
    write_tensors,
)

__all__ = ["simulate"]


def simulate(
    run: RunFile,
    path: str | Path,
    *,
    model: Simulator | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    client: Any = None,
    show_progress: bool = False,
) -> Library:
    """Draw galaxies from the priors, compute their fluxes and store them.

    Parameters
    ----------
    run
        The run file.
    path
        The library to write (HDF5). While it is being made, finished chunks are in the folder
        ``<path>.parts``; a later call with the same run file goes on from there.
    model
        The forward model, where the caller has it already.
    workers
        Processes on this machine, of one thread each, that share the chunks; 1 stands for this
        process and the threads that torch is set to use. The library is the same bit for bit.
    scheduler
        Instead, the address of a Dask scheduler, ``tcp://HOST:PORT``, whose workers have the
        same sedum and files of filters and grids. They need not see the library's folder. It is
        the same bit for bit if their processors are of the same kind.
    client
        Instead, a Dask client.
    show_progress
        Show a progress bar.

    Returns
    -------
    Library
        The library, as read back from the file.

    Raises
    ------
    SedumError
        If the path cannot be written, or holds a library or parts of another run file; if
        ``sedum[survey]`` is not installed where several processes are asked for, there is no
        such scheduler, or its workers have other versions, filter curves or grids.

    Examples
    --------
    >>> made = simulate(run, "example.h5")
    >>> len(made), made.bands
    (2000, ['sdss_g0', 'sdss_r0', 'sdss_i0'])
    """
    path = Path(path)
    parts = PartFolder(path.with_name(path.name + ".parts"), ["*.safetensors"], "run file")
    finished = path.is_file() and not (parts.path.exists() or lock_path(path).exists())
    if not finished:
        check_writable(path)
    model = model or GalaxyModel.from_run(run)
    fingerprint = model.fingerprint()
    elsewhere = workers > 1 or scheduler is not None or client is not None
    connection = {"client": client, "scheduler": scheduler, "workers": workers}
    if finished:  # without a lock: any number of processes may want it
        return _existing(path, run, fingerprint)
    with locked(path, "simulating"):
        if not path.exists():
            _simulate(run, path, parts, model, connection if elsewhere else None, show_progress)
        library = _existing(path, run, fingerprint)
        parts.remove()
    return library


def _simulate(
    run: RunFile,
    path: Path,
    parts: PartFolder,
    model: Simulator,
    connection: dict[str, Any] | None,
    show_progress: bool,
) -> None:
    """Compute the missing chunks, here or on Dask, and assemble the library."""
    fingerprint = model.fingerprint()
    parts.claim({"library section": digest(run.library.model_dump()), **fingerprint})
    size, chunk = run.library.size, run.library.chunk
    count = -(-size // chunk)
    sizes = {index: min(chunk, size - index * chunk) for index in range(count)}
    missing = {i: n for i, n in sizes.items() if parts.kept(_name(i)) != {"galaxies": n}}
    with progress(size, "simulating", "galaxies", show_progress) as advance:
        advance(size - sum(missing.values()))
        if connection is None:
            _simulate_here(model, run.library.seed, missing, parts, advance)
        else:
            from sedum.library.dask_chunks import chunks_on_dask

            for index, arrays in chunks_on_dask(run, model, missing, **connection):
                _write_chunk(index, arrays, parts)
                advance(sizes[index])

    def chunks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for index in range(count):
            part = _part(parts, index)
            arrays = _read_part(part, min(chunk, size - index * chunk))
            if arrays is None:
                raise SedumError(f"{part} was damaged meanwhile; simulate again to make it anew")
            yield arrays

    write_library(
        path,
        chunks(),
        names=model.prior.names,
        bands=model.filters.names,
        size=size,
        chunk=chunk,
        fingerprint=fingerprint,
        provenance={"run": run.model_dump(mode="json"), "versions": versions()},
    )


def _existing(path: Path, run: RunFile, fingerprint: dict[str, str]) -> Library:
    """Return a finished library, if it is that of the run file."""
    library = Library.read(path)
    library.require(fingerprint, path)
    made = library.provenance["run"]["library"]
    if made != run.library.model_dump():
        raise SedumError(
            f"library {path} exists with other settings ({made}); remove it or write elsewhere"
        )
    return library


def _name(index: int) -> str:
    return f"{index:06d}"


def _part(parts: PartFolder, index: int) -> Path:
    return parts.path / f"{_name(index)}.safetensors"


def _read_part(path: Path, n: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Return parameters and fluxes of a chunk; None if it is missing, damaged or another."""
    try:
        _, arrays = read_tensors(path, "numpy")
    except ValueError:
        return None
    if not {"theta", "flux"} <= set(arrays) or not len(arrays["theta"]) == len(arrays["flux"]) == n:
        return None
    return arrays["theta"], arrays["flux"]


def _simulate_here(
    model: Simulator, seed: int, missing: dict[int, int], parts: PartFolder, advance: Advance
) -> None:
    """Compute chunks in this process, several at a time, each with one thread.

    The library is the same on all machines with the same kind of processor.
    """

    def one(index: int) -> int:
        _simulate_chunk(model, seed, index, missing[index], parts)
        return missing[index]

    # An external simulator may not be safe to call from two threads.
    threads = None if type(model) is GalaxyModel else 1
    for n in in_threads(one, missing, maximum=threads):
        advance(n)


def _simulate_chunk(model: Simulator, seed: int, index: int, n: int, parts: PartFolder) -> None:
    _write_chunk(index, draw_chunk(model, seed, index, n), parts)


def _write_chunk(index: int, arrays: dict[str, np.ndarray], parts: PartFolder) -> None:
    part = _part(parts, index)
    write_tensors(part, arrays, {"chunk": index})
    parts.record(_name(index), part, {"galaxies": len(arrays["theta"])})
