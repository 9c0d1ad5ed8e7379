"""Fluxes with units: any flux density and magnitude goes in; everything else is one line."""

import numpy as np
import pytest
from astropy import units as u
from astropy.utils.masked import Masked

from sedum.errors import SedumError
from sedum.photometry.filters import FilterSet
from sedum.photometry.observed import Photometry
from sedum.photometry.quantities import with_unit

BANDS = ["sdss_g0", "sdss_r0"]
FLUX, ERROR = np.array([[1.0, 2.0], [3.0, -0.5]]), np.array([[0.1, 0.2], [0.3, 0.4]])


@pytest.mark.parametrize("unit", [u.uJy, u.nJy, u.Jy, u.erg / u.s / u.cm**2 / u.Hz])
def test_flux_densities_per_frequency(unit):
    flux, error = ((values * u.uJy).to(unit) for values in (FLUX, ERROR))
    made = Photometry.from_arrays(flux, error)
    np.testing.assert_allclose(made.flux, FLUX, rtol=1e-12)
    np.testing.assert_allclose(made.error, ERROR, rtol=1e-12)


def test_flux_densities_per_wavelength():
    pivots = FilterSet.from_names(BANDS).pivots * u.AA
    unit = u.erg / u.s / u.cm**2 / u.AA
    flux = (FLUX * u.uJy).to(unit, u.spectral_density(pivots))
    error = (ERROR * u.uJy).to(unit, u.spectral_density(pivots))
    made = Photometry.from_arrays(flux, error, filters=BANDS)
    np.testing.assert_allclose(made.flux, FLUX, rtol=1e-12)
    np.testing.assert_allclose(made.error, ERROR, rtol=1e-12)
    with pytest.raises(SedumError, match="name the filters"):
        Photometry.from_arrays(flux, error)


def test_magnitudes():
    magnitude, error = [[23.9, 21.4]] * u.ABmag, [[0.1, 0.01]] * u.mag
    made = Photometry.from_arrays(magnitude, error)
    np.testing.assert_allclose(made.flux, [[1.0, 10.0]], rtol=1e-3)
    np.testing.assert_allclose(made.error / made.flux, 0.4 * np.log(10) * error.value)


def test_plain_numbers_are_microjansky_and_one_galaxy_is_a_row():
    made = Photometry.from_arrays([1.0, np.nan], [0.1, 0.1], filters=BANDS, upper=[True, False])
    assert made.flux.tolist() == [[1.0, 0.0]]
    assert made.observed.tolist() == [[True, False]]
    assert made.upper.tolist() == [[True, False]]


def test_masked_fluxes_are_missing():
    mask = np.array([[False, True], [False, False]])
    for flux in (Masked(FLUX * u.uJy, mask), np.ma.array(FLUX, mask=mask)):
        error = ERROR * u.uJy if hasattr(flux, "unit") else ERROR
        assert Photometry.from_arrays(flux, error).observed.tolist() == (~mask).tolist()


@pytest.mark.parametrize(
    ("flux", "error", "message"),
    [
        (FLUX * u.uJy, ERROR, "error: it has no unit, but flux has uJy"),
        (FLUX, ERROR * u.nJy, "flux: it has no unit, but error has nJy"),
        (FLUX * u.m, ERROR * u.m, "flux: cannot convert m to uJy"),
        (FLUX * u.uJy, ERROR * u.mag, "error: magnitudes without a zero-point"),
        (FLUX * u.mag, ERROR * u.mag, "flux: magnitudes without a zero-point"),
        (FLUX * u.ABmag, ERROR * u.uJy, "error: cannot convert uJy to mag"),
        (FLUX, ERROR[:1], "expected .n, bands. alike"),
        (np.ones((2, 3)), np.ones((2, 3)), "flux has 3 bands, and filters has 2"),
        (1.0, 1.0, "expected .n, bands. alike"),
    ],
)
def test_what_is_no_flux_is_one_line(flux, error, message):
    with pytest.raises(SedumError, match=message):
        Photometry.from_arrays(flux, error, filters=BANDS)


def test_outputs_carry_units_where_asked(small_model, rng):
    theta = small_model.prior.sample(3, rng)
    edges = [0, 100] * u.Myr
    assert small_model.photometry(theta, units=True).unit == u.uJy
    assert small_model.spectrum(theta, [500.0] * u.nm, units=True).unit == u.uJy
    assert small_model.star_formation_rate(theta, edges, units=True).unit == u.Msun / u.yr
    derived = small_model.derived(theta, ["mass_weighted_age", "log_sfr_100"], units=True)
    assert derived["mass_weighted_age"].unit == u.Gyr
    assert derived["log_sfr_100"].physical.unit == u.Msun / u.yr
    assert type(small_model.photometry(theta)) is np.ndarray
    assert with_unit(theta, "uJy", False) is theta
