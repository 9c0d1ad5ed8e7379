"""Folders of parts: whose they are, which parts count, and what a killed process leaves."""

import json
import os
import signal
import subprocess
import sys

import pytest

from sedum.errors import SedumError
from sedum.storage import PartFolder

IDENTITY = {"run file": "a", "catalogue": "b"}


@pytest.fixture
def folder(tmp_path):
    return PartFolder(tmp_path / "out.parts", ["part-*.txt", "nested"], "fit")


def put(folder, number, text="three rows"):
    """Write a part and record it."""
    path = folder.path / f"part-{number}.txt"
    path.write_text(text)
    folder.record(f"part-{number}", path, {"rows": 3})
    return path


def names(folder):
    return sorted(p.name for p in folder.path.iterdir())


def test_finished_parts_are_kept_by_the_same_work(folder):
    folder.claim(IDENTITY)
    put(folder, 0)
    folder.record("part-1", None, {"rows": 0})
    again = PartFolder(folder.path, folder.contents, folder.work)
    again.claim(dict(reversed(IDENTITY.items())))
    assert again.kept("part-0") == {"rows": 3}
    assert again.kept("part-1") == {"rows": 0}
    assert again.kept("part-2") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda part, record: part.write_text("three raws"),
        lambda part, record: part.write_text(""),
        lambda part, record: part.unlink(),
        lambda part, record: record.unlink(),
        lambda part, record: record.write_text(""),
        lambda part, record: record.write_text("[]"),
        lambda part, record: record.write_text('{"file": "part-0.txt"}'),
        lambda part, record: record.write_bytes(b"\xff\xfe"),
    ],
)
def test_damaged_parts_do_not_count(damage, folder):
    folder.claim(IDENTITY)
    part = put(folder, 0)
    put(folder, 1)
    damage(part, folder.path / "_part-0.json")
    folder.claim(IDENTITY)
    assert folder.kept("part-0") is None
    assert folder.kept("part-1") == {"rows": 3}


def test_checksums_that_are_known_are_taken(folder):
    folder.claim(IDENTITY)
    (folder.path / "nested").mkdir()
    part = folder.path / "nested" / "a.txt"
    part.write_text("x")
    folder.record("a", part, {}, sha256="of what was meant to be written")
    assert folder.kept("a") is None


def test_parts_of_other_work_are_refused_and_left_alone(folder):
    folder.claim(IDENTITY)
    put(folder, 0)
    before = names(folder)
    with pytest.raises(
        SedumError,
        match=r"out\.parts holds parts of another fit \(its catalogue differs\); delete the folder",
    ):
        folder.claim({**IDENTITY, "catalogue": "c"})
    with pytest.raises(SedumError, match=r"\(its run file, estimator, catalogue differ\)"):
        folder.claim({"run file": "x", "estimator": "y"})
    assert names(folder) == before
    assert folder.kept("part-0") == {"rows": 3}


@pytest.mark.parametrize("manifest", ["", "[1]", '"text"', "{"])
def test_parts_with_a_damaged_manifest_are_refused(manifest, folder):
    folder.claim(IDENTITY)
    put(folder, 0)
    (folder.path / "_parts.json").write_text(manifest)
    with pytest.raises(SedumError, match="parts of another fit"):
        folder.claim(IDENTITY)


def test_a_folder_without_parts_is_claimed_by_a_corrected_run_file(folder):
    folder.claim(IDENTITY)
    (folder.path / "nested").mkdir()  # an empty folder is no part
    (folder.path / ".part-0.txt.abcdefgh.partial.txt").write_text("half")  # nor is half of one
    corrected = {**IDENTITY, "run file": "corrected"}
    folder.claim(corrected)
    assert names(folder) == ["_parts.json"]
    assert json.loads((folder.path / "_parts.json").read_text()) == corrected


def test_results_that_are_not_recorded_yet_are_not_thrown_away(folder):
    folder.claim(IDENTITY)
    (folder.path / "nested").mkdir()
    (folder.path / "nested" / "minutes-of-work.npz").write_text("x")
    with pytest.raises(SedumError, match="parts of another fit"):
        folder.claim({**IDENTITY, "run file": "corrected"})


def test_folders_of_the_user_are_refused_and_left_alone(folder):
    folder.path.mkdir()
    (folder.path / "part-0.txt").write_text("x")
    (folder.path / "thesis.tex").write_text("x")
    with pytest.raises(SedumError, match=r"out\.parts is in the way: .* it holds thesis\.tex"):
        folder.claim(IDENTITY)
    assert names(folder) == ["part-0.txt", "thesis.tex"]


def test_parts_without_a_manifest_are_not_taken_over(folder):
    folder.claim(IDENTITY)
    put(folder, 0)
    (folder.path / "_parts.json").unlink()
    folder.claim(IDENTITY)
    assert folder.kept("part-0") is None
    assert names(folder) == ["_parts.json"]


def test_what_killed_writers_left_is_removed(folder):
    folder.claim(IDENTITY)
    put(folder, 0)
    (folder.path / ".part-1.txt.abcdefgh.partial.txt").write_text("half")
    folder.claim(IDENTITY)
    assert names(folder) == ["_part-0.json", "_parts.json", "part-0.txt"]


def test_the_folder_becomes_the_output_with_its_parts_alone(folder, tmp_path):
    folder.claim(IDENTITY)
    put(folder, 0)
    (folder.path / ".part-1.txt.abcdefgh.partial.txt").write_text("half")
    folder.become(tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["part-0.txt"]
    assert not folder.path.exists()
    folder.remove()  # may be repeated


KILLED = """
import sys
from pathlib import Path
from sedum.storage import PartFolder, atomic_path
folder = PartFolder(sys.argv[1], ["part-*.txt"], "fit")
folder.claim({"run file": "a"})
for number in range(int(sys.argv[2])):
    part = folder.path / f"part-{number}.txt"
    part.write_text("x")
    folder.record(f"part-{number}", part, {"rows": 3})
with atomic_path(folder.path / "part-next.txt") as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("finished", [0, 2])
def test_processes_that_are_killed(finished, folder):
    words = [sys.executable, "-c", KILLED, str(folder.path), str(finished)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"writing\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    if finished:
        with pytest.raises(SedumError, match=r"\(its run file differs\)"):
            folder.claim({"run file": "b"})
        folder.claim({"run file": "a"})
    else:  # killed before its first part: nothing is lost by another run file
        folder.claim({"run file": "b"})
    assert [folder.kept(f"part-{k}") for k in range(3)] == [
        {"rows": 3} if k < finished else None for k in range(3)
    ]
    assert not list(folder.path.glob(".*"))
