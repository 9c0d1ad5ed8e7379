"""Dust, emission, gas, nucleus, foreground, spectra and derived quantities."""

import numpy as np
import pytest
import torch

from sedum import config
from sedum.errors import SedumError
from sedum.galaxies.components.agn import ActiveNucleus
from sedum.galaxies.components.attenuation import Attenuation
from sedum.galaxies.components.dust_emission import make_emission
from sedum.galaxies.components.igm import damping_wing, madau95_optical_depth
from sedum.galaxies.components.starlight import metal_weights
from sedum.galaxies.derived import DEFAULTS, derived_quantities
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.stellar_grids.grid import grid_axis, load_grid
from sedum.photometry.extinction import extinction
from sedum.photometry.filters import FilterSet

CPU = torch.device("cpu")
FILTERS = FilterSet.from_names(["jwst_f150w", "jwst_f444w"])


def columns(**values):
    return {k: torch.atleast_1d(torch.tensor(v, dtype=torch.float64)) for k, v in values.items()}


NEAR = {"redshift": config.UniformPrior(kind="uniform", low=0.1, high=5.0)}


def build(**components):
    return GalaxyModel(FILTERS, config.ModelSettings(**components), NEAR)


# --- dust ------------------------------------------------------------------------------------


def test_extinction_curves():
    assert extinction("milky_way", np.array([5494.5]))[0] == pytest.approx(1.0, abs=0.01)
    assert extinction("smc", np.array([5500.0]))[0] == pytest.approx(1.0, abs=0.03)
    # Beyond the published range the curves go on without a jump, and stay positive.
    for name in ("milky_way", "smc"):
        curve = extinction(name, np.geomspace(300, 1e7, 4000))
        assert (curve > 0).all()
        assert np.abs(np.diff(np.log(curve))).max() < 0.1
    bump = extinction("milky_way", np.array([1900.0, 2175.0, 2500.0]))
    assert bump[1] > bump[0]
    assert bump[1] > bump[2]


def test_attenuation_laws():
    wavelength = np.array([1500.0, 2175.0, 5500.0, 10_000.0])
    power = Attenuation(config.DustSettings(law="power_law"), wavelength, CPU)
    depth, none = power.depths(columns(av=2.0, dust_slope=0.7))
    np.testing.assert_allclose(depth[0] * 1.0857, 2 * (wavelength / 5500) ** -0.7, rtol=1e-4)
    assert none is None
    salim = Attenuation(config.DustSettings(law="salim"), wavelength, CPU)
    plain = Attenuation(config.DustSettings(law="calzetti"), wavelength, CPU)
    flat, _ = salim.depths(columns(av=1.0, dust_delta=0.0, dust_bump=0.0))
    np.testing.assert_allclose(flat, plain.depths(columns(av=1.0))[0], rtol=1e-5)
    # Salim et al. (2018), eq. 4: a bump B adds B mag to A(2175) for R_V mag in V.
    bump, _ = salim.depths(columns(av=4.05, dust_delta=0.0, dust_bump=2.0))
    base, _ = salim.depths(columns(av=4.05, dust_delta=0.0, dust_bump=0.0))
    assert float((bump - base)[0, 1]) * 1.0857 == pytest.approx(2.0, rel=1e-3)
    clouds = Attenuation(config.DustSettings(law="charlot_fall"), wavelength, CPU)
    _, extra = clouds.depths(columns(av=1.0, eta=3.0, dust_slope=0.7, dust_slope_birth=1.3))
    np.testing.assert_allclose(extra[0] * 1.0857, 2 * (wavelength / 5500) ** -1.3, rtol=1e-4)


@pytest.mark.parametrize(
    "dust",
    [
        config.DustSettings(law="calzetti", emission="draine_li"),
        config.DustSettings(law="charlot_fall", emission="modified_black_body"),
    ],
)
def test_dust_emits_what_it_absorbs(dust):
    model = build(dust=dust)
    theta = model.prior.sample(30, np.random.default_rng(2))
    galaxies = model.galaxies(torch.from_numpy(theta))
    everything = slice(0, model.axis.size)
    widths = torch.from_numpy(model.axis.widths)
    bright = torch.zeros(2, 30, dtype=torch.float64)
    for k, dusty in enumerate((True, False)):
        for rows, light in model.emergent.spectra(galaxies, everything, dusty):
            bright[k, rows] = light.double() @ widths
    # Energy that dust absorbs below the Lyman limit is not given back: old stars, next to none.
    np.testing.assert_allclose(bright[0], bright[1], rtol=3e-3)
    lost = model.derived(theta, ["log_l_ir"])["log_l_ir"]
    assert (10**lost <= 10 ** theta[:, 1] * bright[1].numpy()).all()


def test_emission_is_normalised():
    axis = grid_axis()
    draine = make_emission(config.DustSettings(emission="draine_li"), axis, CPU)
    p = columns(qpah=[0.1, 2.0, 4.58], umin=[0.1, 3.3, 25.0], gamma=[0.0, 0.1, 1.0])
    everything = slice(0, axis.size)
    total = draine.spectrum(p, everything).double() @ torch.from_numpy(axis.widths)
    np.testing.assert_allclose(total, 1, rtol=1e-4)
    grey = make_emission(config.DustSettings(emission="modified_black_body"), axis, CPU)
    p = columns(dust_temperature=[20.0, 60.0], dust_beta=[0.0, 0.0])
    light = grey.spectrum(p, everything)
    peak = axis.centres[light.argmax(1)]
    # Wien's law of L_λ.
    np.testing.assert_allclose(peak, 2.897771955e7 / np.array([20.0, 60.0]), rtol=5e-3)


# --- gas, metals, nucleus, medium ------------------------------------------------------------


def test_metal_weights_against_sampling(rng):
    nodes = torch.from_numpy(load_grid().log_z)
    mean = torch.tensor([-2.0, -3.9, -1.2]).double()
    sigma = torch.tensor([0.3, 0.5, 0.1]).double()
    weights = metal_weights(mean, sigma, nodes)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-9)
    for i in range(3):
        x = rng.normal(float(mean[i]), float(sigma[i]), 400_000)
        x = x[(x >= float(nodes[0])) & (x <= float(nodes[-1]))]
        at = np.interp(x, nodes, np.arange(len(nodes)))
        hats = np.clip(1 - np.abs(at[:, None] - np.arange(len(nodes))), 0, 1).mean(0)
        # Five standard errors of a mean of numbers below one: 5 * 0.5 / sqrt(n).
        assert np.abs(weights[i].numpy() - hats).max() < 2.5 / np.sqrt(len(x))


def test_narrow_spread_is_a_single_metallicity():
    single, spread = build(), build(metallicity="spread")
    theta = single.prior.sample(50, np.random.default_rng(2))
    nodes = single.grid.log_z
    theta[:, 2] = np.resize((nodes[1:-2] + nodes[2:-1]) / 2, 50)
    wide = np.insert(theta, 3, 0.02, axis=1)
    np.testing.assert_allclose(spread.photometry(wide), single.photometry(theta), rtol=2e-3)


def test_gas_metallicity_equal_to_the_stars_changes_nothing():
    plain, free = build(), build(gas_metallicity="free")
    theta = plain.prior.sample(50, np.random.default_rng(2))
    same = np.c_[theta, theta[:, 2]]
    np.testing.assert_allclose(free.photometry(same), plain.photometry(theta), rtol=1e-4)
    same[:, -1] -= 0.5
    same[:, -1] = np.maximum(same[:, -1], -4)
    assert np.abs(free.photometry(same) / plain.photometry(theta) - 1).max() > 0.01


def test_escape_dims_lines_and_frees_ionising_light():
    model = build(escape=True)
    theta = model.prior.sample(50, np.random.default_rng(2))
    j = model.prior.names.index("f_esc")
    closed, half = theta.copy(), theta.copy()
    closed[:, j], half[:, j] = 0.0, 0.5
    names = ["log_lum_Ha"]
    drop = model.derived(closed, names)["log_lum_Ha"] - model.derived(half, names)["log_lum_Ha"]
    np.testing.assert_allclose(drop, np.log10(2), atol=1e-4)
    wave = np.array([850.0])
    spectra = [model.spectrum(t, wave, frame="rest")[:, 0] for t in (closed, half)]
    assert (spectra[1] > spectra[0]).all()


def test_h_alpha_follows_ionising_photons():
    """Case B: 1.37e-12 erg per ionising photon (Osterbrock & Ferland 2006), 10% for Z and U."""
    grid = load_grid()
    line = grid.line_names.index("H  1  6562.80A")
    for z in (2, 3, 4):
        per_photon = grid.lines[z, 4, :8, line] * 3.828e33 / grid.ionising[z, :8]
        np.testing.assert_allclose(per_photon, 1.37e-12, rtol=0.1)


def test_nucleus_has_its_fraction_of_the_light():
    model = build(agn=True)
    theta = model.prior.sample(20, np.random.default_rng(2))
    off = theta.copy()
    at = model.prior.names.index
    theta[:, at("agn_fraction")], off[:, at("agn_fraction")] = 3.0, 0.0
    galaxies = [model.galaxies(torch.from_numpy(t)) for t in (theta, off)]
    stellar = model.axis.part(912, 1e7)
    widths = torch.from_numpy(model.axis.widths[stellar])
    total = torch.zeros(2, 20, dtype=torch.float64)
    for k in range(2):
        for rows, light in model.emergent.spectra(galaxies[k], stellar):
            total[k, rows] = light.double() @ widths
    stars = model.starlight.bolometric(galaxies[0].mixture)
    np.testing.assert_allclose((total[0] - total[1]) / stars, 3.0, rtol=0.01)
    nucleus = ActiveNucleus(model.axis, CPU)
    torus = nucleus.spectrum(
        columns(agn_slope=-1.54, agn_av=0.0, agn_torus=1.0), slice(0, model.axis.size)
    )[0]
    peak = model.axis.centres[int((torus * torch.from_numpy(model.axis.centres)).argmax())]
    assert 5e4 < peak < 6e5  # the hot dust of a torus shines in the mid-infrared


def test_madau_and_the_damping_wing():
    # Madau (1995), eq. 12: only Lyman alpha absorbs at 1100 Å.
    depth = madau95_optical_depth(np.array([1100.0, 1216.0]), 3.0)
    assert depth[0] == pytest.approx(3.6e-3 * (4 * 1100 / 1215.67) ** 3.46, rel=1e-3)
    assert depth[1] == 0
    wave = torch.tensor([1216.5, 1220.0, 1230.0, 1260.0]).double()
    passed = damping_wing(
        wave, torch.tensor([8.0, 5.0]).double(), torch.tensor([1.0, 1.0]).double()
    )
    assert (passed[0].diff() > 0).all()
    assert passed[0, 0] < 0.2
    assert passed[0, -1] > 0.85
    assert (passed[1] == 1).all()


def test_milky_way_dims_by_its_extinction():
    model = build(milky_way=True)
    theta = model.prior.sample(20, np.random.default_rng(2))
    theta[:, -1] = 0.0
    clear = model.photometry(theta)
    theta[:, -1] = 0.2
    faded = -2.5 * np.log10(model.photometry(theta) / clear)
    pivots = np.array([band.pivot for band in FILTERS])
    np.testing.assert_allclose(faded.mean(0), 0.62 * extinction("milky_way", pivots), rtol=0.05)


# --- spectra ---------------------------------------------------------------------------------


def test_spectra_at_any_wavelength_and_resolution():
    model = build()
    theta = model.prior.sample(20, np.random.default_rng(2))
    theta[:, 0] = np.linspace(0.5, 4, 20)
    cells = model.spectrum(theta)
    for i in (0, 19):
        seen = model.axis.centres * (1 + theta[i, 0])
        inside = (seen > 6000) & (seen < 40_000)
        again = model.spectrum(theta[i : i + 1], seen[inside])
        np.testing.assert_allclose(again[0], cells[i, inside], rtol=2e-4)
    wave = np.geomspace(8000, 20_000, 3000)
    sharp, soft = model.spectrum(theta, wave), model.spectrum(theta, wave, resolution=50)
    np.testing.assert_allclose(soft.mean(1), sharp.mean(1), rtol=0.02)
    assert np.abs(np.diff(soft, axis=1)).sum() < 0.5 * np.abs(np.diff(sharp, axis=1)).sum()
    assert np.isnan(model.spectrum(theta[:1], np.array([10.0, 1e4]))[0, 0])


def test_rest_frame_is_the_galaxy_at_ten_parsec():
    low = {"redshift": config.FixedPrior(kind="fixed", value=0.0)}
    here = GalaxyModel(FILTERS, config.ModelSettings(igm="none"), low)
    model = build()
    theta = model.prior.sample(10, np.random.default_rng(2))
    at_rest = theta.copy()
    at_rest[:, 0] = 0.0
    # Times are fractions of the Universe's age: the same only where they do not matter, so the
    # spectrum of the model at z = 0 is compared with itself in both frames.
    wave = np.geomspace(2000, 20_000, 500)
    np.testing.assert_allclose(
        here.spectrum(at_rest, wave), here.spectrum(at_rest, wave, frame="rest"), rtol=1e-6
    )
    absolute = -2.5 * np.log10(here.photometry(at_rest)[:, 0]) + 23.9
    derived = here.derived(at_rest, ["absmag_jwst_f150w"])["absmag_jwst_f150w"]
    np.testing.assert_allclose(derived, absolute, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame": "moving"}, "frame: found 'moving'"),
        ({"resolution": 5000}, "finer than the model's cells"),
        ({"wavelength": np.array([np.nan])}, "not finite"),
        ({"wavelength": np.array([1e12])}, "no value lies within"),
    ],
)
def test_spectra_that_cannot_be_had(change, message):
    model = build()
    theta = model.prior.sample(2, np.random.default_rng(2))
    settings = {"wavelength": np.array([1e4]), **change}
    with pytest.raises(SedumError, match=message):
        model.spectrum(theta, **settings)


# --- derived quantities ----------------------------------------------------------------------


def test_derived_quantities_hang_together():
    model = build()
    theta = model.prior.sample(300, np.random.default_rng(2))
    names = [
        "log_sfr_100",
        "log_ssfr_100",
        "log_mass_surviving",
        "lookback_t50",
        "absmag_sdss_g0",
        "absmag_sdss_r0",
        "colour_sdss_g0_minus_sdss_r0",
        "log_lum_Ha",
        "log_lum_Hb",
        "log_flux_Ha",
        "ew_Ha",
        "log_q_ion",
        "log_xi_ion",
        "d4000",
        "balmer_break",
        "m_uv",
        "light_weighted_age",
        "mass_weighted_age",
        "log_l_ir",
    ]
    d = model.derived(theta, names)
    assert all(np.isfinite(v).all() for v in d.values())
    np.testing.assert_allclose(d["log_ssfr_100"], d["log_sfr_100"] - d["log_mass_surviving"])
    np.testing.assert_allclose(
        d["colour_sdss_g0_minus_sdss_r0"], d["absmag_sdss_g0"] - d["absmag_sdss_r0"]
    )
    # Case B: the Balmer decrement before dust lies between 2.7 and 3.3 for any Z and U.
    decrement = 10 ** (d["log_lum_Ha"] - d["log_lum_Hb"])
    assert ((decrement > 2.6) & (decrement < 3.4)).all()
    p = dict(zip(model.prior.names, theta.T, strict=True))
    universe = model.cosmology.age_gyr(p["redshift"])
    np.testing.assert_allclose(d["lookback_t50"], (1 - p["t50"]) * universe, rtol=1e-4, atol=1e-6)
    photons = d["log_q_ion"] + np.log10(1.37e-12)
    usual = np.abs(p["log_z"] + 2.5) < 1.0  # in rich gas metals cool, and absorb, instead
    assert np.abs(photons - d["log_lum_Ha"])[usual].max() < 0.25
    from sedum.galaxies.components.attenuation import calzetti

    dimming = 0.4 * p["av"] * calzetti(np.array([6562.8]))[0]
    distance = model.cosmology.luminosity_distance(torch.from_numpy(p["redshift"])).numpy()
    expected = d["log_lum_Ha"] - dimming - np.log10(4 * np.pi * distance**2)
    np.testing.assert_allclose(d["log_flux_Ha"], expected, atol=1e-4)
    assert (d["light_weighted_age"] < universe).all()


def test_sfr_over_a_window_is_the_history_there():
    model = build()
    theta = model.prior.sample(40, np.random.default_rng(2))
    theta[:, 0] = 1.0
    rate = model.star_formation_rate(theta, np.array([0.0, 3e7]))[:, 0]
    log_sfr = model.derived(theta, ["log_sfr_30"])["log_sfr_30"]
    np.testing.assert_allclose(10**log_sfr, np.maximum(rate, 1e-10), rtol=1e-6)


@pytest.mark.parametrize("name", ["log_sfr_0", "ew_Hx", "absmag_nothing", "massy", "lookback_t0"])
def test_unknown_quantities_are_named(name):
    with pytest.raises(SedumError, match=name.removeprefix("absmag_")):
        derived_quantities([name])


def test_defaults_are_known():
    assert [q.name for q in derived_quantities(DEFAULTS)] == list(DEFAULTS)


# --- gradients -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "components",
    [
        {"history": config.LogNormalSFH(), "dust": "charlot_fall"},
        {"history": config.DoublePowerLawSFH(), "dust": "salim"},
        {
            "history": config.FlexibleContinuitySFH(),
            "dust": {"law": "smc", "emission": "draine_li"},
        },
        {"history": config.SumSFH(components=[config.DelayedTauSFH(), config.BurstSFH()])},
        {"metallicity": "spread", "escape": True, "agn": True, "milky_way": True},
        {"damping_wing": True, "gas_metallicity": "free"},
    ],
)
def test_gradients_of_every_parameter(components):
    """Finite everywhere, and equal to central differences where no cell's edge is crossed."""
    model = build(**components)
    theta = model.prior.sample(60, np.random.default_rng(9))
    theta[:, 0] = np.linspace(0.5, 5.0, 60)
    for name in ("age", "burst_age"):
        if name in model.prior.names:
            universe = model.cosmology.age_gyr(theta[:, 0])
            theta[:, model.prior.names.index(name)] = np.linspace(0.1, 0.8, 60) * universe
    at = torch.from_numpy(theta).requires_grad_()
    model.flux(at).log().sum().backward()
    assert torch.isfinite(at.grad).all()
    for j, name in enumerate(model.prior.names):
        h = 1e-3 * max(np.abs(theta[:, j]).max(), 0.1)
        up, down = torch.from_numpy(theta.copy()), torch.from_numpy(theta.copy())
        up[:, j] += h
        down[:, j] -= h
        with torch.no_grad():
            difference = ((model.flux(up).log() - model.flux(down).log()).sum(1) / (2 * h)).numpy()
        off = np.abs(at.grad[:, j].numpy() - difference)
        assert np.mean(off < 0.05 * np.abs(difference) + 0.03) > 0.8, name
