"""Survey scale: a sky catalogue on one worker and on two, one of which is killed; memory of parts.

    python benchmarks/survey.py [--work survey] [--rows 1000000] [--draws 64]

Needs pip install -e '.[survey]'. Trains a small three-band estimator, since rates hang on draws
and derived quantities, not on training. Targets: efficiency of 0.85 from one worker to two;
nothing lost when a worker dies; memory that does not grow with the rows.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import lsdb
import numpy as np
import pandas as pd
from rich.console import Console

import sedum
from sedum.config import parse_run

BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]
FIT = """
import resource, sys, sedum
sedum.fit_survey(sedum.load_run("run.yaml"), sedum.Posterior.read("survey.safetensors"),
                 sys.argv[1], "memory.parquet")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def settings(draws: int):
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


def galaxies(rows: int, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {"id": np.arange(rows), "ra": rng.uniform(0, 360, rows)}
    columns["dec"] = np.degrees(np.arcsin(rng.uniform(-1, 1, rows)))
    for band in BANDS:
        columns[f"f_{band}"] = rng.uniform(2, 20, rows)
        columns[f"e_{band}"] = np.full(rows, 0.0726)
    return pd.DataFrame(columns)


def kill_a_worker(after: float, killed: list[int]) -> None:
    """Kill the youngest process that this one has spawned, after some seconds."""
    time.sleep(after)
    told = subprocess.run(["pgrep", "-f", "spawn_main"], capture_output=True, text=True).stdout
    children = [int(p) for p in told.split()]
    if children:
        os.kill(children[-1], signal.SIGKILL)
        killed.append(children[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("survey"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--draws", type=int, default=64)
    options = parser.parse_args()
    work = options.work
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    console = Console(width=110, highlight=False)
    run = settings(options.draws)
    (work / "run.yaml").write_text(run.to_yaml())
    library = sedum.simulate(run, work / "library.h5", show_progress=False)
    posterior = sedum.train(run, library, show_progress=False)
    posterior.write(work / "survey.safetensors")
    frame = galaxies(options.rows)
    sky = lsdb.from_dataframe(frame, partition_rows=max(options.rows // 40, 500))
    sky.write_catalog(work / "sky", catalog_name="sky", progress_bar=False)
    console.print(f"{options.rows:,} rows in {sky.npartitions} partitions, {options.draws} draws")
    seconds = {}
    for workers in (1, 2):
        start = time.perf_counter()
        count = sedum.fit_sky(run, posterior, work / "sky", work / f"on{workers}", workers=workers)
        seconds[workers] = time.perf_counter() - start
        assert count == options.rows
        console.print(f"{workers} worker(s): {seconds[workers]:.0f} s")
    console.print(f"efficiency 1 to 2 workers: {seconds[1] / seconds[2] / 2:.2f} (target 0.85)")
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(seconds[2] * 0.6, killed))
    killer.start()
    count = sedum.fit_sky(run, posterior, work / "sky", work / "killed", workers=2)
    killer.join()
    whole, after = (lsdb.open_catalog(work / name).compute() for name in ("on2", "killed"))
    same = (
        whole.sort_values("id")
        .reset_index(drop=True)
        .equals(after.sort_values("id").reset_index(drop=True))
    )
    console.print(f"a worker killed ({len(killed)}): {count:,} rows, identical: {same}")
    for part in (10, 1):
        path = work / f"plain{part}.parquet"
        frame[: options.rows // part].to_parquet(path, row_group_size=20_000)
        start = time.perf_counter()
        told = subprocess.run(
            [sys.executable, "-c", FIT, path.name], cwd=work, capture_output=True, text=True
        )
        took = time.perf_counter() - start
        console.print(
            f"sedum fit, {options.rows // part:,} rows: {took:.0f} s, "
            f"{int(told.stdout.split()[-1]) / 1024**2:.2f} GiB at most"
        )
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    console.print(f"this process, which made the catalogue in memory: {own:.2f} GiB")


if __name__ == "__main__":
    main()
