"""Seals: what is read is what was written, or one line says that it is not."""

import json

import h5py
import numpy as np
import pytest

from sedum.config.run_file import read_offsets
from sedum.errors import SedumError
from sedum.galaxies.stellar_grids.grid import cached_arrays
from sedum.observe.noise_file import SurveySample
from sedum.storage import PartFolder, read_json, sealed, write_json


def test_a_changed_document_is_refused_and_an_older_one_is_read_with_a_warning(tmp_path):
    path = tmp_path / "card.json"
    write_json(path, {"galaxies": 80, "pull": float("nan"), "bins": [{"low": 0.1}]})
    assert read_json(path, "scorecard", "sedum validate")["bins"] == [{"low": 0.1}]
    path.write_text(path.read_text().replace("80", "81"))
    with pytest.raises(SedumError, match=r"card\.json is damaged; make it again with 'sedum val"):
        read_json(path, "scorecard", "sedum validate")
    path.write_text(json.dumps({"galaxies": 80}))
    with pytest.warns(UserWarning, match=r"card\.json has no checksum, .*'sedum validate' makes"):
        assert read_json(path, "scorecard", "sedum validate") == {"galaxies": 80}
    for text in ("[1]", '"text"', "{", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(SedumError, match=r"card\.json (is damaged|is no scorecard)"):
            read_json(path, "scorecard", "sedum validate")


def zeropoints(path):
    import yaml

    bands = {b: {"offset": 0.01 * k, "galaxies": 80} for k, b in enumerate("ugriz")}
    content = {"catalogue": "cat.fits", "sedum": "0", "offsets": bands}
    path.write_text("# Zero-points\n" + yaml.safe_dump(sealed(content), sort_keys=False))
    return path


def test_a_truncated_zero_point_file_loses_no_offset_in_silence(tmp_path):
    path = zeropoints(tmp_path / "zp.yaml")
    assert len(read_offsets(path)) == 5
    whole = path.read_text()
    lines = whole.splitlines(keepends=True)
    for keep in range(2, len(lines)):
        path.write_text("".join(lines[:keep]))
        with pytest.raises(SedumError, match=r"zp\.yaml is (damaged|not a file)"):
            read_offsets(path)
    path.write_text(whole.replace("0.03", "0.3"))
    with pytest.raises(SedumError, match="remove its line checksum if the edit is yours"):
        read_offsets(path)
    path.write_text("offsets: {u: {offset: 0.02}}")  # by hand, as documented
    assert read_offsets(path) == {"u": 0.02}


@pytest.fixture
def noise(tmp_path):
    rng = np.random.default_rng(1)
    b, n = 2, 30
    sample = SurveySample(
        ["sdss_g0", "sdss_r0"],
        1,
        np.full(b, 0.1),
        np.cumsum(rng.random((b, 4)), axis=1),
        rng.random((b, 4)),
        rng.random((b, 4)),
        np.eye(b),
        rng.random((n, b)).astype(np.float32),
        rng.random((n, b)).astype(np.float32),
        np.ones((n, b), bool),
        np.zeros((n, b), bool),
        "mock",
    )
    path = tmp_path / "noise.h5"
    sample.write(path)
    return path


@pytest.mark.parametrize("name", ["reference", "depth", "bands", "source", "flux"])
def test_noise_of_which_a_part_is_another_is_refused(name, noise):
    assert SurveySample.read(noise).reference == 1
    with h5py.File(noise, "r+") as file:
        if name in file.attrs:
            file.attrs[name] = file.attrs[name].replace("m", "n").replace("g0", "u0")
        elif name == "reference":
            file[name][()] = 0
        else:
            file[name][0] = 7.0
    with pytest.raises(SedumError, match=r"noise\.h5 is damaged .*'sedum noise fit'"):
        SurveySample.read(noise)


def test_noise_without_a_checksum_is_checked_for_what_can_be_seen(noise):
    with h5py.File(noise, "r+") as file:
        del file.attrs["sha256"]
    with pytest.warns(UserWarning, match=r"noise\.h5 has no checksum"):
        SurveySample.read(noise)
    with h5py.File(noise, "r+") as file:
        file["centre"][0, 0] = np.nan
    with (
        pytest.warns(UserWarning, match="no checksum"),
        pytest.raises(SedumError, match=r"noise\.h5 is damaged .*centre holds values that"),
    ):
        SurveySample.read(noise)


def test_every_damage_to_a_cached_grid_builds_it_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("SEDUM_CACHE", str(tmp_path))
    built = []

    def build():
        built.append(1)
        return {"first": np.arange(3.0), "second": np.arange(2), "metadata": {"lines": "[1]"}}

    arrays, metadata = cached_arrays("grid", {"n": 1}, build)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for place in range(len(whole)):
        content = bytearray(whole)
        content[place] ^= 2
        path.write_bytes(content)
        again, told = cached_arrays("grid", {"n": 1}, build)
        assert sorted(again) == sorted(arrays)
        assert all((again[name] == arrays[name]).all() for name in arrays)
        assert told == metadata
    assert len(built) > len(whole) // 2
    count = len(built)
    cached_arrays("grid", {"n": 1}, build)
    assert len(built) == count


def test_a_damaged_record_of_a_part_does_not_count(tmp_path):
    folder = PartFolder(tmp_path / "out.parts", ["*.txt"], "fit")
    folder.claim({"run file": "1"})
    part = folder.path / "a.txt"
    part.write_text("rows")
    folder.record("a", part, {"rows": 3})
    assert folder.kept("a") == {"rows": 3}
    record = folder.path / "_a.json"
    record.write_text(record.read_text().replace("3}", "4}"))
    assert folder.kept("a") is None
