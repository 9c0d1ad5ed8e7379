"""The menu: every kind of estimator learns, is stored, and agrees with its own density."""

import numpy as np
import pytest
import torch
from scipy import stats

from run_cases import run_settings
from sedum.config import FlowSettings as Settings
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.infer.estimator import Ensemble, build_estimator
from sedum.infer.posterior import Posterior
from sedum.infer.training.train import train
from sedum.library.library_file import Library
from sedum.library.training_source import LibraryStream, Simulation
from sedum.observe.features import FeatureLayout
from sedum.observe.mock_survey import mock_survey

SMALL = {"width": 32, "blocks": 1}
KINDS = {
    "flow": {"kind": "flow", "layers": 2, "bins": 4, "components": 3, **SMALL},
    "nsf": {"kind": "nsf", "transforms": 2, "hidden": [32], "bins": 4, **SMALL},
    "maf": {"kind": "maf", "transforms": 2, "hidden": [32], **SMALL},
    "mixture": {"kind": "mixture", "components": 4, **SMALL},
    "flow_matching": {"kind": "flow_matching", "hidden": 32, "layers": 2, "steps": 10, **SMALL},
    "score": {"kind": "score", "hidden": 32, "layers": 2, "steps": 30, **SMALL},
    "bands": {"kind": "flow", "layers": 2, "bins": 4, "embedding": "bands", **SMALL},
    "ensemble": {
        "kind": "ensemble",
        "members": [
            {"kind": "flow", "layers": 1, "bins": 4, **SMALL},
            {"kind": "mixture", "components": 3, **SMALL},
        ],
    },
}


def run_with(kind, **changes):
    if kind in ("flow_matching", "score"):
        pytest.importorskip("sbi", reason="the package sbi is not installed")
    data = run_settings(**changes)
    data["estimator"] = KINDS[kind]
    return parse_run(data)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_is_stored_and_draws(
    kind, tmp_path, small_library, small_model, monkeypatch
):
    run = run_with(kind, training={"steps": 120, "learning_rate": 5e-3})
    posterior = train(run, small_library)
    losses = posterior.history["losses"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0] or kind == "ensemble"
    theta, seen = mock_survey(small_model, posterior.noise, 40, 2)
    draws = posterior.sample(seen, 64)
    flat = draws.reshape(-1, draws.shape[2])
    assert np.isfinite(small_model.prior.log_density(flat)).all()
    # It has learned something: the truth is likelier than under the prior.
    learned = posterior.log_prob_latent(seen[:12], theta[:12])
    prior = stats.norm.logpdf(posterior.prior.to_latent(theta[:12])).sum(1)
    assert np.median(learned - prior) > 0
    posterior.write(tmp_path / "e.safetensors")
    again = Posterior.read(tmp_path / "e.safetensors")
    np.testing.assert_allclose(again.sample(seen[:5], 16), posterior.sample(seen[:5], 16))
    if kind == "ensemble":
        assert isinstance(again.estimator, Ensemble)
        assert again.estimator.log_weights.exp().sum() == pytest.approx(1)


@pytest.mark.parametrize("kind", ["nsf", "mixture", "flow_matching", "score", "ensemble", "bands"])
def test_draws_follow_the_density(kind, small_library, small_model):
    """Over draws of the prior p, the mean of q / p is one, and weights q / p give q's mean."""
    run = run_with(kind, training={"steps": 40})
    posterior = train(run, small_library)
    _, seen = mock_survey(small_model, posterior.noise, 3, 2)
    one = seen[:1].with_redshift(np.array([np.nan]), 1.0)
    theta = small_model.prior.sample(20_000, np.random.default_rng(3))
    latent = posterior.prior.to_latent(theta)
    prior = stats.norm.logpdf(latent).sum(1)
    ratio = np.exp(posterior.log_prob_latent(one, theta[None])[0] - prior)
    # Importance sampling of a posterior that is hardly trained: errors of some percent.
    error = ratio.std() / np.sqrt(len(ratio))
    assert abs(ratio.mean() - 1) < 5 * error + 0.03
    # The same weights give the mean of the latent draws.
    drawn = posterior.prior.to_latent(posterior.sample(one, 4000)[0])
    weighted = (latent * ratio[:, None]).mean(0) / ratio.mean()
    spread = drawn.std(0)
    assert np.abs((drawn.mean(0) - weighted) / spread).max() < 0.25


def test_attention_reads_bands_it_was_not_listed_with(small_library, small_model):
    run = run_with("bands", training={"steps": 40})
    posterior = train(run, small_library)
    _, seen = mock_survey(small_model, posterior.noise, 20, 2)
    order = [2, 0, 1]
    names = run.band_names()
    swapped = run_settings(filters=[names[i] for i in order])
    swapped["estimator"] = KINDS["bands"]
    other = posterior.for_bands(parse_run(swapped))
    np.testing.assert_allclose(
        other.sample(seen.of_bands(order), 16), posterior.sample(seen, 16), rtol=1e-3, atol=1e-3
    )
    more = run_settings(filters=[*names, "sdss_z0"])
    more["noise"]["depths"] = dict.fromkeys([*names, "sdss_z0"], 25.0)
    more["estimator"] = KINDS["bands"]
    wider = posterior.for_bands(parse_run(more))
    assert wider.noise.bands == [*names, "sdss_z0"]
    with pytest.raises(SedumError, match="embedding: bands"):
        train(run_with("flow"), small_library).for_bands(parse_run(more))


def test_streamed_and_simulated_galaxies(small_run, small_library, small_model):
    rng = np.random.default_rng(1)
    library = Library.read(small_library)
    stream = LibraryStream(small_library, 0.1)
    parts = list(stream.training(rng, 1200))
    assert [len(t) for t, _ in parts] == [2000, 700]
    theta = np.concatenate([t for t, _ in parts])
    order = np.lexsort(theta.T)
    expected = library.theta[:2700]
    np.testing.assert_array_equal(theta[order], expected[np.lexsort(expected.T)])
    np.testing.assert_array_equal(stream.held_out(9999)[0], library.theta[2700:])
    # The same model trains without a library, and again to the same weights.
    first, second = (train(small_run, small_model) for _ in range(2))
    for name, value in first.estimator.state_dict().items():
        assert torch.equal(value, second.estimator.state_dict()[name]), name
    held = Simulation(small_model, 100, 3).held_out(10)[0]
    np.testing.assert_array_equal(held, Simulation(small_model, 100, 3).held_out(10)[0])
    assert first.fingerprint == train(small_run, library).fingerprint


def test_damaged_chunk_is_named(tmp_path, small_library):
    import h5py

    path = tmp_path / "small.h5"
    path.write_bytes(small_library.read_bytes())
    with h5py.File(path, "r") as file:
        chunk = file["flux"].id.get_chunk_info(1)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset + 100)
        raw.write(b"\xff\x13\x37")
    stream = LibraryStream(path, 0.1)
    with pytest.raises(SedumError, match=r"small\.h5 is damaged between galaxies 1000 and 2000"):
        list(stream.training(np.random.default_rng(1), 500))


def test_members_are_weighed_by_what_they_predict():
    members = [build_estimator(Settings(), FeatureLayout(1, False, False), 2, None)] * 2
    ensemble = Ensemble(members)
    good = torch.randn(500, generator=torch.Generator().manual_seed(1))
    ensemble.weigh(torch.stack([good, good - 3], dim=-1))
    assert ensemble.log_weights.exp()[0] > 0.99


def test_mistakes_in_the_estimator_section():
    data = run_settings()
    for estimator, message in (
        ({"kind": "nfs"}, r"estimator\.kind: found 'nfs'; did you mean nsf\? allowed: flow, nsf"),
        ({"kind": "maf", "transform": 3}, r"estimator\.transform: unknown key; did you mean"),
        ({"embedding": "bands", "width": 30}, r"width \(30\) must be a multiple of heads"),
        ({"kind": "ensemble", "members": [{"kind": "maf"}]}, r"estimator\.members: .*at least 2"),
    ):
        with pytest.raises(SedumError, match=message):
            parse_run({**data, "estimator": estimator})


def test_tuning_goes_on_and_writes_the_best(tmp_path, small_library):
    optuna = pytest.importorskip("optuna", reason="the package optuna is not installed")
    from sedum.infer.training.tune import SPACE, open_study, tune

    run = parse_run(run_settings(training={"steps": 8, "round": 4}))
    storage = tmp_path / "study.db"
    tune(run, small_library, storage, trials=2)
    assert len(open_study(run, storage).trials) == 2
    best = tune(run, small_library, storage, trials=3)
    study = open_study(run, storage)
    assert len(study.trials) == 3
    assert set(study.best_params) == set(SPACE)
    assert best.estimator.width == study.best_params["estimator.width"]
    assert best.training.steps == 8
    # Another run file is another study in the same file.
    other = parse_run(run_settings(training={"steps": 4, "round": 4}))
    assert len(open_study(other, storage).trials) == 0
    (tmp_path / "bad.db").write_bytes(b"no database at all" * 20)
    with pytest.raises(SedumError, match=r"bad\.db is not a study"):
        open_study(run, tmp_path / "bad.db")
    with pytest.raises(SedumError, match="'mixture' cannot be tuned"):
        tune(run_with("mixture"), small_library, storage)
    assert optuna.__version__
