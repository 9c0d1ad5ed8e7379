"""Photometric redshifts and masses of zCOSMOS-bright, with and without zero-points tuned.

Run from the top of the checkout, with the survey data beside it:

    python benchmarks/real_zcosmos.py [--work FOLDER] [--verified 500]

Simulates and trains where FOLDER holds no result of examples/zcosmos.yaml yet. Redshifts of
secure spectra (confidence class in [3, 5) or 2.5) are hidden, and p(z) and masses are judged by
them and by the catalogue's masses. Zero-points are measured on one random half of the galaxies,
whose redshifts are then given, and judged on the other. EAZY's figures on the same catalogue
(FSPS templates, 5% error floor) are printed beside.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from astropy.table import Table as Catalogue
from rich.console import Console
from rich.table import Table

from sedum.check.catalogue_scorecard import validate_catalogue
from sedum.check.zeropoints import measure_zeropoints
from sedum.config import VerifySettings, load_run
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.infer.training.train import train_to_file
from sedum.library.generate import simulate
from sedum.observe.learn_noise import fit_noise
from sedum.photometry.catalogue import read_for_run
from sedum.survey.fit import fit
from sedum.tables.read import read_table

TOP = Path(__file__).resolve().parents[1]
DATA = TOP.parent / "shared" / "data"
NAMES = ("nmad", "bias", "outliers", "coverage_68", "coverage_95", "pit_mean")
#: EAZY on the same galaxies: as the catalogue is, and with zero-points tuned.
EAZY = {
    "untuned": {"nmad": 0.033, "outliers": 0.008, "bias": 0.012, "coverage_68": 0.46, "mass": 0.15},
    "tuned": {"nmad": 0.024, "outliers": 0.0075, "coverage_68": 0.67, "pit_mean": 0.38},
}
#: NMAD of EAZY's masses at known redshift, and its galaxies per CPU-second.
KNOWN, RATE = 0.114, 27.0
#: Width of the prior on zero-points, mag: the models, too, are off where they ask for more.
OFFSETS = 0.05
REFERENCE = {"log_mass_surviving": "log_mass_catalogue"}


def secure(path: Path) -> Catalogue:
    """Return the galaxies of secure redshift, with the logarithm of the catalogue's mass."""
    table = read_table(path)
    level = np.asarray(table["z_confidence_class"])
    table = table[((level >= 3) & (level < 5)) | (level == 2.5)]
    table["log_mass_catalogue"] = np.log10(np.asarray(table["stellar_mass_msun"], float))
    return table


def judged(run, posterior, table, model):
    """Return the scorecard, flat: redshifts, masses with the redshift free and known."""
    card = validate_catalogue(
        run, posterior, table, REFERENCE, model=model, n_draws=500
    ).scorecard()
    found = dict(card["redshift"]["all"])
    masses = card["references"]["log_mass_surviving"]
    found["mass"] = masses["redshift free"]["nmad"]
    found["mass_offset"] = masses["redshift free"]["offset"]
    found["known"] = masses["redshift known"]["nmad"]
    found["known_offset"] = masses["redshift known"]["offset"]
    found["unfitted"] = sum(card["unfitted"].values())
    fitted = len(table) - found["unfitted"]
    found["missed"] = (found["outliers"] * fitted + found["unfitted"]) / len(table)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("zcosmos"))
    parser.add_argument("--verified", type=int, default=500)
    options = parser.parse_args()
    work, path = options.work, DATA / "zcosmos_bright.parquet"
    if not path.is_file():
        sys.exit(f"the catalogue is not at {path}: nothing to measure")
    work.mkdir(exist_ok=True)
    run = load_run(TOP / "examples" / "zcosmos.yaml")
    noise = run.noise.model_copy(update={"file": work / "zcosmos-noise.h5"})
    run = run.model_copy(update={"noise": noise})
    model = GalaxyModel.from_run(run)
    if not noise.file.exists():
        rows = read_for_run(path, run, model.filters)
        fit_noise(rows, run.band_names(), reference=noise.selection.band).write(noise.file)
    simulate(run, work / "zcosmos.h5", model=model)
    posterior = train_to_file(run, work / "zcosmos.h5", work / "zcosmos.safetensors", model=model)
    torch.set_num_threads(1)
    console = Console(width=110, highlight=False)
    table = secure(path)
    half = np.random.default_rng(1).permutation(len(table)) < len(table) // 2

    cases = {
        "all, untuned": (judged(run, posterior, table, model), EAZY["untuned"]),
        "half, untuned": (judged(run, posterior, table[~half], model), {}),
    }
    found = measure_zeropoints(
        run, posterior, read_for_run(table[half], run, model.filters), model=model, prior=OFFSETS
    )
    offsets = {
        band: float(value)
        for band, value in zip(found.bands, found.offset, strict=True)
        if np.isfinite(value)
    }
    console.print("offsets [mag]: " + ", ".join(f"{b} {v:+.3f}" for b, v in offsets.items()))
    mapping = run.catalogue.model_copy(update={"offsets": offsets})
    tuned = run.model_copy(update={"catalogue": mapping})
    cases["half, tuned on the other"] = (
        judged(tuned, posterior, table[~half], model),
        EAZY["tuned"],
    )
    out = Table(
        title=f"zCOSMOS-bright: {len(table):,} secure redshifts; EAZY in brackets", box=None
    )
    for heading in ("", *NAMES, "mass NMAD", "offset", "at known z", "unfitted", "missed"):
        out.add_column(heading, justify="right" if heading else "left")
    for name, (card, eazy) in cases.items():
        cells = []
        for key in (*NAMES, "mass"):
            other = f" ({eazy[key]})" if key in eazy else ""
            cells.append(f"{card[key]:.3f}{other}")
        known = f"{card['known']:.3f}" + (f" ({KNOWN})" if eazy is EAZY["tuned"] else "")
        out.add_row(
            name,
            *cells,
            f"{card['mass_offset']:+.3f}",
            known,
            str(card["unfitted"]),
            f"{card['missed']:.1%}",
        )
    console.width = 200
    console.print(out)

    start = time.process_time()
    fit(run, posterior, table, work / "zcosmos.fits", model=model)
    rate = len(table) / (time.process_time() - start)
    start = time.process_time()
    photometry = read_for_run(table, run, model.filters).photometry
    posterior.sample(photometry, 500)
    alone = len(table) / (time.process_time() - start)
    console.print(
        f"{rate:.0f} galaxies per CPU-second with derived quantities, {alone:,.0f} without "
        f"(EAZY {RATE:.0f})"
    )
    checked = run.model_copy(
        update={
            "output": run.output.model_copy(
                update={"verify": VerifySettings(rounds=1), "draws": 1000}
            )
        }
    )
    some = np.random.default_rng(2).permutation(len(table))[: options.verified]
    for name, which in (("untuned", run), ("tuned", tuned)):
        spec = which.model_copy(update={"output": checked.output})
        result = fit(spec, posterior, table[some], work / "checked.fits", model=model)
        ok = np.asarray(result["status"]) == "ok"
        told = [f"verified {np.mean(result['verified'][ok]):.1%}"]
        told += [f"ppp < 0.01 {np.mean(result['ppp'][ok] < 0.01):.1%}"]
        if "in_distribution" in result.colnames:
            told += [f"out of distribution {np.mean(~result['in_distribution'][ok]):.1%}"]
        console.print(f"{name}: {ok.sum()} of {len(some)} fitted; {', '.join(told)}")


if __name__ == "__main__":
    try:
        main()
    except SedumError as error:
        sys.exit(f"sedum: {error}")
