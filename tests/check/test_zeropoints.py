"""Zero-points: planted offsets are found, within their errors and their prior."""

from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import yaml

from run_cases import run_settings
from sedum.check.zeropoint_solver import Residuals, Solver
from sedum.check.zeropoints import measure_zeropoints
from sedum.config import load_run, parse_run
from sedum.errors import SedumError
from sedum.observe.mock_survey import mock_survey
from sedum.photometry.catalogue import CatalogueRows
from sedum.photometry.observed import Photometry
from sedum.photometry.row_status import RowStatus
from sedum.report.plots.checks.zeropoint_plot import plot_zeropoints, zeropoint_table

N = 200
PLANTED = np.array([0.0, 0.08, -0.12, 0.2, 0.05])


class Average:
    """Predicts a band as the mean of the others, which is right for flat spectra."""

    def residuals(self, photometry, band):
        others = np.delete(photometry.flux, band, axis=1).mean(axis=1)
        return Residuals(
            photometry.flux[:, band] / others, np.ones(len(others)), np.arange(len(others))
        )


class Slope:
    """Predicts a band from a line through its neighbours: a slope of offsets is unseen."""

    def residuals(self, photometry, band):
        log = np.log(photometry.flux)
        at = np.delete(np.arange(log.shape[1]), band)
        fitted = np.polyfit(at, log[:, at].T, 1)
        predicted = np.exp(fitted[0] * band + fitted[1])
        return Residuals(
            photometry.flux[:, band] / predicted, np.ones(len(log)), np.arange(len(log))
        )


def flat(rng, n=400, error=0.05):
    flux = 10 ** rng.uniform(0, 2, (n, 1)) * np.ones(5)
    seen = flux * 10 ** (0.4 * PLANTED) * (1 + error * rng.standard_normal((n, 5)))
    return Photometry.make(seen, error * flux)


def solve(predictor, seen, rng, prior):
    solver = Solver(predictor, [1, 2, 3, 4], 5, prior)
    response = solver.response(seen, lambda count, note="": None)
    return solver.settle(seen, response, np.zeros(5), rng)


def test_planted_offsets_are_found(rng):
    found = solve(Average(), flat(rng), rng, prior=0.5)
    assert found.settled
    # The medians have errors of 0.003 mag; five times that is left room for.
    np.testing.assert_allclose(found.offset, PLANTED, atol=0.016)


def test_the_prior_holds_what_the_data_do_not(rng):
    seen = flat(rng)
    found = solve(Slope(), seen, rng, prior=0.1)
    assert found.settled
    assert np.abs(found.offset).max() < 0.25
    # A slope cannot be seen: the errors grow towards the end, to the size of the prior.
    assert found.error[-1] > 0.05
    assert (np.diff(found.error) > -0.01).all()
    tight = solve(Slope(), seen, rng, prior=0.001)
    assert np.abs(tight.offset).max() < 0.005


@pytest.fixture(scope="module")
def rows(small_model, small_posterior):
    theta, seen = mock_survey(small_model, small_posterior.noise, N, 3)
    redshift, unknown = theta[:, 0], np.full(N, np.nan)
    seen = seen.scaled(10 ** (-0.4 * np.array([0.5, 0.0, 0.0])))
    return CatalogueRows(np.arange(N), seen, redshift, unknown, RowStatus(N))


def test_whole_measurement(tmp_path, rows, small_run, small_model, small_posterior):
    found = measure_zeropoints(small_run, small_posterior, rows, model=small_model, prior=0.5)
    # The selection band is never left out: it is the anchor. The estimator of the tests has
    # hardly been trained; half a magnitude is seen nevertheless, and mends the other half.
    assert found.anchor == "sdss_r0"
    assert found.offset[1] == 0
    assert found.offset[0] < -0.2
    assert abs(found.after[0]) < abs(found.before[0]) / 2
    found.write(tmp_path / "zp.yaml", source="mock.fits")
    settings = run_settings()
    settings["catalogue"]["offsets"] = "zp.yaml"
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings))
    run = load_run(tmp_path / "run.yaml")
    assert run.catalogue.offsets["sdss_g0"] == pytest.approx(found.offset[0], abs=1e-4)
    # Measured again with offsets applied, the file holds their sum.
    scaled = rows.photometry.scaled(
        10 ** (-0.4 * np.array([run.catalogue.offsets[b] for b in run.band_names()]))
    )
    again = measure_zeropoints(
        run,
        small_posterior,
        CatalogueRows(**{**vars(rows), "photometry": scaled}),
        model=small_model,
        prior=0.5,
    )
    assert abs(again.offset[0] - found.offset[0]) < 0.3
    np.testing.assert_allclose(again.applied, [run.catalogue.offsets[b] for b in found.bands])
    plot_zeropoints(found, tmp_path / "zp.png")
    assert (tmp_path / "zp.png").stat().st_size > 10_000
    assert "sdss_g0" in {str(c) for c in zeropoint_table(found).columns[0].cells}


def test_a_thin_band_is_left_out_by_name_and_the_others_are_measured(
    tmp_path, rows, small_run, small_model, small_posterior
):
    seen = rows.photometry
    few = seen.observed.copy()
    few[30:, 0] = False  # too few for either half
    thin = replace(
        seen, observed=few, flux=np.where(few, seen.flux, 0.0), error=np.where(few, seen.error, 1.0)
    )
    thin = CatalogueRows(**{**vars(rows), "photometry": thin})
    found = measure_zeropoints(small_run, small_posterior, thin, model=small_model, prior=0.5)
    assert np.isnan(found.offset[0])
    assert np.isfinite(found.offset[1:]).all()
    assert found.thin == ["sdss_g0"]
    assert "sdss_g0 too few galaxies" in repr(found)
    found.write(tmp_path / "zp.yaml")
    written = yaml.safe_load((tmp_path / "zp.yaml").read_text())
    assert written["too_few_galaxies"] == ["sdss_g0"]


def test_what_has_not_settled_says_so(rows, small_run, small_model, small_posterior, monkeypatch):
    monkeypatch.setattr("sedum.check.zeropoint_solver._ROUNDS", 1)
    found = measure_zeropoints(small_run, small_posterior, rows, model=small_model, prior=0.5)
    assert not found.settled
    assert "settled no" in repr(found)
    assert "NOT SETTLED" in zeropoint_table(found).title


def test_refusals(rows, small_run, small_model, small_posterior):
    def measure(rows=rows, posterior=small_posterior, **options):
        return measure_zeropoints(small_run, posterior, rows, model=small_model, **options)

    unknown = CatalogueRows(**{**vars(rows), "catalogue_redshift": np.full(N, np.nan)})
    with pytest.raises(SedumError, match=r"need 40 galaxies of known redshift .* found 0"):
        measure(unknown)
    with pytest.raises(SedumError, match=r"'sdss_q0' is not among the filters.*allowed"):
        measure(anchor="sdss_q0")
    empty = CatalogueRows(**{**vars(rows), "photometry": rows.photometry.without(2)})
    with pytest.raises(SedumError, match="anchor sdss_i0: measured in fewer than 40"):
        measure(empty, anchor="sdss_i0")
    found = measure(empty)
    assert np.isnan(found.offset[2])
    assert "too few galaxies" in {str(c) for c in zeropoint_table(found).columns[2].cells}


def test_an_estimator_that_never_lacked_a_band_is_refused(small_posterior, rows, small_model):
    run = parse_run(run_settings(noise={"missing": 0.0}))
    other = copy(small_posterior)
    other.noise = copy(small_posterior.noise)
    other.noise.spec = run.noise
    other.require = lambda fingerprint: None
    with pytest.raises(SedumError, match=r"noise\.missing: 0"):
        measure_zeropoints(run, other, rows, model=small_model)
