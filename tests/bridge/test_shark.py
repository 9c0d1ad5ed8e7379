"""Shark's outputs, written here in their layout; and simulated histories lit by sedum."""

import h5py
import numpy as np
import pytest

import sedum
from bridge_cases import run_mapping
from sedum.bridge.simulations.population import draw_redshifts, lookback_edges
from sedum.bridge.simulations.shark_files import BANDS
from sedum.bridge.simulations.synthetic_photometry import (
    SyntheticPhotometry,
    gas_metallicity,
    half_light_radius,
    mass_attenuation,
    slab,
)
from sedum.config.bridge_file import SyntheticPhotometrySettings
from sedum.errors import SedumError
from sedum.galaxies.histories.tabulated import TabulatedHistories
from sedum.photometry.filters import FilterSet

H = 0.6751
GAMA = {"u": "sdss_u0", "r": "sdss_r0", "k": "vista_vircam_Ks"}


def light_of(mass, band):
    """Return absolute magnitudes: heavier galaxies are a little redder."""
    return -2.5 * np.log10(mass) * (1 + 0.002 * band) + 5


def write_shark(top, snapshot=199, subvolume=0, n=80, seed=1, histories=True, photometry=True):
    """Write one subvolume in Shark's layout; return stellar masses in Msun."""
    rng = np.random.default_rng([seed, snapshot, subvolume])
    disk, bulge = 10 ** rng.uniform(8.5, 11, (2, n))
    folder = top / str(snapshot) / str(subvolume)
    folder.mkdir(parents=True)
    with h5py.File(folder / "galaxies.hdf5", "w") as file:
        file["cosmology/h"] = H
        file["run_info/effective_volume"] = 1000.0
        file["galaxies/id_galaxy"] = np.arange(n)
        file["galaxies/type"] = rng.integers(0, 3, n)
        file["galaxies/mstars_disk"], file["galaxies/mstars_bulge"] = disk * H, bulge * H
        file["galaxies/sfr_disk"] = np.full(n, 1e9 * H)  # 1 Msun/yr
        file["galaxies/sfr_burst"] = np.zeros(n)
        file["galaxies/mean_stellar_age"] = rng.uniform(1, 10, n)
    if photometry:
        place = top / "Photometry" / str(snapshot) / str(subvolume)
        place.mkdir(parents=True)
        light = np.stack([light_of(disk + bulge, k) for k in range(len(BANDS))])
        light[BANDS.index("sdss_u0"), 3] = -999.0
        with h5py.File(place / "Shark-SED-eagle-rr14.hdf5", "w") as file:
            for kind in ("ab_dust", "ap_dust", "ab_nodust"):
                file[f"SED/{kind}/total"] = light + (kind == "ap_dust") * 30
    if histories:
        width = np.full(10, 1.2)
        with h5py.File(folder / "star_formation_histories.hdf5", "w") as file:
            file["redshifts"] = np.linspace(10, 0, 10)
            file["lbt_mean"], file["delta_t"] = 12.0 - 1.2 * (np.arange(10) + 0.5), width
            parts = {"disks": disk, "bulges_mergers": bulge, "bulges_diskins": 0 * disk}
            for part, mass in parts.items():
                rate = np.repeat(mass[:, None] * H / 0.5 / 12e9, 10, axis=1)
                file[f"{part}/star_formation_rate_histories"] = rate
                file[f"{part}/metallicity_histories"] = np.full((n, 10), 0.01)
    return disk + bulge


def run_of(top, kind="shark", **changes):
    simulation = {"kind": kind, "folder": str(top), "snapshots": [199], **changes}
    return sedum.bridge.parse(
        run_mapping("x", bands=GAMA, simulations=[simulation], features=["M_r", "u-r", "r-k"])
    )


def test_masses_and_magnitudes_of_all_subvolumes_and_snapshots(tmp_path):
    masses = [write_shark(tmp_path, s, v) for s in (199, 174) for v in (0, 1)]
    galaxies = sedum.bridge.simulate(run_of(tmp_path, snapshots=[199, 174]))
    assert len(galaxies) == 320
    np.testing.assert_allclose(galaxies.properties["stellar_mass"], np.concatenate(masses))
    np.testing.assert_allclose(galaxies.properties["sfr"], 1.0)
    for i, band in enumerate(GAMA.values()):
        expected = light_of(np.concatenate(masses), BANDS.index(band))
        seen = np.isfinite(galaxies.magnitude[:, i])
        np.testing.assert_allclose(galaxies.magnitude[seen, i], expected[seen])
    assert np.isnan(galaxies.magnitude[3, 0])  # a sentinel is no light
    one = sedum.bridge.simulate(run_of(tmp_path, subvolumes=[1], galaxies=50))
    assert len(one) == 50
    assert one.sources == [tmp_path.name]


def test_shark_trains_a_bridge(tmp_path):
    write_shark(tmp_path, n=200)
    bridge = sedum.bridge.train(run_of(tmp_path))
    assert bridge.about["held_out"]["log_mass"]["scatter"] < 0.1


def test_files_that_do_not_belong_together_are_named(tmp_path):
    write_shark(tmp_path)
    with pytest.raises(SedumError, match=r"has no snapshot 200; allowed: 199"):
        sedum.bridge.simulate(run_of(tmp_path, snapshots=[200]))
    with pytest.raises(SedumError, match=r"bands.u: Shark has no photometry in 'jwst_f200w'"):
        sedum.bridge.simulate(
            run_of(tmp_path).model_copy(update={"bands": {"u": "jwst_f200w", "r": "sdss_r0"}})
        )
    light = next(tmp_path.glob("Photometry/199/0/*.hdf5"))
    with h5py.File(light, "r+") as file:
        table = file["SED/ab_dust/total"][:, :-5]
        del file["SED/ab_dust/total"]
        file["SED/ab_dust/total"] = table
    with pytest.raises(SedumError, match=r"holds 75 galaxies, .*galaxies.hdf5 80; they are not"):
        sedum.bridge.simulate(run_of(tmp_path))
    light.unlink()
    with pytest.raises(SedumError, match="no Shark-SED"):
        sedum.bridge.simulate(run_of(tmp_path))
    path = tmp_path / "199" / "0" / "galaxies.hdf5"
    with h5py.File(path, "r+") as file:
        del file["galaxies/mstars_disk"]
    with pytest.raises(SedumError, match="has no dataset 'galaxies/mstars_disk'"):
        sedum.bridge.simulate(run_of(tmp_path))
    path.write_bytes(b"no HDF5")
    with pytest.raises(SedumError, match=r"galaxies.hdf5 is damaged or not HDF5"):
        sedum.bridge.simulate(run_of(tmp_path))


def test_sharks_histories_are_lit(tmp_path):
    masses = write_shark(tmp_path, photometry=False)
    galaxies = sedum.bridge.simulate(run_of(tmp_path, "shark_histories"))
    assert len(galaxies) == 80
    # All formed at a constant rate for 12 Gyr: half of the mass survives in stars.
    ratio = galaxies.properties["stellar_mass"] / galaxies.properties["shark_stellar_mass"]
    np.testing.assert_allclose(ratio, 1.0, atol=0.05)
    np.testing.assert_allclose(galaxies.properties["mass_formed"], masses / 0.5, rtol=1e-6)
    np.testing.assert_allclose(galaxies.properties["age"], 6.0, atol=0.05)
    np.testing.assert_allclose(galaxies.properties["metallicity"], 0.01, rtol=1e-6)
    again = sedum.bridge.simulate(run_of(tmp_path, "shark_histories"))
    np.testing.assert_array_equal(again.magnitude, galaxies.magnitude)
    path = tmp_path / "199" / "0" / "star_formation_histories.hdf5"
    with h5py.File(path, "r+") as file:
        file["lbt_mean"][0] = 30.0
    with pytest.raises(SedumError, match="not contiguous"):
        sedum.bridge.simulate(run_of(tmp_path, "shark_histories"))


# --- synthetic photometry ----------------------------------------------------------------------


def test_metals_dust_and_sizes_are_those_of_their_papers():
    # Curti et al. 2020: 12 + log(O/H) at the turnover mass, Z0 - gamma / beta log10(2).
    oh = gas_metallicity(np.array([10.02]), 0.0) - np.log10(0.0142) + 8.69
    assert oh[0] == pytest.approx(8.793 - 0.28 / 1.2 * np.log10(2), abs=1e-6)
    assert (gas_metallicity(np.array([10.0]), 1.0) - gas_metallicity(np.array([10.0]), 0.0))[
        0
    ] == pytest.approx(-0.11)
    # Shen et al. 2003: 0.1 M^0.14 (1 + M / M0)^0.25 at M0.
    assert half_light_radius(np.array([10.6]))[0] == pytest.approx(
        0.1 * 10**1.484 * 2**0.25, rel=0.01
    )
    # Garn & Best 2010: A_Hα = 0.91 at 10^10 Msun.
    assert mass_attenuation(np.array([10.0]))[0] == pytest.approx(0.91 * 0.44 * 1.22)
    # Thin slabs dim by half of the screen; thick ones by 2.5 log10(tau).
    assert slab(np.array([0.01]))[0] == pytest.approx(0.005, rel=0.01)
    assert slab(np.array([50.0]))[0] == pytest.approx(2.5 * np.log10(50 / 1.0857), abs=0.01)


@pytest.fixture(scope="module")
def photometry():
    return SyntheticPhotometry(
        FilterSet.from_names(list(GAMA.values())), SyntheticPhotometrySettings(), 0.3, "Planck18"
    )


def constant_histories(photometry, n, rate):
    edges = lookback_edges(1.0e10)
    rates = np.repeat(np.asarray(rate, float)[:, None], len(edges) - 1, axis=1)
    return photometry.enriched(edges, rates, np.zeros(n), np.random.default_rng(1))


def test_light_scales_with_mass_and_dust_follows_gas(photometry):
    histories = constant_histories(photometry, 300, np.geomspace(0.05, 20, 300))
    magnitude, found = photometry.compute(histories, np.zeros(300), np.random.default_rng(2))
    log_mass = np.log10(found["stellar_mass"])
    assert np.corrcoef(magnitude[:, 2], log_mass)[0, 1] < -0.98
    light, heavy = log_mass < 9.2, log_mass > 10.6
    assert np.median(found["av"][heavy]) > 2 * np.median(found["av"][light])
    assert np.median(found["metallicity"][heavy]) > 1.5 * np.median(found["metallicity"][light])
    # Stars that form early form in poorer gas than there is today.
    assert np.median(found["metallicity"] / found["gas_metallicity"]) < 0.9
    np.testing.assert_allclose(found["sfr"], np.geomspace(0.05, 20, 300), rtol=0.02)


def test_less_the_distance_modulus_near_galaxies_look_as_at_ten_parsec(photometry):
    histories = constant_histories(photometry, 20, np.full(20, 1.0))
    here, _ = photometry.compute(histories, np.zeros(20), np.random.default_rng(2))
    near, _ = photometry.compute(histories, np.full(20, 0.001), np.random.default_rng(2))
    np.testing.assert_allclose(near, here, atol=0.01)


def test_quenched_galaxies_have_little_dust(photometry):
    edges = lookback_edges(1.0e10)
    rate = np.where(edges[:-1] > 3e9, 10.0, 0.0) * np.ones((50, 1))
    old = TabulatedHistories(edges, rate, np.full(rate.shape, 0.02))
    for dust in ("surface_density", "mass"):
        photometry.spec = SyntheticPhotometrySettings(dust=dust)
        _, found = photometry.compute(old, np.zeros(50), np.random.default_rng(1))
        assert np.median(found["av"]) < 0.1, dust
    photometry.spec = SyntheticPhotometrySettings()


def test_redshifts_fill_the_volume():
    z = draw_redshifts(0.0, 0.1, 20_000, "Planck18", np.random.default_rng(1))
    # Near enough z³: 1/8 lie below half of the redshift, 5 standard errors of that fraction.
    assert np.mean(z < 0.05) == pytest.approx(1 / 8, abs=5 * 0.0024 + 0.006)
    assert z.max() <= 0.1


# --- population ------------------------------------------------------------------------------


def test_a_population_is_like_galaxies():
    pytest.importorskip("diffstar", reason="needs sedum[population]")
    pytest.importorskip("colossus", reason="needs sedum[population]")
    simulation = {"kind": "population", "galaxies": 2000, "redshift": [0.01, 0.3]}
    run = sedum.bridge.parse(
        run_mapping("x", bands=GAMA, simulations=[simulation], features=["M_r"], frame="observed")
    )
    galaxies = sedum.bridge.simulate(run)
    p = galaxies.properties
    log_mass, log_ssfr = np.log10(p["stellar_mass"]), np.log10(p["sfr"] / p["stellar_mass"])
    assert 1500 < len(galaxies) <= 2000
    assert 0 < galaxies.redshift.min() < galaxies.redshift.max() <= 0.3
    # Downsizing, and the sign of the mass-metallicity relation.
    heavy, light = log_mass > 10.6, (log_mass > 8.5) & (log_mass < 9.5)
    assert np.mean(log_ssfr[heavy] < -11) > 2 * np.mean(log_ssfr[light] < -11)
    assert np.median(p["metallicity"][heavy]) > np.median(p["metallicity"][light])
    u_r = galaxies.magnitude[:, 0] - galaxies.magnitude[:, 1]
    assert np.median(u_r[heavy]) > np.median(u_r[light]) + 0.5
    again = sedum.bridge.simulate(run)
    np.testing.assert_array_equal(again.magnitude, galaxies.magnitude)


def test_without_its_packages_a_population_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "diffmah", None)
    run = sedum.bridge.parse(run_mapping("x", simulations=[{"kind": "population"}]))
    with pytest.raises(SedumError, match=r"pip install 'sedum\[population\]'"):
        sedum.bridge.simulate(run)
