"""Catalogues of no known layout: columns are paired, and filters guessed, by ordinary names."""

import numpy as np
import pytest
from astropy.table import Table

from sedum.errors import SedumError
from sedum.photometry.filters import list_filters
from sedum.photometry.layouts import read_layout
from sedum.photometry.ordinary_names import _SURVEYS, ordinary_names, parse_bands

MAGNITUDES, ERRORS = [17.2, 18.1, 16.4], [0.02, 0.03, 0.01]
FLUXES = [120.0, 55.0, 3.0]


def table(*names, values=MAGNITUDES, **columns):
    """Return a table whose even columns are values and whose odd columns are errors."""
    made = {name: values if i % 2 == 0 else ERRORS for i, name in enumerate(names)}
    return Table({**made, **columns})


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("mag_auto_{}", "magerr_auto_{}"),
        ("MAG_AUTO_{}", "MAGERR_AUTO_{}"),
        ("petroMag_{}", "petroMagErr_{}"),
        ("modelMag_{}", "modelMagErr_{}"),
        ("{}mag", "e_{}mag"),
        ("{}_mag", "{}_mag_err"),
        ("mag_{}", "mag_err_{}"),
        ("{}", "err_{}"),
        ("{}", "e_{}"),
        ("{}", "{}_err"),
        ("{}", "{}err"),
        ("{}", "sigma_{}"),
        ("sdss_{}", "sdss_{}_err"),
    ],
)
def test_pairs_of_magnitudes(value, error):
    names = [pattern.format(band) for band in "gri" for pattern in (value, error)]
    named = ordinary_names(table(*names, id=[1, 2, 3]))
    assert list(named.columns) == ["sdss_g0", "sdss_r0", "sdss_i0"]
    assert named.columns["sdss_r0"] == {"value": value.format("r"), "error": error.format("r")}
    assert named.unit == "ABmag"
    assert named.mapping == {"id": "id"}


def test_fluxes_have_the_unit_of_their_columns_or_need_one():
    names = ("flux_g", "flux_err_g", "flux_r", "flux_err_r")
    plain = table(*names, values=FLUXES)
    with pytest.raises(SedumError, match="columns of fluxes have no unit; give --unit"):
        ordinary_names(plain)
    assert ordinary_names(plain, unit="nJy").unit == "nJy"
    for name in names:
        plain[name].unit = "mJy"
    assert ordinary_names(plain).unit == "mJy"
    both = table("flux_g", "flux_err_g", values=FLUXES, mag_r=MAGNITUDES, magerr_r=ERRORS)
    with pytest.raises(SedumError, match="magnitudes and fluxes"):
        ordinary_names(both)


def test_a_letter_alone_is_a_magnitude_if_it_looks_like_one():
    assert ordinary_names(table("g", "err_g")).unit == "ABmag"
    with pytest.raises(SedumError, match="give --unit"):
        ordinary_names(table("g", "err_g", values=FLUXES))


def test_two_surveys_and_vega_magnitudes():
    named = ordinary_names(
        table("petroMag_r", "petroMagErr_r", "j_m", "j_msigcom", "w1mpro", "w1sigmpro")
    )
    assert list(named.columns) == ["sdss_r0", "twomass_J", "wise_w1"]
    assert [named.columns[b].get("unit") for b in named.columns] == [None, "Vegamag", "Vegamag"]
    assert any("Vega magnitudes" in text and "j_m, w1mpro" in text for text in named.assumed)


@pytest.mark.parametrize(
    ("label", "filter_"),
    [
        ("hsc_g", "hsc_g"),
        ("ps1_y", "panstarrs_y"),
        ("F115W", "jwst_f115w"),
        ("F435W", "acs_wfc_f435w"),
        ("F160W", "wfc3_ir_f160w"),
        ("NUV", "galex_NUV"),
        ("Ks", "twomass_Ks"),
        ("ch1", "spitzer_irac_ch1"),
        ("jwst_f444w", "jwst_f444w"),
        ("vista_Ks", "vista_vircam_Ks"),
    ],
)
def test_filters_by_name(label, filter_):
    assert list(ordinary_names(table(f"mag_{label}", f"magerr_{label}")).columns) == [filter_]


def test_every_filter_that_may_be_guessed_exists():
    guessed = {name for letters in _SURVEYS.values() for name in letters.values()}
    assert guessed <= set(list_filters())


def test_bands_of_ones_own_and_those_left_out():
    made = table("m1", "e_m1", "m2", "e_m2")
    assert ordinary_names(made) is None
    named = ordinary_names(made, {"m1": "hsc_g"})
    assert named.columns == {"hsc_g": {"value": "m1", "error": "e_m1"}}
    assert any("not used" in text and "m2" in text for text in named.assumed)
    with pytest.raises(SedumError, match="no columns of value and error for 'm3'"):
        ordinary_names(made, {"m3": "hsc_g"})
    with pytest.raises(SedumError, match="unknown filter 'hsc_q'"):
        ordinary_names(made, {"m1": "hsc_q"})


def test_a_redshift_is_no_band_and_codes_are_missing():
    made = table("g", "err_g", "z", "z_err", "i", "i_err")
    made["g"][1] = -999.0
    named = ordinary_names(made)
    assert "sdss_z0" in named.columns  # with an error, as the other bands
    assert named.mapping["missing"] == [-999.0]
    alone = table("g", "err_g")
    alone["z"], alone["name"] = [0.1, 0.2, 0.3], ["a", "b", "c"]
    named = ordinary_names(alone)
    assert list(named.columns) == ["sdss_g0"]
    assert named.mapping == {"id": "name", "redshift": "z"}


def test_a_survey_of_no_pairs_is_refused_in_one_line():
    with pytest.raises(
        SedumError, match=r"of no known layout; name one .*none are pairs of value and error"
    ):
        read_layout(Table({"a": np.ones(3), "b": np.ones(3)}))


def test_text_of_bands():
    assert parse_bands("u=sdss_u0,J=twomass_J") == {"u": "sdss_u0", "J": "twomass_J"}
    for text in ("u", "u=", "=sdss_u0", "u=sdss_u0,u=sdss_g0", ""):
        with pytest.raises(SedumError, match="expected BAND=FILTER"):
            parse_bands(text)
