"""Arguments given as astropy quantities: the same numbers in any unit."""

import numpy as np
import pytest
from astropy import units
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from sedum.errors import SedumError
from sedum.galaxies.histories.tabulated import TabulatedHistories
from sedum.photometry.filters import Filter
from sedum.photometry.quantities import angstrom, solar_per_angstrom, years

_LENGTHS = [units.AA, units.nm, units.um, units.m]
_TIMES = [units.yr, units.Myr, units.Gyr, units.s]
_DENSITIES = ["Lsun/nm", "erg/(s Hz)", "W/um"]
positive = st.lists(st.floats(1e2, 1e7), min_size=1, max_size=5)


@given(positive, st.sampled_from([*_LENGTHS, units.Hz, units.eV]))
def test_wavelengths_are_the_same_in_any_unit(values, unit):
    quantity = (values * units.AA).to(unit, units.spectral())
    np.testing.assert_allclose(angstrom(quantity), values, rtol=1e-12)


@given(positive, st.sampled_from(_TIMES))
def test_times_are_the_same_in_any_unit(values, unit):
    np.testing.assert_allclose(years((values * units.yr).to(unit), "edges"), values, rtol=1e-12)


@given(positive, st.sampled_from(_DENSITIES), st.booleans())
def test_spectra_are_the_same_in_any_unit(values, unit, per_mass):
    wavelength = np.linspace(1000.0, 9000.0, len(values))
    density = units.spectral_density(wavelength * units.AA)
    quantity = (values * units.Lsun / units.AA).to(unit, density)
    quantity = quantity / units.Msun if per_mass else quantity
    result = solar_per_angstrom(quantity, wavelength, "incident")
    np.testing.assert_allclose(result, values, rtol=1e-10)


def test_plain_numbers_and_table_columns():
    assert angstrom([5000, 6000]).tolist() == [5000.0, 6000.0]
    table = Table({"wave": [500.0, 600.0] * units.nm})
    np.testing.assert_allclose(angstrom(table["wave"]), [5000, 6000])


def test_another_dimension_names_the_argument():
    with pytest.raises(SedumError, match=r"^wavelength: cannot convert Jy to Angstrom$"):
        angstrom([1.0] * units.Jy)


def test_a_filter_in_nanometres():
    curve = np.array([0.0, 1.0, 1.0, 0.0])
    wavelength = np.array([500.0, 501.0, 599.0, 600.0])
    assert Filter("x", wavelength * units.nm, curve).pivot == pytest.approx(
        Filter("x", wavelength * 10, curve).pivot
    )


def test_histories_with_units():
    rate, metals = np.array([[1.0, 2.0]]), np.array([[0.02, 0.01]])
    plain = TabulatedHistories(np.array([0, 1e8, 1e9]), rate, metals)
    edges = [0, 0.1, 1] * units.Gyr
    quantity = TabulatedHistories(edges, rate * 1e6 * units.Msun / units.Myr, metals)
    np.testing.assert_allclose(quantity.mass, plain.mass)


def test_spectra_and_rates_of_a_model_in_any_unit(small_model):
    theta = small_model.prior.sample(2, np.random.default_rng(1))
    wavelength, edges = np.linspace(5000.0, 8000.0, 20), np.array([0, 1e8, 1e9])
    np.testing.assert_allclose(
        small_model.spectrum(theta, (wavelength * units.AA).to(units.um)),
        small_model.spectrum(theta, wavelength),
    )
    np.testing.assert_allclose(
        small_model.star_formation_rate(theta, (edges * units.yr).to(units.Myr)),
        small_model.star_formation_rate(theta, edges),
    )
