"""Importance weights against cases whose posterior and evidence are known."""

import numpy as np
import pytest
from scipy import stats

from run_cases import run_settings
from sedum import config
from sedum.config import parse_run
from sedum.infer.verify.exact_posterior import ExactPosterior
from sedum.infer.verify.importance_weights import (
    WeightedDraws,
    _Kernels,
    _weighted,
    resampled,
    reweight,
)
from sedum.infer.verify.nested_sampling import sample_nested
from sedum.infer.verify.predictive_check import posterior_predictive
from sedum.observe.flux_residuals import Residuals
from sedum.observe.mock_survey import mock_survey
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.observed import Photometry
from sedum.priors.joint import Prior


class Plane:
    """Flux is linear in two parameters: everything is known analytically or on a grid."""

    prior = Prior(
        {
            "redshift": config.UniformPrior(kind="uniform", low=0.0, high=1.0),
            "b": config.UniformPrior(kind="uniform", low=-1.0, high=1.0),
        },
        lambda z: z,
    )

    def photometry(self, theta):
        z, b = theta[:, 0], theta[:, 1]
        return np.stack([1 + z + b, 2 - z + 2 * b, 1 + 3 * z], axis=1)


DEPTH = 23.9 - 2.5 * np.log10(5 * 0.3)
NOISE = NoiseModel(
    ["x", "y", "w"],
    config.DepthNoise(depths=dict.fromkeys("xyw", DEPTH), scatter=0, shared_scatter=0, floor=0.05),
)
EXACT = ExactPosterior(Plane(), NOISE)


class Flow:
    """Stands for a posterior whose draws come from a normal in the latent space."""

    def __init__(self, centre, width):
        self.centre, self.width, self.prior = np.array(centre), width, Plane.prior

    def sample(self, seen, draws, seed, keys):
        rng = np.random.default_rng(seed)
        y = self.centre + self.width * rng.standard_normal((len(seen), draws, 2))
        return self.prior.from_latent(y.reshape(-1, 2)).reshape(y.shape)

    def log_prob_latent(self, seen, theta):
        y = self.prior.to_latent(theta.reshape(-1, 2)).reshape(theta.shape)
        return stats.norm.logpdf(y, self.centre, self.width).sum(axis=-1)


def observed(given=np.nan):
    seen = Photometry.make(np.array([[1.6, 2.1, 2.2]]), np.full((1, 3), 0.3))
    return seen.with_redshift(np.array([given]), 0.05)


def on_a_grid(seen):
    """Return evidence, and mean and spread of the parameters, by brute force."""
    u = (np.arange(600) + 0.5) / 600
    grid = np.stack(np.meshgrid(u, u, indexing="ij"), -1).reshape(-1, 2)
    theta = Plane.prior.from_unit(grid)
    like = np.exp(EXACT.log_likelihood(seen, theta[None])[0])
    evidence = like.mean()
    mean = (like[:, None] * theta).mean(0) / evidence
    return evidence, mean, np.sqrt((like[:, None] * (theta - mean) ** 2).mean(0) / evidence)


@pytest.mark.parametrize("given", [np.nan, 0.4])
@pytest.mark.parametrize(("centre", "width"), [([0, 0], 1.0), ([0.4, -0.4], 0.8)])
def test_weights_give_the_exact_posterior_and_evidence(given, centre, width):
    seen = observed(given)
    evidence, mean, spread = on_a_grid(seen)
    found = reweight(Flow(centre, width), EXACT, seen, 20_000)
    assert found.verified.all()
    w = np.exp(found.log_weights[0])
    assert w.sum() == pytest.approx(1)
    # Five standard errors of some 3,000 effective draws.
    error = 5 / np.sqrt(found.ess[0])
    np.testing.assert_allclose(w @ found.draws[0], mean, atol=error * spread.max())
    assert found.log_evidence[0] == pytest.approx(
        np.log(evidence), abs=5 * found.log_evidence_error[0] + 1e-3
    )
    again = resampled(found)[0]
    np.testing.assert_allclose(again.mean(0), mean, atol=2 * error * spread.max())
    np.testing.assert_allclose(again.std(0), spread, rtol=0.1)


def test_a_wrong_proposal_is_found_out_and_refined():
    seen = observed()
    evidence, mean, spread = on_a_grid(seen)
    far = Flow([2.5, 2.5], 0.5)
    alone = reweight(far, EXACT, seen, 4000, rounds=0)
    assert not alone.verified.any()
    found = reweight(far, EXACT, seen, 4000, rounds=4)
    assert found.refined.all()
    assert found.ess[0] > 3 * alone.ess[0]
    assert found.draws.shape == alone.draws.shape
    np.testing.assert_allclose(found.draws[0].mean(0), mean, atol=0.3 * spread.max())
    assert found.log_evidence[0] == pytest.approx(np.log(evidence), abs=0.2)


def test_impossible_observations_have_no_evidence():
    ratio = np.full((2, 50), -np.inf)
    ratio[1, 3] = 0.0
    theta = np.zeros((2, 50, 1))
    found = _weighted(theta, theta, ratio)
    assert not found.verified.any()
    assert found.ess.tolist() == [0.0, 1.0]
    assert found.log_evidence[0] == -np.inf
    assert np.isfinite(found.log_weights).all()


def test_kernels_have_the_density_of_their_draws(rng):
    kernels = _Kernels(rng.standard_normal((500, 2)), np.full(500, -np.log(500)), rng)
    drawn = kernels.draw(40_000)
    edges = np.linspace(-8, 8, 161)
    grid = np.stack(np.meshgrid(edges, edges, indexing="ij"), -1).reshape(-1, 2)
    density = np.exp(kernels.log_density(grid)).reshape(161, 161)
    assert density.sum() * 0.1**2 == pytest.approx(1, abs=0.02)
    cdf = np.cumsum(density.sum(1)) * 0.1**2
    pit = np.interp(drawn[:, 0], edges + 0.05, cdf)
    # The grid's own error is 1e-3: KS at 1e-4 of 40,000 draws would see 1.1e-2.
    assert stats.kstest(pit, "uniform").statistic < 0.013


def test_trained_posterior_is_weighed(small_model, small_posterior):
    theta, seen = mock_survey(small_model, small_posterior.noise, 12, 4)
    exact = ExactPosterior(small_model, small_posterior.noise)
    found = reweight(small_posterior, exact, seen, 400)
    assert isinstance(found, WeightedDraws)
    assert np.isfinite(found.log_evidence).all()
    # The same galaxies alone, by their keys.
    alone = reweight(small_posterior, exact, seen[5:7], 400, keys=np.array([5, 6]))
    np.testing.assert_allclose(alone.log_evidence, found.log_evidence[5:7], atol=1e-3)
    assert parse_run(run_settings()).name == "small"
    assert len(theta) == 12


def test_nested_sampling_finds_the_same():
    seen = observed()
    evidence, mean, spread = on_a_grid(seen)
    found = sample_nested(EXACT, seen, 2000, live=400, effective=3000)
    assert found.log_evidence == pytest.approx(np.log(evidence), abs=0.1)
    np.testing.assert_allclose(found.draws.mean(0), mean, atol=0.12 * spread.max())
    np.testing.assert_allclose(found.draws.std(0), spread, rtol=0.12)
    assert found.evaluations > 3000


def test_predictive_check_finds_what_no_model_explains(rng):
    """A band three times too bright is found; else fewer than one in fifty lie below 0.01."""
    theta = Plane.prior.sample(400, rng)
    seen = NOISE.observe(Plane().photometry(theta), rng)
    at = np.isfinite(seen.flux).all(axis=1) & seen.observed.all(axis=1)
    seen = seen[at]
    draws = reweighted(seen)
    found = posterior_predictive(EXACT, seen, draws)
    assert (found.p_value < 0.01).mean() < 0.02
    assert 0.3 < found.p_value.mean() < 0.7
    off = seen.scaled(np.array([1.0, 1.0, 3.0]))
    found = posterior_predictive(EXACT, off, reweighted(off))
    assert (found.p_value < 0.01).mean() > 0.3
    assert (found.worst == 2).mean() > 0.5 or (found.sigma[found.worst == 2] > 0).all()


def reweighted(seen):
    flow = Flow([0, 0], 1.0)
    return resampled(reweight(flow, EXACT, seen, 3000, rounds=1))[:, ::30]


def test_normal_scores_of_heavy_tails():
    heavy = Residuals(None, 3.0)
    one, zero = np.ones(3), np.zeros(3)
    z = heavy.normal_scores(np.array([-4.0, 0.0, 4.0]), zero, one)
    expected = stats.norm.ppf(stats.t.cdf(-4.0, 3))
    np.testing.assert_allclose(z, [expected, 0, -expected], atol=1e-9)
    np.testing.assert_array_equal(Residuals().normal_scores(one * 2, zero, one), 2 * one)
