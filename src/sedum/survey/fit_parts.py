"""Fitting catalogues of any size: part by part, in several processes, resumable."""

from __future__ import annotations

import shutil
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import torch

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
from sedum.storage import PartFolder, locked
from sedum.survey.fit_output import FitSummary, check_target, fit_identity
from sedum.survey.fit_rows import RowFitter
from sedum.tables.read import parquet_files
from sedum.tables.stream import known_length

__all__ = ["PART_ROWS", "fit_parts"]

#: Rows of a part: some minutes of work at most, and some hundred MB with draws.
PART_ROWS = 20_000
#: Rows that a summary figure is drawn from.
_SHOWN = 20_000


@dataclass
class _PartFitter:
    """Fits parts and writes them: one in each process."""

    fitter: RowFitter
    parts: PartFolder
    catalogue: str

    def __call__(self, number: int, rows: CatalogueRows) -> list[tuple[str, int]]:
        """Fit a part and write it; return each status and the number of rows that have it."""
        table = self.fitter.fit(rows)
        table.meta["catalogue"] = self.catalogue
        path = _part(self.parts, number)
        write_table(table, path)
        counts = count_status(table)
        self.parts.record(path.stem, path, {"rows": len(table), "status": counts})
        return counts

    def kept(self, number: int, rows: int) -> list[tuple[str, int]] | None:
        """Return what a call returned for a part that is still there; None to fit it again."""
        facts = self.parts.kept(_part(self.parts, number).stem)
        if facts is None or facts["rows"] != rows:
            return None
        return [(text, count) for text, count in facts["status"]]


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
    parts = PartFolder(folder, ["part-*.parquet", "nested"], "fit")
    nested = bool(run.output.verify and run.output.verify.nested)
    rows = RowFitter(run, posterior, model, priors, folder / "nested", workers if nested else 1)
    fitter = _PartFitter(rows, parts, source.name)
    with locked(target, "fitting to"):
        check_target(target, source)  # another process may just have finished it
        parts.claim(
            fit_identity(run, posterior, priors, _files(source))
            | {"rows of a part": str(part_rows)}
        )
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
        files = [_part(parts, number) for number in range(count)]
        shown = sample_rows(files, _SHOWN)
        if target.suffix:
            assemble(files, target)
        else:
            shutil.rmtree(folder / "nested", ignore_errors=True)
            parts.become(target)
        parts.remove()
    return FitSummary(target, sum(status.values()), most_frequent_first(status.items()), shown)


def _fitted(
    fitter: _PartFitter, portions: Iterator[CatalogueRows], workers: int
) -> Iterator[list[tuple[str, int]]]:
    """Yield the status counts of each part in order, fitting those that are not there."""
    if workers <= 1:
        for number, rows in enumerate(portions):
            yield fitter.kept(number, len(rows)) or fitter(number, rows)
        return
    threads = max(torch.get_num_threads() // workers, 1)
    with worker_processes(workers, _start, fitter, threads) as submit:
        # Two portions wait for each worker: none idles, and memory does not grow.
        waiting: deque[list[tuple[str, int]] | Future[list[tuple[str, int]]]] = deque()
        for number, rows in enumerate(portions):
            kept = fitter.kept(number, len(rows))
            waiting.append(kept or submit(_fit_part, number, rows))
            if len(waiting) > 2 * workers:
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())


def _result(
    part: list[tuple[str, int]] | Future[list[tuple[str, int]]],
) -> list[tuple[str, int]]:
    return part.result() if isinstance(part, Future) else part


def _part(parts: PartFolder, number: int) -> Path:
    return parts.path / f"part-{number:06}.parquet"


def _files(source: Path) -> list[tuple[str, int, int]]:
    """Return the path, size and time of change of each file of a catalogue."""
    stats = [(str(file.resolve()), file.stat()) for file in parquet_files(source)]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
