"""Fitting catalogues of any size: part by part, in several processes, resumable."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import torch

from sedum._version import __version__
from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.infer.trained_model import trained_model
from sedum.parallel.processes import worker_processes
from sedum.photometry.catalogue import CatalogueRows, stream_catalogue
from sedum.photometry.row_status import most_frequent_first
from sedum.progress import progress
from sedum.results.concatenate import assemble, sample_rows
from sedum.results.posterior_table import count_status, write_table
from sedum.storage import atomic_path, digest, file_digest, locked
from sedum.survey.fit_output import FitSummary, check_target
from sedum.survey.fit_rows import RowFitter
from sedum.tables.read import parquet_files
from sedum.tables.stream import known_length

__all__ = ["PART_ROWS", "fit_parts", "require_same_fit"]

#: Rows of a part: some minutes of work at most, and some hundred MB with draws.
PART_ROWS = 20_000
#: Rows that a summary figure is drawn from.
_SHOWN = 20_000


@dataclass
class _PartFitter:
    """Fits parts and writes them: one in each process."""

    fitter: RowFitter
    folder: Path
    catalogue: str

    def __call__(self, number: int, rows: CatalogueRows) -> list[tuple[str, int]]:
        """Fit a part and write it; return each status and the number of rows that have it."""
        table = self.fitter.fit(rows)
        table.meta["catalogue"] = self.catalogue
        path = _part(self.folder, number)
        write_table(table, path)
        counts = count_status(table)
        record = {"sha256": file_digest(path), "rows": len(table), "status": counts}
        with atomic_path(_record(path)) as temporary:
            temporary.write_text(json.dumps(record))
        return counts


_fitter: _PartFitter | None = None


def _start(fitter: _PartFitter, threads: int) -> None:
    """Prepare a worker process, with its share of the machine's threads."""
    global _fitter
    torch.set_num_threads(threads)
    _fitter = fitter


def _fit_part(number: int, rows: CatalogueRows) -> list[tuple[str, int]]:
    assert _fitter is not None
    return _fitter(number, rows)


def fit_parts(
    run: RunFile,
    posterior: Posterior,
    catalogue: str | Path,
    output: str | Path,
    *,
    model: Simulator | None = None,
    workers: int = 1,
    priors: RunFile | None = None,
    part_rows: int = PART_ROWS,
    show_progress: bool = False,
) -> FitSummary:
    """Fit a file or a folder of Parquet files to an output; see :func:`sedum.fit`.

    The catalogue is read and fitted in portions of ``part_rows``. Each is written to the folder
    ``OUTPUT.parts`` as soon as it is fitted. At the end the parts become the output, and the
    folder is removed. An output without an extension is the folder of parts itself.
    """
    source = Path(catalogue)
    target = check_target(output, source)
    if run.catalogue is None:
        raise SedumError("the run file has no catalogue section; 'sedum init' shows one")
    if not source.exists():
        raise SedumError(f"catalogue {source} does not exist")
    model = trained_model(run, posterior, model)
    folder = target.with_name(f"{target.name}.parts")
    nested = bool(run.output.verify and run.output.verify.nested)
    rows = RowFitter(run, posterior, model, priors, folder / "nested", workers if nested else 1)
    fitter = _PartFitter(rows, folder, source.name)
    with locked(target, "fitting to"):
        check_target(target, source)  # another process may just have finished it
        require_same_fit(folder, _identity(run, posterior, source, priors, part_rows))
        status: Counter[str] = Counter()
        count = 0
        portions = stream_catalogue(source, run.catalogue, model.filters, part_rows)
        total = known_length(source, run.catalogue.extension)
        with progress(total, "fitting", "galaxies", show_progress) as advance:
            for done in _fitted(fitter, portions, 1 if nested else workers):
                status.update(dict(done))
                count += 1
                advance(sum(n for _, n in done))
        if not count:
            raise SedumError(f"catalogue {source} has no rows")
        parts = [_part(folder, number) for number in range(count)]
        shown = sample_rows(parts, _SHOWN)
        if target.suffix:
            assemble(parts, target)
        else:
            _become(folder, target)
        shutil.rmtree(folder, ignore_errors=True)
    return FitSummary(target, sum(status.values()), most_frequent_first(status.items()), shown)


def _become(folder: Path, target: Path) -> None:
    """Make the folder of parts the output: whole or absent, whenever the process is killed."""
    shutil.rmtree(folder / "nested", ignore_errors=True)
    os.replace(folder, target)
    # Readers of Parquet pass names that begin so; what killed writers left has a dot.
    for left in (*target.glob("_*.json"), *target.glob(".*.partial*")):
        left.unlink()


def _fitted(
    fitter: _PartFitter, portions: Iterator[CatalogueRows], workers: int
) -> Iterator[list[tuple[str, int]]]:
    """Yield the status counts of each part in order, fitting those that are not there."""
    if workers <= 1:
        for number, rows in enumerate(portions):
            yield _kept(fitter.folder, number, len(rows)) or fitter(number, rows)
        return
    threads = max(torch.get_num_threads() // workers, 1)
    with worker_processes(workers, _start, fitter, threads) as submit:
        # Two portions wait for each worker: none idles, and memory does not grow.
        waiting: deque[list[tuple[str, int]] | Future[list[tuple[str, int]]]] = deque()
        for number, rows in enumerate(portions):
            kept = _kept(fitter.folder, number, len(rows))
            waiting.append(kept or submit(_fit_part, number, rows))
            if len(waiting) > 2 * workers:
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())


def _result(
    part: list[tuple[str, int]] | Future[list[tuple[str, int]]],
) -> list[tuple[str, int]]:
    return part.result() if isinstance(part, Future) else part


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06}.parquet"


def _record(part: Path) -> Path:
    """Return the file that says what is in a part, and that it is whole."""
    return part.with_name(f"_{part.stem}.json")


def _kept(folder: Path, number: int, rows: int) -> list[tuple[str, int]] | None:
    """Return the status counts of a part that is there and whole; a damaged one is fitted again."""
    path = _part(folder, number)
    try:
        record = json.loads(_record(path).read_text())
        whole = record["rows"] == rows and record["sha256"] == file_digest(path)
        return [(text, count) for text, count in record["status"]] if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def require_same_fit(folder: Path, identity: dict[str, str]) -> None:
    """Claim a folder of parts, or make sure that those in it belong to the same fit.

    Raises
    ------
    SedumError
        Naming what differs.
    """
    path = folder / "_fit.json"
    if path.is_file():
        try:
            found = json.loads(path.read_text())
        except ValueError:
            found = {}
        differing = [key for key in identity if found.get(key) != identity[key]]
        if differing:
            raise SedumError(
                f"{folder} holds parts of another fit (its {', '.join(differing)} differ); delete "
                "the folder, or choose another output"
            )
        return
    # Parts without it are of a finished fit that was killed as it removed them; nothing else is.
    known = ("part-", "_part-", "nested", "done", "collection", ".")
    foreign = [p.name for p in folder.glob("*") if not p.name.startswith(known)]
    if foreign:
        raise SedumError(
            f"{folder} is in the way: parts of the fit go there, and it holds {foreign[0]}; move "
            "it, or choose another output"
        )
    shutil.rmtree(folder, ignore_errors=True)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(identity))


def _identity(
    run: RunFile, posterior: Posterior, source: Path, priors: RunFile | None, part_rows: int
) -> dict[str, str]:
    """Return what the parts depend on, each as a hash or in words."""
    files = [
        (str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns) for p in parquet_files(source)
    ]
    return {
        "run file": digest(run.model_dump(mode="json")),
        "estimator": posterior.digest(),
        "priors": digest(priors.model_dump(mode="json") if priors else None),
        "catalogue": digest(files),
        "rows of a part": str(part_rows),
        "version": __version__,
    }
