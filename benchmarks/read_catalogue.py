"""The rate and memory at which a catalogue of many bands streams from Parquet.

Run from the top of the checkout:

    python benchmarks/read_catalogue.py [--rows 10000000] [--work FOLDER]

Writes a Parquet file of so many rows in 14 bands (fluxes and errors in 32 bits, identifiers,
redshifts; every hundredth value missing, every thousandth row with a bad error), unless FOLDER
holds it, and reads it with ``stream_catalogue``, units, missing values, status of rows and all.
The peer is pyarrow alone reading the same columns into numpy arrays, which is the least that
any reader does. Targets: 500,000 rows per second and less than 2 GiB at any size.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from rich.console import Console
from rich.table import Table

from sedum.config import parse_run
from sedum.photometry.catalogue import stream_catalogue
from sedum.photometry.filters import FilterSet
from sedum.survey.start_run_file import template

_GROUP = 500_000
#: Rows of the second, shorter reading that shows whether memory grows with the file.
_SHORT = 1_000_000


def the_run():
    import yaml

    return parse_run(yaml.safe_load(template()))


def write(path: Path, rows: int) -> None:
    run = the_run()
    columns = run.catalogue.columns
    rng = np.random.default_rng(1)
    names = ["id", "z_spec"] + [n for c in columns.values() for n in (c.value, c.error)]
    kinds = [pa.int64(), pa.float32()] + [pa.float32()] * 2 * len(columns)
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    partial = path.with_suffix(".partial")
    with parquet.ParquetWriter(partial, schema) as writer:
        for start in range(0, rows, _GROUP):
            n = min(_GROUP, rows - start)
            arrays = [np.arange(start, start + n), rng.uniform(0, 3, n).astype(np.float32)]
            for _ in columns:
                flux = rng.lognormal(-2, 1.5, n).astype(np.float32)
                flux[rng.random(n) < 0.01] = np.nan
                error = rng.uniform(0.001, 0.01, n).astype(np.float32)
                error[rng.random(n) < 0.001 / len(columns)] = -1
                arrays += [flux, error]
            writer.write_table(pa.table(arrays, schema=schema))
    partial.rename(path)


def by_sedum(path: Path, rows: int) -> tuple[int, int]:
    run = the_run()
    filters = FilterSet.from_run(run)
    count = good = 0
    for part in stream_catalogue(path, run.catalogue, filters):
        count += len(part)
        good += int(part.standing.ok.sum())
        if count >= rows:
            break
    return count, good


def by_pyarrow(path: Path, rows: int) -> tuple[int, int]:
    count = good = 0
    with parquet.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(batch_size=50_000, row_groups=[group]):
                columns = batch.columns
                arrays = [np.asarray(c.to_numpy(zero_copy_only=False), float) for c in columns]
                count += len(batch)
                good += int(np.isfinite(arrays[2]).sum())
            if count >= rows:
                break
    return count, good


def measure(kind: str, path: Path, rows: int) -> None:
    """Read in this process and print rows, good rows, wall, CPU seconds and peak MiB."""
    pa.set_cpu_count(1)
    start, cpu = time.perf_counter(), time.process_time()
    count, good = (by_sedum if kind == "sedum" else by_pyarrow)(path, rows)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(count, good, wall, cpu, peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--work", type=Path, default=Path("."))
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        kind, path, rows = options.measure
        measure(kind, Path(path), int(rows))
        return
    options.work.mkdir(parents=True, exist_ok=True)
    path = options.work / f"catalogue-{options.rows}.parquet"
    if not path.exists():
        write(path, options.rows)
    table = Table(title=f"{path.name}, 14 bands, {path.stat().st_size / 2**30:.2f} GiB")
    for heading in ("reader", "rows", "status ok", "rows/s", "rows/CPU s", "peak MiB"):
        table.add_column(heading, justify="right" if heading != "reader" else "left")
    for kind, rows in (
        ("pyarrow", options.rows),
        ("sedum", min(_SHORT, options.rows)),
        ("sedum", options.rows),
    ):
        words = [sys.executable, __file__, "--measure", kind, str(path), str(rows)]
        out = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        count, good, wall, cpu, peak = (float(v) for v in out)
        table.add_row(
            kind,
            f"{count:,.0f}",
            f"{good:,.0f}" if kind == "sedum" else "",
            f"{count / wall:,.0f}",
            f"{count / cpu:,.0f}",
            f"{peak:,.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
