"""The forward model: its parts against their definitions, and against plain integration."""

import itertools

import numpy as np
import pytest
import torch
from astropy import units
from astropy.cosmology import Planck18

from sedum import config
from sedum.errors import SedumError
from sedum.galaxies.axis import LYMAN_ALPHA, LYMAN_LIMIT, WavelengthAxis
from sedum.galaxies.components.attenuation import calzetti
from sedum.galaxies.components.igm import inoue14_optical_depth
from sedum.galaxies.cosmology import CosmologyTable
from sedum.galaxies.histories.families import DelayedTauHistory, DenseBasisHistory
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.stellar_grids import grid as grids
from sedum.galaxies.stellar_grids.published_tables import AGE_EDGES, bin_average_weights
from sedum.photometry.filters import FilterSet

NAMES = ["acs_wfc_f606w", "acs_wfc_f814w", "jwst_f150w", "jwst_f277w", "jwst_f444w"]


@pytest.fixture(scope="module")
def model():
    return GalaxyModel(FilterSet.from_names(NAMES))


@pytest.fixture(scope="module")
def theta(model):
    return model.prior.sample(400, np.random.default_rng(4))


# --- axis and grid ---------------------------------------------------------------------------


def test_axis_has_edges_on_the_lyman_jumps():
    axis = WavelengthAxis.covering(500, 5000)
    for jump in (LYMAN_ALPHA, LYMAN_LIMIT):
        assert np.abs(axis.edges / jump - 1).min() < 1e-12
    assert axis.edges[0] <= 500
    assert axis.edges[-1] >= 5000
    # The Lyman-alpha line lies on the side that is absorbed.
    assert axis.centres[axis.cell_of(LYMAN_ALPHA)] < LYMAN_ALPHA
    assert 1 / axis.step > 300


def test_cell_averages_conserve_integrals(rng):
    axis = WavelengthAxis.covering(1000, 3000)
    wavelength = np.sort(rng.uniform(900, 3200, 500))
    spectra = rng.uniform(0, 1, (3, 500))
    average = axis.average(wavelength, spectra)
    fine = np.linspace(axis.edges[0], axis.edges[-1], 400_001)
    for row, mean in zip(spectra, average, strict=True):
        expected = np.trapezoid(np.interp(fine, wavelength, row), fine)
        assert (mean * axis.widths).sum() == pytest.approx(expected, rel=1e-5)


def test_age_bins_integrate_linear_functions_exactly():
    ages = np.concatenate([[0], np.geomspace(1e5, 2e10, 300)])
    weights = bin_average_weights(ages, AGE_EDGES)
    np.testing.assert_allclose(weights.sum(1), 1)
    middle = 0.5 * (AGE_EDGES[1:] + AGE_EDGES[:-1])
    np.testing.assert_allclose(weights @ ages, middle, rtol=1e-9)


def test_damaged_cache_is_rebuilt(cache):
    for path in cache.glob("bc03_miles-*.safetensors"):
        path.unlink()
    whole = grids.load_grid()
    (path,) = cache.glob("bc03_miles-*.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert grids.load_grid().digest == whole.digest
    flipped = bytearray(path.read_bytes())
    flipped[len(flipped) // 2] ^= 255
    path.write_bytes(bytes(flipped))
    assert grids.load_grid().digest == whole.digest
    assert path.stat().st_size == len(content)


def test_nebular_light_grows_with_ionisation_in_high_lines():
    grid = grids.load_grid()
    oxygen = int(grid.axis.cell_of(5006.84))
    solar = int(np.argmin(abs(grid.log_z + 1.7)))
    assert grid.nebular[solar, 6, 0, oxygen] > 3 * grid.nebular[solar, 0, 0, oxygen]


# --- cosmology, dust, intergalactic medium ---------------------------------------------------


def test_cosmology_agrees_with_astropy():
    table = CosmologyTable("Planck18")
    z = np.array([0.01, 0.1, 1.234, 6.6, 14.0])
    distance = table.luminosity_distance(torch.from_numpy(z)).numpy()
    expected = Planck18.luminosity_distance(z).to_value(units.cm)
    np.testing.assert_allclose(distance, expected, rtol=1e-5)
    np.testing.assert_allclose(table.age_gyr(z), Planck18.age(z).value, rtol=1e-6)


def test_calzetti_values():
    # Calzetti et al. (2000), eq. 4: k(0.55 µm) = R_V to the rounding of the fit, and k(0.15).
    assert calzetti(np.array([5500.0]))[0] == pytest.approx(1.0, abs=0.01)
    k = 2.659 * (-2.156 + 1.509 / 0.15 - 0.198 / 0.15**2 + 0.011 / 0.15**3) + 4.05
    assert calzetti(np.array([1500.0]))[0] == pytest.approx(k / 4.05)
    assert (np.diff(calzetti(np.geomspace(300, 1e6, 500))) <= 1e-12).all()


def test_intergalactic_medium():
    # Inoue et al. (2014), eqs. 21-22 by hand: only Lyman alpha absorbs at 1120 Å, and the
    # absorber at z = 3 has λ / λ_α = 3.685: forest 2.354e-3 x^3.7, damped systems 5.39e-5 x^3.
    x = 1120 * 4 / 1215.67
    expected = 2.354e-3 * x**3.7 + 5.390e-5 * x**3
    assert inoue14_optical_depth(np.array([1120.0]), 3.0)[0] == pytest.approx(expected)
    # At z = 6.5 beyond x = 5.7 the forest goes as 1.026e-4 x^5.5.
    x = 1120 * 7.5 / 1215.67
    expected = 1.026e-4 * x**5.5 + 5.390e-5 * x**3
    assert inoue14_optical_depth(np.array([1120.0]), 6.5)[0] == pytest.approx(expected)
    assert (inoue14_optical_depth(np.array([1216.0, 5000.0]), 8.0) == 0).all()
    assert (inoue14_optical_depth(np.linspace(700, 1215, 300), 6.0) > 0).all()


def test_lyman_continuum_depth_is_continuous_in_redshift():
    """The published pieces of eqs. 25-29 meet where they change over, at z = 2 and 4.7."""
    wavelength = np.linspace(600, 900, 50)
    for z in (1.2, 2.0, 4.7):
        below = inoue14_optical_depth(wavelength, z - 1e-6)
        above = inoue14_optical_depth(wavelength, z + 1e-6)
        np.testing.assert_allclose(below, above, atol=0.05 * (1 + above.max()))


# --- star-formation histories ----------------------------------------------------------------


def dense_basis(n=2000, seed=5):
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 1, (n, 3)), axis=1)
    p = {
        "t25": times[:, 0],
        "t50": times[:, 1],
        "t75": times[:, 2],
        "log_ssfr": rng.uniform(-12, -7, n),
    }
    universe = torch.from_numpy(rng.uniform(3e8, 1.37e10, n))
    return {k: torch.from_numpy(v) for k, v in p.items()}, universe


def test_dense_basis_meets_its_quantiles_and_rate():
    p, universe = dense_basis()
    history = DenseBasisHistory(["t25", "t50", "t75"])
    for name, fraction in (("t25", 0.75), ("t50", 0.5), ("t75", 0.25)):
        lookback = ((1 - p[name]) * universe)[:, None]
        formed = history.formed_since(lookback, p, universe)[:, 0]
        assert (formed - fraction).abs().max() < 1e-9
    ends = torch.stack([0 * universe, universe, 2 * universe], dim=1)
    formed = history.formed_since(ends, p, universe)
    np.testing.assert_allclose(formed.numpy(), [[0, 1, 1]] * len(universe), atol=1e-12)
    # A step far inside the last interval, since a burst bends the history quickly.
    step = (1e-9 * (1 - p["t75"]) * universe)[:, None]
    rate = (history.formed_since(step, p, universe) / step)[:, 0]
    np.testing.assert_allclose(torch.log10(rate).numpy(), p["log_ssfr"].numpy(), atol=1e-3)


def test_dense_basis_is_monotone():
    p, universe = dense_basis(500)
    lookback = torch.linspace(0, 1, 2001)[None] ** 2 * universe[:, None]
    formed = DenseBasisHistory(["t25", "t50", "t75"]).formed_since(lookback, p, universe)
    assert (formed.diff(dim=1) >= -1e-12).all()


def test_delayed_tau_against_quadrature(rng):
    n = 50
    universe = torch.full((n,), 1.3e10, dtype=torch.float64)
    age, log_tau = rng.uniform(0.05, 12.9, n), rng.uniform(-2, 1.3, n)
    p = {"age": torch.from_numpy(age), "log_tau": torch.from_numpy(log_tau)}
    lookback = torch.tensor([1e7, 1e8, 1e9, 5e9], dtype=torch.float64)
    formed = DelayedTauHistory().formed_since(lookback, p, universe).numpy()
    for i in range(n):
        t = np.linspace(0, age[i], 200_001)
        rate = t * np.exp(-t / 10 ** log_tau[i])
        total = np.trapezoid(rate, t)
        for j, back in enumerate(lookback.numpy() / 1e9):
            late = t >= age[i] - back
            expected = np.trapezoid(np.where(late, rate, 0), t) / total
            assert formed[i, j] == pytest.approx(expected, abs=2e-5)


def test_mass_is_conserved(model, theta):
    stars = model.galaxies(torch.from_numpy(theta)).mixture.stars
    assert (stars >= 0).all()
    assert (stars.sum((1, 2)) - 1).abs().max() < 1e-5


# --- the assembled model ---------------------------------------------------------------------


def test_photometry_is_the_filter_average_of_the_spectrum(model, theta):
    """The fast projection against plain integration of the model's own spectrum."""
    some = theta[:40]
    flux = model.photometry(some)
    spectra = model.spectrum(some)
    for i in range(len(some)):
        edges = model.axis.edges * (1 + some[i, 0])
        # The model is constant in f_λ within cells: sample each cell finely.
        fine = np.concatenate([np.linspace(a, b, 12)[1:-1] for a, b in itertools.pairwise(edges)])
        f_lambda = spectra[i] / (model.axis.centres * (1 + some[i, 0])) ** 2
        f_nu = np.repeat(f_lambda, 10) * fine**2
        brightest = flux[i].max()
        for j, band in enumerate(model.filters):
            expected = band.average(fine, f_nu)
            assert flux[i, j] == pytest.approx(expected, rel=2e-3, abs=float(1e-4 * brightest))


def test_flux_scales_with_mass_and_is_independent_of_the_batch(model, theta):
    flux = model.photometry(theta)
    heavier = theta.copy()
    heavier[:, model.prior.names.index("log_mass")] += 1
    np.testing.assert_allclose(model.photometry(heavier), 10 * flux, rtol=1e-4)
    alone = np.concatenate([model.photometry(row[None]) for row in theta[:20]])
    np.testing.assert_allclose(alone, flux[:20], rtol=1e-4, atol=1e-12)


def test_gradients_agree_with_differences(model):
    theta = model.prior.sample(30, np.random.default_rng(9))
    theta[:, 0] = np.linspace(0.5, 5.0, 30)
    at = torch.from_numpy(theta).requires_grad_()
    model.flux(at)[:, 3].log().sum().backward()
    assert torch.isfinite(at.grad).all()
    step = {"redshift": 1e-3, "log_mass": 1e-2, "log_z": 1e-3, "av": 1e-2, "log_u": 1e-2}
    for name, h in step.items():
        j = model.prior.names.index(name)
        up, down = torch.from_numpy(theta.copy()), torch.from_numpy(theta.copy())
        up[:, j] += h
        down[:, j] = (down[:, j] - h).clamp(min=1e-6 if name == "av" else -1e9)
        width = (up[:, j] - down[:, j]).numpy()
        difference = (model.flux(up).log() - model.flux(down).log())[:, 3].numpy() / width
        close = np.abs(at.grad[:, j].numpy() - difference) < 0.05 * np.abs(difference) + 0.02
        # A step may cross a cell of the grid, where the derivative jumps.
        assert close.mean() > 0.85, name


def test_derived_quantities_agree_with_each_other(model, theta):
    derived = model.derived(theta)
    mass = theta[:, model.prior.names.index("log_mass")]
    assert (
        (derived["log_mass_surviving"] < mass) & (derived["log_mass_surviving"] > mass - 0.5)
    ).all()
    universe = model.cosmology.age_gyr(theta[:, 0])
    assert (derived["mass_weighted_age"] < universe).all()
    assert (derived["log_sfr_100"] <= mass - 8 + 1e-9).all()
    assert all(np.isfinite(column).all() for column in derived.values())


def test_mass_weighted_age_is_between_its_quantiles(model, theta):
    """Mean age within the bounds that the quartiles of the assembly imply."""
    p = dict(zip(model.prior.names, theta.T, strict=True))
    universe = model.cosmology.age_gyr(p["redshift"])
    age = model.derived(theta)["mass_weighted_age"] / universe
    low = 0.25 * ((1 - p["t75"]) + (1 - p["t50"]) + (1 - p["t25"]))
    assert (age >= low - 0.002).all()
    assert (age <= low + 0.25 + 0.002).all()


def test_dust_reddens_the_ultraviolet_slope(model, theta):
    dusty = theta.copy()
    j = model.prior.names.index("av")
    dusty[:, j] = 0.1
    before = model.derived(dusty)["uv_slope"]
    dusty[:, j] = 1.1
    change = model.derived(dusty)["uv_slope"] - before
    # Slope of 0.4 ln10 k(λ)/R_V against ln λ over the windows: 2.3 per magnitude of A_V / 2.
    assert (change > 0.8).all()
    assert (change < 1.6).all()


@pytest.mark.parametrize(
    "change",
    [
        {"nebular": False},
        {"dust": "none"},
        {"igm": "none"},
        {"history": config.DelayedTauSFH(kind="delayed_tau")},
        {"history": config.DenseBasisSFH(quantiles=5)},
    ],
)
def test_every_component_can_be_left_out(change):
    variant = GalaxyModel(FilterSet.from_names(NAMES), config.ModelSettings(**change))
    drawn = variant.prior.sample(200, np.random.default_rng(8))
    assert np.isfinite(variant.photometry(drawn)).all()
    assert all(np.isfinite(column).all() for column in variant.derived(drawn).values())


def test_components_add_and_remove_light(model, theta):
    """Gas adds light beyond the Lyman limit; dust and the intergalactic medium remove it."""
    flux = model.photometry(theta)
    keep = [i for i, name in enumerate(model.prior.names) if name != "log_u"]
    stars = GalaxyModel(model.filters, config.ModelSettings(nebular=False)).photometry(
        theta[:, keep]
    )
    low = theta[:, 0] < 4  # every band is redder than the Lyman limit
    assert (stars[low] <= flux[low] * (1 + 1e-4)).all()
    keep = [i for i, name in enumerate(model.prior.names) if name != "av"]
    clear = GalaxyModel(model.filters, config.ModelSettings(dust="none")).photometry(theta[:, keep])
    assert (clear >= flux * (1 - 1e-4)).all()
    through = GalaxyModel(model.filters, config.ModelSettings(igm="none")).photometry(theta)
    assert (through >= flux * (1 - 1e-4)).all()


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"), [("redshift", 15.0), ("redshift", -1.0), ("log_z", -6.0), ("av", np.nan)]
)
def test_parameters_outside_the_model_are_named(model, theta, name, value):
    bad = theta[:5].copy()
    bad[3, model.prior.names.index(name)] = value
    with pytest.raises(SedumError, match=f"row 3: {name}"):
        model.photometry(bad)


def test_one_galaxy_and_none(model, theta):
    np.testing.assert_allclose(model.photometry(theta[0]), model.photometry(theta[:1]))
    assert model.photometry(theta[:0]).shape == (0, len(NAMES))
    assert model.spectrum(theta[:0]).shape == (0, model.axis.size)
    assert len(model.derived(theta[:0])["uv_slope"]) == 0


@pytest.mark.parametrize(("name", "value"), [("t50", 0.0), ("log_mass", np.inf), ("av", -1.0)])
def test_unphysical_parameters_are_named(model, theta, name, value):
    bad = theta[:4].copy()
    bad[2, model.prior.names.index("t25")] = 0.1
    bad[2, model.prior.names.index(name)] = value
    with pytest.raises(SedumError, match=f"row 2: {name}"):
        model.photometry(bad)


def test_age_beyond_the_universe_is_named():
    old = GalaxyModel(
        FilterSet.from_names(NAMES), config.ModelSettings(history=config.DelayedTauSFH())
    )
    bad = old.prior.sample(3, np.random.default_rng(1))
    bad[1, old.prior.names.index("age")] = 13.5
    with pytest.raises(SedumError, match=r"row 1: age = 13.5 Gyr is more than the age"):
        old.photometry(bad)


def test_band_that_leaves_the_spectra_in_the_blue_is_refused_unless_dark():
    far = {"redshift": config.UniformPrior(kind="uniform", low=0.1, high=9.0)}
    GalaxyModel(FilterSet.from_names(["galex_FUV"]), priors=far)  # the medium hides it
    with pytest.raises(SedumError, match=r"galex_FUV.*cover 232 to.*at z = 9"):
        GalaxyModel(FilterSet.from_names(["galex_FUV"]), config.ModelSettings(igm="none"), far)


def test_wrong_number_of_columns(model):
    with pytest.raises(SedumError, match="3 columns; the model has 9"):
        model.photometry(np.zeros((2, 3)))


def test_priors_beyond_the_grid_are_refused():
    wide = {"log_z": config.UniformPrior(kind="uniform", low=-6, high=-1)}
    with pytest.raises(SedumError, match=r"priors.log_z.*-6.*covers -4"):
        GalaxyModel(FilterSet.from_names(NAMES), priors=wide)
    late = {"redshift": config.UniformPrior(kind="uniform", low=0.0, high=30)}
    with pytest.raises(SedumError, match=r"priors.redshift"):
        GalaxyModel(FilterSet.from_names(NAMES), priors=late)


def test_band_beyond_the_spectra_is_refused():
    with pytest.raises(SedumError, match="herschel_pacs_100"):
        GalaxyModel(FilterSet.from_names(["herschel_pacs_100"]))


def test_fingerprint_follows_the_settings(model):
    same = GalaxyModel(FilterSet.from_names(NAMES))
    assert same.fingerprint() == model.fingerprint()
    other = GalaxyModel(FilterSet.from_names(NAMES), config.ModelSettings(dust="none"))
    differing = {k for k, v in other.fingerprint().items() if model.fingerprint()[k] != v}
    assert "model" in differing
    assert "filters" not in differing
