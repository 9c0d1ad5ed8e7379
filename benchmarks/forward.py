"""Speed, memory and convergence of the forward model, against bagpipes in the same run.

    python benchmarks/forward.py [--out FOLDER] [--million]

Galaxies have nebular emission, dust and the intergalactic medium, delayed-tau histories, and
14 bands. bagpipes runs ``model_galaxy.update`` at its default resolution, and Synthesizer, where
it is installed, the way from a history to photometry on the same grid. ``--million`` also
writes 10^6 galaxies to a library and reports the time and the greatest memory.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
import yaml
from rich.console import Console
from rich.table import Table

from sedum import config
from sedum.galaxies.axis import fineness_of
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.stellar_grids.grid import load_grid
from sedum.library.generate import simulate
from sedum.photometry.filters import FilterSet, list_filters
from sedum.survey.start_run_file import template


def rate(work, count: int, threads: int) -> tuple[float, float]:
    """Return galaxies per second and CPU-seconds per galaxy of the best of three runs."""
    torch.set_num_threads(threads)
    best = []
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        best.append((time.perf_counter() - wall, time.process_time() - cpu))
    return count / min(b[0] for b in best), min(b[1] for b in best) / count


def bagpipes_seconds(model: GalaxyModel, theta: np.ndarray) -> float | None:
    """Return CPU-seconds per galaxy of bagpipes, or None where it cannot be imported."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import bagpipes
    except ImportError:
        return None
    at = model.prior.names.index
    with tempfile.TemporaryDirectory() as folder:
        curves = []
        for band in model.filters:
            curves.append(str(Path(folder) / f"{band.name}.dat"))
            np.savetxt(curves[-1], np.c_[band.wavelength, band.transmission])

        def wanted(t: np.ndarray) -> dict:
            return {
                "redshift": min(t[at("redshift")], 9.9),
                "delayed": {
                    "age": 0.3,
                    "tau": 10 ** t[at("log_tau")],
                    "massformed": 10.0,
                    "metallicity": 10 ** t[at("log_z")] / 0.02,
                },
                "dust": {"type": "Calzetti", "Av": t[at("av")]},
                "nebular": {"logU": t[at("log_u")]},
            }

        galaxy = bagpipes.model_galaxy(wanted(theta[0]), filt_list=curves)
        start = time.process_time()
        for t in theta:
            galaxy.update(wanted(t))
        return (time.process_time() - start) / len(theta)


def synthesizer_seconds(model: GalaxyModel, theta: np.ndarray) -> float | None:
    """Return CPU-seconds per galaxy of Synthesizer, or None where it is not installed."""
    import parity_synthesizer as parity

    if parity.import_synthesizer() is None:
        return None
    p = dict(zip(model.prior.names, theta.T, strict=True))
    age = p["redshift"] * 0 + 0.3
    with tempfile.TemporaryDirectory() as folder:
        parity.write_shared_grid(Path(folder))
        peer = parity.Peer(Path(folder), model.filters)
        emission = peer.model("calzetti", 0.7)
        start = time.process_time()
        for i in range(len(theta)):
            one = {"age": age[i], "log_tau": p["log_tau"][i]}
            history = parity.synthesizer_history("delayed_tau", one, 0.4)
            galaxy = peer.galaxy_of(history, 3, float(p["av"][i]), float(p["redshift"][i]))
            peer.photometry(galaxy, emission)
        return (time.process_time() - start) / len(theta)


def convergence(filters: FilterSet, console: Console) -> None:
    """Compare fluxes with those of finer cells and age bins."""
    spec = config.ModelSettings(history=config.DelayedTauSFH())
    reference = GalaxyModel(filters, spec, grid=load_grid("bc03_miles", 768))
    theta = reference.prior.sample(2000, np.random.default_rng(5))
    theta[:, 0] = np.random.default_rng(6).uniform(0.05, 6, len(theta))
    universe = reference.cosmology.age_gyr(theta[:, 0])
    j = reference.prior.names.index("age")
    theta[:, j] = np.minimum(theta[:, j], 0.95 * universe)
    blue = np.array([band.limits[0] for band in filters])
    use = blue / (1 + theta[:, :1]) > 1216
    finest = reference.photometry(theta)
    table = Table(title="convergence: |flux / finest - 1|")
    for heading in ("cells", "age bins", "median", "99th"):
        table.add_column(heading, justify="right")
    for power, splits in ((167, 1), (334, 1), (668, 1), (1335, 1), (334, 4)):
        grid = load_grid("bc03_miles", fineness_of(power), splits)
        against = finest if splits == 1 else GalaxyModel(filters, spec).photometry(theta)
        off = np.abs(GalaxyModel(filters, spec, grid=grid).photometry(theta) / against - 1)[use]
        what = f"R = {power}" + ("" if splits == 1 else " against unsplit bins")
        table.add_row(
            what,
            f"{42 * splits}",
            f"{np.median(off):.3%}",
            f"{np.percentile(off, 99):.3%}",
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("."))
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--only-million", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    console = Console(width=110)
    run = config.parse_run({**yaml.safe_load(template()), "name": "forward"})
    if options.only_million:
        million(run, options.out)
        return
    filters = FilterSet.from_run(run)
    delayed = GalaxyModel(filters, config.ModelSettings(history=config.DelayedTauSFH()))
    theta = delayed.prior.sample(40_000, np.random.default_rng(1))
    delayed.photometry(theta)
    table = Table(title="forward model, galaxies with gas, dust and intergalactic medium")
    for heading in ("what", "galaxies/s, 2 threads", "CPU ms/galaxy, 1 thread"):
        table.add_column(heading, justify="left" if heading == "what" else "right")

    def row(what: str, work, count: int) -> float:
        both, _ = rate(work, count, 2)
        _, single = rate(work, count, 1)
        table.add_row(what, f"{both:,.0f}", f"{1e3 * single:.4f}")
        return single

    ours = row("photometry, 14 bands, delayed tau", lambda: delayed.photometry(theta), len(theta))
    default = GalaxyModel(filters)
    basis = default.prior.sample(40_000, np.random.default_rng(1))
    row("photometry, 14 bands, dense basis", lambda: default.photometry(basis), len(basis))
    emitting = config.DustSettings(law="calzetti", birth_clouds=True, emission="draine_li")
    warm = GalaxyModel(filters, config.ModelSettings(dust=emitting))
    dusty = warm.prior.sample(10_000, np.random.default_rng(1))
    row("the same with birth clouds and dust emission", lambda: warm.photometry(dusty), len(dusty))
    usable = []
    for name in list_filters():
        band = next(iter(FilterSet.from_names([name])))
        if band.limits[0] > 3000 and band.limits[1] < 6e4 and band.width < 0.5 * band.pivot:
            usable.append(name)
    np.random.default_rng(1).shuffle(usable)
    for count in (60, 200):
        some = FilterSet.from_names(usable[:count])
        many = GalaxyModel(some, config.ModelSettings(history=config.DelayedTauSFH()))
        what = f"photometry, {len(some)} bands, delayed tau"
        row(what, lambda many=many: many.photometry(theta[:10_000]), 10_000)
    wave = np.geomspace(4000, 50_000, 2000)
    row("spectra, 2,000 wavelengths to 5 µm", lambda: delayed.spectrum(theta[:4000], wave), 4000)
    row("spectra, all 3,568 cells", lambda: delayed.spectrum(theta[:4000]), 4000)
    row("derived quantities (the five defaults)", lambda: delayed.derived(theta[:10_000]), 10_000)
    theirs = bagpipes_seconds(delayed, theta[:300])
    if theirs is not None:
        table.add_row("bagpipes, R = 100, model_galaxy.update", "", f"{1e3 * theirs:.3f}")
        table.add_row("ratio to sedum, delayed tau", "", f"{theirs / ours:.0f}")
    theirs = synthesizer_seconds(delayed, theta[:200])
    if theirs is not None:
        table.add_row("Synthesizer, from history to photometry", "", f"{1e3 * theirs:.3f}")
        table.add_row("ratio to sedum, delayed tau", "", f"{theirs / ours:.0f}")
    console.print(table)
    convergence(filters, console)
    if options.million:
        # In a process of its own, whose greatest memory is that of this work alone.
        subprocess.run([sys.executable, __file__, "--only-million", "--out", str(options.out)])


def million(run: config.RunFile, out: Path) -> None:
    """Write 10^6 galaxies to a library; print time and memory."""
    torch.set_num_threads(2)
    data = {**run.model_dump(), "library": {"size": 1_000_000, "chunk": 10_000, "seed": 1}}
    with tempfile.TemporaryDirectory(dir=out) as folder:
        start = time.perf_counter()
        simulate(config.parse_run(data), Path(folder) / "million.h5")
        wall = time.perf_counter() - start
    # Not ru_maxrss, in which Linux counts the parent that this process was forked from.
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    memory = int(status.split()[0]) / 2**20
    print(f"10^6 galaxies x {len(run.filters)} bands to disk: {wall:.0f} s, {memory:.2f} GiB")


if __name__ == "__main__":
    main()
