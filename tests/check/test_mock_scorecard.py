"""The scorecard catches what is wrong with a posterior, and only that."""

import json
import sys

import numpy as np
import pytest
from scipy import stats

from sedum.check import mock_scorecard as scorecard
from sedum.check.calibration import rank_tests, tarp
from sedum.check.joint_posteriors import lc2st
from sedum.check.mock_scorecard import MockValidation, validate
from sedum.errors import SedumError
from sedum.observe.mock_survey import mock_survey
from sedum.report.plots.checks.validation_plots import plot_ranks, scorecard_table

NAMES = ["a", "b"]


def exact(rng, n=1500, draws=200, width=1.0, shift=0.0, informed=True):
    """Return a validation of y ~ N(0, 1) seen with unit noise, its posterior exact or spoilt."""
    truth = rng.standard_normal((n, 2))
    seen = truth + rng.standard_normal((n, 2))
    mean, sigma = (seen / 2, np.sqrt(0.5)) if informed else (0 * seen, 1.0)
    mean = mean + shift * sigma
    drawn = mean[:, None] + width * sigma * rng.standard_normal((n, draws, 2))
    log_prob = stats.norm.logpdf(truth, mean, width * sigma).sum(1)
    log_prior = stats.norm.logpdf(truth).sum(1)
    bins = {"half": np.where(np.arange(n) % 2, "odd", "even")}
    return MockValidation(NAMES, drawn, truth, drawn, truth, log_prob, log_prior, bins)


def test_an_exact_posterior_has_no_fault(rng):
    """Eleven tests at 1e-4 or so each: a false alarm once in a thousand seeds."""
    found = exact(rng)
    card = found.scorecard()
    assert card["faults"] == []
    # Information of y ~ N(0, 1) behind unit noise: half of ln 2 for each coordinate.
    assert card["information"]["mean"] == pytest.approx(np.log(2), abs=0.06)
    row = card["parameters"]["a"]
    assert row["r2"] == pytest.approx(0.5, abs=0.06)
    assert row["coverage_68"] == pytest.approx(0.68, abs=4.5 * row["coverage_68_error"])
    assert row["coverage_68_error"] == pytest.approx(np.sqrt(0.68 * 0.32 / 1500), rel=0.3)
    assert set(card["bins"]["half"]) == {"even", "odd"}
    assert json.loads(json.dumps(card)) == card


def test_planted_faults_are_named(rng):
    narrow = exact(rng, width=1 / 3).faults()
    assert any(f.startswith("a: over-confident, coverage_68") for f in narrow)
    assert any("TARP" in f for f in narrow)
    biased = exact(rng, shift=0.4).faults()
    assert any(f.startswith("a: biased high") for f in biased)
    wide = exact(rng, width=1.5).faults()
    assert any(f.startswith("b: under-confident") for f in wide)
    prior = exact(rng, informed=False).faults()
    assert len(prior) == 1
    assert prior[0].startswith("no information: ")


def test_joint_calibration_sees_what_marginals_hide(rng):
    """Right marginals without their correlation: ranks are uniform, TARP is not."""
    n, draws = 3000, 200
    noise = rng.multivariate_normal([0, 0], [[1, 0.95], [0.95, 1]], (n, draws + 1))
    centre = 3 * rng.standard_normal((n, 1, 2))
    truth = (centre + noise)[:, 0]
    independent = np.stack(
        [noise[:, 1:, 0], np.stack([rng.permutation(row) for row in noise[:, 1:, 1]])], axis=-1
    )
    for drawn, caught in ((centre + noise[:, 1:], False), (centre + independent, True)):
        assert (rank_tests(drawn, truth)["p_value"] > 1e-4).all()
        assert (tarp(drawn, truth, rng).p_value < 1e-4) == caught


def test_estimator_is_validated(tmp_path, small_model, small_posterior):
    theta, seen = mock_survey(small_model, small_posterior.noise, 300, 6)
    found = validate(small_posterior, theta, seen, n_draws=100)
    card = found.scorecard()
    assert card["information"]["mean"] > 0.5
    assert set(card["parameters"]) == set(small_posterior.prior.free)
    assert set(card["bins"]) == {"signal-to-noise", "bands", "redshift", "log_mass"}
    plot_ranks(found, tmp_path / "ranks.png")
    assert (tmp_path / "ranks.png").stat().st_size > 10_000
    assert len(scorecard_table(card).rows) == len(card["parameters"])


def local_tests(rng, width, correlation=0.0, n=600, draws=120):
    """Test posteriors of y ~ N(0, I) seen with unit noise, spoilt in width or correlation."""
    pytest.importorskip("sbi", reason="the package sbi is not installed")
    truth = rng.standard_normal((n, 2))
    seen = truth + rng.standard_normal((n, 2))
    root = np.linalg.cholesky(np.array([[1, correlation], [correlation, 1]]))
    drawn = seen[:, None] / 2 + width * np.sqrt(0.5) * rng.standard_normal((n, draws, 2)) @ root.T
    return lc2st(drawn, truth, seen, tested=20, trials=39, seed=4)


def test_local_tests_pass_an_exact_posterior(rng):
    """A false alarm once in forty seeds."""
    found = local_tests(rng, width=1.0)
    assert not found.fails
    assert found.p_values.min() >= found.false_alarm == 1 / 40
    card = found.summary()
    assert json.loads(json.dumps(card)) == card
    assert len(set(card["rows"])) == card["galaxies"] == 20


@pytest.mark.parametrize(("width", "correlation"), [(1 / 3, 0.0), (1.0, 0.8)])
def test_local_tests_catch_what_is_planted(rng, width, correlation):
    """Over-confident, and with a correlation that is not there."""
    found = local_tests(rng, width, correlation)
    assert found.fails
    assert found.p_value == found.false_alarm


def test_local_tests_of_a_trained_estimator(monkeypatch, tmp_path, small_model, small_posterior):
    pytest.importorskip("sbi", reason="the package sbi is not installed")
    theta, seen = mock_survey(small_model, small_posterior.noise, 200, 6)
    monkeypatch.setattr(
        scorecard, "lc2st", lambda *args, **rest: lc2st(*args, **rest | {"trials": 3})
    )
    found = validate(small_posterior, theta, seen, n_draws=60, joint=True)
    assert found.scorecard()["lc2st"]["trials"] == 3
    plot_ranks(found, tmp_path / "ranks.png")
    assert (tmp_path / "ranks.png").stat().st_size > 10_000


def test_local_tests_say_what_they_need(monkeypatch, rng):
    few = rng.standard_normal((100, 50, 2))
    monkeypatch.setitem(sys.modules, "sbi.diagnostics.lc2st", None)
    with pytest.raises(SedumError, match=r"pip install 'sedum\[sbi\]'"):
        lc2st(few, few[:, 0], few[:, 0])
    monkeypatch.undo()
    pytest.importorskip("sbi", reason="the package sbi is not installed")
    with pytest.raises(SedumError, match="needs at least 160 galaxies"):
        lc2st(few, few[:, 0], few[:, 0])
