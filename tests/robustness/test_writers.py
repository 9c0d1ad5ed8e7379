"""Writers where nothing can be written: one line, exit code 2, and nothing half-written."""

import os
import resource
import subprocess
import sys

import numpy as np
import pytest
from astropy.table import Table

import sedum
from explore_cases import table_of
from sedum.cli import main
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.report.plots import style
from sedum.results.posterior_table import write_table
from sedum.storage import atomic_path, check_writable, sweep_folder, write_json, write_tensors
from sedum.storage.hdf5 import new_hdf5

ROWS = 30_000


def hdf5(path):
    with new_hdf5(path) as file:
        file["numbers"] = np.arange(ROWS)


def table(path):
    made = Table({"id": np.arange(ROWS), "redshift_p50": np.random.default_rng(1).random(ROWS)})
    write_table(made, path)


def figure(path):
    made = style.figure(3, 3)
    made.add_subplot().imshow(np.random.default_rng(1).random((400, 400)))
    style.save(made, path)


WRITERS = {
    "a.h5": hdf5,
    "a.fits": table,
    "a.parquet": table,
    "a.ecsv": table,
    "a.png": figure,
    "a.json": lambda p: write_json(p, {"numbers": list(range(ROWS))}),
    "a.safetensors": lambda p: write_tensors(p, {"x": np.arange(ROWS)}, {}),
}


@pytest.fixture
def small_files():
    """Let no file of this process pass 20 kB, as 'ulimit -f' does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", WRITERS)
def test_files_larger_than_allowed_are_one_line(name, tmp_path, small_files):
    path = tmp_path / name
    path.write_text("old")
    with pytest.raises(SedumError, match=rf"cannot write .*{name}: it would be larger .*ulimit"):
        WRITERS[name](path)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert path.read_text() == "old"


def parent_is_file(folder):
    (folder / "file").write_text("")
    return folder / "file" / "a.fits"


def loop(folder):
    (folder / "a.fits").symlink_to(folder / "b.fits")
    (folder / "b.fits").symlink_to(folder / "a.fits")
    return folder / "a.fits"


def loop_of_folders(folder):
    (folder / "one").symlink_to(folder / "two")
    (folder / "two").symlink_to(folder / "one")
    return folder / "one" / "a.fits"


def dangling(folder):
    (folder / "a.fits").symlink_to(folder / "absent.fits")
    return folder / "a.fits"


PLACES = {
    "parent is a file": parent_is_file,
    "loop of links": loop,
    "loop of folders": loop_of_folders,
    "link to nothing": dangling,
    "long name": lambda folder: folder / f"{'a' * 240}.fits",
    "very long name": lambda folder: folder / f"{'a' * 300}.fits",
    "long path": lambda folder: folder / "/".join(["b" * 200] * 30) / "a.fits",
    "folder": lambda folder: folder,
    "zero byte": lambda folder: folder / "a\0.fits",
}


@pytest.mark.parametrize("place", PLACES)
def test_places_where_nothing_can_be_are_known_before_the_work(place, tmp_path):
    path = PLACES[place](tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(SedumError, match="cannot write") as told:
        check_writable(path)
    assert "\n" not in str(told.value)
    assert sorted(p.name for p in tmp_path.iterdir())[: len(before)] == before
    assert not list(tmp_path.rglob("*.partial*"))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "not enough memory"),
        (MemoryError("Unable to allocate 9 TiB"), "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "not enough memory"),
        (OSError(27, "File too large"), "raise the limit"),
        (PermissionError(13, "Permission denied", "a.fits"), "cannot use a.fits: Permission"),
        (OSError(40, "Too many levels of symbolic links", "a"), "cannot use a: Too many"),
    ],
)
def test_what_the_machine_refuses_is_one_line(error, line, monkeypatch, capsys):
    def failing(**options):
        raise error

    monkeypatch.setattr(main, "app", failing)
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("sedum: ")
    assert line in said
    assert said.count("\n") == 1


KILLED = """
import sys, time
from sedum.storage import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("name", ["compared.fits", "noise.h5", "card.json", "figure"])
def test_what_a_killed_writer_left_goes_with_the_next_of_any_name(name, tmp_path):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path / name)], stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout.readline().strip() == b"writing"
        writers[0].kill()
        writers[0].wait()
        assert len(list(tmp_path.glob(".*partial*"))) == 2
        check_writable(tmp_path / "another.png")
        left = [p.name for p in tmp_path.glob(".*partial*")]
        assert len(left) == 1  # that of the process that lives
        assert f"-{writers[1].pid}-" in left[0]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    sweep_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_files_of_other_machines_and_of_users_are_left_alone(tmp_path):
    with atomic_path(tmp_path / "a.txt") as temporary:
        host = temporary.name.split(".")[3].partition("-")[0]
        temporary.write_text("whole")
    foreign = "0" * 6 if host != "0" * 6 else "1" * 6
    names = [f".a.txt.{foreign}-1-abcdefgh.partial.txt", ".notes.partial.txt", "partial"]
    for name in names:
        (tmp_path / name).write_text("kept")
    check_writable(tmp_path / "b.txt")
    assert sorted(os.listdir(tmp_path)) == sorted(["a.txt", *names])


def test_the_same_command_after_the_mistake_is_mended(
    small_run, small_posterior, small_model, tmp_path
):
    table_of(4).write(tmp_path / "cat.csv")
    data = small_run.model_dump(mode="json")
    data["catalogue"]["columns"]["sdss_g0"]["value"] = "f_mistyped"
    wrong = parse_run(data)
    out = tmp_path / "out.fits"
    with pytest.raises(SedumError, match="f_mistyped"):
        sedum.fit(wrong, small_posterior, tmp_path / "cat.csv", out, model=small_model)
    assert sedum.fit(small_run, small_posterior, tmp_path / "cat.csv", out, model=small_model)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cat.csv", "out.fits"]
