"""Filter curves: loading, errors, and band averages."""

import numpy as np
import pytest

from sedum.errors import SedumError
from sedum.photometry.filters import (
    Filter,
    FilterSet,
    list_filters,
    load_curve,
    load_eazy,
    load_sedpy,
)


def test_every_sedpy_filter_loads():
    names = list_filters()
    assert len(names) > 200
    for name in names:
        assert load_sedpy(name).pivot > 0


def test_pivot_wavelength_of_f444w():
    # JWST user documentation: 4.402 µm
    assert load_sedpy("jwst_f444w").pivot == pytest.approx(44020, rel=0.003)


def test_unknown_name_suggests():
    with pytest.raises(SedumError, match=r"jwst_f443w.*did you mean.*jwst_f444w"):
        load_sedpy("jwst_f443w")


def test_flat_spectrum_has_flat_photometry():
    wavelength = np.linspace(1000, 60000, 500)
    for band in FilterSet.from_names(["galex_FUV", "sdss_r0", "jwst_f444w"]):
        assert band.average(wavelength, np.full(500, 3.0)) == pytest.approx(3.0)


def test_average_of_a_power_law_in_a_box():
    band = Filter("box", np.array([999.999, 1000, 2000, 2000.001]), np.array([0, 1, 1, 0]))
    wavelength = np.linspace(900, 2100, 20_000)
    # ∫ λ dλ/λ / ∫ dλ/λ = 1000 / ln 2
    expected = 1000 / np.log(2)
    assert band.average(wavelength, wavelength) == pytest.approx(expected, rel=1e-5)


def eazy_file(folder):
    path = folder / "FILTER.RES"
    path.write_text(
        "# a comment\n"
        "  3 first.dat lambda_c= 1.5e3\n1 1000 0\n2 1500 1\n3 2000 0\n"
        "  2 second.dat\n1 3000 1\n2 4000 1\n"
    )
    return path


def test_eazy_numbers_count_from_one(tmp_path):
    path = eazy_file(tmp_path)
    assert load_eazy(path, 1, "a").limits == (1000, 2000)
    assert load_eazy(path, 2, "b").limits == (3000, 4000)
    with pytest.raises(SedumError, match="no filter 3; it holds 1 to 2"):
        load_eazy(path, 3, "c")


def test_damaged_eazy_file(tmp_path):
    path = eazy_file(tmp_path)
    path.write_text(path.read_text()[:-12])
    with pytest.raises(SedumError, match="damaged at filter 2"):
        load_eazy(path, 2, "b")


def test_two_column_file(tmp_path):
    path = tmp_path / "curve.txt"
    path.write_text("# Angstrom, photons\n5000, 0\n5500, 1.0  # peak\n6000, 0\n")
    assert load_curve(path, "mine").limits == (5000, 6000)
    path.write_text("one two three\n")
    with pytest.raises(SedumError, match="two-column"):
        load_curve(path, "mine")
    path.write_text("5000 0\n6000 0\n")
    with pytest.raises(SedumError, match="usable"):
        load_curve(path, "mine")
    with pytest.raises(SedumError, match="cannot read"):
        load_curve(tmp_path / "absent", "mine")


def test_eazy_and_sedpy_agree_on_acs(shared_data):
    file = shared_data / "filters" / "EAZY_FILTER.RES.txt"
    eazy = load_eazy(file, 1, "f435w")
    assert eazy.pivot == pytest.approx(load_sedpy("acs_wfc_f435w").pivot, rel=0.005)


def test_digest_depends_on_curves_and_order():
    one = FilterSet.from_names(["sdss_g0", "sdss_r0"])
    other = FilterSet.from_names(["sdss_r0", "sdss_g0"])
    assert one.digest() == FilterSet.from_names(["sdss_g0", "sdss_r0"]).digest()
    assert one.digest() != other.digest()
