"""All kinds of estimators on one library and one budget of CPU time.

    python benchmarks/estimators.py [--work demo] [--budget 240] [--kinds flow,nsf,…]

Uses the run file and library that `sedum demo` leaves in its folder. Each kind trains for the
same CPU-seconds on one thread (its steps are chosen so that its schedule ends then), on the same
batches of 256 galaxies, and is judged on held-out galaxies: log density of the truth in the
latent space, R² of three parameters, coverage, CPU-seconds for one pass through the library, and
draws per CPU-second. Results are kept in FOLDER/estimators.json, so kinds can be run one by one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from sedum.check.recovery import recovery_metrics
from sedum.config import load_run, parse_run
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.infer.posterior import Posterior
from sedum.infer.training.batches import Batches
from sedum.infer.training.train import train_rounds
from sedum.library.training_source import LibraryStream
from sedum.observe.mock_survey import mock_survey

SMALL = {"width": 192, "blocks": 4}
KINDS = {
    "flow": SMALL,
    "flow, one normal": {"components": 1, **SMALL},
    "nsf": {"kind": "nsf", "transforms": 5, "hidden": [128, 128], **SMALL},
    "maf": {"kind": "maf", "transforms": 5, "hidden": [128, 128], **SMALL},
    "mixture": {"kind": "mixture", "components": 10, **SMALL},
    "flow_matching": {"kind": "flow_matching", "hidden": 256, "layers": 4, **SMALL},
    "score": {"kind": "score", "hidden": 256, "layers": 4, "steps": 40, **SMALL},
    "flow, bands": {"embedding": "bands", "width": 96, "blocks": 3},
}
RATES = {"flow, bands": 1e-3, "score": 1e-3, "flow_matching": 1e-3, "nsf": 1e-3, "maf": 1e-3}
SHOWN = ["redshift", "log_mass", "av"]
#: Mock galaxies that are judged, and by how many the rate of draws is; the slow get fewer.
GALAXIES, TIMED = 2000, 2000
SLOW = {"nsf": (2000, 40), "maf": (2000, 40), "flow_matching": (500, 5), "score": (500, 5)}


def train_for(run, galaxies, features, budget):
    """Train for so many CPU-seconds; return the estimator and the steps."""
    probe = run.model_copy(
        update={"training": run.training.model_copy(update={"steps": 40, "round": 40})}
    )
    batches = Batches(probe, galaxies, features)
    train_rounds(probe, batches)
    start = time.process_time()
    for _ in batches.round(0, 1, 8):
        pass
    overhead = time.process_time() - start  # of the first portion's noise, once in many steps
    start = time.process_time()
    train_rounds(probe, batches)
    validation = time.process_time()
    batches.validation()
    validation = time.process_time() - validation
    each = (time.process_time() - start - overhead - 3 * validation) / 40
    steps = max(int(budget / max(each, 1e-4)), 100)
    spec = run.training.model_copy(update={"steps": steps, "round": -(-steps // 8)})
    run = run.model_copy(update={"training": spec})
    start = time.process_time()
    estimator, losses = train_rounds(run, Batches(run, galaxies, features))
    return run, estimator, losses, steps, time.process_time() - start


def measure(name, work, budget):
    run = load_run(work / "run.yaml")
    data = run.model_dump(mode="json")
    data["estimator"] = KINDS[name]
    data["training"] |= {"batch": 256, "device": "cpu", "learning_rate": RATES.get(name, 2e-3)}
    run = parse_run(data)
    galaxies = LibraryStream(work / "library.h5", run.training.held_out)
    first = Batches(run, galaxies)
    run, estimator, losses, steps, spent = train_for(run, galaxies, first.features, budget)
    posterior = Posterior(estimator, first.features, run, {}, noise=first.noise)
    model = GalaxyModel.from_run(run)
    judged, timed = SLOW.get(name, (GALAXIES, TIMED))
    theta, seen = mock_survey(model, posterior.noise, GALAXIES, 91)
    theta, seen = theta[:judged], seen[:judged]
    log_prob = []
    for start in range(0, judged, 250):
        rows = slice(start, start + 250)
        log_prob.append(posterior.log_prob_latent(seen[rows], theta[rows]))
    log_prob = np.concatenate(log_prob)
    posterior.sample(seen[:2], 100)
    start = time.process_time()
    draws = posterior.sample(seen[:timed], 1000)
    rate = 1000 * timed / (time.process_time() - start)
    if timed < judged:
        draws = posterior.sample(seen, 100)
    rows = {r.name: r for r in recovery_metrics(draws, theta, posterior.names)}
    return {
        "steps": steps,
        "CPU seconds": spent,
        "CPU s per epoch": spent / steps * 285_000 / 256,
        "log prob": float(log_prob.mean()),
        "error": float(log_prob.std() / np.sqrt(judged)),
        **{f"R2 {n}": rows[n].r2 for n in SHOWN},
        "coverage": float(np.max([abs(r.coverage_68 - 0.68) for r in rows.values()])),
        "draws per CPU s": rate,
        "losses": losses,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("demo"))
    parser.add_argument("--budget", type=float, default=240.0)
    parser.add_argument("--kinds", default=",".join(KINDS), help="names, separated by ;")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.kinds.split(";") if ";" in options.kinds else KINDS:
        if name not in KINDS:
            continue
        path = options.work / f"estimator-{name.replace(', ', '-').replace(' ', '-')}.json"
        if not path.exists():
            path.write_text(json.dumps(measure(name, options.work, options.budget)))
    table = Table(title=f"{options.budget:.0f} CPU-seconds of training each, one thread", box=None)
    table.add_column("kind")
    for heading in ("steps", "CPU s", "s/epoch", "log prob", *SHOWN, "68% off by", "draws/CPU s"):
        table.add_column(heading, justify="right")
    for name in KINDS:
        path = options.work / f"estimator-{name.replace(', ', '-').replace(' ', '-')}.json"
        if not path.exists():
            continue
        r = json.loads(path.read_text())
        table.add_row(
            name,
            f"{r['steps']:,}",
            f"{r['CPU seconds']:.0f}",
            f"{r['CPU s per epoch']:.1f}",
            f"{r['log prob']:+.2f} ± {r['error']:.2f}",
            *(f"{r[f'R2 {n}']:.3f}" for n in SHOWN),
            f"{r['coverage']:.3f}",
            f"{r['draws per CPU s']:,.0f}",
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    try:
        main()
    except SedumError as error:
        sys.exit(f"sedum: {error}")
