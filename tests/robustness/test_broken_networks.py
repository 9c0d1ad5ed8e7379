"""Numbers of a network that are not finite: refused on reading, and never a posterior."""

import copy
import json

import numpy as np
import pytest
import safetensors.torch
import torch

import sedum
from explore_cases import table_of
from run_cases import run_settings
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.photometry.row_reasons import Reason
from sedum.storage import read_tensors, write_tensors


def broken(posterior, run, tensor, value):
    estimator = copy.deepcopy(posterior.estimator)
    weights = estimator.state_dict()
    weights[tensor].view(-1)[0] = value
    estimator.load_state_dict(weights)
    return sedum.Posterior(
        estimator, posterior.features, run, posterior.fingerprint, noise=posterior.noise
    )


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("tensor", ["embedding.layers.0.bias", "density.head.bias"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rows_without_finite_draws_have_a_status(
    value, tensor, verify, small_posterior, small_model
):
    output = {"draws": 32, "derived_draws": 4, **({"verify": {}} if verify else {})}
    run = parse_run(run_settings(output=output))
    table = table_of(5)[[0, 1, 2]]
    fitted = sedum.fit(run, broken(small_posterior, run, tensor, value), table, model=small_model)
    assert set(fitted["status"]) == {Reason.DRAWS_NOT_FINITE.text()}
    assert fitted["id"].tolist() == table["id"].tolist()
    assert np.isnan(fitted["redshift_p50"]).all()
    if verify:
        assert not fitted["verified"].any()


@pytest.mark.parametrize("part", ["weights.", "features.scale"])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_an_estimator_with_such_a_weight_is_refused(part, value, small_posterior, tmp_path):
    path = tmp_path / "estimator.safetensors"
    small_posterior.write(path)
    meta, tensors = read_tensors(path, "numpy")
    name = next(n for n in sorted(tensors) if n.startswith(part))
    tensors[name].flat[0] = value
    write_tensors(path, tensors, meta)
    with pytest.raises(SedumError, match=rf"{path.name}: its tensor {name} holds numbers that are"):
        sedum.Posterior.read(path)


def without_digest(path, change):
    """Rewrite a file of tensors without its digest, after a change to the tensors."""
    meta, tensors = read_tensors(path, "pt")
    change(tensors)
    safetensors.torch.save_file(tensors, path, metadata={"sedum": json.dumps(meta)})


def first(tensors, part="weights."):
    return next(n for n in sorted(tensors) if n.startswith(part) and tensors[n].ndim)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.update({first(t): t[first(t)][:-1].clone()}),
        lambda t: t.update({first(t): t[first(t)].double()}),
        lambda t: t.update({first(t): t[first(t)].to(torch.complex64)}),
        lambda t: t.update({first(t): t[first(t)].to(torch.int64)}),
        lambda t: t.pop(first(t)),
        lambda t: t.update({"weights.another": torch.zeros(3)}),
        lambda t: t.update({"features.centre": torch.zeros(2, dtype=torch.float64)}),
        lambda t: t.update({"features.low": torch.zeros(1, dtype=torch.float64)}),
        lambda t: t.pop("features.depth"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*has no checksum")
def test_hostile_tensors_without_a_digest_are_one_line(change, small_posterior, tmp_path):
    path = tmp_path / "estimator.safetensors"
    small_posterior.write(path)
    without_digest(path, change)
    with pytest.raises(SedumError, match=r"estimator\.safetensors") as told:
        sedum.Posterior.read(path)
    assert "\n" not in str(told.value)


def test_an_estimator_without_a_digest_is_read_with_a_warning(small_posterior, tmp_path):
    path = tmp_path / "estimator.safetensors"
    small_posterior.write(path)
    without_digest(path, lambda tensors: None)
    with pytest.warns(UserWarning, match=r"estimator\.safetensors has no checksum"):
        assert sedum.Posterior.read(path).digest() == small_posterior.digest()


@pytest.mark.parametrize("size", [2**40, 2**62, 2**63 - 1])
def test_declared_sizes_that_are_not_there_are_one_line(size, tmp_path):
    path = tmp_path / "huge.safetensors"
    header = {"a": {"dtype": "F32", "shape": [size], "data_offsets": [0, 4 * size]}}
    text = json.dumps(header).encode()
    for length in (len(text), size):
        path.write_bytes(length.to_bytes(8, "little") + text)
        with pytest.raises(SedumError, match=r"huge\.safetensors is damaged"):
            sedum.Posterior.read(path)
