"""Libraries: resuming bit for bit, and refusing what is foreign or damaged."""

import h5py
import numpy as np
import pytest

from run_cases import run_settings
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.library import generate
from sedum.library.library_file import Library


class Killed(BaseException):
    """Stands for a process that dies."""


def test_content(small_run, small_model, small_library):
    library = Library.read(small_library)
    assert len(library) == 3000
    assert library.flux.shape == (3000, 3)
    assert library.names == small_model.prior.names
    assert np.isfinite(library.flux).all()
    np.testing.assert_array_equal(library.flux[:1000], small_model.photometry(library.theta[:1000]))
    assert library.provenance["run"]["name"] == small_run.name
    assert "bagpipes" in library.provenance["versions"]
    library.require(small_model.fingerprint(), small_library)


def test_chunks_differ(small_library):
    theta = Library.read(small_library).theta
    assert len(np.unique(theta[:, 0])) == len(theta)


@pytest.mark.parametrize("survives", [0, 1, 2, 3])
def test_killed_and_resumed_equals_uninterrupted(
    tmp_path, monkeypatch, small_run, small_model, small_library, survives
):
    path = tmp_path / "library.h5"
    genuine, calls = generate._simulate_chunk, []

    def dying(*args):
        if len(calls) == survives:
            raise Killed
        calls.append(1)
        genuine(*args)

    def dying_writer(*args, **kwargs):
        raise Killed

    monkeypatch.setattr(generate, "_simulate_chunk", dying)
    if survives == 3:
        monkeypatch.setattr(generate, "write_library", dying_writer)
    with pytest.raises(Killed):
        generate.simulate(small_run, path, model=small_model)
    assert not path.exists()
    monkeypatch.undo()
    if survives == 2:  # a chunk that was cut short by the kill is made again
        part = path.with_name("library.h5.parts") / "000001.safetensors"
        part.write_bytes(part.read_bytes()[:-100])
    generate.simulate(small_run, path, model=small_model)
    assert path.read_bytes() == small_library.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_finished_library_is_returned_as_it_is(small_run, small_model, small_library):
    before = small_library.read_bytes()
    generate.simulate(small_run, small_library, model=small_model)
    assert small_library.read_bytes() == before


def test_other_settings_are_refused(tmp_path, monkeypatch, small_model, small_library):
    other = parse_run(run_settings(library={"seed": 4}))
    with pytest.raises(SedumError, match=r"small.h5 exists with other settings"):
        generate.simulate(other, small_library, model=small_model)
    path = tmp_path / "library.h5"

    def dying(*args, **kwargs):
        raise Killed

    monkeypatch.setattr(generate, "write_library", dying)
    with pytest.raises(Killed):
        generate.simulate(other, path, model=small_model)
    third = parse_run(run_settings(library={"seed": 5}))
    with pytest.raises(SedumError, match="holds parts of another run file"):
        generate.simulate(third, path, model=small_model)


def test_library_of_another_model(small_model, small_library):
    library = Library.read(small_library)
    with pytest.raises(SedumError, match="its priors differs"):
        library.require({**small_model.fingerprint(), "priors": "other"}, small_library)


def test_damaged_files_are_named(tmp_path, small_library):
    path = tmp_path / "bad.h5"
    whole = small_library.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:-1000], b"not HDF5 at all", b""):
        path.write_bytes(content)
        with pytest.raises(SedumError, match=r"bad\.h5"):
            Library.read(path)
    with pytest.raises(SedumError, match="does not exist"):
        Library.read(tmp_path / "absent.h5")


def test_flipped_bit_in_the_data_is_caught(tmp_path, small_library):
    path = tmp_path / "flipped.h5"
    with h5py.File(small_library) as file:
        offset = file["flux"].id.get_chunk_info(1).byte_offset
    content = bytearray(small_library.read_bytes())
    content[offset + 17] ^= 4
    path.write_bytes(bytes(content))
    with pytest.raises(SedumError, match=r"flipped\.h5 is damaged"):
        Library.read(path)


def test_foreign_hdf5(tmp_path):
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        file["flux"] = np.ones(3)
    with pytest.raises(SedumError, match="not a sedum library"):
        Library.read(path)


def test_unwritable_path_is_found_before_the_work(tmp_path, small_run, small_model, monkeypatch):
    monkeypatch.setattr(generate, "_simulate_chunk", None)
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(SedumError, match="cannot write"):
        generate.simulate(small_run, blocker / "library.h5", model=small_model)
    with pytest.raises(SedumError, match="it is a folder"):
        generate.simulate(small_run, tmp_path, model=small_model)
