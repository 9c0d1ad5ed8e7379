"""Recovery and coverage: values known beforehand, and faults that must show."""

import numpy as np
import pytest

from sedum.check.recovery import coverage_curve, ranks, recovery_metrics


def gaussian(rng, width=1.0, shift=0.0, n=4000):
    """Posterior of a mean with unit prior and unit noise; exact where width = 1, shift = 0."""
    truth = rng.standard_normal((n, 1))
    data = truth + rng.standard_normal((n, 1))
    sigma = np.sqrt(0.5)
    draws = data[:, None] / 2 + shift + width * sigma * rng.standard_normal((n, 400, 1))
    return recovery_metrics(draws, truth, ["x"])[0]


def test_exact_posterior(rng):
    r = gaussian(rng)
    # Five standard errors each.
    assert r.coverage_68 == pytest.approx(0.68, abs=5 * 0.466 / 4000**0.5)
    assert r.coverage_95 == pytest.approx(0.95, abs=5 * 0.218 / 4000**0.5)
    assert r.r2 == pytest.approx(0.5, abs=0.05)
    assert r.bias == pytest.approx(0, abs=0.07)
    assert r.scatter == pytest.approx(np.sqrt(0.5), rel=0.07)


def test_planted_faults_show(rng):
    assert gaussian(rng, width=1 / 3).coverage_68 < 0.35
    assert gaussian(rng, width=3).coverage_68 > 0.95
    biased = gaussian(rng, shift=0.5)
    assert biased.bias == pytest.approx(0.5, abs=0.07)
    assert biased.coverage_68 < 0.62


def test_r2_is_of_each_parameter_against_its_own_mean(rng):
    truth = np.c_[rng.standard_normal(500), 1000 + 0.01 * rng.standard_normal(500)]
    draws = np.repeat(truth[:, None], 10, axis=1)
    draws[..., 1] = 1000.0
    good, useless = recovery_metrics(draws, truth, ["a", "b"])
    assert good.r2 == 1
    assert abs(useless.r2) < 0.02


def test_constant_truth_has_no_r2():
    row = recovery_metrics(np.zeros((5, 9, 1)), np.zeros((5, 1)), ["a"])[0]
    assert np.isnan(row.r2)


def test_curve_ends():
    rank = ranks(np.random.default_rng(1).random((50, 20, 2)), np.full((50, 2), 0.5))
    curve = coverage_curve(rank, np.array([0.0, 1.0]))
    assert (curve[1] == 1).all()
    assert curve.shape == (2, 2)
