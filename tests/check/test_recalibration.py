"""Recalibration: exact densities, planted faults repaired, calibrated posteriors left alone."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from sedum import config
from sedum.check.fit_recalibration import RecalibrationResult, fit_recalibration, recalibrate
from sedum.check.recovery import coverage_curve, ranks
from sedum.errors import SedumError
from sedum.infer.condition import Condition
from sedum.infer.densities.base_samples import BaseSamples
from sedum.infer.densities.hypernetwork_flow import HypernetworkFlow
from sedum.infer.estimator import Ensemble, Estimator, build_estimator
from sedum.infer.posterior import Posterior
from sedum.infer.recalibration import BaseTransform, Covariates, Recalibration, log_standard
from sedum.observe.features import FeatureLayout
from sedum.observe.mock_survey import mock_survey
from sedum.photometry.observed import Photometry
from sedum.report.plots.checks.recalibration_plot import plot_recalibration, recalibration_table


def random_map(d, seed=3, strength=0.2):
    """Return a recalibration that does everything a little."""
    rng = np.random.default_rng(seed)
    weights = strength * rng.standard_normal((3, 4, d))
    return Recalibration(
        weights, np.tril(0.4 * rng.standard_normal((d, d)), -1), Covariates(3.0, 1.0)
    )


def observations(n, given=np.nan):
    """Return observations of three bands, of which some properties differ."""
    rng = np.random.default_rng(8)
    flux = 10 ** rng.uniform(0, 2, (n, 3))
    seen = Photometry.make(flux, np.full((n, 3), 1.0))
    return seen.with_redshift(np.where(np.arange(n) % 2, given, np.nan), 0.01)


def test_map_is_inverted_and_has_its_density():
    transform = random_map(2).base_transform(observations(4, 0.3))
    z = torch.randn(4, 500, 2, generator=torch.Generator().manual_seed(1)).double()
    x = transform.forward(z)
    # The Jacobian of g by automatic differentiation, one draw at a time.
    flat = z[:, :3].reshape(-1, 2)
    at = BaseTransform(
        *(p.double().repeat_interleave(3, 0) for p in transform_parts(transform)),
        transform.lower.double(),
    )
    jacobian = torch.autograd.functional.jacobian(lambda v: at.forward(v).sum(0), flat)
    slopes = jacobian.permute(1, 0, 2).det().abs().log().reshape(4, 3)
    expected = -0.5 * (z[:, :3].square() + np.log(2 * np.pi)).sum(-1) - slopes
    np.testing.assert_allclose(transform.log_prob(x)[:, :3], expected, atol=1e-6)
    # Far away it is small, not NaN.
    assert torch.isfinite(transform.log_prob(1e6 * torch.ones(4, 2).double())).all()
    none = Recalibration(np.zeros((3, 4, 2)), np.zeros((2, 2)), Covariates(3, 1))
    identity = none.base_transform(observations(4))
    np.testing.assert_allclose(identity.forward(z), z, atol=1e-12)
    np.testing.assert_allclose(identity.log_prob(z), log_standard(z, None), atol=1e-12)


def transform_parts(transform):
    return transform.shift, transform.log_scale, transform.log_tail, transform.skew


def estimators():
    sbi = pytest.importorskip("sbi", reason="the package sbi is not installed")
    assert sbi
    flow = config.FlowSettings(layers=2, bins=5, width=16, blocks=1, components=1)
    return {
        "flow": flow,
        "mixture base": flow.model_copy(update={"components": 3}),
        "nsf": config.AutoregressiveSettings(kind="nsf", width=16, hidden=[16], transforms=2),
        "mixture": config.MixtureSettings(kind="mixture", width=16, components=3),
        "flow matching": config.VectorFieldSettings(
            kind="flow_matching", width=16, hidden=16, layers=1, steps=4
        ),
    }


def build(name):
    torch.manual_seed(5)
    layout = FeatureLayout(1, False, False)
    if name == "ensemble":
        members = [build_estimator(estimators()[k], layout, 2, 1) for k in ("flow", "mixture")]
        made = Ensemble([m for m in members if isinstance(m, Estimator)])
    else:
        made = build_estimator(estimators()[name], layout, 2, 1)
    for module in made.modules():
        if isinstance(module, HypernetworkFlow):
            nn.init.normal_(module.head.weight, std=0.1)
            nn.init.normal_(module.head.bias, std=0.3)
    return made.eval()


@pytest.mark.parametrize(
    "name", ["flow", "mixture base", "nsf", "mixture", "flow matching", "ensemble"]
)
def test_recalibrated_density_is_normalised_and_that_of_the_draws(name):
    """Two tests at 1e-4 of each kind: a false alarm once in 800 seeds."""
    estimator = build(name)
    features = torch.randn(1, 6, generator=torch.Generator().manual_seed(5))
    anchor = torch.tensor([[0.7, 0.5]])
    transform = random_map(2).base_transform(observations(2, 0.3)[1:])
    # Densities of vector fields are integrated point by point: on a coarser grid.
    cells, reach = (64, 8) if name == "flow matching" else (400, 12)
    edges = np.linspace(-reach, reach, cells + 1)
    centres = 0.5 * (edges[1:] + edges[:-1])
    grid = np.stack(np.meshgrid(centres, centres, indexing="ij"), -1).reshape(1, -1, 2)
    with torch.no_grad():
        at = torch.from_numpy(grid).float()
        log_prob = estimator.at(at, Condition(features, anchor))
        bare, found = log_prob(None), log_prob(transform)
        numbers = BaseSamples.of(np.array([6]), 2000, estimator.n_base, 6)
        draws = estimator.sample(numbers, Condition(features, anchor), transform)[0].numpy()
    assert (bare - found).abs().max() > 0.5
    density = found.exp().numpy().reshape(cells, cells)
    step = edges[1] - edges[0]
    assert density.sum() * step**2 == pytest.approx(1, abs=5e-3)
    for axis in (0, 1):
        cdf = np.concatenate([[0], np.cumsum(density.sum(1 - axis)) * step**2])
        assert stats.kstest(np.interp(draws[:, axis], edges, cdf), "uniform").pvalue > 1e-4


@pytest.mark.parametrize("name", ["flow", "mixture base"])
def test_the_kernel_maps_as_torch_does(name):
    estimator = build(name)
    features = torch.randn(5, 6, generator=torch.Generator().manual_seed(2))
    anchor = torch.tensor([[0.0, 1.0]]).expand(5, 2)
    transform = random_map(2).base_transform(observations(5, 0.3))
    numbers = BaseSamples.of(np.arange(5), 256, estimator.n_base, 6)
    with torch.no_grad():
        fast = estimator.sample(numbers, Condition(features, anchor), transform)
        slow = estimator.double().sample(
            numbers, Condition(features.double(), anchor.double()), transform
        )
    np.testing.assert_allclose(fast, slow, atol=2e-2)
    assert (fast - slow).abs().median() < 1e-5


# --- fitting ---------------------------------------------------------------------------------


class Line:
    """The mean of y ~ N(0, 1) from three numbers; its posterior is known, and can be spoilt."""

    def __init__(self, width=1.0, shift=0.0):
        self.width, self.shift = width, shift
        self.recalibration = None

    def at(self, truth, seen):
        sigma = np.sqrt(0.5)
        mean = seen / 2 + self.shift * sigma
        x = torch.from_numpy((truth - mean) / (self.width * sigma)).float()
        log_slope = -2 * np.log(self.width * sigma)
        return lambda transform: log_standard(x, transform) + log_slope


def spoilt(monkeypatch, rng, width, shift):
    """Return, of galaxies that were not fitted, base coordinates before and after, and gains."""
    n = 4000
    truth = rng.standard_normal((n, 2))
    seen = truth + rng.standard_normal((n, 2))
    line = Line(width, shift)
    line.prior = type("Prior", (), {"dimension": 2})()
    photometry = observations(n)
    half = slice(0, n // 2)
    monkeypatch.setattr(
        "sedum.check.fit_recalibration._likelihoods",
        lambda *args: [(half, line.at(truth[half], seen[half]))],
    )
    found = fit_recalibration(line, truth[half], photometry[half])
    rest = slice(n // 2, n)
    judge = line.at(truth[rest], seen[rest])
    transform = found.base_transform(photometry[rest])
    gain = (judge(transform) - judge(None)).numpy()
    centre = seen[rest, None] / 2 + shift * np.sqrt(0.5)
    normals = torch.from_numpy(rng.standard_normal((n // 2, 300, 2))).float()
    draws = [
        centre + width * np.sqrt(0.5) * z.numpy() for z in (normals, transform.forward(normals))
    ]
    return [ranks(d, truth[rest]) for d in draws], gain, found


@pytest.mark.parametrize(("width", "shift"), [(1 / 3, 0.0), (1.0, 1.0), (2.0, -0.5)])
def test_planted_faults_are_repaired(monkeypatch, rng, width, shift):
    """Over-confident, biased, and both the other way: six tests of each at 1e-4."""
    (before, after), gain, _ = spoilt(monkeypatch, rng, width, shift)
    n = len(after)
    assert gain.mean() > 10 * gain.std() / np.sqrt(n)
    assert abs(coverage_curve(before, np.array([0.68]))[0, 0] - 0.68) > 0.1
    for level in (0.68, 0.95):
        share = coverage_curve(after, np.array([level]))[0]
        np.testing.assert_allclose(share, level, atol=4.5 * np.sqrt(level * (1 - level) / n))
    assert min(stats.kstest(column, "uniform").pvalue for column in after.T) > 1e-4


def test_a_calibrated_posterior_stays_as_it_was(monkeypatch, rng):
    (before, after), gain, found = spoilt(monkeypatch, rng, 1.0, 0.0)
    # Of 26 numbers fitted to 2,000 galaxies half a nat each is lost, 0.0065 nat a galaxy.
    assert -0.03 < gain.mean() < 3 * gain.std() / np.sqrt(len(gain))
    assert np.abs(after - before).mean() < 0.02
    assert np.abs(found.weights).max() < 0.2


# --- posteriors ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def narrow(small_run, small_posterior, tmp_path_factory):
    """Return the small posterior, trained, but three times too narrow."""
    path = tmp_path_factory.mktemp("narrow") / "narrow.safetensors"
    small_posterior.write(path)
    spoilt = Posterior.read(path)
    density = spoilt.estimator.density
    d, end = density.dimension, density.shape.size
    with torch.no_grad():
        density.head.bias[end - 2 * d : end - d] += np.log(3)
    return spoilt


def test_trained_posterior_is_repaired(tmp_path, small_model, narrow):
    found = recalibrate(narrow, small_model, galaxies=800, judged=300)
    assert isinstance(found, RecalibrationResult)
    assert found.improves
    assert found.gain[0] > 1
    summary = found.summary()
    row = {w: summary[w]["parameters"]["log_mass"]["coverage_68"] for w in ("before", "after")}
    # Of 300 galaxies: four standard errors are 0.11.
    assert row["before"] < 0.5
    assert row["after"] == pytest.approx(0.68, abs=0.12)
    assert len(summary["after"]["faults"]) < len(summary["before"]["faults"])
    assert found.posterior.recalibration.about["gain"] == found.gain[0]
    plot_recalibration(found, tmp_path / "recalibration.png")
    assert (tmp_path / "recalibration.png").stat().st_size > 10_000
    assert len(recalibration_table(found).rows) == len(narrow.prior.free)
    with pytest.raises(SedumError, match="at least 500 galaxies"):
        recalibrate(narrow, small_model, galaxies=100)


def test_recalibrated_posteriors_are_stored_and_reproducible(
    tmp_path, small_model, small_posterior
):
    _, seen = mock_survey(small_model, small_posterior.noise, 600, 3, hide_redshift=False)
    assert np.isfinite(seen.redshift).any()
    changed = small_posterior.recalibrated(random_map(small_posterior.prior.dimension))
    draws = changed.sample(seen, 32)
    assert not np.array_equal(draws, small_posterior.sample(seen, 32))
    path = tmp_path / "recalibrated.safetensors"
    changed.write(path)
    again = Posterior.read(path)
    np.testing.assert_array_equal(again.sample(seen, 32), draws)
    np.testing.assert_array_equal(
        again.log_prob(seen[:9], draws[:9]), changed.log_prob(seen[:9], draws[:9])
    )
    # Whatever the batch and the number of threads.
    alone = again.sample(seen[7:8], 32, keys=np.array([7]))
    np.testing.assert_array_equal(alone[0], draws[7])
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        np.testing.assert_array_equal(again.sample(seen, 32), draws)
    finally:
        torch.set_num_threads(before)
    # Taken out, it is as it was trained.
    np.testing.assert_array_equal(
        again.recalibrated(None).sample(seen, 32), small_posterior.sample(seen, 32)
    )
    again.recalibrated(None).write(path)
    assert Posterior.read(path).recalibration is None
