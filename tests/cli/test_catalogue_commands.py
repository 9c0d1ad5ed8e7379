"""From a catalogue to a run file, its noise and its status, as a user does it; damaged files."""

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from command_line import sedum
from sedum.config import CatalogueSettings, load_run
from sedum.errors import SedumError
from sedum.observe.features import FeatureTransform
from sedum.observe.learn_noise import nominal_noise
from sedum.observe.noise_file import SurveySample
from sedum.photometry.catalogue import read_catalogue
from sedum.photometry.filters import FilterSet
from sedum.photometry.observed import Photometry
from sedum.survey.start_run_file import init_run, with_key

BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]
FILTERS = FilterSet.from_names(BANDS)


def plain(n=300, seed=4):
    """Return a catalogue in the layout ``plain``, with one band that hardly any row has."""
    rng = np.random.default_rng(seed)
    columns = {"id": np.arange(n), "z_spec": rng.uniform(0.1, 1, n)}
    for band in [*BANDS, "sdss_z0"]:
        columns[band] = 10 ** rng.uniform(0, 2, n)
        columns[f"{band}_err"] = np.sqrt(0.1**2 + 1e-3 * columns[band])
    columns["sdss_z0"][5:] = np.nan
    columns["sdss_g0"][3] = np.nan
    columns["sdss_r0_err"][4] = -1.0
    return Table(columns)


def test_from_catalogue_to_noise(tmp_path):
    plain().write(tmp_path / "my cat.fits")
    text = sedum("init", "run.yaml", "--catalogue", "my cat.fits", cwd=tmp_path)
    assert "layout plain: 300 rows, 4 bands" in text
    assert "left out, measured in fewer than 20 rows: sdss_z0 (4 rows)" in text
    run = load_run(tmp_path / "run.yaml")
    assert (run.name, run.band_names()) == ("my_cat", BANDS)
    assert (run.noise.kind, run.noise.file.name) == ("bootstrap", "my_cat-noise.h5")
    depths, _, _ = nominal_noise(SurveySample.read(run.noise.file))
    assert depths["sdss_g0"] == pytest.approx(23.9 - 2.5 * np.log10(5 * 0.114), abs=0.05)
    assert "galaxies are detected in" in text
    assert run.priors["redshift"].high < 14
    assert run.catalogue.redshift == "z_spec"
    text = sedum("inspect", "my cat.fits", "-r", "run.yaml", cwd=tmp_path)
    assert "299  ok" in text
    assert "1  error not positive in sdss_r0" in text
    assert "forecast: " in text
    text = sedum("noise", "fit", "my cat.fits", "-r", "run.yaml", cwd=tmp_path)
    assert "noise: {kind: bootstrap, file: my_cat-noise.h5}" in text
    assert SurveySample.read(tmp_path / "my_cat-noise.h5").bands == BANDS
    assert (tmp_path / "my_cat-noise.png").stat().st_size > 10_000
    text = sedum("zeropoints", "my cat.fits", "-r", "run.yaml", cwd=tmp_path, check=2)
    assert "sedum train" in text
    text = sedum("init", "b.yaml", "-c", "my cat.fits", "--layout", "jads", cwd=tmp_path, check=2)
    assert "did you mean jades" in text
    assert not (tmp_path / "b.yaml").exists()
    assert "zcosmos" in sedum("layouts", cwd=tmp_path)


def test_init_refuses_what_it_cannot_use(tmp_path):
    with pytest.raises(SedumError, match="go together with argument catalogue"):
        init_run(tmp_path / "a.yaml", layout="jades")
    with pytest.raises(SedumError, match="no band is measured in 20 rows"):
        init_run(tmp_path / "a.yaml", catalogue=plain(10))
    assert list(tmp_path.iterdir()) == []


def test_surveys_get_run_files(tmp_path, shared_data):
    for name in ("zcosmos_bright.parquet", "cosmos_first100specz.fits", "gama_hatlas.parquet"):
        init_run(tmp_path / "a.yaml", catalogue=shared_data / name, force=True)
        assert len(load_run(tmp_path / "a.yaml").filters) >= 10
    init_run(
        tmp_path / "eazy.yaml",
        catalogue=shared_data / "hdfn_fs99_eazy.cat",
        filter_file=shared_data / "filters" / "EAZY_FILTER.RES.txt",
    )
    run = load_run(tmp_path / "eazy.yaml")
    assert FilterSet.from_run(run).pivots[3] == pytest.approx(7996, abs=10)
    # The depths that were chosen by hand for the example are within half a magnitude.
    depths, _, _ = nominal_noise(SurveySample.read(run.noise.file))
    assert depths["f814w"] == pytest.approx(28.48, abs=0.5)


def test_keys_are_replaced_in_place():
    text = "a: 1  # one\nb:\n  c: [1, 2]\n  # about d\n  d: {x: 1}\n\ne: 5\n"
    assert with_key(text, "a", 2) == text.replace("1  # one", "2  # one", 1)
    assert with_key(text, "b.d", {"x": 2}) == text.replace("x: 1", "x: 2")
    assert with_key(text, "b", ["x"]) == "a: 1  # one\nb:\n  - x\n\ne: 5\n"


COLUMNS = {b: {"value": f"f_{b}", "error": f"e_{b}"} for b in BANDS}
MAPPING = CatalogueSettings(columns=COLUMNS, id="id", redshift="z")
SUFFIXES = ["fits", "parquet", "csv", "ecsv", "vot", "txt", "h5"]


def written(photometry, folder, suffix):
    """Write photometry as a catalogue of the format of a suffix."""
    table = Table({"id": np.arange(len(photometry)), "z": np.full(len(photometry), 0.5)})
    for i, band in enumerate(BANDS):
        there = photometry.observed[:, i]
        table[f"f_{band}"] = np.where(there, photometry.flux[:, i], np.nan)
        table[f"e_{band}"] = np.where(there, photometry.error[:, i], np.nan)
    path = folder / f"cat.{suffix}"
    if suffix == "h5":
        import h5py

        with h5py.File(path, "w") as file:
            for name in table.colnames:
                file[name] = np.asarray(table[name])
    elif suffix == "parquet":
        table.to_pandas().to_parquet(path)
    elif suffix == "vot":
        # Not as text: astropy 8.0.2 writes that beyond the end of its buffer.
        table.write(path, overwrite=True, format="votable", tabledata_format="binary2")
    else:
        kind = {"txt": "ascii.basic", "csv": "ascii.csv", "ecsv": "ascii.ecsv"}
        table.write(path, overwrite=True, format=kind.get(suffix, suffix))
    return path


MEASURED = st.one_of(st.none(), st.floats(-1e6, 1e6, allow_subnormal=False))
ERRORS = st.floats(1e-6, 1e6)
ROWS = st.lists(st.tuples(*[st.tuples(MEASURED, ERRORS)] * 3), min_size=1, max_size=4)


def photometry_of(rows):
    values = np.array([[(np.nan if f is None else f, e) for f, e in row] for row in rows], float)
    return Photometry.make(values[..., 0], values[..., 1])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_photometry_survives_every_format(tmp_path_factory, suffix):
    folder = tmp_path_factory.mktemp("round")

    @given(rows=ROWS)
    def check(rows):
        seen = photometry_of(rows)
        again = read_catalogue(written(seen, folder, suffix), MAPPING, FILTERS)
        np.testing.assert_array_equal(again.photometry.observed, seen.observed)
        np.testing.assert_allclose(again.photometry.flux, seen.flux, rtol=1e-12)
        np.testing.assert_allclose(again.photometry.error, seen.error, rtol=1e-12)
        empty = ~seen.observed.any(axis=1)
        assert (again.status == np.where(empty, "no band observed", "ok")).all()

    check()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_files_are_named_or_keep_their_rows(tmp_path_factory, suffix):
    folder = tmp_path_factory.mktemp("damaged")
    rng = np.random.default_rng(1)
    path = written(Photometry.make(rng.uniform(1, 9, (5, 3)), np.ones((5, 3))), folder, suffix)
    whole = path.read_bytes()

    messages = []

    @given(
        cut=st.integers(0, len(whole)),
        at=st.lists(st.integers(0, len(whole) - 1), max_size=8),
        values=st.binary(min_size=8, max_size=8),
    )
    def check(cut, at, values):
        damaged = bytearray(whole)
        for place, value in zip(at, values, strict=False):
            damaged[place] = value
        path.write_bytes(damaged[:cut] if cut % 2 else damaged)
        try:
            rows = read_catalogue(path, MAPPING, FILTERS)
        except SedumError as error:
            messages.append(str(error))
            return
        good = rows.row_status.ok
        assert len(rows.status) == len(rows) > 0
        assert np.isfinite(rows.photometry.flux[good]).all()
        assert (rows.photometry.error[good] > 0).all()

    check()
    assert messages
    assert not any("\n" in message for message in messages)


@given(rows=ROWS, redshift=st.one_of(st.none(), st.floats(0.001, 12)), colours=st.booleans())
def test_features_are_finite_and_can_be_undone(rows, redshift, colours):
    seen = photometry_of(rows)
    given_z = np.full(len(seen), np.nan if redshift is None else redshift)
    seen = seen.with_redshift(given_z, 0.01)
    transform = FeatureTransform(np.full(3, 0.1), colours).fit(seen)
    features = transform(seen)
    assert features.shape == (len(seen), transform.size)
    assert np.isfinite(features).all()
    again = transform.inverse(features)
    np.testing.assert_array_equal(again.observed, seen.observed)
    # The rounding of 32 bits of asinh magnitudes of up to 17, whose range standardises them.
    np.testing.assert_allclose(again.flux, seen.flux, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(again.error, seen.error, rtol=1e-4)
    np.testing.assert_allclose(again.redshift, given_z, rtol=1e-4)
