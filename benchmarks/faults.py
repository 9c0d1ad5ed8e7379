"""Planted faults on the 14-band set-up: how many galaxies are found, and which catalogues.

    python benchmarks/faults.py [--work jades14] [--galaxies 1000] [--predicted 200]

Uses the run file's estimator in the folder: jades14.safetensors, as benchmarks/jades14.py leaves
it, or estimator.safetensors, as the demo does. Mock galaxies in all 14 bands, redshift not given.
Typicality is judged at its stated levels. ppp has no stated level: it is judged where a hundredth
of the clean galaxies of like signal-to-noise is below, beside a plain 0.01. The catalogue test is
that of sedum check, on residuals about the best models.
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

from sedum.check.misspecification import misspecification
from sedum.check.planted_faults import offset_band, quasars, stars, swap_bands, understate_errors
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.infer.posterior import Posterior
from sedum.infer.verify.importance_weights import resampled, reweight
from sedum.infer.verify.predictive_check import posterior_predictive
from sedum.infer.verify.typicality import Typicality
from sedum.observe.mock_survey import mock_survey
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.observed import Photometry
from sedum.survey.measures.prior_bounds import PriorBounds

BINS = {"all": (0, np.inf), "< 10": (0, 10), "10 to 50": (10, 50), "> 50": (50, np.inf)}
SEED = 4242


def planted(model: GalaxyModel, run, noise: NoiseModel, galaxies: int) -> dict[str, Photometry]:
    """Return catalogues by what is wrong with them, brightness of the prior's galaxies."""
    rng = np.random.default_rng(SEED)
    bands = run.band_names()
    clean = mock_survey(model, noise, galaxies, SEED)[1]

    def observe(flux: np.ndarray) -> Photometry:
        seen = noise.observe(flux * clean.flux[:, -1:], rng)
        return seen[noise.selected(seen)]

    _, high = model.prior.support("redshift")
    wider = run.model_dump(mode="json")
    wider["priors"]["redshift"] = {"kind": "uniform", "low": high, "high": high + 5}
    beyond = GalaxyModel.from_run(parse_run(wider))
    slope = rng.uniform(-0.5, 0.5, galaxies)
    at = bands.index("jwst_f277w")
    return {
        "none": clean,
        "F277W + 0.3 mag": offset_band(clean, at, -0.3),
        "F115W, F277W swapped": swap_bands(clean, bands.index("jwst_f115w"), at),
        "stars": observe(stars(model.filters, rng.uniform(3000, 6000, galaxies))),
        "quasars": observe(quasars(model.filters, rng.uniform(0.3, 4, galaxies), slope)),
        "errors / 3": understate_errors(clean, 3.0),
        f"redshift {high:g} to {high + 5:g}": mock_survey(beyond, noise, galaxies, SEED + 1)[1],
    }


def predictive(typicality: Typicality, seen: Photometry) -> np.ndarray:
    """Return ppp as fit with verify writes it."""
    found = reweight(typicality.posterior, typicality.exact, seen, 1000, rounds=1)
    return posterior_predictive(typicality.exact, seen, resampled(found)[:, ::20]).p_value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("jades14"))
    parser.add_argument("--galaxies", type=int, default=1000)
    parser.add_argument("--predicted", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = ("jades14.safetensors", "estimator.safetensors")
    path = next((p for n in names if (p := options.work / n).is_file()), options.work / names[0])
    posterior = Posterior.read(path)
    run = posterior.run
    model = GalaxyModel.from_run(run)
    noise = NoiseModel(run.band_names(), run.noise.model_copy(update={"missing": 0.0}))
    typicality = Typicality(posterior, model, show_progress=True)
    reference = typicality.search(mock_survey(model, noise, 2000, SEED + 2)[1]).residual
    table = Table(box=None, title=f"{options.galaxies} galaxies each; ppp {options.predicted}")
    for heading in ("fault", "S/N", "n", "typicality < 0.001", "< 0.01", "ppp < 0.01", "ppp at 1%"):
        table.add_column(heading, justify="left" if heading == "fault" else "right", no_wrap=True)
    for heading in ("status", "z at edge", "catalogue p"):
        table.add_column(heading, justify="right", no_wrap=True)
    limits: dict[str, float] = {}
    start = time.process_time()
    for fault, seen in planted(model, run, noise, options.galaxies).items():
        cpu = time.process_time()
        best = typicality.search(seen)
        cpu = 1000 * (time.process_time() - cpu) / len(seen)
        value = typicality(seen, best=best)
        p = np.full(len(seen), np.nan)
        p[: options.predicted] = predictive(typicality, seen[: options.predicted])
        flux, error = posterior.features.outside(seen)
        outside = flux.any(axis=1) | error.any(axis=1)
        edges = PriorBounds(posterior.prior, len(seen))
        edges.note(posterior.sample(seen, 200), np.arange(len(seen)))
        edge = np.array(["redshift" in text for text in edges.texts()])
        snr = np.median(seen.flux / seen.error, axis=1)
        whole = misspecification(best.residual, reference)
        print(f"{fault}: {cpu:.0f} ms of CPU for each galaxy's search", flush=True)
        for label, (low, high) in BINS.items():
            use = (snr >= low) & (snr < high)
            few = use & np.isfinite(p)
            if not use.any():
                continue
            if fault == "none":
                limits[label] = float(np.quantile(p[few], 0.01)) if few.any() else np.nan
            table.add_row(
                fault if label == "all" else "",
                label,
                str(use.sum()),
                f"{(value[use] <= 0.001).mean():.1%}",
                f"{(value[use] <= 0.01).mean():.1%}",
                f"{(p[few] < 0.01).mean():.0%}" if few.any() else "",
                f"{(p[few] < limits[label]).mean():.0%}" if few.any() else "",
                f"{outside[use].mean():.0%}",
                f"{edge[use].mean():.0%}",
                f"{whole.p_value:.3f}" if label == "all" else "",
            )
    Console(width=120, highlight=False).print(table)
    print(f"{(time.process_time() - start) / 60:.1f} CPU-minutes")


if __name__ == "__main__":
    try:
        main()
    except SedumError as error:
        sys.exit(f"sedum: {error}")
