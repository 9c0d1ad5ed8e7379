"""Fitting a whole sky catalogue on Dask: HATS in, HATS out, resumable partition by partition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.infer.posterior import Posterior
from sedum.parallel.dask_cluster import brought, check_sees, completed, connected, held
from sedum.photometry.row_status import most_frequent_first
from sedum.progress import progress
from sedum.results.concatenate import sample_rows
from sedum.results.hats_files import Partition, finish_collection, finish_table, write_partition
from sedum.storage import PartFolder, check_writable, locked
from sedum.survey.fit_output import FitSummary, fit_identity
from sedum.survey.hats_partitions import HatsFit
from sedum.tables.read import parquet_files

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fit_hats"]

#: Rows that a summary figure is drawn from.
_SHOWN = 20_000


def fit_hats(
    run: RunFile,
    posterior: Posterior,
    catalogue: Any,
    output: str | Path,
    *,
    priors: RunFile | None = None,
    client: Any = None,
    scheduler: str | None = None,
    workers: int = 2,
    show_progress: bool = False,
) -> FitSummary:
    """Fit a HATS catalogue to another of the same partitions, with its margin.

    Each partition is written to the folder ``OUTPUT.parts`` as soon as it is fitted. A worker
    that dies loses the partition it was fitting, which is fitted again; a fit that is killed
    leaves no output, and the same call goes on with the partitions that are missing, to the same
    result. At the end the folder becomes the output at once.

    Parameters
    ----------
    run, posterior, catalogue, priors
        As for :func:`sedum.survey.lazy_hats_posteriors`.
    output
        The folder to write: a collection of the posterior catalogue and its margin.
    client
        A Dask client whose workers have this sedum and see the folders.
    scheduler
        Otherwise, the address of its scheduler, ``tcp://HOST:PORT``.
    workers
        Otherwise, processes on this machine, of one thread each.
    show_progress
        Show a progress bar.

    Returns
    -------
    FitSummary
        What was written. Rows of the margin are fitted too, but counted in the bar alone.

    Raises
    ------
    SedumError
        As :func:`sedum.survey.lazy_hats_posteriors`; if the output exists, another process is
        fitting to it, or the folder holds parts of another fit; if workers lack packages or
        folders, or die of the same partition again and again.
    """
    target = Path(output)
    if target.exists():
        raise SedumError(f"{target} exists; delete it, or choose another output")
    folder = target.with_name(f"{target.name}.parts")
    parts = PartFolder(folder, ["collection"], "fit")
    check_writable(folder / "fit.json")
    fit = HatsFit.prepare(run, posterior, catalogue, priors)
    with locked(target, "fitting to"):
        if target.exists():
            raise SedumError(f"{target} exists; delete it, or choose another output")
        parts.claim(fit_identity(run, posterior, priors, _source(fit, catalogue)))
        tables = _tables(fit, folder / "collection", target.name)
        with connected(client, scheduler, workers) as client:
            if isinstance(catalogue, str | Path):
                check_sees(client, Path(catalogue), "the catalogue")
            check_sees(client, folder, "the folder of parts")
            with brought(client, fit.token, fit.make()):
                done = _fitted(tables, parts, client, fit.token, show_progress)
        origin = {
            "prov_progenitor": _name(catalogue),
            "sedum_run": run.name,
            "sedum_estimator": posterior.digest(),
        }
        _finish(tables, done, folder / "collection", target.name, origin)
        main = [p for p in done[tables[0].name] if p.rows]
        shown = sample_rows(_some(tables[0].folder, main), _SHOWN)
        (folder / "collection").rename(target)
        parts.remove()
    status: Counter[str] = Counter()
    for part in main:
        status.update(dict(part.status))
    return FitSummary(target, sum(status.values()), most_frequent_first(status.items()), shown)


@dataclass(frozen=True)
class _Table:
    """A table of the output: the catalogue, or its margin.

    Attributes
    ----------
    name
        Its name.
    folder
        Where it is written.
    posteriors
        Its rows, as a lazy LSDB catalogue.
    total
        How many, where that is known.
    map_order
        HEALPix order of its map of counts.
    """

    name: str
    folder: Path
    posteriors: Any
    total: int | None
    map_order: int

    @property
    def info(self) -> Any:
        """Return its properties, as of what is fitted."""
        return self.posteriors.hc_structure.catalog_info

    def writing(self, pixels: Sequence[Any], token: str) -> list[Any]:
        """Return a lazy task for each of some partitions, that writes it."""
        import pandas as pd

        some = self.posteriors.partitions[list(pixels)]
        told = some.map_partitions(
            _write,
            token,
            str(self.folder),
            self.map_order,
            include_pixel=True,
            meta=pd.DataFrame({"told": pd.Series(dtype=object)}),
        )
        return told.to_delayed()


def _write(
    frame: pd.DataFrame, pixel: Any, token: str, folder: str, map_order: int
) -> pd.DataFrame:
    """Write a partition, in a worker; return what is to be known of it."""
    import pandas as pd

    fitter = held(token)
    part = write_partition(frame, pixel, Path(folder), fitter.schema, fitter.kept, map_order)
    return pd.DataFrame({"told": pd.Series([part.to_json()], dtype=object)})


def _tables(fit: HatsFit, collection: Path, name: str) -> list[_Table]:
    """Return the catalogue and, if there is one, its margin."""
    lazy = fit.lazy()
    found = [(name, fit.sky, lazy)]
    if lazy.margin is not None:
        threshold = int(lazy.margin.hc_structure.catalog_info.margin_threshold)
        found.append((f"{name}_{threshold}arcs", fit.sky.margin, lazy.margin))
    tables = []
    for called, rows, posteriors in found:
        folder = (collection / called).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        info = rows.hc_structure.catalog_info
        finest = max([8, *(pixel.order for pixel in rows.get_healpix_pixels())])
        order = int(info.skymap_order or finest)
        tables.append(_Table(called, folder, posteriors, info.total_rows, order))
    return tables


def _fitted(
    tables: list[_Table], parts: PartFolder, client: Any, token: str, show_progress: bool
) -> dict[str, list[Partition]]:
    """Fit the partitions that are not there; return all, by the name of their table."""
    folders = {table.name: table.folder for table in tables}
    done: dict[str, list[Partition]] = {}
    tasks: list[tuple[str, list[Any]]] = []
    for table in tables:
        done[table.name], missing = _kept(table, parts)
        if missing:
            tasks.append((table.name, table.writing(missing, token)))
    known = [table.total for table in tables]
    total = sum(n for n in known if n is not None) if None not in known else None
    count = sum(len(t.posteriors.get_healpix_pixels()) for t in tables)
    with progress(total, "fitting", "galaxies", show_progress) as advance:
        before = [part for partitions in done.values() for part in partitions]
        advance(sum(part.rows for part in before), f"{len(before)} of {count} partitions")
        futures = {future: name for name, lazy in tasks for future in client.compute(lazy)}
        for name, told in completed(client, futures):
            part = Partition.from_json(told["told"].iloc[0])
            done[name].append(part)
            file = part.path(folders[name]) if part.rows else None
            record = _record(name, part.order, part.pixel)
            parts.record(record, file, asdict(part), sha256=part.sha256)
            sofar = sum(len(partitions) for partitions in done.values())
            advance(part.rows, f"{sofar} of {count} partitions")
    return done


def _record(name: str, order: int, pixel: int) -> str:
    return f"{name}-{order}-{pixel}"


def _kept(table: _Table, parts: PartFolder) -> tuple[list[Partition], list[Any]]:
    """Return the partitions that are whole, and the pixels of those that are missing."""
    whole, missing = [], []
    for pixel in table.posteriors.get_healpix_pixels():
        facts = parts.kept(_record(table.name, pixel.order, pixel.pixel))
        if facts is None:
            missing.append(pixel)
        else:
            whole.append(Partition.from_facts(facts))
    return whole, missing


def _finish(
    tables: list[_Table],
    done: dict[str, list[Partition]],
    collection: Path,
    name: str,
    origin: dict[str, str],
) -> None:
    """Write what describes the tables and their collection."""
    for table in tables:
        changes = {} if table is tables[0] else {"primary_catalog": name}
        finish_table(
            table.folder,
            done[table.name],
            table.info,
            table.name,
            origin,
            table.map_order,
            **changes,
        )
    margin = tables[1].name if len(tables) > 1 else None
    finish_collection(collection, name, name, margin, origin)


def _some(table: Path, partitions: Sequence[Partition]) -> list[Path]:
    """Return the files of partitions drawn at random that have rows enough for a figure."""
    order = np.random.default_rng(1).permutation(len(partitions))
    chosen, rows = [], 0
    for part in (partitions[i] for i in order):
        if rows >= 5 * _SHOWN:
            break
        chosen.append(part.path(table))
        rows += part.rows
    return chosen


def _name(catalogue: Any) -> str:
    return Path(catalogue).name if isinstance(catalogue, str | Path) else str(catalogue.name)


def _source(fit: HatsFit, catalogue: Any) -> list[str]:
    """Return what tells a catalogue from any other."""
    if not isinstance(catalogue, str | Path):
        # Dask's names of the partitions tell what they are made of and how.
        return [str(delayed.key) for delayed in fit.sky.to_delayed()]
    path = Path(catalogue).resolve()
    files = [*path.rglob("*properties"), *parquet_files(path)]
    stats = [(str(file), file.stat()) for file in sorted(files)]
    return [str(path), *(f"{f} {s.st_size} {s.st_mtime_ns}" for f, s in stats)]
