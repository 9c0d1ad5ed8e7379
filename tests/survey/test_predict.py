"""What is recovered of galaxies: bands, densities and pages, and single rows of catalogues."""

import numpy as np
import pytest
from astropy.table import Table

from run_cases import run_settings
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.observe.mock_survey import mock_survey
from sedum.photometry.catalogue import read_for_run
from sedum.report.plots.galaxy_page import percentile_table, plot_page
from sedum.survey.fit_rows import RowFitter
from sedum.survey.predict import (
    BANDS,
    _percentiles,
    predict,
    predict_draws,
    redshift_density,
)
from sedum.survey.select_rows import draw_selected, select_rows


def test_percentiles_are_those_of_numpy(rng):
    values = rng.standard_normal((3, 37, 4))
    expected = np.percentile(values, BANDS, axis=1).transpose(1, 0, 2)
    np.testing.assert_allclose(_percentiles(values), expected, atol=1e-6)
    np.testing.assert_allclose(_percentiles(values[:, :1]), np.repeat(values[:, :1], 5, 1), 1e-6)


def test_redshift_density_is_normalised_and_follows_the_draws(rng):
    draws = np.stack([rng.normal(1.0, 0.1, 2000), np.full(2000, 2.0)])
    grid = np.linspace(0, 4, 801)
    density = redshift_density(draws, grid)
    np.testing.assert_allclose(density.sum(axis=1) * (grid[1] - grid[0]), 1, atol=1e-3)
    mean = (density * grid).sum(axis=1) * (grid[1] - grid[0])
    np.testing.assert_allclose(mean, [1.0, 2.0], atol=0.01)
    # A redshift that is given: as narrow as the grid can show.
    assert grid[density[1] > 0.01 * density[1].max()].std() < 0.05


def test_everything_is_recovered_whatever_the_batch(small_model, small_posterior):
    _, seen = mock_survey(small_model, small_posterior.noise, 40, 8)
    wavelength = np.geomspace(3500, 9000, 60)
    parts = list(
        predict(
            small_posterior, small_model, seen, 16, wavelength=wavelength, derived=["log_sfr_10"]
        )
    )
    assert [len(found) for _, found in parts] == [32, 8]
    last = parts[1][1]
    assert last.photometry.shape == (8, 5, 3)
    assert last.spectrum.shape == (8, 5, 60)
    assert last.star_formation.shape == (8, 5, len(last.lookback) - 1)
    assert last.density.shape == (8, len(last.redshift))
    assert last.derived["log_sfr_10"].shape == (8, 5)
    for bands in (last.photometry, last.spectrum, last.star_formation):
        assert (np.diff(bands, axis=1) >= 0).all()
    # The median of the model's fluxes at the draws of the fit.
    draws = small_posterior.sample(seen, 16)[37]
    np.testing.assert_array_equal(last.draws[5], draws)
    median = np.median(small_model.photometry(draws), axis=0)
    np.testing.assert_allclose(last.photometry[5, 2], median, rtol=1e-5)
    alone = next(
        predict(
            small_posterior,
            small_model,
            seen[37:38],
            16,
            keys=np.array([37]),
            spectra=False,
            derived=[],
        )
    )[1]
    np.testing.assert_allclose(alone.photometry[0], last.photometry[5], rtol=1e-5)
    assert alone.spectrum.shape == (1, 5, 0)
    assert alone.derived == {}


def test_history_forms_the_mass(small_model, rng):
    """The rate integrated over lookback time is the mass formed."""
    theta = small_model.prior.sample(3, rng)
    found = predict_draws(small_model, np.repeat(theta[:, None], 2, axis=1), derived=[])
    formed = (found.star_formation[:, 2] * np.diff(found.lookback)).sum(axis=1)
    mass = theta[:, small_model.prior.names.index("log_mass")]
    np.testing.assert_allclose(np.log10(formed), mass, atol=1e-3)


def catalogue(seen, run, n=12):
    table = Table({"id": [f"g/{i}" for i in range(n)], "z": np.full(n, 0.4)})
    for i, band in enumerate(run.band_names()):
        there = seen.observed[:n, i]
        table[f"f_{band}"] = np.where(there, seen.flux[:n, i], np.nan)
        table[f"e_{band}"] = np.where(there, seen.error[:n, i], np.nan)
    table["e_sdss_r0"][2] = -1.0
    return table


def test_single_rows_are_those_of_the_fit(tmp_path, small_run, small_model, small_posterior):
    _, seen = mock_survey(small_model, small_posterior.noise, 12, 10)
    rows = read_for_run(catalogue(seen, small_run), small_run, small_model.filters)
    at = select_rows(rows, [7], ["g/4", "g/7"])
    assert at.tolist() == [7, 4]
    chosen = draw_selected(small_run, small_posterior, small_model, rows, at)
    table = RowFitter(small_run, small_posterior, small_model).fit(rows)
    median = np.median(chosen.draws[..., 0], axis=1)
    np.testing.assert_allclose(median, table["redshift_p50"][at])
    found = predict_draws(small_model, chosen.draws[:1, :20])
    path = plot_page(
        small_model, chosen.photometry[:1], found, tmp_path / "page.png", draws=chosen.draws[0]
    )
    assert path.stat().st_size > 50_000
    shown = percentile_table(small_posterior.names, chosen.draws[0], found, "one")
    assert len(shown.rows) == len(small_posterior.names) + len(found.derived)
    for wrong, message in (
        (([99], []), "rows 0 to 11"),
        (([], ["x"]), "no row has"),
        (([], []), "at least one"),
    ):
        with pytest.raises(SedumError, match=message):
            select_rows(rows, *wrong)
    with pytest.raises(SedumError, match=r"row 2 .* cannot be fitted: error not positive"):
        draw_selected(small_run, small_posterior, small_model, rows, np.array([2]))


def test_verified_draws_are_shown(small_model, small_posterior):
    run = parse_run(
        run_settings(
            output={
                "draws": 200,
                "verify": {"rounds": 0},
                "typicality": {"galaxies": 1000, "level": 0.05},
            }
        )
    )
    _, seen = mock_survey(small_model, small_posterior.noise, 12, 10)
    rows = read_for_run(catalogue(seen, run), run, small_model.filters)
    chosen = draw_selected(run, small_posterior, small_model, rows, np.array([5]))
    table = RowFitter(run, small_posterior, small_model).fit(rows)
    assert np.median(chosen.draws[0, :, 0]) == pytest.approx(table["redshift_p50"][5])
