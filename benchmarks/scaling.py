"""What a sky survey costs: galaxies per core-second and bytes per galaxy, by what is written.

    python benchmarks/scaling.py [--work scaling] [--galaxies 20000] [--survey 2e10]

One thread. The run file is that of ``sedum init``, 14 bands and an estimator of the default size;
its training is cut short, since the cost of a draw does not hang on it. Mock galaxies are fitted
from Parquet to Parquet by sedum.fit, as sedum fit does it. Core-hours and bytes of a survey
are these figures times its galaxies.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

import numpy as np
import torch
import yaml
from astropy.table import Table
from rich.console import Console
from rich.table import Table as RichTable

import sedum
from sedum.config import RunFile, parse_run
from sedum.observe.mock_survey import mock_survey
from sedum.survey.start_run_file import template

#: What is written, and the share of the galaxies that it is measured on.
OUTPUTS = {
    "64 draws, percentiles": ({"draws": 64, "derived": [], "point_estimates": False}, 1.0),
    "1,000 draws, percentiles": ({"derived": [], "point_estimates": False}, 0.5),
    "1,000 draws, 5 derived quantities (default)": ({}, 0.25),
    "the same, p(z) at 300 redshifts": ({"pz": {"points": 300}}, 0.25),
    "the same, 33 quantiles instead": ({"quantiles": 33}, 0.25),
    "the same, 1,000 draws kept instead": ({"save_draws": True}, 0.1),
    "default, verified against the likelihood": ({"verify": {}}, 0.01),
}


def settings() -> RunFile:
    data = yaml.safe_load(template())
    data["library"] |= {"size": 10_000, "chunk": 5_000}
    data["training"] |= {"steps": 100, "round": 50}
    data["catalogue"].pop("redshift", None)
    data["output"] = {}
    return parse_run(data, source="the benchmark's run file")


def catalogue(run: RunFile, model: sedum.GalaxyModel, posterior: sedum.Posterior, n: int) -> Table:
    assert run.catalogue is not None
    _, seen = mock_survey(model, posterior.noise, n, 7)
    table = Table({"id": np.arange(n)})
    for i, band in enumerate(run.band_names()):
        column = run.catalogue.columns[band]
        there = seen.observed[:, i]
        for name, values in ((column.value, seen.flux), (column.error, seen.error)):
            table[name] = np.where(there, values[:, i], np.nan).astype(np.float32)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("scaling"))
    parser.add_argument("--galaxies", type=int, default=20_000)
    parser.add_argument("--survey", type=float, default=2e10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    work = options.work
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run = settings()
    model = sedum.GalaxyModel.from_run(run)
    library = sedum.simulate(run, work / "library.h5", model=model)
    posterior = sedum.train(run, library)
    whole = catalogue(run, model, posterior, options.galaxies)
    console = Console(width=130, highlight=False)
    table = RichTable(box=None, title=f"one core; a survey of {options.survey:.0e} galaxies")
    table.add_column("written", no_wrap=True)
    for head in ("galaxies", "CPU s", "per core-second", "B out", "B in", "core-hours", "TB out"):
        table.add_column(head, justify="right")
    for what, (output, share) in OUTPUTS.items():
        n = max(int(options.galaxies * share), 50)
        some = parse_run({**run.model_dump(mode="json"), "output": output})
        whole[:n].write(work / "cat.parquet", overwrite=True)
        whole[:50].write(work / "few.parquet", overwrite=True)
        seconds = {}
        for name in ("few", "cat"):  # the first compiles, and pays what is paid once
            start = time.process_time()
            done = sedum.fit(
                some, posterior, work / f"{name}.parquet", work / "out.parquet", model=model
            )
            seconds[name] = time.process_time() - start
        assert done.rows == n
        fitted = dict(done.status).get("ok", 0)
        rate = n / seconds["cat"]
        sizes = [(work / f"{name}.parquet").stat().st_size / n for name in ("out", "cat")]
        table.add_row(
            what,
            f"{fitted:,} of {n:,}",
            f"{seconds['cat']:.1f}",
            f"{rate:,.0f}",
            *(f"{size:,.0f}" for size in sizes),
            f"{options.survey / rate / 3600:,.0f}",
            f"{options.survey * sizes[0] / 1e12:,.1f}",
        )
    console.print(table)
    start = time.process_time()
    rows = sum(len(r) for r in _read(run, model, work / "cat.parquet", whole))
    took = time.process_time() - start
    console.print(f"reading alone: {rows / took:,.0f} galaxies per core-second")


def _read(run: RunFile, model: sedum.GalaxyModel, path: Path, whole: Table):
    from sedum.photometry.catalogue import stream_catalogue

    whole.write(path, overwrite=True)
    assert run.catalogue is not None
    return stream_catalogue(path, run.catalogue, model.filters, 20_000)


if __name__ == "__main__":
    main()
