"""Survey scale: sky catalogues on one worker and on two, worker loss, memory, and a big load.

    python benchmarks/survey.py [--work survey] [--rows 1000000] [--draws 64]
    python benchmarks/survey.py --load 10000000 [--work survey] [--draws 64]

Needs pip install -e '.[survey]'. Trains a small three-band estimator, since rates hang on draws
and derived quantities, not on training. Targets: efficiency of 0.85 from one worker to two;
nothing lost when a worker dies; at most 2 GiB at 10^8 rows, by the slope of the peak memory from a
tenth of the rows to all of them.

--load does one thing instead: it makes a folder of Parquet files of so many rows, file by file,
and fits it with two workers to a folder of parts.

Efficiency is of the call of fit_sky on workers that run already: reading, fitting, writing and
what is done once (bringing the estimator, describing the output). Starting worker processes takes
seconds, whatever the rows; it is shown, and both are counted together beside it.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from rich.console import Console
from rich.table import Table

import sedum
from sedum.config import RunFile, parse_run

# The date in the files is then the same, and they can be compared byte by byte.
os.environ.setdefault("SOURCE_DATE_EPOCH", "1767225600")

BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]
PARTITIONS = 40
EFFICIENCY, GIB_AT_1E8 = 0.85, 2.0
FILE_ROWS = 500_000
FIT = """
import sys, sedum
done = sedum.fit(
    sedum.load_run("run.yaml"), sedum.Posterior.read("survey.safetensors"),
    sys.argv[1], sys.argv[2], workers=int(sys.argv[3]), show_progress=True,
)
print(done.rows, dict(done.status).get("ok", 0))
"""


def settings(draws: int) -> RunFile:
    return parse_run(
        {
            "name": "survey",
            "filters": BANDS,
            "priors": {"redshift": {"kind": "uniform", "low": 0.05, "high": 1.0}},
            "noise": {
                "depths": dict.fromkeys(BANDS, 25.0),
                "selection": {"band": "sdss_r0", "snr": 5.0},
            },
            "library": {"size": 20000, "chunk": 10000, "seed": 3},
            "estimator": {"layers": 2, "bins": 6, "width": 64, "blocks": 2},
            "training": {"steps": 400, "round": 200, "batch": 256},
            "catalogue": {
                "id": "id",
                "unit": "uJy",
                "columns": {b: {"value": f"f_{b}", "error": f"e_{b}"} for b in BANDS},
            },
            "output": {"draws": draws, "derived": []},
        }
    )


def galaxies(rows: int, first: int = 0) -> pd.DataFrame:
    """Make rows of a catalogue; those of another ``first`` are others."""
    rng = np.random.default_rng([1, first])
    columns = {"id": first + np.arange(rows), "ra": rng.uniform(0, 360, rows)}
    columns["dec"] = np.degrees(np.arcsin(rng.uniform(-1, 1, rows)))
    for band in BANDS:
        columns[f"f_{band}"] = rng.uniform(2, 20, rows)
        columns[f"e_{band}"] = np.full(rows, 0.0726)
    return pd.DataFrame(columns)


def prepare(work: Path, draws: int) -> tuple[RunFile, sedum.Posterior]:
    """Make the run file and the estimator in an empty folder."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run = settings(draws)
    (work / "run.yaml").write_text(run.to_yaml())
    library = sedum.simulate(run, work / "library.h5")
    posterior = sedum.train(run, library)
    posterior.write(work / "survey.safetensors")
    return run, posterior


def measured(command: list[str], folder: Path) -> tuple[str, float, float]:
    """Run a command; return what it printed, its seconds and the GiB of all its processes.

    Memory that processes share is counted once: what is summed is their proportional set sizes.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        total = 0
        for one in _family(process.pid):
            try:
                total += one.memory_full_info().pss
            except psutil.Error:  # it has just ended
                continue
        peak = max(peak, total)
        time.sleep(0.2)
    took = time.perf_counter() - start
    told = process.communicate()[0]
    if process.returncode:
        sys.exit(f"{command} failed")
    return told, took, peak / 1024**3


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def checksums(folder: Path) -> dict[str, bytes]:
    """Return the content of every partition of a sky catalogue."""
    import hashlib

    return {
        str(path.relative_to(folder).as_posix().split("/", 1)[1]): hashlib.sha256(
            path.read_bytes()
        ).digest()
        for path in folder.rglob("Npix=*.parquet")
    }


class Sky:
    """Fits one sky catalogue on clusters of this machine."""

    def __init__(self, work: Path, run: RunFile, posterior: sedum.Posterior):
        self.work, self.run, self.posterior = work, run, posterior

    def make(self, rows: int) -> int:
        """Write the catalogue; return the number of its partitions."""
        import lsdb

        sky = lsdb.from_dataframe(galaxies(rows), partition_rows=max(rows // PARTITIONS, 500))
        sky.write_catalog(self.work / "sky", catalog_name="sky", progress_bar=False)
        return int(sky.npartitions)

    def fit(
        self, workers: int, out: str, beside: Callable[[Path, list[int]], None] | None = None
    ) -> tuple[float, float]:
        """Fit it; return the seconds of starting workers, and of the fit.

        ``beside`` is called in a thread with the folder of parts and the workers' process ids.
        """
        from sedum.parallel.dask_cluster import connected

        target = self.work / out / "posteriors"  # the same name for all, as it is in the files
        start = time.perf_counter()
        with connected(workers=workers) as client:
            pids = list(client.run(os.getpid).values())
            ready = time.perf_counter()
            thread = None
            if beside is not None:
                thread = threading.Thread(
                    target=beside, args=(target.with_name("posteriors.parts"), pids)
                )
                thread.start()
            sedum.fit(
                self.run,
                self.posterior,
                self.work / "sky",
                target,
                client=client,
                show_progress=True,
            )
            done = time.perf_counter()
            if thread is not None:
                thread.join()
        return ready - start, done - ready


def sky_rows(work: Path, run: RunFile, posterior: sedum.Posterior, rows: int, table: Table) -> None:
    """Compare one worker with two, and with two of which one is killed."""
    sky = Sky(work, run, posterior)
    partitions = sky.make(rows)
    seconds, started = {}, {}
    for workers in (1, 2):
        started[workers], seconds[workers] = sky.fit(workers, f"on{workers}")
        table.add_row(
            f"{rows:,} rows in {partitions} partitions on {workers}",
            f"{seconds[workers]:.1f} s, {rows / seconds[workers]:,.0f} rows/s "
            f"(and {started[workers]:.1f} s to start)",
            "",
            "",
        )
    efficiency = seconds[1] / seconds[2] / 2
    whole = (seconds[1] + started[1]) / (seconds[2] + started[2]) / 2
    table.add_row(
        "efficiency from 1 to 2",
        f"{efficiency:.2f} ({whole:.2f} with the start of workers)",
        f">= {EFFICIENCY}",
        verdict(efficiency >= EFFICIENCY),
    )
    same = checksums(work / "on1") == checksums(work / "on2")
    table.add_row("the same on 1 and 2, byte by byte", str(same), "True", verdict(same))
    killed: list[str] = []

    def kill(parts: Path, pids: list[int]) -> None:
        while len(list((parts / "done").glob("posteriors*.json"))) < partitions // 2:
            if parts.with_name("posteriors").exists():
                return  # too few rows to be in time
            time.sleep(0.01)
        os.kill(pids[0], signal.SIGKILL)
        killed.append(f"after {len(list((parts / 'done').glob('posteriors*.json')))} partitions")

    _, took = sky.fit(2, "killed", kill)
    same = checksums(work / "killed") == checksums(work / "on2")
    table.add_row(
        f"one of 2 killed {killed[0] if killed else '(none: too late)'}",
        f"{took:.1f} s, identical: {same}",
        "identical",
        verdict(same and bool(killed)),
    )


def memory(work: Path, rows: int, table: Table) -> None:
    """Measure the peak memory of sedum fit on a tenth of the rows and on all."""
    peaks = {}
    for count in (rows // 10, rows):
        name = f"plain{count}"
        galaxies(count).to_parquet(work / f"{name}.parquet", row_group_size=20_000)
        command = [sys.executable, "-c", FIT, f"{name}.parquet", f"{name}-out.parquet", "1"]
        _, took, peaks[count] = measured(command, work)
        table.add_row(
            f"sedum fit, {count:,} rows, 1 process",
            f"{took:.1f} s, {count / took:,.0f} rows/s, {peaks[count]:.2f} GiB at most",
            "",
            "",
        )
    slope = (peaks[rows] - peaks[rows // 10]) / (rows - rows // 10)
    at = peaks[rows] + max(slope, 0) * (1e8 - rows)
    table.add_row(
        "memory at 10^8 rows, by the slope",
        f"{at:.2f} GiB ({slope * 1024**3:+.1f} bytes a row)",
        f"<= {GIB_AT_1E8} GiB",
        verdict(at <= GIB_AT_1E8),
    )


def load(work: Path, rows: int, table: Table) -> None:
    """Make a folder of Parquet files, fit it with two workers, and weigh what comes out."""
    source = work / "load"
    source.mkdir()
    start = time.perf_counter()
    for number, first in enumerate(range(0, rows, FILE_ROWS)):
        part = galaxies(min(FILE_ROWS, rows - first), first)
        part.to_parquet(source / f"{number:05d}.parquet", row_group_size=20_000)
    made = time.perf_counter() - start
    size = sum(path.stat().st_size for path in source.iterdir())
    table.add_row(f"{rows:,} rows made", f"{made:.0f} s, {size / rows:.0f} bytes a row", "", "")
    command = [sys.executable, "-c", FIT, "load", "load-out", "2"]
    told, took, peak = measured(command, work)
    written, good = (int(n) for n in told.split()[-2:])
    size = sum(path.stat().st_size for path in (work / "load-out").rglob("*") if path.is_file())
    table.add_row("rows written", f"{written:,}", f"{rows:,}", verdict(written == rows))
    table.add_row("of which fitted", f"{good:,}", "", "")
    table.add_row("seconds, with the start of workers", f"{took:.0f}", "", "")
    table.add_row("rows per second on 2 workers", f"{rows / took:,.0f}", "", "")
    table.add_row(
        "peak memory of all processes",
        f"{peak:.2f} GiB",
        f"<= {GIB_AT_1E8} GiB",
        verdict(peak <= GIB_AT_1E8),
    )
    table.add_row("bytes of output for a galaxy", f"{size / rows:.0f}", "", "")


class Report(Table):
    """A table whose rows are also told as they come: some take an hour."""

    def add_row(self, *cells: str) -> None:
        super().add_row(*cells)
        print("  ".join(cell for cell in cells if cell), flush=True)


def verdict(met: bool) -> str:
    return "[green]met[/green]" if met else "[red]missed[/red]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("survey"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--draws", type=int, default=64)
    parser.add_argument("--load", type=int, help="Rows of a folder of Parquet files; nothing else.")
    options = parser.parse_args()
    console = Console(width=120, highlight=False)
    run, posterior = prepare(options.work, options.draws)
    cores = os.cpu_count()
    table = Report(title=f"{platform.machine()}, {cores} cores, {options.draws} draws a galaxy")
    for name in ("what", "measured", "target", ""):
        table.add_column(name)
    if options.load is not None:
        load(options.work, options.load, table)
    else:
        sky_rows(options.work, run, posterior, options.rows, table)
        memory(options.work, options.rows, table)
    console.print(table)


if __name__ == "__main__":
    main()
