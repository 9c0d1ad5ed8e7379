"""Reading catalogues: formats, units, and the fate of every row."""

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from run_cases import run_settings
from sedum.config import CatalogueSettings, parse_run
from sedum.errors import SedumError
from sedum.photometry.catalogue import read_catalogue, read_table, to_photometry
from sedum.photometry.filters import FilterSet
from sedum.photometry.units import flux_to_magnitude, magnitude_to_flux

BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]
FILTERS = FilterSet.from_names(BANDS)


def mapping(**changes):
    return parse_run(run_settings(catalogue=changes)).catalogue


def table(n=4):
    rng = np.random.default_rng(1)
    columns = {"id": np.arange(n) + 100, "z": np.full(n, 0.5)}
    for band in BANDS:
        columns[f"f_{band}"] = rng.uniform(1, 9, n)
        columns[f"e_{band}"] = rng.uniform(0.1, 0.2, n)
    return Table(columns)


@pytest.mark.parametrize("suffix", ["fits", "csv", "ecsv", "parquet", "vot", "txt", "cat"])
def test_every_format_reads_the_same(tmp_path, suffix):
    path = tmp_path / f"catalogue.{suffix}"
    kind = {"vot": "votable", "txt": "ascii.basic", "cat": "ascii.commented_header"}.get(suffix)
    table().write(path, **({"format": kind} if kind else {}))
    rows = read_catalogue(path, mapping(), FILTERS)
    np.testing.assert_allclose(rows.photometry.flux[:, 1], table()["f_sdss_r0"], rtol=1e-12)
    np.testing.assert_array_equal(rows.ids, [100, 101, 102, 103])
    assert list(rows.status) == ["ok"] * 4


@pytest.mark.parametrize("unit", ["nJy", "mJy", "Jy", "erg / (s cm2 Hz)", "erg / (s cm2 AA)"])
def test_units(unit):
    from astropy import units

    flux = (table()["f_sdss_r0"] * units.uJy).to_value(
        unit, equivalencies=units.spectral_density(FILTERS[1].pivot * units.AA)
    )
    given_table = table()
    given_table["f_sdss_r0"] = flux
    rows = to_photometry(given_table, mapping(unit=unit), FILTERS)
    np.testing.assert_allclose(rows.photometry.flux[:, 1], table()["f_sdss_r0"], rtol=1e-9)


def test_magnitudes_and_zeropoints():
    assert magnitude_to_flux(25.0) == pytest.approx(0.3631, rel=1e-4)
    assert flux_to_magnitude(magnitude_to_flux(21.3)) == pytest.approx(21.3)
    rows = to_photometry(table(), mapping(unit="zeropoint", zeropoint=25.0), FILTERS)
    np.testing.assert_allclose(rows.photometry.flux[:, 0], 0.3631 * table()["f_sdss_g0"], rtol=1e-4)
    magnitudes = table()
    for band in BANDS:
        magnitudes[f"f_{band}"] = 20.0
        magnitudes[f"e_{band}"] = 0.1
    rows = to_photometry(magnitudes, mapping(unit="ABmag"), FILTERS)
    relative = rows.photometry.error / rows.photometry.flux
    np.testing.assert_allclose(relative, 0.1 * np.log(10) / 2.5)


def test_missing_markers_in_32_bits():
    marked = table()
    marked["f_sdss_g0"] = marked["f_sdss_g0"].astype(np.float32)
    marked["f_sdss_g0"][2] = -99.9
    rows = to_photometry(marked, mapping(missing=[-99.9]), FILTERS)
    assert rows.photometry.observed[:, 0].tolist() == [True, True, False, True]


def test_unit_mistakes():
    with pytest.raises(SedumError, match="logarithmic; for magnitudes write 'ABmag'"):
        to_photometry(table(), mapping(unit="mag(AB)"), FILTERS)
    with pytest.raises(SedumError, match="did you mean uJy"):
        to_photometry(table(), mapping(unit="uJyy"), FILTERS)
    with pytest.raises(SedumError, match="not a flux density"):
        to_photometry(table(), mapping(unit="km"), FILTERS)


def test_missing_column_is_named_with_its_key():
    broken = table()
    broken.rename_column("e_sdss_r0", "err_sdss_r0")
    with pytest.raises(SedumError) as caught:
        to_photometry(broken, mapping(), FILTERS, "cat.fits")
    text = str(caught.value)
    assert "cat.fits has no column 'e_sdss_r0'" in text
    assert "catalogue.columns.sdss_r0.error" in text
    assert "err_sdss_r0" in text


def test_text_column_is_refused():
    broken = table()
    broken["f_sdss_r0"] = ["a", "b", "c", "d"]
    with pytest.raises(SedumError, match="not numeric"):
        to_photometry(broken, mapping(), FILTERS)


def test_every_kind_of_bad_value_has_its_status():
    n = 9
    bad = table(n)
    bad["e_sdss_r0"][1] = np.nan
    bad["e_sdss_r0"][2] = np.inf
    bad["e_sdss_r0"][3] = 0.0
    bad["e_sdss_r0"][4] = -1.0
    bad["f_sdss_r0"][5] = np.inf
    for band in BANDS:
        bad[f"f_{band}"][6] = np.nan
    bad["f_sdss_g0"][7] = -99
    bad["f_sdss_g0"][8] = -3.0  # negative fluxes are real
    rows = to_photometry(bad, mapping(), FILTERS)
    assert list(rows.status) == [
        "ok",
        "error not finite in sdss_r0",
        "error not finite in sdss_r0",
        "error not positive in sdss_r0",
        "error not positive in sdss_r0",
        "flux not finite in sdss_r0",
        "no band observed",
        "ok",
        "ok",
    ]
    assert not rows.photometry.observed[7, 0]
    assert rows.photometry.flux[8, 0] == -3.0


def test_masked_values_are_missing():
    masked = table()
    masked["f_sdss_i0"] = MaskedColumn(masked["f_sdss_i0"], mask=[True, False, False, False])
    rows = to_photometry(masked, mapping(), FILTERS)
    assert list(rows.photometry.observed[:, 2]) == [False, True, True, True]
    assert rows.status[0] == "ok"


def test_unmapped_band_is_missing_everywhere():
    columns = {"sdss_r0": {"value": "f_sdss_r0", "error": "e_sdss_r0"}}
    rows = to_photometry(table(), CatalogueSettings(columns=columns), FILTERS)
    assert rows.photometry.observed.sum() == 4


def test_unit_of_a_column_must_be_that_of_the_run_file():
    own = table()
    own["f_sdss_r0"].unit = own["e_sdss_r0"].unit = "uJy"
    assert (to_photometry(own, mapping(), FILTERS).status == "ok").all()
    own["e_sdss_r0"].unit = "nJy"
    with pytest.raises(SedumError, match=r"'e_sdss_r0'.*is in nJy, but catalogue.unit is 'uJy'"):
        to_photometry(own, mapping(), FILTERS)
    with pytest.raises(SedumError, match=r"is in uJy, but catalogue\.unit is 'ABmag'"):
        to_photometry(own, mapping(unit="ABmag"), FILTERS)


def test_identifiers_can_always_be_stored():
    odd = table()
    odd["id"] = np.array(["a", None, "c", 4], dtype=object)
    assert to_photometry(odd, mapping(), FILTERS).ids.tolist() == ["a", "", "c", "4"]
    odd["id"] = MaskedColumn([1, 2, 3, 4], mask=[False, True, False, False])
    rows = to_photometry(odd, mapping(), FILTERS)
    # Numbers stay numbers, or a galaxy would be called 1 in one portion and "1" in another.
    assert rows.ids.tolist() == [1, -1, 3, 4]
    assert list(rows.status) == ["ok", "no identifier", "ok", "ok"]


def test_columns_that_are_not_one_number_a_row():
    odd = table()
    odd["f_sdss_r0"] = np.ones((4, 2))
    with pytest.raises(SedumError, match="more than one value"):
        to_photometry(odd, mapping(), FILTERS)
    odd["f_sdss_r0"] = np.ones(4) * 1j
    with pytest.raises(SedumError, match="not numeric"):
        to_photometry(odd, mapping(), FILTERS)


def test_one_row_and_none(tmp_path):
    assert len(to_photometry(table(1), mapping(), FILTERS).status) == 1
    path = tmp_path / "empty.fits"
    table()[:0].write(path)
    with pytest.raises(SedumError, match=r"empty.fits has no rows"):
        read_table(path)


@pytest.mark.parametrize("name", ["a.fits", "a.parquet", "a.csv", "a.vot", "a.ecsv", "a.txt"])
def test_garbage_files(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(SedumError, match=name):
        read_catalogue(path, mapping(), FILTERS)
    with pytest.raises(SedumError, match="does not exist"):
        read_table(tmp_path / "absent.fits")


FLOATS = arrays(float, 3, elements=st.floats(width=64))


@given(values=st.lists(FLOATS, min_size=6, max_size=6))
def test_no_value_loses_a_row(values):
    odd = Table({"id": [1, 2, 3], "z": [0.1, 0.2, 0.3]})
    for i, band in enumerate(BANDS):
        odd[f"f_{band}"], odd[f"e_{band}"] = values[2 * i], values[2 * i + 1]
    rows = to_photometry(odd, mapping(), FILTERS)
    assert len(rows.status) == 3
    good = rows.status == "ok"
    p = rows.photometry
    assert np.isfinite(p.flux[good]).all()
    assert (p.error[good] > 0).all()
    assert p.observed[good].any(axis=1).all()


def test_hdf_north(shared_data):
    columns = {"f814w": {"value": "f_f814w", "error": "e_f814w"}}
    spec = CatalogueSettings(
        columns=columns, unit="zeropoint", zeropoint=25.0, id="id", redshift="z_spec"
    )
    file = shared_data / "filters" / "EAZY_FILTER.RES.txt"
    from sedum.photometry.filters import load_eazy

    filters = FilterSet([load_eazy(file, 16, "f814w")])
    rows = read_catalogue(shared_data / "hdfn_fs99_eazy.cat", spec, filters)
    assert len(rows.status) == 1067
    assert np.isfinite(rows.catalogue_redshift).sum() == 114
    assert rows.photometry.flux[0, 0] == pytest.approx(32.5895 * 0.36308, rel=1e-4)
