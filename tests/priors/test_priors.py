"""Priors are bijections with exact densities, and never leave their support."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from prior_cases import SPECS, universe_age
from sedum import config
from sedum.errors import SedumError
from sedum.priors.joint import Prior


@pytest.fixture(scope="module")
def prior():
    return Prior(SPECS, universe_age, {"quantiles": ["t25", "t50", "t75"]})


def test_names(prior):
    assert prior.names[5:8] == ["t25", "t50", "t75"]
    assert "known" in prior.names
    assert "known" not in prior.free
    assert prior.dimension == len(prior.names) - 1


def test_round_trips(prior, rng):
    theta = prior.sample(20_000, rng)
    assert np.isfinite(theta).all()
    np.testing.assert_allclose(prior.from_unit(prior.to_unit(theta)), theta, atol=1e-6)
    latent = prior.to_latent(theta)
    np.testing.assert_allclose(prior.from_latent(latent), theta, atol=1e-6)


def test_latent_prior_is_standard_normal(prior, rng):
    latent = prior.to_latent(prior.sample(20_000, rng))
    # 12 independent tests at 1e-4 each: false alarm once in 800 seeds.
    for column in latent.T:
        assert stats.kstest(column, "norm").pvalue > 1e-4


def test_density_is_the_jacobian_of_the_transform(prior, rng):
    """p(theta) = |du / dtheta|, by central differences of the unit-cube map."""
    u = rng.uniform(0.05, 0.95, (40, prior.dimension))
    free = [prior.names.index(n) for n in prior.free]
    step = 1e-6
    jacobian = np.empty((40, prior.dimension, prior.dimension))
    for j in range(prior.dimension):
        up, down = u.copy(), u.copy()
        up[:, j] += step
        down[:, j] -= step
        difference = (prior.from_unit(up) - prior.from_unit(down)) / (2 * step)
        jacobian[:, :, j] = difference[:, free]
    expected = -np.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(prior.log_density(prior.from_unit(u)), expected, atol=2e-3)


def test_outside_the_support(prior, rng):
    theta = prior.sample(3, rng)
    theta[0, 0] = 7.0
    theta[1, prior.names.index("t50")] = theta[1, prior.names.index("t25")] - 0.01
    theta[2, prior.names.index("age")] = 13.9
    assert np.isnan(prior.to_unit(theta)).any(axis=1).all()
    assert np.isneginf(prior.log_density(theta)).all()


def test_times_are_ordered_and_stars_younger_than_the_universe(prior, rng):
    theta = dict(zip(prior.names, prior.sample(5000, rng).T, strict=True))
    assert (theta["t25"] >= 0).all()
    assert (theta["t25"] <= theta["t50"]).all()
    assert (theta["t75"] <= 1).all()
    assert (theta["age"] <= universe_age(theta["redshift"])).all()


def test_dirichlet_moments(rng):
    prior = Prior(
        {"quantiles": SPECS["quantiles"]}, universe_age, {"quantiles": ["t25", "t50", "t75"]}
    )
    times = prior.sample(40_000, rng)
    intervals = np.diff(np.c_[np.zeros(len(times)), times, np.ones(len(times))], axis=1)
    # Dirichlet(2.5 x 4): mean 1/4, variance (1/4)(3/4)/11; five standard errors of each.
    assert np.abs(intervals.mean(0) - 0.25).max() < 5 * np.sqrt(0.1875 / 11 / 40_000)
    assert np.abs(intervals.var(0) / (0.1875 / 11) - 1).max() < 0.05


def test_conditional_centre(rng):
    prior = Prior(
        {
            "redshift": config.FixedPrior(kind="fixed", value=0.0),
            "log_mass": config.UniformPrior(kind="uniform", low=8, high=12),
            "log_ssfr": config.MainSequencePrior(
                kind="main_sequence", at_1e10=-10, slope=-0.5, sigma=0.1, dof=50
            ),
        },
        universe_age,
    )
    theta = prior.sample(20_000, rng)
    slope, at = np.polyfit(theta[:, 1] - 10, theta[:, 2], 1)
    assert abs(slope + 0.5) < 0.005
    assert abs(at + 10) < 0.005


@given(
    u=st.floats(1e-300, 1, exclude_max=True),
    mean=st.floats(-30, 30),
    low=st.floats(-5, 0),
    width=st.floats(0.01, 10),
    dof=st.none() | st.floats(0.5, 100),
)
def test_truncated_draws_stay_inside(u, mean, low, width, dof):
    common = {"mean": mean, "sigma": 1.0, "low": low, "high": low + width}
    if dof is None:
        spec = config.NormalPrior(kind="normal", **common)
    else:
        spec = config.StudentTPrior(kind="student_t", dof=dof, **common)
    x = Prior({"x": spec}, universe_age).from_unit(np.array([[u]]))
    assert low <= x[0, 0] <= low + width


def test_all_fixed_is_refused():
    with pytest.raises(SedumError, match="fixed"):
        Prior({"x": config.FixedPrior(kind="fixed", value=1.0)}, universe_age)


def test_extreme_latents_stay_in_the_support(prior):
    ends = prior.from_latent(np.full((1, prior.dimension), 1e6))
    assert np.isfinite(ends).all()
    assert np.isfinite(prior.log_density(ends)).all()
