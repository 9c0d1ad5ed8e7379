"""Full disks, and outputs that cannot be written: one line, nothing lost, and on it goes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

import sedum
from bridge_cases import run_mapping, simulation_table, survey_table
from run_cases import run_settings
from sedum.cli import main
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.infer.training.train import train_to_file
from sedum.report.plots import style

pytestmark = pytest.mark.slow

BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]
SIZE = 1 << 20
#: Set where this file is run again by itself in a namespace that may mount.
AGAIN = "SEDUM_TEST_MOUNTS"


def mount(*words):
    return subprocess.run(["mount", *map(str, words)], capture_output=True).returncode == 0


@pytest.fixture
def disk(tmp_path):
    """Give the folder of a file system of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder):
        pytest.skip("mounting a small file system needs root; tried in a namespace below")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    path = tmp_path_factory.mktemp("catalogue") / "cat.parquet"
    rng = np.random.default_rng(2)
    columns = {"id": np.arange(200), "z": rng.uniform(0.1, 0.9, 200)}
    for band in BANDS:
        columns |= {f"f_{band}": rng.uniform(2, 20, 200), f"e_{band}": np.full(200, 0.0726)}
    Table(columns).write(path)
    return path


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")
    simulation_table(300).write(folder / "sim.fits")
    survey_table(2000).write(folder / "survey.fits")
    run = sedum.bridge.parse(run_mapping(folder / "sim.fits", folder / "survey.fits"))
    return sedum.bridge.train(run, sedum.bridge.simulate(run))


@pytest.fixture
def commands(small_run, small_model, small_library, small_posterior, catalogue, bridge):
    """Give the writers of outputs, by the name of the file."""
    run = parse_run(
        run_settings(
            training={"steps": 8, "round": 4, "batch": 32, "device": "cpu"},
            output={"draws": 16, "derived_draws": 4, "derived": ["log_sfr_100"]},
        )
    )

    def fit(path):
        sedum.fit(run, small_posterior, catalogue, path, model=small_model, part_rows=100)

    def figure(path):
        made = style.figure(3, 3)
        made.add_subplot().imshow(np.random.default_rng(1).random((300, 300)))
        style.save(made, path)

    return {
        "library.h5": lambda p: sedum.simulate(small_run, p, model=small_model),
        "estimator.safetensors": lambda p: train_to_file(run, small_library, p, model=small_model),
        "fit.fits": fit,
        "fit.parquet": fit,
        "bridge.safetensors": lambda p: bridge.write(p),
        "masses.fits": lambda p: sedum.bridge.apply(bridge, out=p),
        "figure.png": figure,
    }


NAMES = [
    "library.h5",
    "estimator.safetensors",
    "fit.fits",
    "fit.parquet",
    "bridge.safetensors",
    "masses.fits",
    "figure.png",
]


def leave(folder, free):
    """Fill a file system but for so many bytes; return the file that does it."""
    ballast = folder / "ballast"
    ballast.write_bytes(b"")
    room = os.statvfs(folder)
    with ballast.open("wb") as file:
        file.write(bytes(max(room.f_bavail * room.f_frsize - free, 0)))
    return ballast


def failure(write, path):
    """Write, and return what was said where that was not possible."""
    try:
        write(path)
    except SedumError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", NAMES)
def test_full_disks_cost_one_line_and_nothing_that_was_done(
    name, commands, disk, tmp_path, monkeypatch
):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")  # or outputs would differ by the date they tell
    write, path = commands[name], disk / name
    write(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    failures = 0
    # The output's last bytes, half of it with all that is beside it, and little at all.
    for free in (4096, len(whole) // 2, len(whole) - 4096):
        ballast = leave(disk, max(free, 4096))
        told = failure(write, path)
        if told:
            failures += 1
            assert "no space is left on its disk; free some, then give the same" in told
            assert str(disk / name) in told
            assert "\n" not in told
            assert not path.exists()
        ballast.unlink()
        assert not list(disk.rglob("*.partial*"))
        assert not list(disk.glob(".*"))
    assert failures >= 2
    write(path)
    assert path.read_bytes() == whole
    assert list(disk.iterdir()) == [path]


def test_the_command_line_says_it_and_goes_on(small_run, disk, monkeypatch, capsys):
    run = disk / "small.yaml"
    run.write_text(small_run.to_yaml())
    ballast = leave(disk, 200_000)
    monkeypatch.setattr(sys, "argv", ["sedum", "simulate", str(run), "-q", "-o", f"{disk}/a.h5"])
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("sedum: cannot write ")
    assert said.count("\n") == 1
    finished = len(list((disk / "a.h5.parts").glob("0*")))
    assert finished in (1, 2)
    ballast.unlink()
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 0
    assert (disk / "a.h5").exists()


@pytest.mark.parametrize("text", ["database or disk is full", "Disk quota exceeded"])
def test_full_disks_of_other_libraries_are_one_line_too(text, monkeypatch, capsys):
    def failing(**options):
        raise RuntimeError(text)

    monkeypatch.setattr(main, "app", failing)
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("sedum: no space is left on the disk; free some")


def not_made(folder):
    (folder / "file").write_text("")
    return folder / "file" / "inside"


def is_folder(folder):
    return folder


def protected(folder, name):
    (folder / name).write_text("kept")
    (folder / name).chmod(0o444)
    return folder


#: Those that do the work in this process, and would fail on None if they got as far.
@pytest.mark.parametrize("name", ["fit.fits", "masses.fits", "library.h5", "estimator.safetensors"])
def test_outputs_that_cannot_be_written_are_refused_before_any_work(
    name, small_run, small_library, catalogue, tmp_path
):
    no_work = {
        "fit.fits": lambda p: sedum.fit(small_run, None, catalogue, p),
        "masses.fits": lambda p: sedum.bridge.apply(None, out=p),
        "library.h5": lambda p: sedum.simulate(small_run, p, model=no_model()),
        "estimator.safetensors": lambda p: train_to_file(
            small_run, small_library, p, model=no_model()
        ),
    }[name]
    with pytest.raises(SedumError, match=rf"cannot write .*{name}: .*(directory|exists)"):
        no_work(not_made(tmp_path) / name)
    (tmp_path / "folder" / name).mkdir(parents=True)
    with pytest.raises(SedumError, match=f"cannot write .*{name}: it is a folder"):
        no_work(tmp_path / "folder" / name)
    if name in ("fit.fits", "masses.fits"):  # the others take what is there
        with pytest.raises(SedumError, match=f"{name}: the file is there and write-protected"):
            no_work(protected(tmp_path, name) / name)
        assert (tmp_path / name).read_text() == "kept"


class no_model:
    """No forward model: whoever asks it for anything has gone too far."""


@pytest.mark.parametrize("name", ["fit.fits", "library.h5"])
def test_read_only_file_systems(name, small_run, catalogue, disk):
    assert mount("-o", "remount,ro", disk)
    write = {
        "fit.fits": lambda p: sedum.fit(small_run, None, catalogue, p),
        "library.h5": lambda p: sedum.simulate(small_run, p, model=no_model()),
    }[name]
    with pytest.raises(SedumError, match=f"cannot write .*{name}: Read-only file system; choose"):
        write(disk / name)
    assert mount("-o", "remount,rw", disk)


def test_finished_files_are_read_where_nothing_can_be_written(
    small_run, small_model, small_library, disk
):
    path = disk / "library.h5"
    path.write_bytes(small_library.read_bytes())
    assert mount("-o", "remount,ro", disk)
    assert len(sedum.simulate(small_run, path, model=small_model)) == small_run.library.size
    assert mount("-o", "remount,rw", disk)


@pytest.mark.skipif(os.environ.get(AGAIN) == "1", reason="this is that namespace")
def test_again_where_mounting_is_allowed(tmp_path):
    """Run this file in a namespace of its own, if mounting is allowed there but not here."""
    if mount("-t", "tmpfs", "tmpfs", tmp_path):
        subprocess.run(["umount", tmp_path], check=True)
        pytest.skip("mounting is allowed here")
    own = ["unshare", "--user", "--map-root-user", "--mount"]
    try:
        allowed = subprocess.run(
            [*own, "mount", "-t", "tmpfs", "tmpfs", tmp_path], capture_output=True
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if allowed.returncode:
        pytest.skip("neither root nor a namespace that may mount")
    done = subprocess.run(
        [*own, sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__],
        env={**os.environ, AGAIN: "1"},
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stdout
