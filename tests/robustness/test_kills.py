"""SIGKILL at any moment: what is there is whole, and the same command ends as if undisturbed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.table import Table

from run_cases import run_settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
]

COMMANDS = ["simulate", "train", "fit", "fit to FITS"]
RANDOM = 20


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Kill all commands many times; see ``killing.py``."""
    done = subprocess.run(
        [
            sys.executable,
            Path(__file__).parents[1] / "killing.py",
            tmp_path_factory.mktemp("kills"),
        ],
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",  # threads do not survive a fork
            "NUMBA_NUM_THREADS": "1",
            "SOURCE_DATE_EPOCH": "0",  # or outputs would differ by the date they tell
        },
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_outputs_are_absent_or_whole_and_those_of_an_uninterrupted_run(found, command):
    assert found[command]["faults"] == []


@pytest.mark.parametrize("command", COMMANDS[:3])
def test_kills_hit_at_many_stages(found, command):
    stages = [kill["stage"] for kill in found[command]["kills"] if not kill["point"]]
    assert len(stages) == RANDOM
    assert len(set(stages)) >= 4


@pytest.mark.parametrize("command", COMMANDS)
def test_kills_hit_while_the_output_was_made(found, command):
    points = [kill["point"] for kill in found[command]["kills"] if kill["point"]]
    assert points == ["half written", "written", "renamed", "removing parts"]


WORK = """
import os, time
from sedum.errors import SedumError
from sedum.parallel.processes import worker_processes

def begin():
    os.write(1, b"%d\\n" % os.getpid())  # at once, and whole

def work():
    time.sleep(600)

if __name__ == "__main__":
    try:
        with worker_processes(2, begin) as submit:
            for job in [submit(work), submit(work)]:
                job.result()
    except SedumError as error:
        print(error)
"""


@pytest.fixture
def working(tmp_path):
    """Start a program whose two workers are at work; give it and the workers' ids."""
    (tmp_path / "work.py").write_text(WORK)
    process = subprocess.Popen(
        [sys.executable, tmp_path / "work.py"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    yield process, [int(process.stdout.readline()) for _ in range(2)]
    process.kill()
    process.wait()


def ended(process):
    """Wait until a process and all that share its output have ended; return what they said."""
    out, err = process.communicate(timeout=60)
    return out.decode(), err.decode()


def is_alive(number):
    try:
        # A process that has ended and that nobody has waited for yet is a zombie.
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_workers_end_with_the_process_that_started_them(working, number):
    process, workers = working
    if number == signal.SIGINT:  # as a terminal does: to all of them
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, err = ended(process)
    assert not any(is_alive(w) for w in workers)
    # One process answers Ctrl-C, with one traceback.
    assert err.count("KeyboardInterrupt") == (1 if number == signal.SIGINT else 0)


def test_a_worker_that_is_killed_is_told_in_one_line(working):
    process, workers = working
    os.kill(workers[0], signal.SIGKILL)
    out, err = ended(process)
    assert "a worker process was killed from outside" in out
    assert "call again with fewer workers: finished work is kept" in out
    assert err == ""
    assert not any(is_alive(w) for w in workers)


def test_a_fit_in_workers_that_is_asked_to_end_ends_and_says_how_to_go_on(
    small_posterior, tmp_path
):
    run = run_settings(output={"draws": 1000, "derived_draws": 1000})
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(run))
    small_posterior.write(tmp_path / "small.safetensors")
    rng = np.random.default_rng(2)
    columns = {"id": np.arange(100_000), "z": rng.uniform(0.1, 0.9, 100_000)}
    for band in run["filters"]:
        columns |= {f"f_{band}": rng.uniform(2, 20, 100_000), f"e_{band}": np.full(100_000, 0.07)}
    Table(columns).write(tmp_path / "cat.parquet")
    words = ["fit", "cat.parquet", "--run", "small.yaml", "-o", "out.parquet", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from sedum.cli.main import run; run()", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while not (workers := children(process.pid)) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, err = ended(process)
    assert process.returncode == 143, err
    assert "interrupted; no file is half-written, and the same command goes on" in err
    assert "Traceback" not in out + err
    assert workers
    assert not any(is_alive(w) for w in workers)
    assert not (tmp_path / "out.parquet").exists()
    assert not list(tmp_path.glob(".*"))


def children(number):
    """Return the worker processes that a process started."""
    try:
        found = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        return [int(c) for c in found if b"spawn_main" in Path(f"/proc/{c}/cmdline").read_bytes()]
    except FileNotFoundError:
        return []
