"""Kill simulate, train and fit with SIGKILL, many times, and say what was found.

Run as a program of its own, which imports and compiles everything once and forks a child for
each attempt, so that an attempt costs no start-up. ``python killing.py FOLDER`` prints JSON: for
each command, the ``kills`` that hit a living process, each with the ``stage`` it had reached and
the ``point`` where one was chosen, and ``faults``, which should be empty.
"""

import gc
import json
import os
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import torch
from astropy.table import Table

import sedum
from run_cases import run_settings
from sedum.config import parse_run
from sedum.galaxies.model import GalaxyModel
from sedum.infer.training.train import train_to_file
from sedum.library import generate
from sedum.results import concatenate as assemble
from sedum.storage import read_tensors

#: Kills of each command at random moments, each within so much of the time of a whole run.
KILLS = 20
WITHIN = 0.35
BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]
#: Where the final output is made: the process stops there, and is killed.
POINTS = ("half written", "written", "renamed", "removing parts")


class Command:
    """A command with its output; called, it does the work in this process."""

    def __init__(self, folder, name, work, stage):
        self.output, self.work, self.stage = folder / name, work, stage

    def __call__(self):
        self.work(self.output)


def simulate_with(run, model):
    """Return how a library is made."""
    return lambda path: generate.simulate(run, path, model=model)


def train_with(run, model, library):
    """Return how an estimator is made."""
    return lambda path: train_to_file(run, library, path, model=model)


def fit_with(run, model, posterior, source, rows):
    """Return how a posterior catalogue is made, in parts of so many rows."""
    return lambda path: sedum.fit(run, posterior, source, path, model=model, part_rows=rows)


def parts_of(path):
    """Return how many parts there are."""
    return len(list(path.with_name(f"{path.name}.parts").glob("[0p]*[0-9].[sp]a*")))


def round_of(path):
    """Return the round of the checkpoint."""
    checkpoint = path.with_name(f"{path.name}.checkpoint")
    return read_tensors(checkpoint, "numpy", "checkpoint")[0]["round"] if checkpoint.exists() else 0


def start(command, point=None):
    """Fork a child that does the work; it stops itself at a point."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        if point:
            stop_at(point, command.output)
        command()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def stop():
    """Stop this process, for the other to kill it."""
    os.kill(os.getpid(), signal.SIGSTOP)


def stop_at(point, output):
    """Make this process stop at a point of making its final output."""
    if point == "half written":
        halve_libraries_and_tables()
        halve_estimators(output)
    elif point in ("written", "renamed"):
        genuine = os.replace

        def replace(source, target):
            final = Path(target) == output
            if final and point == "written":
                stop()
            genuine(source, target)
            if final:
                stop()

        os.replace = replace
    else:
        remove_one_and_stop(output)


def halve_libraries_and_tables():
    """Stop where the third of the parts is to be put to the output."""
    reads = []

    def stopping(genuine):
        def read(*args):
            reads.append(temporaries(args[0]))
            if sum(reads) == 3:
                stop()
            return genuine(*args)

        return read

    def temporaries(part):
        return len(list(part.parent.parent.glob(".*.partial.*"))) > 0

    generate._read_part = stopping(generate._read_part)
    assemble.read_part = stopping(assemble.read_part)


def halve_estimators(output):
    """Stop where half of the bytes are written."""
    genuine = Path.write_bytes

    def write(path, content):
        final = path.name.startswith(f".{output.name}.") and path.name.endswith(output.suffix)
        genuine(path, content[: len(content) // 2] if final else content)
        if final:
            stop()

    Path.write_bytes = write


def remove_one_and_stop(output):
    """Stop where the first file of the work is removed."""
    genuine = shutil.rmtree

    def remove(folder, *args, **options):
        if output.exists():
            next(Path(folder).iterdir()).unlink()
            stop()
        genuine(folder, *args, **options)

    unlink = Path.unlink

    def unlinked(path, *args, **options):
        unlink(path, *args, **options)
        if path.name.endswith(".checkpoint"):
            stop()

    shutil.rmtree = remove
    Path.unlink = unlinked


def whole_run(command):
    """Run without a kill; return its bytes and how long it took."""
    begin = time.monotonic()
    if os.waitpid(start(command), 0)[1]:
        raise SystemExit(f"{command.output.name} failed without any kill")
    duration = time.monotonic() - begin
    content = command.output.read_bytes()
    command.output.unlink()
    return content, duration


class Trial:
    """One command, killed and resumed again and again."""

    def __init__(self, command):
        self.command = command
        self.whole, self.duration = whole_run(command)
        self.kills, self.faults = [], []

    def kill(self, child, point=""):
        """Kill a child and look at what it leaves."""
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            stage = self.command.stage(self.command.output)
            self.kills.append({"stage": stage, "point": point})
            self.look(f"after kill {len(self.kills)} {point}")
            return True
        self.ended(status)
        return False

    def look(self, when):
        """See that the output is absent or whole."""
        output = self.command.output
        if output.exists() and output.read_bytes() != self.whole:
            self.faults.append(f"the output differs {when}")

    def ended(self, status):
        """See that a run that came to its end left its output and nothing else."""
        output = self.command.output
        if status:
            self.faults.append(f"it failed with status {status}")
        elif not output.exists():
            self.faults.append("there is no output")
        self.look("at the end")
        left = sorted(p.name for p in output.parent.iterdir() if p != output)
        if left:
            self.faults.append(f"left over: {left}")
        output.unlink(missing_ok=True)

    def at_random(self, rng):
        """Kill and resume until there were enough kills, then let it end."""
        while len(self.kills) < KILLS and not self.faults:
            child = start(self.command)
            time.sleep(rng.uniform(0, WITHIN) * self.duration)
            self.kill(child)
        self.ended(os.waitpid(start(self.command), 0)[1])

    def at_points(self):
        """Kill at each point of making the output, resuming from the one before."""
        for point in POINTS:
            child = start(self.command, point)
            _, status = os.waitpid(child, os.WUNTRACED)
            if os.WIFSTOPPED(status):
                self.kill(child, point)
            elif status:
                self.faults.append(f"it failed on the way to {point!r}")
        self.ended(os.waitpid(start(self.command), 0)[1])


def commands(folder):
    """Make what the commands need, small, and return them."""
    run = parse_run(
        run_settings(
            library={"size": 3000, "chunk": 100},
            training={"steps": 40, "round": 2, "batch": 64, "patience": 20},
            output={"draws": 32, "derived_draws": 8, "derived": ["log_sfr_100"]},
        )
    )
    model = GalaxyModel.from_run(run)
    library, estimator = folder / "library.h5", folder / "estimator.safetensors"
    generate.simulate(run, library, model=model)
    posterior = train_to_file(run, library, estimator, model=model)
    rng = np.random.default_rng(2)
    columns = {"id": np.arange(400), "z": rng.uniform(0.1, 0.9, 400)}
    for band in BANDS:
        columns |= {f"f_{band}": rng.uniform(2, 20, 400), f"e_{band}": np.full(400, 0.0726)}
    source = folder / "cat.parquet"
    Table(columns).write(source)
    in_parts = fit_with(run, model, posterior, source, 20)
    at_once = fit_with(run, model, posterior, source, 100)
    at_once(folder / "warm.fits")
    made = {
        "simulate": ("out.h5", simulate_with(run, model), parts_of),
        "train": ("out.safetensors", train_with(run, model, library), round_of),
        "fit": ("out.parquet", in_parts, parts_of),
        "fit to FITS": ("out.fits", at_once, parts_of),
    }
    return {name: Command(folder / name, *told) for name, told in made.items()}


def try_command(name, command, seed):
    """Kill a command; return what was found."""
    trial = Trial(command)
    if name != "fit to FITS":  # where only the output is made in another way
        trial.at_random(np.random.default_rng(seed))
    if not trial.faults:
        trial.at_points()
    return {"kills": trial.kills, "faults": trial.faults, "duration": trial.duration}


def main():
    """Kill all commands, each from a process of its own; print what was found."""
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    made = commands(folder)
    gc.freeze()  # children share what is there already
    children = {}
    for seed, (name, command) in enumerate(made.items()):
        command.output.parent.mkdir()
        child = os.fork()
        if child:
            children[name] = child
            continue
        code = 1
        try:
            found = try_command(name, command, seed)
            (folder / f"{name}.json").write_text(json.dumps(found))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    for name, child in children.items():
        if os.waitpid(child, 0)[1]:
            raise SystemExit(f"{name}: the trial failed")
    print(
        json.dumps({name: json.loads((folder / f"{name}.json").read_text()) for name in children})
    )


if __name__ == "__main__":
    main()
