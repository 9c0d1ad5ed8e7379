"""Damaged files: a flipped bit anywhere is an error or changes nothing, never another result."""

import json

import numpy as np
import pytest
import safetensors.numpy
import torch

import sedum
from bridge_cases import run_mapping, simulation_table
from sedum.errors import SedumError
from sedum.infer.training.training_state import TrainingState
from sedum.library import generate
from sedum.library.library_file import Library
from sedum.storage import read_tensors, write_tensors

pytestmark = pytest.mark.slow

FLIPS = 150


def same(a, b):
    """Say whether what was read twice is the same."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray | torch.Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and bool((a == b).all())
    return a == b


def library(path):
    found = Library.read(path)
    return vars(found)


def estimator(path):
    found = sedum.Posterior.read(path)
    return {
        "weights": found.estimator.state_dict(),
        "features": found.features.state(),
        "noise": found.noise.state(),
        "run": found.run.model_dump(mode="json"),
        "fingerprint": found.fingerprint,
        "history": found.history,
    }


def bridge(path):
    found = sedum.bridge.Bridge.read(path)
    return {
        "arrays": found.regressor.arrays(),
        "ranges": found.ranges,
        "run": found.run.model_dump(mode="json"),
        "scatter": [s.state() for s in found.scatter],
        "about": found.about,
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory, small_library, small_posterior):
    folder = tmp_path_factory.mktemp("whole")
    small_posterior.write(folder / "estimator.safetensors")
    simulation_table(300).write(folder / "sim.fits")
    regression = {"kind": "single_layer", "width": 8, "members": 2, "epochs": 5, "batch": 64}
    run = sedum.bridge.parse(run_mapping(folder / "sim.fits", regression=regression))
    sedum.bridge.train(run, sedum.bridge.simulate(run)).write(folder / "bridge.safetensors")
    return {
        library: small_library,
        estimator: folder / "estimator.safetensors",
        bridge: folder / "bridge.safetensors",
    }


def attempt(read, path):
    """Return the error in words, or nothing and what was read."""
    try:
        return "", read(path)
    except SedumError as error:
        return str(error), None


@pytest.mark.parametrize("read", [library, estimator, bridge])
def test_a_flipped_bit_is_an_error_or_changes_nothing(read, files, tmp_path):
    whole = files[read].read_bytes()
    genuine = read(files[read])
    path = tmp_path / f"damaged{files[read].suffix}"
    rng = np.random.default_rng(5)
    # Half of them at the start, where formats keep what they know of the rest.
    near = min(4096, len(whole))
    places = [*rng.integers(0, near, FLIPS // 2), *rng.integers(0, len(whole), FLIPS // 2)]
    errors = 0
    for place in places:
        content = bytearray(whole)
        content[place] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        told, found = attempt(read, path)
        assert path.name in told or same(found, genuine), f"byte {place}"
        errors += bool(told)
    assert errors > FLIPS // 3


@pytest.mark.parametrize("read", [library, estimator, bridge])
@pytest.mark.parametrize("keep", [0, 7, 0.5, -1])
def test_a_truncated_file_is_named(read, keep, files, tmp_path):
    whole = files[read].read_bytes()
    path = tmp_path / f"damaged{files[read].suffix}"
    path.write_bytes(whole[: int(keep * len(whole)) if 0 < keep < 1 else keep])
    with pytest.raises(SedumError, match="damaged"):
        read(path)


def test_files_of_tensors_without_a_digest_are_read(tmp_path):
    path = tmp_path / "old.safetensors"
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(3)}
    safetensors.numpy.save_file(arrays, path, metadata={"sedum": json.dumps({"kind": "x"})})
    meta, found = read_tensors(path, "numpy")
    assert meta == {"kind": "x"}
    assert same(found, arrays)
    write_tensors(path, arrays, meta)
    assert read_tensors(path, "numpy")[0] == meta
    assert read_tensors(path, "pt")[1]["b"].shape == ()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not what was written"):
        read_tensors(path, "numpy")


@pytest.mark.parametrize("damage", ["flipped", "emptied", "of another number"])
def test_damaged_parts_of_a_library_are_made_again(
    damage, small_run, small_model, small_library, tmp_path, monkeypatch
):
    path = tmp_path / "library.h5"
    monkeypatch.setattr(generate, "write_library", None)
    with pytest.raises(TypeError):
        generate.simulate(small_run, path, model=small_model)
    monkeypatch.undo()
    part = tmp_path / "library.h5.parts" / "000001.safetensors"
    content = bytearray(part.read_bytes())
    content[-5] ^= 16
    if damage == "of another number":
        arrays = {"theta": np.zeros((1000, 1)), "flux": np.zeros((999, 3))}
        write_tensors(part, arrays, {})
    else:
        part.write_bytes(content if damage == "flipped" else b"")
    generate.simulate(small_run, path, model=small_model)
    assert path.read_bytes() == small_library.read_bytes()


def test_parts_without_their_run_file_are_not_taken_over(
    small_run, small_model, small_library, tmp_path
):
    path, parts = tmp_path / "library.h5", tmp_path / "library.h5.parts"
    n = small_run.library.chunk
    foreign = {"theta": np.zeros((n, 7)), "flux": np.zeros((n, 3), np.float32)}
    write_tensors(parts / "000000.safetensors", foreign, {"chunk": 0})
    generate.simulate(small_run, path, model=small_model)
    assert path.read_bytes() == small_library.read_bytes()


def test_a_flipped_bit_in_a_checkpoint_is_an_error(small_run, small_posterior, tmp_path):
    state = TrainingState(small_posterior.estimator, small_run.training)
    path = tmp_path / "a.checkpoint"
    state.write(path, "identity")
    state.read(path, "identity")
    content = bytearray(path.read_bytes())
    content[-9] ^= 2
    path.write_bytes(content)
    with pytest.raises(SedumError, match=r"a\.checkpoint is damaged .* remove it"):
        state.read(path, "identity")
