"""Draws turned to another prior agree with posteriors made under it."""

import numpy as np
import pytest
from astropy.table import Table
from scipy import integrate, stats

from prior_cases import SPECS, universe_age
from run_cases import run_settings
from sedum import config
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.model_parameters import prior_of
from sedum.infer.verify.exact_posterior import ExactPosterior
from sedum.infer.verify.importance_weights import systematic
from sedum.infer.verify.prior_swap import check_swap, swap_prior
from sedum.observe.mock_survey import mock_survey
from sedum.photometry.observed import Photometry
from sedum.priors.joint import Prior
from sedum.survey.fit import fit


def normal(mean, sigma, low=-60.0, high=60.0):
    return config.NormalPrior(kind="normal", mean=mean, sigma=sigma, low=low, high=high)


def uniform(low, high):
    return config.UniformPrior(kind="uniform", low=low, high=high)


def prior(**specs):
    return Prior(specs, universe_age)


# --- densities ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["redshift", "log_mass", "av", "log_tau", "log_u", "free"])
def test_densities_of_single_parameters_integrate_to_one(name):
    one = prior(**{name: SPECS[name]})
    low, high = one.support(name, tail=1e-12)
    # Student's t reaches far: its quantiles are the places where quadrature should look.
    points = one.from_unit(np.linspace(1e-9, 1 - 1e-9, 400)[:, None])[:, 0]
    total = sum(
        integrate.quad(lambda x: np.exp(one.log_density(np.array([[x]]))[0]), a, b)[0]
        for a, b in zip([low, *points], [*points, high], strict=True)
    )
    assert total == pytest.approx(1, abs=1e-6)


def test_conditional_densities_integrate_to_one_by_monte_carlo(rng):
    """Mean of p/q of draws from uniform q is one, within four of its errors."""
    specs = {k: SPECS[k] for k in ("redshift", "log_mass", "log_z", "log_ssfr", "age")}
    joint = Prior(specs, universe_age)
    low, high = np.array([0.1, 7, -4, -14, 0.0]), np.array([6, 12, -1.39, -7, 14.0])
    theta = rng.uniform(low, high, (400_000, 5))
    density = np.exp(joint.log_density(theta)) * np.prod(high - low)
    assert density.mean() == pytest.approx(1, abs=4 * density.std() / np.sqrt(len(density)))
    assert density.std() / np.sqrt(len(density)) < 0.03


@pytest.mark.parametrize("concentration", [0.7, 1.0, 2.5])
def test_dirichlet_density_is_that_of_its_intervals(rng, concentration):
    spec = config.DirichletPrior(kind="dirichlet", concentration=concentration)
    joint = Prior({"quantiles": spec}, universe_age, {"quantiles": ["t25", "t50", "t75"]})
    times = joint.sample(200, rng)
    intervals = np.diff(np.c_[np.zeros(200), times, np.ones(200)], axis=1)
    expected = stats.dirichlet.logpdf(intervals.T, np.full(4, concentration))
    np.testing.assert_allclose(joint.log_density(times), expected, atol=1e-6)


# --- swapping ----------------------------------------------------------------------------


def conjugate(mean, sigma, seen=1.2, error=0.5):
    """Return mean, spread and log-evidence of a normal observed with a normal error."""
    precision = sigma**-2 + error**-2
    centre = (mean / sigma**2 + seen / error**2) / precision
    return centre, precision**-0.5, stats.norm.logpdf(seen, mean, np.hypot(sigma, error))


@pytest.mark.parametrize("weighted", [False, True])
def test_conjugate_case(rng, weighted):
    """Moments and evidence within four standard errors of the analytic ones."""
    size, old, new = 20_000, (0.0, 2.0), (1.5, 0.7)
    centre, width, evidence = conjugate(*old)
    wanted, spread, after = conjugate(*new)
    log_weights = None
    if weighted:  # from a wider normal, with weights
        x = rng.normal(centre, 2 * width, (3, size, 1))
        log_weights = stats.norm.logpdf(x, centre, width) - stats.norm.logpdf(x, centre, 2 * width)
        log_weights = log_weights[..., 0] - np.log(np.exp(log_weights).sum(axis=1))
    else:
        x = rng.normal(centre, width, (3, size, 1))
    found = swap_prior(x, prior(x=normal(*old)), prior(x=normal(*new)), log_weights)
    assert found.trusted.all()
    w = np.exp(found.log_weights)
    np.testing.assert_allclose(w.sum(axis=1), 1)
    error = spread / np.sqrt(found.ess)
    mean = (w * x[..., 0]).sum(axis=1)
    assert (np.abs(mean - wanted) < 4 * error).all()
    np.testing.assert_allclose(
        np.sqrt((w * (x[..., 0] - mean[:, None]) ** 2).sum(axis=1)), spread, rtol=0.06
    )
    off = found.log_evidence_ratio - (after - evidence)
    assert (np.abs(off) < 4 * found.log_evidence_ratio_error).all()
    assert (found.log_evidence_ratio_error < 0.02).all()


def test_a_prior_cut_short_keeps_equal_weights(rng):
    x = rng.uniform(0, 1, (1, 2000, 1))
    found = swap_prior(x, prior(x=uniform(0, 1)), prior(x=uniform(0.25, 0.5)))
    assert found.k_hat[0] == 0
    assert found.trusted[0]
    inside = (x[0, :, 0] >= 0.25) & (x[0, :, 0] <= 0.5)
    assert found.ess[0] == pytest.approx(inside.sum())
    np.testing.assert_allclose(np.exp(found.log_weights[0]), inside / inside.sum(), atol=1e-12)
    assert found.log_evidence_ratio[0] == pytest.approx(np.log(4 * inside.mean()))


def test_the_same_prior_changes_nothing(rng):
    joint = Prior(SPECS, universe_age, {"quantiles": ["t25", "t50", "t75"]})
    draws = joint.sample(300, rng)[None]
    found = swap_prior(draws, joint, joint)
    np.testing.assert_allclose(found.log_weights, -np.log(300), atol=1e-9)
    assert found.ess[0] == pytest.approx(300)
    assert found.log_evidence_ratio[0] == pytest.approx(0, abs=1e-9)


def test_resampled_draws_count_once(rng):
    """Draws that resampling repeated carry no more information than they had."""
    old, new = prior(x=normal(0.0, 1.0)), prior(x=normal(0.5, 0.8))
    x = rng.standard_normal((1, 500, 1))
    log_weights = -2 * x[..., 0] ** 2
    log_weights -= np.log(np.exp(log_weights).sum())
    direct = swap_prior(x, old, new, log_weights)
    again = x[:, systematic(log_weights[0], 20_000, 0.5)]
    found = swap_prior(again, old, new)
    assert found.ess[0] == pytest.approx(direct.ess[0], rel=0.02)
    assert found.log_evidence_ratio[0] == pytest.approx(direct.log_evidence_ratio[0], abs=0.01)


def test_far_and_impossible_priors_are_not_trusted(rng):
    x = rng.standard_normal((1, 1000, 1))
    far = swap_prior(x, prior(x=normal(0, 1)), prior(x=normal(5.0, 0.3)))
    assert not far.trusted[0]
    assert far.ess[0] < 100
    none = swap_prior(x, prior(x=normal(0, 1)), prior(x=uniform(10, 11)))
    assert not none.trusted[0]
    assert none.ess[0] == 0
    assert none.log_evidence_ratio[0] == -np.inf


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (uniform(0, 1), uniform(0.5, 1.5)),
        (uniform(0, 1), normal(0.5, 0.1)),
        (normal(0, 1, -5, 5), normal(0, 1)),
        (config.TabulatedPrior(kind="tabulated", x=[0, 1, 2], density=[1, 1, 0]), uniform(0, 2.5)),
        (
            config.TabulatedPrior(kind="tabulated", x=[0, 1, 2, 3, 4], density=[1, 0, 0, 0, 1]),
            uniform(0, 4),
        ),
        (uniform(0, 1), config.FixedPrior(kind="fixed", value=0.5)),
        (config.FixedPrior(kind="fixed", value=0.5), uniform(0, 1)),
        (config.FixedPrior(kind="fixed", value=0.5), config.FixedPrior(kind="fixed", value=0.6)),
    ],
)
def test_wider_priors_are_refused_by_name(old, new):
    with pytest.raises(SedumError, match=r"priors\.x: "):
        check_swap(prior(y=uniform(0, 1), x=old), prior(y=uniform(0, 1), x=new))


def test_support_of_conditional_priors():
    def ages(**limits):
        age = config.UniverseAgePrior(kind="universe_age", **limits)
        return prior(redshift=uniform(0, 6), age=age)

    assert check_swap(ages(low=0.01), ages(low=0.1, high=5.0)) == ["age"]
    with pytest.raises(SedumError, match=r"priors\.age: allows age"):
        check_swap(ages(low=0.1), ages(low=0.01))
    with pytest.raises(SedumError, match="of other parameters"):
        check_swap(ages(), prior(redshift=uniform(0, 6)))


# --- catalogues --------------------------------------------------------------------------

#: Another prior for the small run file: low masses and redshifts are likelier.
OTHER = {
    "redshift": {"kind": "normal", "mean": 0.3, "sigma": 0.2, "low": 0.05, "high": 1.0},
    "log_mass": {"kind": "normal", "mean": 9.5, "sigma": 0.7, "low": 8.0, "high": 12.0},
}


def other_run(**priors):
    return parse_run(run_settings(priors={**OTHER, **priors}))


def test_swapped_posteriors_are_those_of_the_other_prior(small_model, small_posterior):
    """Means under the other prior, by swap and by importance sampling with it directly.

    Both from exact draws of the likelihood under a flat prior; eight means of four parameters
    within five of their errors: a false alarm once in 100,000 seeds.
    """
    narrow = {"redshift": uniform(0.2, 0.6), "log_mass": uniform(9.0, 10.5)}
    wanted = {"redshift": normal(0.3, 0.1, 0.2, 0.6), "log_mass": normal(9.5, 0.3, 9.0, 10.5)}
    flat, after = (
        GalaxyModel(small_model.filters, small_model.config, priors, small_model.grid)
        for priors in (narrow, wanted)
    )
    _, seen = mock_survey(flat, small_posterior.noise, 2, 9)
    # Errors so large that thousands of draws from the prior hold many that are possible.
    seen = Photometry.make(seen.flux, np.abs(seen.flux))
    rng = np.random.default_rng(3)
    exacts = [ExactPosterior(m, small_posterior.noise) for m in (flat, after)]
    # Both posteriors by brute force from their priors, which needs no estimator.
    theta = [e.prior.sample(8_000, rng) for e in exacts]
    weights = []
    for exact, drawn in zip(exacts, theta, strict=True):
        log_like = exact.log_likelihood(seen, np.repeat(drawn[None], 2, axis=0))
        top = log_like.max(axis=1, keepdims=True)
        weights.append(np.exp(log_like - top))
        weights[-1] /= weights[-1].sum(axis=1, keepdims=True)
    before = np.log(np.maximum(weights[0], 1e-300))
    found = swap_prior(np.repeat(theta[0][None], 2, axis=0), flat.prior, after.prior, before)
    use = [after.prior.names.index(n) for n in ("redshift", "log_mass", "av", "log_ssfr")]
    swapped = np.exp(found.log_weights)
    ess = 1 / (weights[1] ** 2).sum(axis=1)
    for i in range(2):
        assert min(found.ess[i], ess[i]) > 40
        direct, moved = theta[1][:, use], theta[0][:, use]
        mean = weights[1][i] @ direct
        spread = np.sqrt(weights[1][i] @ (direct - mean) ** 2)
        error = spread * np.sqrt(1 / ess[i] + 1 / found.ess[i])
        assert (np.abs(swapped[i] @ moved - mean) < 5 * error).all()


def test_fit_under_another_prior(tmp_path, small_run, small_model, small_posterior):
    theta, seen = mock_survey(small_model, small_posterior.noise, 12, 1)
    columns = {"id": np.arange(12), "z": theta[:, 0]}
    for j, band in enumerate(small_run.band_names()):
        columns[f"f_{band}"] = np.where(seen.observed[:, j], seen.flux[:, j], np.nan)
        columns[f"e_{band}"] = seen.error[:, j]
    catalogue = Table(columns)
    output = small_run.output.model_copy(update={"draws": 1000})
    run = small_run.model_copy(update={"output": output})

    def do(name, priors):
        path = tmp_path / name
        return fit(
            run,
            small_posterior,
            catalogue,
            path,
            model=small_model,
            priors=priors,
        )

    plain = do("plain.fits", None)
    mild = do("mild.ecsv", other_run())
    ok = np.asarray(mild["status"]) == "ok"
    assert ok.sum() >= 8
    assert (np.asarray(mild["prior_ess"])[ok] >= 100).all()
    assert "prior_ess" not in plain.colnames
    again = Table.read(tmp_path / "mild.ecsv")
    assert "other prior" in again["prior_ess"].description
    assert all(again[name].description for name in again.colnames)
    assert '"swapped_priors"' in mild.meta["sedum"]
    shift = np.asarray(mild["log_mass_p50"] - plain["log_mass_p50"])[ok]
    towards = np.sign(9.5 - np.asarray(plain["log_mass_p50"]))[ok]
    assert np.mean(shift * towards) > 0
    # A prior far from everything: the rows keep their place, and say so.
    far = do("far.fits", other_run(log_mass={"kind": "uniform", "low": 8.0, "high": 8.01}))
    poor = np.asarray(far["status"]) != "ok"
    assert poor.sum() >= 8
    assert set(np.asarray(far["status"])[poor]) == {"fewer than 100 effective draws of the prior"}
    assert np.isnan(np.asarray(far["log_mass_p50"])[poor]).all()
    assert np.isfinite(np.asarray(far["prior_ess"])).all()
    with pytest.raises(SedumError, match=r"priors\.log_mass: allows"):
        do("x.fits", other_run(log_mass={"kind": "uniform", "low": 7.0, "high": 12.0}))
    with pytest.raises(SedumError, match="its model differs"):
        do("x.fits", parse_run(run_settings(model={"dust": "none"})))


def test_prior_of_a_run_is_that_of_its_model(small_run, small_model):
    assert check_swap(prior_of(small_run.model, small_run.priors), small_model.prior) == []
