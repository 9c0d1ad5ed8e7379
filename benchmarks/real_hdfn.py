"""Photometric redshifts and masses of the Hubble Deep Field North, against spectra and FAST++.

Run from the top of the checkout, with the survey data beside it:

    python benchmarks/real_hdfn.py [--work FOLDER]

Simulates and trains where FOLDER holds no result of examples/hdfn.yaml yet, fits the 1,067
galaxies, and prints for those with a spectroscopic redshift (which is never given to the
estimator) the spread, bias and outliers of Δz/(1+z) and the coverage of p(z); and against
FAST++ the difference in stellar mass. EAZY's figures on the same catalogue are printed beside.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from sedum.check.recovery import ranks
from sedum.config import load_run
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.infer.training.train import train_to_file
from sedum.library.generate import simulate
from sedum.observe.learn_noise import fit_noise
from sedum.photometry.catalogue import read_for_run
from sedum.statistics import nmad
from sedum.survey.fit import fit

TOP = Path(__file__).resolve().parents[1]
DATA = TOP.parent / "shared" / "data"
#: EAZY, FSPS templates, 5% error floor, on the same catalogue.
EAZY = {"NMAD": 0.036, "bias": 0.022, "outliers": 0.10, "68% coverage": 0.70, "rate": 24.0}


def redshift_scores(estimate: np.ndarray, draws: np.ndarray, truth: np.ndarray) -> dict:
    error = (estimate - truth) / (1 + truth)
    inside = np.abs(ranks(draws[..., None], truth[:, None])[:, 0] - 0.5)
    return {
        "NMAD": nmad(error),
        "bias": float(np.median(error)),
        "outliers": float(np.mean(np.abs(error) > 0.15)),
        "68% coverage": float(np.mean(inside <= 0.34)),
        "95% coverage": float(np.mean(inside <= 0.475)),
    }


def read_fast(path: Path) -> dict[str, np.ndarray]:
    lines = path.read_text().splitlines()
    names = next(line for line in lines if line.split()[:2] == ["#", "id"]).split()[1:]
    values = np.array([line.split() for line in lines if not line.startswith("#")], float)
    return dict(zip(names, values.T, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("hdfn"))
    work = parser.parse_args().work
    catalogue = DATA / "hdfn_fs99_eazy.cat"
    if not catalogue.is_file():
        sys.exit(f"the catalogue is not at {catalogue}: nothing to measure")
    work.mkdir(exist_ok=True)
    run = load_run(TOP / "examples" / "hdfn.yaml")
    model = GalaxyModel.from_run(run)
    rows = read_for_run(catalogue, run, model.filters)
    run = run.model_copy(
        update={"noise": run.noise.model_copy(update={"file": work / "hdfn-noise.h5"})}
    )
    band = run.noise.selection.band
    fit_noise(rows, run.band_names(), reference=band).write(run.noise.file)
    simulate(run, work / "hdfn.h5", model=model)
    posterior = train_to_file(run, work / "hdfn.h5", work / "hdfn.safetensors", model=model)
    torch.set_num_threads(1)
    start = time.process_time()
    table = fit(run, posterior, catalogue, work / "hdfn.fits", model=model).read()
    cpu = time.process_time() - start

    ok = np.asarray(table["status"]) == "ok"
    spec = np.isfinite(rows.catalogue_redshift)
    use = np.flatnonzero(spec & ok)
    draws = posterior.sample(rows.photometry[use], run.output.draws, run.output.seed, keys=use)
    z = draws[..., posterior.names.index("redshift")]
    truth = rows.catalogue_redshift[use]
    scores = redshift_scores(np.median(z, axis=1), z, truth)
    # A galaxy that was not fitted counts as an outlier.
    unfitted = int((spec & ~ok).sum())
    scores["outliers"] = (scores["outliers"] * len(use) + unfitted) / int(spec.sum())

    out = Table(title=f"HDF-N: {len(use)} of {spec.sum()} galaxies with spectra, {ok.sum()} fitted")
    for heading in ("", "sedum", "EAZY"):
        out.add_column(heading, justify="right" if heading else "left")
    for name, value in scores.items():
        other = EAZY.get(name)
        out.add_row(name, f"{value:+.4f}", "" if other is None else f"{other:+.3f}")
    out.add_row("galaxies / CPU s", f"{len(table) / cpu:.0f}", f"{EAZY['rate']:.0f}")
    console = Console()
    console.print(out)

    fast = read_fast(DATA / "hdfn_fs99.fout")
    same = ok & (fast["lmass"] > 0)
    near = same & (np.abs(table["redshift_p50"] - fast["z"]) < 0.1 * (1 + fast["z"]))
    for name, chosen in (("all", same), ("redshifts within 0.1 (1+z)", near)):
        difference = np.asarray(table["log_mass_surviving_p50"])[chosen] - fast["lmass"][chosen]
        console.print(
            f"log mass, sedum - FAST++, {name}: {chosen.sum()} galaxies, median "
            f"{np.median(difference):+.3f}, NMAD {nmad(difference):.3f}, "
            f"std {difference.std():.3f} dex"
        )


if __name__ == "__main__":
    try:
        main()
    except SedumError as error:
        sys.exit(f"sedum: {error}")
