"""Locks and temporary files: what holds while a process lives, and what a killed one leaves."""

import subprocess
import sys
import threading

import pytest

import sedum
from sedum.errors import SedumError
from sedum.infer.training.train import train_to_file
from sedum.storage import atomic_path, locked, sweep

HOLD = """
import sys
from sedum.storage import atomic_path, locked
with locked(sys.argv[1], "fitting to"), atomic_path(sys.argv[1]) as temporary:
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path):
    """Hold the lock of ``out.fits`` in another process, which is in the middle of writing it."""
    path = tmp_path / "out.fits"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline().strip() == b"held"
    yield path, process
    process.kill()
    process.wait()


def test_a_second_process_is_refused_until_the_first_ends(held):
    path, process = held
    with (
        pytest.raises(SedumError, match=r"another process is fitting to .*out\.fits; wait for it"),
        locked(path, "fitting to"),
    ):
        pass
    assert len(list(path.parent.glob(".out.fits.*.partial.fits"))) == 1  # its file is left alone
    process.kill()
    process.wait()
    with locked(path, "fitting to"):
        assert [p.name for p in path.parent.iterdir()] == [".out.fits.lock"]
    assert list(path.parent.iterdir()) == []


def test_commands_refuse_an_output_that_is_being_made(
    tmp_path, small_run, small_model, small_library, small_posterior
):
    def simulate(path):
        sedum.simulate(small_run, path, model=small_model)

    def train(path):
        train_to_file(small_run, small_library, path, model=small_model)

    def fit(path):
        catalogue = tmp_path / "cat.csv"
        catalogue.write_text("id\n1\n")
        sedum.fit(small_run, small_posterior, catalogue, path, model=small_model)

    for doing, command, name in [
        ("simulating", simulate, "a.h5"),
        ("training", train, "a.safetensors"),
        ("fitting to", fit, "a.fits"),
    ]:
        path = tmp_path / name
        with (
            locked(path, doing),
            pytest.raises(SedumError, match=f"another process is {doing} .*{name}"),
        ):
            command(path)
        assert not path.exists()


def test_only_one_of_many_holds_a_lock_that_is_taken_and_removed_all_the_time(tmp_path):
    inside, most, taken = [], [], []

    def grab():
        for _ in range(200):
            try:
                with locked(tmp_path / "x", "writing"):
                    inside.append(1)
                    most.append(len(inside))
                    taken.append(1)
                    inside.pop()
            except SedumError:
                pass

    threads = [threading.Thread(target=grab) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) > 100
    assert set(most) == {1}


def test_leftovers_of_other_outputs_are_not_swept(tmp_path):
    with atomic_path(tmp_path / "a.b.fits") as other, atomic_path(tmp_path / "a.fits") as own:
        sweep(tmp_path / "a.fits")
        assert other.exists()
        assert not own.exists()
        own.touch()
