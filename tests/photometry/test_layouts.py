"""Layouts of catalogues: bands, columns and units recognised by the names of columns."""

import h5py
import numpy as np
import pytest
from astropy.table import Table

from sedum.config import CatalogueSettings
from sedum.errors import SedumError
from sedum.photometry.catalogue import read_catalogue, stream_catalogue, to_photometry
from sedum.photometry.filters import FilterSet, load_band
from sedum.photometry.layouts import read_layout
from sedum.photometry.units import magnitude_to_flux
from sedum.results.posterior_table import write_table
from sedum.tables.stream import known_length


def read(path, **options):
    reading = read_layout(path, **options)
    filters = FilterSet([load_band(band) for band in reading.filters])
    return reading, read_catalogue(path, reading.catalogue, filters)


def test_hubble_deep_field_by_its_own_header(shared_data):
    filters = shared_data / "filters" / "EAZY_FILTER.RES.txt"
    reading, rows = read(shared_data / "hdfn_fs99_eazy.cat", filter_file=filters)
    assert reading.layout == "eazy"
    assert [band.eazy for band in reading.filters] == [10, 12, 14, 16, 26, 27, 28]
    assert len(rows) == 1067
    assert np.isfinite(rows.catalogue_redshift).sum() == 114
    assert rows.photometry.flux[0, 3] == pytest.approx(32.5895 * 0.36308, rel=1e-4)


def test_zcosmos_is_scaled_to_total(shared_data):
    reading, rows = read(shared_data / "zcosmos_bright.parquet")
    assert reading.layout == "zcosmos"
    assert len(rows) == 6843
    i = reading.filters.index("subaru_suprimecam_ip")
    # The first row: i = 22.798 in the aperture, 22.14 in total.
    assert rows.photometry.flux[0, i] == pytest.approx(magnitude_to_flux(22.14), rel=1e-6)
    assert not rows.photometry.observed[1, reading.filters.index("galex_FUV")]


def test_cosmos_and_gama_and_simulations(shared_data):
    reading, rows = read(shared_data / "cosmos_first100specz.fits")
    assert (reading.layout, len(rows)) == ("cosmos_specz", 100)
    assert rows.photometry.flux[0, 0] == pytest.approx(-6.4145e-32 * 1e29, rel=1e-4)
    reading, rows = read(shared_data / "gama_hatlas.parquet")
    assert (reading.layout, len(rows)) == ("gama_hatlas", 3618)
    assert rows.photometry.flux[0, 0] == pytest.approx(11.752415)
    for name, count in (("tng", 10_073), ("eagle", 4_697)):
        path = shared_data / f"simulation_{name}_z0.parquet"
        _, rows = read(path, layout="plain", unit="Jy")
        assert len(rows) == count
        np.testing.assert_allclose(rows.photometry.error / rows.photometry.flux, 0.05)


LAYOUTS = {
    "jades": ["ID", "z_spec"] + [f"F{b}W_KRON{e}" for b in (115, 150, 444) for e in ("", "_e")],
    "cosmos2020_classic": ["ID", "EBV", "total_off2", "FLAG_COMBINED"]
    + [f"HSC_{b}_FLUX{e}_APER2" for b in "griz" for e in ("", "ERR")],
    "cosmos2020_farmer": ["ID", "EBV"] + [f"HSC_{b}_FLUX{e}" for b in "griz" for e in ("", "ERR")],
    "gama_gkv": ["uberID", "Z"] + [f"flux_{e}{b}t" for b in "ugriZ" for e in ("", "err_")],
    "gama_lambdar": ["CATAID", "Z"] + [f"{b}_flux{e}" for b in "ugrizZ" for e in ("", "err")],
    "3dhst": ["id", "z_spec", "use_phot"] + [f"{k}_F{b}W" for b in (125, 140, 160) for k in "fe"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_recognised_by_their_columns(layout):
    table = Table({name: [1.0, 2.0] for name in LAYOUTS[layout]})
    reading, rows = read(table)
    assert reading.layout == layout
    assert len(reading.filters) >= 3
    assert len(rows) == 2


def test_eazy_translate_and_zeropoints(tmp_path, shared_data):
    filters = shared_data / "filters" / "EAZY_FILTER.RES.txt"
    catalogue = tmp_path / "a.cat"
    catalogue.write_text("# id blue eblue red ered zs\n1 1.0 0.1 2.0 0.2 0.5\n")
    translate = tmp_path / "a.translate"
    translate.write_text("blue F12\neblue E12 # a comment\nred F14\nered E14\nzs z_spec\n")
    zeropoints = tmp_path / "a.zeropoint"
    zeropoints.write_text("F12 1.10\n")
    reading, rows = read(catalogue, filter_file=filters, translate=translate, zeropoints=zeropoints)
    assert reading.catalogue.redshift == "zs"
    np.testing.assert_allclose(rows.photometry.flux[0], 0.3631 * np.array([1.1, 2.0]), rtol=1e-5)
    zeropoints.write_text("F12 nonsense\n")
    with pytest.raises(SedumError, match="line 1: expected a code such as F10 and a factor"):
        read(catalogue, filter_file=filters, translate=translate, zeropoints=zeropoints)
    with pytest.raises(SedumError, match=r"FILTER\.RES"):
        read(catalogue, layout="eazy", translate=translate)


def test_unknown_layouts_and_columns():
    table = Table({"x": [1.0]})
    with pytest.raises(SedumError, match="of no known layout; name one"):
        read_layout(table)
    with pytest.raises(SedumError, match="did you mean jades"):
        read_layout(table, "jade")
    with pytest.raises(SedumError, match="finds no band"):
        read_layout(table, "jades")


FILTERS = FilterSet.from_names(["sdss_g0", "sdss_r0"])
COLUMNS = {"sdss_g0": {"value": "g", "error": "eg"}, "sdss_r0": {"value": "r", "error": "er"}}


def table(**changes):
    data = {"g": [1.0, 2.0], "eg": [0.1, 0.1], "r": [4.0, 5.0], "er": [0.2, 0.2]}
    return Table(data | changes)


def photometry(given, **mapping):
    return to_photometry(given, CatalogueSettings(columns=COLUMNS, **mapping), FILTERS)


def test_offsets_extinction_and_aperture():
    rows = photometry(table(), offsets={"sdss_g0": 0.1})
    np.testing.assert_allclose(rows.photometry.flux[:, 0], np.array([1, 2]) * 10**-0.04)
    np.testing.assert_allclose(rows.photometry.error[:, 0], 0.1 * 10**-0.04)
    # A(r)/A(V) of Fitzpatrick (1999) is 0.84 to 0.88 at the pivot of SDSS r; A(g) 1.15 to 1.25.
    rows = photometry(table(ebv=[0.1, np.nan]), extinction={"ebv": "ebv"})
    magnitudes = 2.5 * np.log10(rows.photometry.flux[0] / [1, 4])
    assert 1.13 < magnitudes[0] / 0.31 < 1.27
    assert 0.82 < magnitudes[1] / 0.31 < 0.9
    assert rows.status[1] == "aperture or extinction correction not known"
    rows = photometry(table(tot=[2.0, -1.0]), aperture={"total": "tot", "reference": ["g"]})
    np.testing.assert_allclose(rows.photometry.flux[0], [2.0, 8.0])
    assert rows.status[1] == "aperture or extinction correction not known"


def test_conventions_of_upper_limits():
    rows = photometry(table(eg=[-1.0, 0.1]), limits={"convention": "negative_error", "sigma": 2})
    assert rows.photometry.upper.tolist() == [[True, False], [False, False]]
    assert rows.photometry.flux[0, 0] == 1.0
    assert rows.photometry.error[0, 0] == 0.5
    columns = {**COLUMNS, "sdss_g0": {"value": "g", "error": "eg", "limit": "lim"}}
    mapping = CatalogueSettings(columns=columns, limits={"convention": "column", "sigma": 3})
    rows = to_photometry(table(g=[np.nan, 2.0], lim=[0.9, 0.9]), mapping, FILTERS)
    assert rows.photometry.upper.tolist() == [[True, False], [False, False]]
    assert rows.photometry.error[0, 0] == pytest.approx(0.3)
    given = table(g=[99.0, 24.0], eg=[26.0, 0.1], r=[24.0, 24.0], er=[0.1, 0.1])
    rows = photometry(given, unit="ABmag", limits={"convention": "magnitude_99", "sigma": 1})
    assert rows.photometry.upper[0, 0]
    assert rows.photometry.flux[0, 0] == pytest.approx(magnitude_to_flux(26.0))


def test_vega_magnitudes():
    given = table(g=[20.0, 20.0], r=[20.0, 20.0])
    rows = photometry(given, unit="Vegamag")
    # AB - Vega of SDSS g and r: -0.08 to -0.11 and 0.14 to 0.18 (Blanton & Roweis 2007).
    offset = -2.5 * np.log10(rows.photometry.flux[0] / magnitude_to_flux(20.0))
    np.testing.assert_allclose(offset, [-0.09, 0.16], atol=0.03)


def test_required_values_and_flags():
    rows = photometry(table(use=[1, 0]), require={"use": [1]})
    assert list(rows.status) == ["ok", "flagged by use"]
    columns = {**COLUMNS, "sdss_g0": {"value": "g", "error": "eg", "flag": "bad"}}
    rows = to_photometry(table(bad=[0, 4]), CatalogueSettings(columns=columns), FILTERS)
    assert rows.photometry.observed[:, 0].tolist() == [True, False]


def stored(table, kind, folder):
    """Write a table in a format whose reading in portions has its own code."""
    path = folder / f"a.{kind}"
    match kind:
        case "parquet" | "fits" | "csv":
            table.write(path)
        case "folder":
            # Files and row groups of any length; the second file has other numbers' widths.
            other = table[400:410].copy()
            other["er"] = other["er"].astype(np.float32).astype(np.float64)
            table["er"][400:410] = other["er"]
            other["er"] = other["er"].astype(np.float32)
            (path / "b").mkdir(parents=True)
            table[:400].to_pandas().to_parquet(path / "a.parquet", row_group_size=37)
            other.to_pandas().to_parquet(path / "a2.parquet")
            table[410:].to_pandas().to_parquet(path / "b" / "c.parquet", row_group_size=250)
            (path / "_metadata").write_text("not a table")
        case "h5":
            table.write(path, format="hdf5", path="records")
        case "hdf5":
            with h5py.File(path, "w") as file:
                for name in table.colnames:
                    file[f"columns/{name}"] = np.asarray(table[name])
    return path


@pytest.mark.parametrize("kind", ["parquet", "folder", "fits", "h5", "hdf5", "csv"])
def test_streams_equal_the_whole(tmp_path, kind):
    rng = np.random.default_rng(1)
    whole = Table({c: rng.uniform(1, 2, 1003) for c in ("g", "eg", "r", "er", "z", "unused")})
    whole["g"][5] = np.nan
    path = stored(whole, kind, tmp_path)
    assert known_length(path) == (None if kind == "csv" else 1003)
    mapping = CatalogueSettings(columns=COLUMNS, redshift="z")
    parts = list(stream_catalogue(path, mapping, FILTERS, rows=100))
    assert len(parts) == 11
    expected = read_catalogue(path, mapping, FILTERS)
    joined = type(expected).concatenate(parts)
    np.testing.assert_array_equal(joined.ids, expected.ids)
    np.testing.assert_array_equal(joined.photometry.flux, expected.photometry.flux)
    np.testing.assert_array_equal(joined.photometry.error[:, 1], whole["er"])
    np.testing.assert_array_equal(joined.status, expected.status)
    assert [len(p) for p in parts] == [100] * 10 + [3]
    with pytest.raises(SedumError, match="has no column 'x'"):
        list(
            stream_catalogue(
                path,
                CatalogueSettings(columns={"sdss_g0": {"value": "x", "error": "eg"}}),
                FILTERS,
                rows=100,
            )
        )


def test_folders_that_are_no_catalogue(tmp_path):
    mapping = CatalogueSettings(columns=COLUMNS)
    with pytest.raises(SedumError, match="is a folder without Parquet files"):
        list(stream_catalogue(tmp_path, mapping, FILTERS))
    whole = Table({c: [1.0, 2.0] for c in ("g", "eg", "r", "er")})
    whole.write(tmp_path / "a.parquet")
    whole["g", "eg", "r"].write(tmp_path / "b.parquet")
    with pytest.raises(SedumError, match=r"b.parquet and the first .* differ in column 'er'"):
        list(stream_catalogue(tmp_path, mapping, FILTERS))
    other = whole.copy()
    for table, unit in ((whole, "uJy"), (other, "nJy")):
        for name in table.colnames:
            table[name].unit = unit
    write_table(whole, tmp_path / "a.parquet")
    write_table(other, tmp_path / "b.parquet")
    with pytest.raises(SedumError, match=r"b.parquet .* differ in column 'eg', or in its unit"):
        list(stream_catalogue(tmp_path, mapping, FILTERS))
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-9])
    with pytest.raises(SedumError, match="cannot be read as parquet"):
        list(stream_catalogue(tmp_path, mapping, FILTERS))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["plain"] = np.ones(3)
    with pytest.raises(SedumError, match=r"no column 'g'|holds no"):
        list(stream_catalogue(tmp_path / "a.h5", mapping, FILTERS))


def test_truncated_fits_are_no_rows_of_zeros(tmp_path):
    whole = Table({c: np.ones(100) for c in ("g", "eg", "r", "er")})
    whole.write(tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    (tmp_path / "a.fits").write_bytes(content[:-2880])
    with pytest.raises(SedumError, match=r"truncated|cannot be read"):
        list(stream_catalogue(tmp_path / "a.fits", CatalogueSettings(columns=COLUMNS), FILTERS))


def test_hdf5_and_pandas(tmp_path):
    given = table()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in given.colnames:
            file[f"deep/phot/{name}"] = given[name]
    mapping = CatalogueSettings(columns=COLUMNS, extension="deep/phot")
    for source in (tmp_path / "a.h5", given.to_pandas()):
        kind = mapping if not hasattr(source, "columns") else CatalogueSettings(columns=COLUMNS)
        rows = read_catalogue(source, kind, FILTERS)
        np.testing.assert_array_equal(rows.photometry.flux[:, 0], [1.0, 2.0])
    with pytest.raises(SedumError, match=r"has no 'wide'; it holds deep"):
        read_catalogue(
            tmp_path / "a.h5", CatalogueSettings(columns=COLUMNS, extension="wide"), FILTERS
        )


def random_table(rng):
    """Return a table of a few rows in which anything may stand."""
    n = int(rng.integers(1, 5))
    pool = [0.0, -1.0, 1.0, -99.0, 99.0, np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300, 25.0]
    data = {}
    for name in ("g", "eg", "r", "er", "z", "flag", "tot"):
        kind = rng.integers(12)
        if kind == 0:
            continue
        values = rng.choice(pool, n)
        if kind == 1:
            values = np.array([str(v) for v in values])
        elif kind == 2:
            values = np.array([None] * n, dtype=object)
        elif kind == 3:
            values = np.ma.masked_array(values, rng.random(n) < 0.5)
        elif kind == 4:
            values = np.where(np.isfinite(values), np.clip(values, -99, 99), 0).astype(np.int16)
        elif kind == 5:
            values = np.tile(values[:, None], (1, 2))
        data[name] = values
    return Table(data) if data else Table({"other": np.zeros(n)})


def test_ten_thousand_bad_tables():
    """None crashes with anything but a SedumError, and none loses a row."""
    rng = np.random.default_rng(11)
    mappings = [
        CatalogueSettings(columns=COLUMNS),
        CatalogueSettings(columns=COLUMNS, unit="ABmag", redshift="z", missing_beyond=99.0),
        CatalogueSettings(columns=COLUMNS, require={"flag": [1]}, id="z"),
        CatalogueSettings(columns=COLUMNS, aperture={"total": "tot", "reference": ["g"]}),
        CatalogueSettings(columns=COLUMNS, limits={"convention": "negative_error"}, redshift="z"),
    ]
    read, messages = 0, set()
    for i in range(10_000):
        given = random_table(rng)
        try:
            rows = to_photometry(given, mappings[i % len(mappings)], FILTERS)
        except SedumError as error:
            messages.add(str(error))
            continue
        read += 1
        assert len(rows) == len(given) == len(rows.status)
        p, good = rows.photometry[rows.row_status.ok], rows.row_status.ok
        assert np.isfinite(p.flux).all()
        assert (np.isfinite(p.error) & (p.error > 0)).all()
        assert p.observed.any(axis=1).all() or not good.any()
    assert read > 2000
    assert not any("\n" in message for message in messages)
