"""What a step of training costs by part, and what a second thread brings, quiet and beside work.

    python benchmarks/training_speed.py [--steps 60] [--full]

The run file is the template of `sedum init`: 14 bands, the default estimator, batches of 512.
First the CPU-milliseconds of a step by part (noise and features, loss and gradient, optimiser), in
float32 and with products of bfloat16, beside the same with the loss differentiated by torch
operation by operation, as it was before the compiled kernel. Then the rates of simulate, train and
fit on one and two threads, on the machine as it is and beside a busy process that this script
starts and ends. Targets: two threads at least 1.8 times one on a quiet machine, and never below
0.9 of one beside a busy process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

QUIET, BUSY = 1.8, 0.9
PARTS = ("noise and features", "loss and gradient", "optimiser")


def processor() -> str:
    """Return the processor's model and the instructions that matter here."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    model = next(line.split(":")[1].strip() for line in text.splitlines() if "model name" in line)
    flags = next(line for line in text.splitlines() if line.startswith("flags")).split()
    wanted = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
    return f"{model}, {os.cpu_count()} cores, {' '.join(f for f in wanted if f in flags)}"


def run_settings(size: int):
    """Return the run file of the template with a library of some size."""
    import yaml

    from sedum.config import parse_run
    from sedum.survey.start_run_file import template

    data = yaml.safe_load(template())
    data["library"]["size"] = size
    data["catalogue"] = None
    return parse_run(data)


def steps(count: int, precision: str, by_torch: bool) -> dict[str, float]:
    """Return the CPU-milliseconds of a step by part, on one thread."""
    import torch

    from sedum.galaxies.model import GalaxyModel
    from sedum.infer.densities.conditional_density import Density
    from sedum.infer.densities.hypernetwork_flow import HypernetworkFlow
    from sedum.infer.posterior import make_estimator
    from sedum.infer.training.batches import Batches
    from sedum.infer.training.gradients import batch_gradient
    from sedum.infer.training.training_state import TrainingState
    from sedum.library.training_source import Simulation

    torch.set_num_threads(1)
    if by_torch:
        HypernetworkFlow.loss = Density.loss  # what the kernel replaces
    run = run_settings(40_000)
    batches = Batches(run, Simulation(GalaxyModel.from_run(run), 40_000, 1))
    torch.manual_seed(1)
    state = TrainingState(make_estimator(run, batches.features), run.training)
    torch.set_float32_matmul_precision("medium" if precision == "bfloat16" else "highest")
    source = batches.round(0, count + 10, run.training.batch)
    total = np.zeros(3)
    for i in range(count + 10):
        marks = [time.process_time()]
        y, condition = next(source)
        marks.append(time.process_time())
        batch_gradient(state.estimator, y, condition)
        marks.append(time.process_time())
        state.update(i)
        marks.append(time.process_time())
        if i > 9:  # the first portion of galaxies, and compilation, are not of the steps
            total += np.diff(marks)
    return dict(zip(PARTS, (1e3 * total / count).tolist(), strict=True))


def rates(threads: int, count: int) -> dict[str, float]:
    """Return galaxies per second of simulate, train (steps per second) and fit."""
    import tempfile

    import torch

    from sedum.galaxies.model import GalaxyModel
    from sedum.infer.training.train import train
    from sedum.library.generate import simulate
    from sedum.observe.mock_survey import mock_survey

    torch.set_num_threads(threads)
    run = run_settings(160_000)
    model = GalaxyModel.from_run(run)
    model.photometry(model.prior.sample(100, np.random.default_rng(1)))
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        library = simulate(run, Path(folder) / "library.h5", model=model)
        out["simulate"] = len(library) / (time.perf_counter() - start)
        short = run.training.model_copy(update={"steps": 20, "round": 20})
        train(run.model_copy(update={"training": short}), library)  # compiles
        times = []
        for wanted in (count, 3 * count):  # their difference leaves out what comes before
            spec = run.training.model_copy(update={"steps": wanted, "round": wanted})
            start = time.perf_counter()
            posterior = train(run.model_copy(update={"training": spec}), library)
            times.append(time.perf_counter() - start)
        out["train"] = 2 * count / (times[1] - times[0])
        _, seen = mock_survey(model, posterior.noise, 2000, 3)
        posterior.sample(seen[:600], 1000)
        start = time.perf_counter()
        for _, draws in posterior.stream(seen, 1000):
            part = draws[:, :100].reshape(-1, draws.shape[-1])
            model.derived(part, run.output.derived)
        out["fit"] = len(seen) / (time.perf_counter() - start)
    return out


def in_process(what: str, *arguments: str) -> dict[str, float]:
    """Return what this script prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--inside", what, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def beside(busy: bool, *arguments: str) -> dict[str, float]:
    """Return the rates, beside a process that does nothing but count where that is asked for."""
    if not busy:
        return in_process("rates", *arguments)
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        return in_process("rates", *arguments)
    finally:
        other.kill()
        other.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--full", action="store_true", help="four times as many steps")
    parser.add_argument("--inside", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        what, *rest = options.inside
        made = (
            steps(int(rest[0]), rest[1], rest[2] == "torch")
            if what == "steps"
            else rates(int(rest[0]), int(rest[1]))
        )
        print(json.dumps(made))
        return
    count = options.steps * (4 if options.full else 1)
    print(processor())
    print("\nCPU-milliseconds of a step of 512 galaxies, one thread")
    print(f"{'':28}" + "".join(f"{part:>20}" for part in PARTS) + f"{'all':>10}")
    for precision in ("float32", "bfloat16"):
        for way in ("kernel", "torch"):
            cost = in_process("steps", str(count), precision, way)
            numbers = "".join(f"{cost[part]:20.1f}" for part in PARTS)
            print(f"{f'{precision}, {way}':28}{numbers}{sum(cost.values()):10.1f}")
    missed = []
    for busy in (False, True):
        one, two = (beside(busy, str(threads), str(count)) for threads in (1, 2))
        title = "beside a busy process" if busy else "quiet"
        target = BUSY if busy else QUIET
        print(f"\n{title:28}{'one thread':>14}{'two threads':>14}{'ratio':>8}   target {target}")
        for name in one:
            ratio = two[name] / one[name]
            unit = "steps/s" if name == "train" else "galaxies/s"
            label = f"{name} [{unit}]"
            print(f"{label:28}{one[name]:14,.1f}{two[name]:14,.1f}{ratio:8.2f}")
            if ratio < target:
                missed.append(f"{name}, {title}: {ratio:.2f} (target {target})")
    if missed:
        print("falls short: " + "; ".join(missed))
        sys.exit(1)
    print("all targets are met")


if __name__ == "__main__":
    main()
