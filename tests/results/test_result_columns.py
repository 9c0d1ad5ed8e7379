"""Columns of posterior catalogues: percentiles, lists, p(z), units, descriptions, provenance."""

import json
import sys
import warnings

import numpy as np
import pyarrow.parquet as parquet
import pytest
from astropy import units as u
from astropy.io import fits, votable
from astropy.table import Table

import sedum
from run_cases import run_settings
from sedum.config import PARAMETERS, FixedPrior, OutputSettings, PzSettings, parse_run
from sedum.errors import SedumError
from sedum.galaxies import derived
from sedum.galaxies.model_parameters import prior_of
from sedum.results.concatenate import assemble
from sedum.results.posterior_table import arrow_table, fits_hdu, write_table
from sedum.results.provenance import read_metadata
from sedum.results.schema import (
    describe_column,
    describe_output,
    from_vounit,
    percentile_name,
    vounit,
)
from sedum.survey.measures.quantiles import ordered_quantiles, probabilities
from sedum.survey.measures.redshift_density import (
    density_peak,
    kernel_width,
    normalise_density,
    redshift_density,
    redshift_grid,
)
from sedum.survey.measures.summaries import Summaries

BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]
ROWS, BAD = 50, 2
ENDINGS = ["fits", "parquet", "ecsv"]


def catalogue(n=ROWS):
    """Return a catalogue with one row that cannot be fitted."""
    rng = np.random.default_rng(2)
    columns = {"id": [f"ß{i}" for i in range(n)], "z": rng.uniform(0.1, 0.9, n)}
    for band in BANDS:
        columns[f"f_{band}"] = rng.uniform(2, 20, n)
        columns[f"e_{band}"] = np.full(n, 0.0726)
    columns["f_sdss_r0"][BAD] = np.nan
    return Table(columns)


@pytest.fixture(scope="module")
def results(small_posterior, small_model, tmp_path_factory):
    """A catalogue with all there can be in it, in every format."""
    output = {
        "draws": 200,
        "derived_draws": 50,
        "percentiles": [2.5, 16, 50, 84, 97.5],
        "save_draws": True,
        "quantiles": 21,
        "pz": {"points": 120},
        "derived": ["log_mass_surviving", "mass_weighted_age", "log_flux_Ha", "absmag_sdss_r0"],
    }
    run = parse_run(run_settings(output=output))
    folder = tmp_path_factory.mktemp("results")
    table = sedum.fit(
        run,
        small_posterior,
        catalogue(),
        folder / "out.parquet",
        model=small_model,
    )
    for ending in ("fits", "ecsv"):
        write_table(table, folder / f"out.{ending}")
    return table, folder


@pytest.fixture
def good():
    return np.arange(ROWS) != BAD


# --- the run file ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"percentiles": [16, 84]}, "16, 50 and 84 must be among them; 50 missing"),
        ({"percentiles": [16, 50, 84, 100]}, "found 100; percentiles lie between 0 and 100"),
        ({"percentiles": [50, 16, 84]}, "must increase"),
        ({"percentiles": [16, 16, 50, 84]}, "must increase"),
        ({"percentiles": [0.12345, 16, 50, 84]}, "three decimals at most"),
        ({"percentiles": [*range(1, 90)]}, "at most 25, found 89"),
        ({"quantiles": 1}, "quantiles"),
        ({"pz": {"low": 2, "high": 1}}, "low: 2 is not below high: 1"),
        ({"pz": {"step": 2}}, "step"),
    ],
)
def test_mistakes_in_the_run_file_are_named(output, message):
    with pytest.raises(SedumError, match="output") as raised:
        parse_run(run_settings(output=output))
    assert message in str(raised.value)


def test_a_grid_that_misses_the_prior_is_refused(small_posterior, small_model, tmp_path):
    run = parse_run(run_settings(output={"pz": {"low": 3.0}}))
    with pytest.raises(SedumError, match=r"output.pz: a grid from 3 to 0.999999 is empty; .* 0.05"):
        sedum.fit(run, small_posterior, catalogue(3), tmp_path / "out.fits", model=small_model)


def columns_of(prior, output):
    table = Table()
    summaries = Summaries(prior, output, 2)
    summaries.into(table)
    summaries.lists_into(table)
    return table


def test_defaults_are_columns_of_single_numbers(small_posterior):
    table = columns_of(small_posterior.prior, OutputSettings())
    assert {"av_p16", "av_p50", "av_p84", "av_mean", "av_std", "redshift_mode"} <= {*table.colnames}
    assert all(table[name].ndim == 1 for name in table.colnames)
    assert not table.meta
    fewer = columns_of(small_posterior.prior, OutputSettings(point_estimates=False))
    assert {name.rpartition("_")[2] for name in fewer.colnames} == {"p16", "p50", "p84"}


# --- what is in the columns --------------------------------------------------------------


def test_columns_are_those_of_the_draws(results, good):
    table, _ = results
    for name in ("redshift", "log_mass", "t50"):
        draws = np.asarray(table[f"{name}_draws"], float)[good]
        for p in (2.5, 16, 50, 84, 97.5):
            column = np.asarray(table[percentile_name(name, p)])[good]
            np.testing.assert_allclose(column, np.percentile(draws, p, axis=1), rtol=2e-6)
        np.testing.assert_allclose(table[f"{name}_mean"][good], draws.mean(axis=1), rtol=1e-5)
        np.testing.assert_allclose(table[f"{name}_std"][good], draws.std(axis=1), rtol=1e-4)
        expected = np.quantile(draws, probabilities(21), axis=1).T
        np.testing.assert_allclose(table[f"{name}_quantiles"][good], expected, rtol=2e-6)
    assert percentile_name("redshift", 2.5) == "redshift_p2_5"
    for name in table.colnames:
        if table[name].dtype.kind == "f" and name != "redshift_catalogue":
            assert np.isnan(np.asarray(table[name][BAD])).all(), name
            assert np.isfinite(np.asarray(table[name])[good]).all(), name
    # Derived quantities have no column of draws, but quantiles.
    assert table["mass_weighted_age_quantiles"].shape == (ROWS, 21)
    assert "mass_weighted_age_draws" not in table.colnames


def test_nan_among_draws_shows():
    draws = np.sort(np.array([[1.0, 2.0, np.nan], [1.0, 2.0, 3.0]]), axis=1)
    found = ordered_quantiles(draws, np.array([0.5]))
    assert np.isnan(found[0, 0])
    assert found[1, 0] == 2.0


def test_quantiles_reproduce_the_distribution(rng):
    draws = np.concatenate([rng.normal(0.5, 0.03, (4, 700)), rng.gamma(2, 1, (4, 300))], axis=1)
    count = 51
    stored = ordered_quantiles(np.sort(draws, axis=1), probabilities(count)).astype(np.float32)
    assert (stored[:, 0] == draws.min(axis=1).astype(np.float32)).all()
    again = sedum.survey.quantile_draws(stored, 20_000)
    for old, new in zip(draws, again, strict=True):
        x = np.linspace(old.min(), old.max(), 999)
        cdf = [np.searchsorted(np.sort(v), x, side="right") / len(v) for v in (old, new)]
        # One step between stored quantiles, and the steps of both sets of draws.
        assert np.abs(cdf[0] - cdf[1]).max() <= 1 / (count - 1) + 1 / 1000 + 1 / 20_000
        # Stored probabilities are reproduced themselves.
        at = np.percentile(old, [16, 50, 84])
        np.testing.assert_allclose(np.percentile(new, [16, 50, 84]), at, rtol=1e-3)
    random = sedum.survey.quantile_draws(stored, 20_000, seed=1)
    # A mean over 20,000 draws: five standard errors.
    error = 5 * again.std(axis=1) / np.sqrt(20_000)
    assert (np.abs(random.mean(axis=1) - again.mean(axis=1)) < error).all()
    assert np.isnan(sedum.survey.quantile_draws(np.full(5, np.nan), 3)).all()
    assert sedum.survey.quantile_draws(stored[0], 3).shape == (3,)


# --- p(z) --------------------------------------------------------------------------------


def plain_density(draws, grid, bounds=(-1.0, np.inf)):
    """Sum all kernels and their reflections at all points: what the fast function is held to."""
    x, at = np.sort(np.log1p(draws), axis=1), np.log1p(grid)
    out = np.zeros((len(x), len(grid)))
    for i, own in enumerate(x):
        cell = np.clip(np.searchsorted(at, own, side="right") - 1, 0, len(at) - 2)
        width = np.maximum(kernel_width(own[None])[0], np.diff(at)[cell])
        images = [own, *(2 * np.log1p(b) - own for b in bounds if -1 < b < np.inf)]
        for image in images:
            out[i] += (np.exp(-0.5 * ((at[:, None] - image) / width) ** 2) / width).sum(axis=1)
    out[:, (grid < bounds[0]) | (grid > bounds[1])] = 0
    return out / (np.sqrt(2 * np.pi) * draws.shape[1] * (1 + grid))


def test_density_is_the_sum_of_kernels(rng):
    centre = np.array([0.3, 1.0, 4.0, 9.5, 0.02, 13.9])[:, None]
    width = np.array([0.001, 0.05, 0.4, 0.02, 0.1, 0.3])[:, None]
    draws = np.exp(np.log1p(centre) + width * rng.standard_normal((6, 400))) - 1
    draws[1, ::3] += 3.0  # two peaks
    draws = np.clip(draws, 0.0, 15.0)
    grid = redshift_grid(0.01, 14.0, 250)
    found = redshift_density(draws, grid)
    expected = plain_density(draws, grid)
    np.testing.assert_allclose(found, expected, atol=1e-7 * expected.max())
    bounds = (0.5, 10.0)
    expected = plain_density(draws, grid, bounds)
    reflected = redshift_density(draws, grid, bounds)
    np.testing.assert_allclose(reflected, expected, atol=1e-7 * expected.max())
    shared = normalise_density(found, grid, draws)
    inside = ((draws >= grid[0]) & (draws <= grid[-1])).mean(axis=1)
    np.testing.assert_allclose(np.trapezoid(shared, grid, axis=1), inside, rtol=1e-12)
    assert np.isnan(redshift_density(np.full((1, 5), np.nan), grid)).all()


def test_narrow_posteriors_are_not_smeared_by_the_coarsest_cell(rng):
    grid = redshift_grid(0.01, 14.0, 300)
    z = 4.0 + 0.05 * rng.standard_normal((1, 2000))
    density = redshift_density(z, grid)[0]
    mean = np.trapezoid(density * grid, grid)
    spread = np.sqrt(np.trapezoid(density * (grid - mean) ** 2, grid))
    # The cell is 0.047 wide, and so are the kernels.
    assert spread < np.hypot(0.05, 0.047) * 1.05


def test_a_density_does_not_fall_at_the_bounds_of_the_prior(rng):
    grid = redshift_grid(0.1, 2.0, 200)
    density = redshift_density(rng.uniform(0.1, 2.0, (1, 20_000)), grid, (0.1, 2.0))[0]
    # Kernels hold some 400 draws: noise of 5% and, where they are reflected, 7%; five sigma.
    np.testing.assert_allclose(density, 1 / 1.9, rtol=0.35)
    assert redshift_density(rng.uniform(0.1, 2.0, (1, 20_000)), grid)[0, 0] < 0.6 / 1.9


def test_the_peak_of_a_normal_distribution_is_found_between_points():
    grid = redshift_grid(0.0, 3.0, 61)
    centre = np.array([0.512, 1.237, 2.99, 0.0])
    density = np.exp(-0.5 * ((grid - centre[:, None]) / 0.1) ** 2)
    np.testing.assert_allclose(density_peak(density, grid)[:2], centre[:2], atol=1e-6)
    np.testing.assert_allclose(density_peak(density, grid), centre, atol=0.06)
    assert np.isnan(density_peak(np.full((1, 61), np.nan), grid)).all()
    assert np.isnan(density_peak(np.zeros((1, 61)), grid)).all()


def test_pz_and_mode_follow_the_draws(results, good):
    table, _ = results
    grid = np.array(json.loads(table.meta["pz_grid"]))
    density = np.asarray(table["pz"], float)[good]
    assert density.shape == (ROWS - 1, 120)
    np.testing.assert_allclose(np.trapezoid(density, grid, axis=1), 1, rtol=1e-5)
    mean = np.trapezoid(density * grid, grid, axis=1)
    np.testing.assert_allclose(mean, table["redshift_mean"][good], atol=0.02)
    step = grid[1] - grid[0]
    assert (np.abs(grid[density.argmax(axis=1)] - table["redshift_mode"][good]) <= step).all()


def test_a_fixed_redshift_has_pz_where_its_grid_is_given(small_run):
    priors = {**small_run.priors, "redshift": FixedPrior(kind="fixed", value=0.5)}
    prior = prior_of(small_run.model, priors)
    with pytest.raises(SedumError, match=r"a grid from 0\.5 to 0\.5 is empty"):
        Summaries(prior, OutputSettings(pz=PzSettings()), 1)
    summaries = Summaries(prior, OutputSettings(pz=PzSettings(low=0.0, high=1.0, points=101)), 1)
    summaries.note("redshift", np.full((1, 30), 0.5), np.array([0]))
    table = Table()
    summaries.into(table)
    summaries.lists_into(table)
    np.testing.assert_allclose(np.trapezoid(table["pz"][0], dx=0.01), 1, rtol=1e-5)
    assert abs(table["redshift_mode"][0] - 0.5) < 0.001


# --- units and descriptions --------------------------------------------------------------


def every_quantity():
    """Return all names of parameters, and of derived quantities one of each family."""
    families = ["log_sfr_30", "log_ssfr_100", "lookback_t50", "absmag_sdss_r0", "log_lum_Ha"]
    families += ["colour_sdss_g0_minus_sdss_r0", "log_flux_Ha", "ew_Ha"]
    assert len(derived._FAMILIES) == 5, "a new family of quantities belongs into this list"
    return [*PARAMETERS, "t25", "log_sfr_ratio_2", "sfr_fraction_3", *derived._PLAIN, *families]


@pytest.mark.parametrize("name", every_quantity())
def test_every_quantity_has_a_description_and_a_unit_of_the_standard(name):
    unit, text = describe_column(name)
    assert text
    assert text != name or name == "redshift"
    told = vounit(unit)
    inner = told.removeprefix("log(").removesuffix(")")
    with warnings.catch_warnings():
        # Discouraged by the standard, and what astronomy uses.
        warnings.simplefilter("ignore", u.UnitsWarning)
        parsed = u.Unit(inner, format="vounit")
    if unit:
        expected = u.Unit(unit)
        assert parsed == getattr(expected, "physical_unit", expected)
        assert from_vounit(told) == expected
        assert told.startswith("log(") == unit.startswith("dex")
    # A logarithm of something that has a dimension has that dimension.
    if text.startswith("log10") and "ratio" not in text:
        assert unit.startswith("dex") or "fraction" in text or "ionisation" in text, text


def test_descriptions_are_of_the_quantity_itself():
    assert describe_column("mass_weighted_age")[1].startswith("mean age")
    assert describe_column("burst_age") == ("Gyr", "time since star formation began")
    assert describe_output("log_mass_std") == (
        "",
        "log10 stellar mass formed, standard deviation of the posterior, in dex",
    )
    assert describe_output("av_p2_5") == ("mag", "dust attenuation in V, 2.5th percentile")
    with pytest.raises(KeyError):
        describe_output("something")
    with pytest.raises(ValueError, match="other than dex"):
        vounit("mag(Jy)")
    assert from_vounit("") is None
    assert from_vounit("log(1)") == u.dex(u.dimensionless_unscaled)


def described(path, ending):
    """Return unit (VOUnit) and description of the columns in a file, as others read them."""
    if ending == "fits":  # the VOTable that TOPCAT takes them from
        with fits.open(path) as hdus:
            blob = hdus[0].data.tobytes()
            assert [c.keyword for c in hdus[0].header.cards[:6]] == [
                "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "VOTMETA", "EXTEND",
            ]  # fmt: skip
        return fields_of(blob)
    if ending == "parquet":
        schema = parquet.read_schema(path)
        told = {
            f.name: (f.metadata[b"unit"].decode(), f.metadata[b"description"].decode())
            for f in schema
        }
        assert fields_of(schema.metadata[b"IVOA.VOTable-Parquet.content"]) == told
        return told
    table = Table.read(path)
    return {n: (vounit(table[n].unit), table[n].description) for n in table.colnames}


def fields_of(blob):
    from io import BytesIO

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        table = votable.parse(BytesIO(blob), verify="ignore").get_first_table()
    return {f.name: (str(f.unit or ""), f.description) for f in table.fields}


@pytest.mark.parametrize("ending", ENDINGS)
def test_files_say_units_and_descriptions(results, ending):
    table, folder = results
    told = described(folder / f"out.{ending}", ending)
    assert list(told) == table.colnames
    for name, (unit, text) in told.items():
        assert text, name
        assert text == table[name].description
        assert u.Unit(from_vounit(unit) or "") == u.Unit(table[name].unit or ""), name
    assert told["log_mass_p50"][0] == "log(solMass)"
    assert told["log_flux_Ha_quantiles"][0] == "log(erg.s**-1.cm**-2)"
    assert told["mass_weighted_age_std"][0] == "Gyr"
    assert told["log_mass_std"][0] == ""


@pytest.mark.parametrize(
    ("ending", "kind"),
    [("fits", None), ("parquet", None), ("parquet", "parquet.votable"), ("ecsv", None)],
)
def test_astropy_reads_files_without_warnings(results, ending, kind):
    table, folder = results
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        again = Table.read(folder / f"out.{ending}", format=kind)
    # erg is a VOUnit, discouraged; line fluxes are the only columns here that have it.
    assert not [w for w in said if "'erg' has been deprecated" not in str(w.message)]
    assert len(said) <= len([n for n in table.colnames if n.startswith("log_flux_Ha")])
    assert again.colnames == table.colnames
    np.testing.assert_array_equal(again["pz"], table["pz"])
    np.testing.assert_array_equal(again["redshift_draws"], table["redshift_draws"])
    if ending != "fits":
        assert list(again["id"]) == list(table["id"])
    if (ending, kind) == ("parquet", None):
        return  # astropy's plain reader takes only the data
    assert str(again["mass_weighted_age_p50"].unit) == "Gyr"
    text = again["log_mass_p50"].description
    assert text.startswith("log10 stellar mass formed, 50th percentile")
    if ending == "fits":
        assert text.endswith("[log(solMass)]")


# --- provenance --------------------------------------------------------------------------


def test_provenance_is_the_same_in_every_format(results, small_posterior):
    _, folder = results
    found = [sedum.results.read_provenance(folder / f"out.{ending}") for ending in ENDINGS]
    assert found[0] == found[1] == found[2]
    assert found[0]["run"]["output"]["quantiles"] == 21
    assert found[0]["estimator"] == small_posterior.digest()
    assert found[0]["fingerprint"] == small_posterior.fingerprint
    assert {"sedum", "torch"} <= {*found[0]["versions"]}
    assert found[0]["catalogue"] == "Table"
    assert len(found[0]["date"]) == len("2026-01-01T00:00:00")
    metadata = [read_metadata(folder / f"out.{ending}") for ending in ENDINGS]
    assert metadata[0] == metadata[1] == metadata[2]
    assert json.loads(metadata[0]["quantiles"]) == probabilities(21).tolist()


@pytest.mark.parametrize("shift", range(4))
def test_any_text_survives_the_cards_of_fits(shift, tmp_path):
    # Quotes, ampersands and blanks fall on all places of a card.
    told = json.dumps({"a": "x" * shift + "it's '' & && 'quoted'   & " * 40, "b": "é&"})
    table = Table({"id": [1, 2]}, meta={"sedum": told, "catalogue": "naïve & co's.fits"})
    write_table(table, tmp_path / "a.fits")
    write_table(table, tmp_path / "a.parquet")
    assert read_metadata(tmp_path / "a.fits")["sedum"] == told
    assert read_metadata(tmp_path / "a.parquet")["catalogue"] == "naïve & co's.fits"
    assert fits_hdu(table).header["CATALOGU"] == "na\\xefve & co's.fits"


def test_the_date_can_be_given(monkeypatch):
    from sedum.results.provenance import now

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    assert now() == "2001-09-09T01:46:40"


def test_files_without_provenance_are_named(tmp_path):
    Table({"a": [1]}).write(tmp_path / "a.fits")
    with pytest.raises(SedumError, match="does not say where it comes from"):
        sedum.results.read_provenance(tmp_path / "a.fits")
    (tmp_path / "b.parquet").write_text("nothing")
    with pytest.raises(SedumError, match=r"cannot read .*b.parquet"):
        sedum.results.read_provenance(tmp_path / "b.parquet")
    with pytest.raises(SedumError, match="results are FITS, Parquet or ECSV"):
        sedum.results.read_provenance(tmp_path / "c.csv")


# --- parts -------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_parts_are_put_together_to_what_the_whole_is(results, tmp_path, ending):
    whole, folder = results
    (tmp_path / "folder").mkdir()
    parts = [tmp_path / "folder" / f"part-{k}.parquet" for k in range(3)]
    for k, path in enumerate(parts):
        write_table(whole[20 * k : 20 * (k + 1)], path)
    out = tmp_path / f"out.{ending}"
    assemble(parts, out)
    one = folder / f"out.{ending}"
    assert described(out, ending) == described(one, ending)
    assert read_metadata(out) == read_metadata(one)
    assert sedum.results.read_provenance(tmp_path / "folder") == sedum.results.read_provenance(one)
    a, b = Table.read(one), Table.read(out)
    assert a.colnames == b.colnames
    for name in a.colnames:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
        assert a[name].dtype == b[name].dtype
    if ending == "fits":
        with fits.open(out) as hdus:
            hdus.verify("exception")


# --- qp ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "source"),
    [
        ("fits", "pz"),
        ("parquet", "pz"),
        ("ecsv", "pz"),
        ("parquet", "redshift_draws"),
        ("parquet", "redshift_quantiles"),
    ],
)
def test_qp_reads_what_the_draws_say(results, good, tmp_path, ending, source):
    qp = pytest.importorskip("qp", reason="needs sedum[qp]")
    table, folder = results
    path = folder / f"out.{ending}"
    if source != "pz":
        others = {"pz", "redshift_draws", "redshift_quantiles"} - {source}
        less = table.copy()
        less.remove_columns([*others, "redshift_mode"])
        path = tmp_path / f"less.{ending}"
        write_table(less, path)
    done = sedum.survey.to_qp(path, tmp_path / "pz.hdf5", portion=21)
    assert (done.rows, done.flat, done.source) == (ROWS, 1, source)
    ensemble = qp.read(str(tmp_path / "pz.hdf5"))
    assert ensemble.npdf == ROWS
    draws = np.asarray(table["redshift_draws"], float)
    x = np.linspace(0.1, 0.9, 9)
    share = (draws[:, :, None] <= x).mean(axis=1)
    # The kernels smooth the draws' distribution, most where it is steep.
    assert np.abs(ensemble.cdf(x)[good] - share[good]).max() < 0.06
    at = np.array([0.16, 0.5, 0.84])
    # Between two peaks a quantile is ill determined; the fraction of draws below it is not.
    below = (draws[good][:, :, None] <= ensemble.ppf(at)[good][:, None]).mean(axis=1)
    assert np.abs(below - at).max() < 0.06
    grid = ensemble.metadata["xvals"].ravel()
    mode = grid[ensemble.pdf(grid)[good].argmax(axis=1)]
    assert np.abs(mode - ensemble.ancil["z_mode"][good]).max() < 2 * (grid[1] - grid[0])
    np.testing.assert_allclose(ensemble.ancil["z_median"][good], table["redshift_p50"][good])
    np.testing.assert_allclose(ensemble.ancil["z_spec"], table["redshift_catalogue"])
    # The row that was not fitted keeps its place, says so, and breaks nothing.
    assert list(ensemble.ancil["status"]) == list(table["status"])
    assert list(np.flatnonzero(~ensemble.ancil["fitted"])) == [BAD]
    flat = ensemble.pdf(x)[BAD]
    np.testing.assert_allclose(flat, flat[0])
    if ending != "fits":  # which holds ASCII alone
        assert list(ensemble.ancil["id"]) == list(table["id"])


def test_what_qp_cannot_be_made_of_is_named(results, tmp_path, monkeypatch):
    pytest.importorskip("qp", reason="needs sedum[qp]")
    table, folder = results
    less = table.copy()
    less.remove_columns(["pz", "redshift_draws", "redshift_quantiles"])
    write_table(less, tmp_path / "less.fits")
    with pytest.raises(SedumError, match=r"no column pz, .* output.pz: \{\} in the run file"):
        sedum.survey.to_qp(tmp_path / "less.fits", tmp_path / "pz.hdf5")
    with pytest.raises(SedumError, match="do not exist"):
        sedum.survey.to_qp(tmp_path / "none.fits", tmp_path / "pz.hdf5")
    with pytest.raises(SedumError, match=r"ending \.hdf5"):
        sedum.survey.to_qp(folder / "out.fits", tmp_path / "pz.fits")
    write_table(table[:0], tmp_path / "empty.parquet")
    with pytest.raises(SedumError, match="no rows"):
        sedum.survey.to_qp(tmp_path / "empty.parquet", tmp_path / "pz.hdf5")
    monkeypatch.setitem(sys.modules, "qp", None)
    with pytest.raises(SedumError, match=r"pip install 'sedum\[qp\]'"):
        sedum.survey.to_qp(folder / "out.fits", tmp_path / "pz.hdf5")
    assert {p.name for p in tmp_path.iterdir()} == {"less.fits", "empty.parquet"}


def test_the_command_says_what_it_wrote(results, tmp_path, capsys):
    pytest.importorskip("qp", reason="needs sedum[qp]")
    from sedum.cli.results_commands import qp

    _, folder = results
    qp(folder / "out.parquet", tmp_path / "pz.hdf5", quiet=True)
    said = capsys.readouterr().out
    assert f"pz.hdf5: {ROWS} densities, from pz" in said
    assert "1 of them are flat" in said


def test_parts_that_are_empty_can_be_written():
    table = Table({"id": np.array([], "U4"), "x": np.zeros(0, np.float32)})
    assert arrow_table(table).num_rows == 0
    assert fits_hdu(table).header["NAXIS2"] == 0
