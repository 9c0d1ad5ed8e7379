"""Star-formation histories: conservation of mass, their definitions, and tables."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sedum import config
from sedum.errors import SedumError
from sedum.galaxies.histories.binned import bin_edges
from sedum.galaxies.histories.families import make_history
from sedum.galaxies.histories.monotone_splines import rational_quadratic, rational_quadratic_mean
from sedum.galaxies.histories.tabulated import TabulatedHistories
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.model_parameters import prior_of
from sedum.photometry.filters import FilterSet

SPECS = [
    config.ConstantSFH(),
    config.BurstSFH(),
    config.ExponentialSFH(),
    config.DelayedTauSFH(),
    config.LogNormalSFH(),
    config.DoublePowerLawSFH(),
    config.DenseBasisSFH(quantiles=1),
    config.DenseBasisSFH(quantiles=10),
    config.ContinuitySFH(),
    config.ContinuitySFH(edges=[0, 10, 100, 1000, 5000]),
    config.FlexibleContinuitySFH(),
    config.DirichletBinsSFH(),
    config.SumSFH(components=[config.DenseBasisSFH(), config.BurstSFH()]),
    config.SumSFH(
        components=[
            config.LogNormalSFH(),
            config.BurstSFH(),
            config.BurstSFH(),
            config.ConstantSFH(),
        ]
    ),
]


def draw(spec, n=400, seed=2):
    prior = prior_of(config.ModelSettings(history=spec), {})
    theta = torch.from_numpy(prior.sample(n, np.random.default_rng(seed)))
    p = dict(zip(prior.names, theta.unbind(1), strict=True))
    from sedum.galaxies.cosmology import CosmologyTable

    return p, CosmologyTable().age(p["redshift"])


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.kind)
def test_mass_is_conserved_and_no_star_older_than_the_universe(spec):
    p, universe = draw(spec)
    history = make_history(spec)
    steps = torch.linspace(0, 1, 301, dtype=torch.float64) ** 3
    formed = history.formed_since(steps * universe[:, None], p, universe)
    assert formed[:, 0].abs().max() < 1e-9
    assert (formed[:, -1] - 1).abs().max() < 1e-5
    assert (formed.diff(dim=1) >= -1e-9).all()
    beyond = history.formed_since(2 * universe[:, None], p, universe)
    assert (beyond - 1).abs().max() < 1e-5


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.kind)
def test_mean_ages_are_the_integral_of_what_is_older(spec):
    p, universe = draw(spec, n=150)
    history = make_history(spec)
    # Far finer than what is used where there is no formula: 8193 points against 257.
    times = torch.linspace(0, 1, 8193, dtype=torch.float64) ** 3 * universe[:, None]
    expected = torch.trapezoid(1 - history.formed_since(times, p, universe), times, dim=1)
    mean = history.mean_age(p, universe)
    exact = spec.kind in ("dense_basis", "continuity", "continuity_flex", "dirichlet")
    # Without a formula brief histories of the widest priors are off by some per cent.
    np.testing.assert_allclose(mean, expected, rtol=1e-4 if exact else 0.06)


def test_splines_have_the_means_of_their_values():
    # Slopes from far below to far above the secant's, and where the closed form would cancel.
    rng = np.random.default_rng(1)
    slopes = np.concatenate([10 ** rng.uniform(-4, 4, (400, 3)), 1 + rng.normal(0, 2e-3, (99, 3))])
    x = torch.tensor([[0.0, 0.3, 1.0]], dtype=torch.float64).expand(len(slopes), -1)
    y = torch.tensor([[0.0, 0.3, 1.0]], dtype=torch.float64).expand(len(slopes), -1)
    u = torch.linspace(0, 1, 200_001, dtype=torch.float64)
    for some in range(0, len(slopes), 50):
        d = torch.from_numpy(slopes[some : some + 50])
        values = rational_quadratic(u, x[: len(d)], y[: len(d)], d)
        expected = torch.trapezoid(values, u, dim=1)
        mean = rational_quadratic_mean(x[: len(d)], y[: len(d)], d)
        np.testing.assert_allclose(mean, expected, atol=2e-7)


#: Rates against time since the Big Bang or since the beginning, in Gyr, by plain formulas.
RATES = {
    "constant": lambda t, p, T: (t >= T - p["age"]) & (t <= T - p["age"] * p["quiet_fraction"]),
    "exponential": lambda t, p, T: np.where(
        t >= T - p["age"], np.exp(-(t - T + p["age"]) / 10 ** p["log_tau"]), 0
    ),
    "delayed_tau": lambda t, p, T: np.where(
        t >= T - p["age"],
        (t - T + p["age"]) * np.exp(-(t - T + p["age"]) / 10 ** p["log_tau"]),
        0,
    ),
    "double_power_law": lambda t, p, T: np.exp(
        -np.logaddexp(p["alpha"] * np.log(t / p["t_turn"]), -p["beta"] * np.log(t / p["t_turn"]))
    ),
}


@pytest.mark.parametrize("kind", RATES)
def test_history_is_the_integral_of_its_rate(kind):
    spec = next(s for s in SPECS if s.kind == kind)
    priors = {
        "redshift": config.UniformPrior(kind="uniform", low=0.1, high=3.0),
        "quiet_fraction": config.UniformPrior(kind="uniform", low=0.0, high=0.8),
        "alpha": config.LogUniformPrior(kind="log_uniform", low=0.1, high=20),
        "beta": config.LogUniformPrior(kind="log_uniform", low=0.1, high=20),
        "log_tau": config.UniformPrior(kind="uniform", low=-1, high=1),
    }
    model = config.ModelSettings(history=spec)
    used = {k: v for k, v in priors.items() if k in model.parameters()}
    prior = prior_of(model, used)
    theta = prior.sample(25, np.random.default_rng(3))
    p = {k: torch.from_numpy(v) for k, v in zip(prior.names, theta.T, strict=True)}
    universe = torch.linspace(2.5, 12.0, 25, dtype=torch.float64) * 1e9
    if "age" in p:
        p["age"] = p["age"].clamp(max=2.4)
    lookback = torch.tensor([1e7, 1e8, 1e9, 2e9], dtype=torch.float64)
    formed = make_history(spec).formed_since(lookback, p, universe).numpy()
    for i in range(25):
        one = {k: float(v[i]) for k, v in p.items()}
        top = float(universe[i]) / 1e9
        t = np.linspace(1e-6, top, 400_001)
        rate = RATES[kind](t, one, top).astype(float)
        total = np.concatenate([[0], np.cumsum((rate[1:] + rate[:-1]) / 2)])
        expected = 1 - np.interp(top - lookback.numpy() / 1e9, t, total) / total[-1]
        np.testing.assert_allclose(formed[i], expected, atol=3e-4)


@pytest.mark.parametrize("ratio", [5.0, 30.0, 40.0, 100.0, 300.0])
def test_late_delayed_star_formation_is_not_lost_to_rounding(ratio):
    """The rate t exp(-t / tau) is tiny, but known, many e-folding times after the beginning."""
    universe = torch.full((1,), 1.3e10, dtype=torch.float64)
    p = {"age": torch.tensor([10.0]).double(), "log_tau": torch.tensor([10.0 / ratio]).log10()}
    p["log_tau"] = p["log_tau"].double()
    tau = 10 ** float(p["log_tau"]) * 1e9
    formed = make_history(config.DelayedTauSFH()).formed_since(
        torch.tensor([1e6], dtype=torch.float64), p, universe
    )
    start, end = (1e10 - 1e6) / tau, 1e10 / tau
    t = np.linspace(start, end, 2001)
    expected = np.trapezoid(t * np.exp(-t), t) / (1 - (1 + end) * np.exp(-end))
    assert float(formed[0, 0]) == pytest.approx(expected, rel=1e-6)


def test_log_normal_has_its_peak_and_width():
    universe = torch.full((1,), 1.3e10, dtype=torch.float64)
    p = {"t_peak": torch.tensor([3.0]).double(), "fwhm": torch.tensor([4.0]).double()}
    lookback = torch.linspace(0, 1.3e10, 40_001, dtype=torch.float64)
    formed = make_history(config.LogNormalSFH()).formed_since(lookback, p, universe)[0]
    rate = formed.diff().numpy()
    time = 13 - (lookback[1:] + lookback[:-1]).numpy() / 2e9
    assert time[rate.argmax()] == pytest.approx(3.0, abs=0.01)
    high = time[rate >= rate.max() / 2]
    assert high.max() - high.min() == pytest.approx(4.0, abs=0.01)


def test_continuity_rates_have_their_ratios():
    spec = config.ContinuitySFH()
    p, universe = draw(spec, 50)
    edges = bin_edges(spec, universe)
    assert (edges.diff(dim=1) > 0).all()
    rate = make_history(spec).formed_since(edges, p, universe).diff(dim=1) / edges.diff(dim=1)
    ratios = torch.log10(rate[:, :-1] / rate[:, 1:])
    for i in range(6):
        np.testing.assert_allclose(ratios[:, i], p[f"log_sfr_ratio_{i + 1}"], atol=1e-6)


def test_flexible_bins_hold_equal_masses():
    """Leja et al. (2019): ratios of the rates of flexible bins, each of the same mass."""
    spec = config.FlexibleContinuitySFH(flexible=4)
    universe = torch.full((1,), 1e10, dtype=torch.float64)
    names = ["log_sfr_ratio_young", "log_sfr_ratio_old", *spec.vectors()["log_sfr_ratios"]]
    p = {
        n: torch.tensor([v]).double()
        for n, v in zip(names, [0.3, -0.2, 0.1, -0.4, 0.2], strict=True)
    }
    widths = np.cumprod([1, 10**0.1, 10**-0.4, 10**0.2])
    widths *= (1e10 - 3e7 - 1.5e9) / widths.sum()
    masses = [10**0.3 * 3e7 / widths[0], 1, 1, 1, 1, 10**-0.2 * 1.5e9 / widths[-1]]
    edges = torch.from_numpy(np.cumsum([0, 3e7, *widths, 1.5e9]))
    formed = make_history(spec).formed_since(edges, p, universe)[0].numpy()
    np.testing.assert_allclose(formed, np.cumsum([0, *masses]) / np.sum(masses), atol=1e-9)


def test_dirichlet_fractions_are_of_rates():
    spec = config.DirichletBinsSFH(edges=[0, 100, 1000])
    universe = torch.full((1,), 1e10, dtype=torch.float64)
    p = {
        "sfr_fraction_1": torch.tensor([0.5]).double(),
        "sfr_fraction_2": torch.tensor([0.7]).double(),
    }
    formed = make_history(spec).formed_since(torch.tensor([1e8, 1e9]).double(), p, universe)
    mass = np.array([0.5 * 0.1, 0.2 * 0.9, 0.3 * 9.0])
    np.testing.assert_allclose(formed[0], np.cumsum(mass)[:2] / mass.sum(), atol=1e-12)


def test_burst_takes_its_fraction():
    spec = config.SumSFH(components=[config.ConstantSFH(), config.BurstSFH()])
    p, universe = draw(spec, 100)
    p["burst_age"] = 0.3 * universe / 1e9
    history = make_history(spec)
    around = torch.stack([0.25 * universe, 0.35 * universe], dim=1)
    added = history.formed_since(around, p, universe).diff(dim=1)[:, 0]
    base = make_history(config.ConstantSFH()).formed_since(around, p, universe).diff(dim=1)[:, 0]
    expected = base * (1 - p["burst_fraction"]) + p["burst_fraction"]
    np.testing.assert_allclose(added, expected, atol=1e-12)


# --- tables ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    filters = FilterSet.from_names(["sdss_g0", "jwst_f200w", "jwst_f444w"])
    return GalaxyModel(filters, config.ModelSettings(history=config.DelayedTauSFH()))


def test_tabulated_history_gives_the_light_of_the_formula(model):
    theta = model.prior.sample(60, np.random.default_rng(5))
    at = model.prior.names.index
    theta[:, at("redshift")] = np.linspace(0.1, 2.0, 60)
    theta[:, at("age")] = 2.5
    theta[:, at("log_tau")] = np.linspace(-0.5, 1.0, 60)
    edges = np.concatenate([[0], np.geomspace(1e5, 3e9, 3000)])
    rate = model.star_formation_rate(theta, edges)
    z = np.repeat(10 ** theta[:, [at("log_z")]], rate.shape[1], axis=1)
    tables = TabulatedHistories(edges, rate, z)
    np.testing.assert_allclose(np.log10(tables.mass), theta[:, at("log_mass")], atol=1e-6)
    np.testing.assert_allclose(
        model.photometry(theta, tables), model.photometry(theta), rtol=2e-3, atol=1e-12
    )
    ours, theirs = model.derived(theta), model.derived(theta, histories=tables)
    for name in ours:
        np.testing.assert_allclose(theirs[name], ours[name], atol=0.01, err_msg=name)


@given(bad=st.sampled_from([np.nan, -1.0, np.inf]), row=st.integers(0, 4))
def test_bad_tables_name_the_row(bad, row):
    rate = np.ones((5, 3))
    rate[row, 1] = bad
    with pytest.raises(SedumError, match=f"row {row}"):
        TabulatedHistories(np.array([0, 1e8, 1e9, 2e9]), rate, np.full((5, 3), 0.01))


def test_tables_beyond_the_universe_or_the_grid_name_the_row(model):
    theta = model.prior.sample(2, np.random.default_rng(1))
    theta[:, 0] = 3.0
    theta[:, model.prior.names.index("age")] = 1.0
    edges = np.array([0, 1e9, 3e9])
    old = TabulatedHistories(edges, np.array([[1.0, 0], [1, 1]]), np.full((2, 2), 0.01))
    with pytest.raises(SedumError, match="row 1: stars older"):
        model.photometry(theta, old)
    rich = TabulatedHistories(edges, np.array([[1.0, 0], [1, 0]]), np.array([[0.01, 9], [9, 0.01]]))
    with pytest.raises(SedumError, match="row 1: a metallicity outside"):
        model.photometry(theta, rich)
    with pytest.raises(SedumError, match="2 histories for 1 rows"):
        model.photometry(theta[:1], old)


# --- what the run file can ask for -----------------------------------------------------------


def test_names_of_added_components_do_not_clash():
    spec = config.SumSFH(components=[config.DenseBasisSFH(), config.BurstSFH(), config.BurstSFH()])
    names = prior_of(config.ModelSettings(history=spec), {}).names
    assert len(set(names)) == len(names)
    assert {"burst_age", "burst_fraction", "burst2_age", "burst2_fraction"} <= set(names)


def test_ages_that_may_exceed_the_universe_are_refused():
    model = config.ModelSettings(history=config.DelayedTauSFH())
    flat = {"age": config.UniformPrior(kind="uniform", low=0.1, high=5.0)}
    with pytest.raises(SedumError, match=r"priors.age: reaches 5 Gyr.*universe_age"):
        prior_of(model, flat)


def test_priors_where_a_parameter_means_nothing_are_refused():
    with pytest.raises(SedumError, match=r"priors.av: reaches -1"):
        prior_of(
            config.ModelSettings(), {"av": config.UniformPrior(kind="uniform", low=-1, high=1)}
        )
    with pytest.raises(SedumError, match=r"priors.av: reaches -inf"):
        prior_of(config.ModelSettings(), {"av": config.NormalPrior(kind="normal", mean=0, sigma=1)})
