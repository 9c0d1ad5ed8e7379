"""Scorecards on catalogues: known redshifts and others' estimates."""

import json

import numpy as np
import pytest
from astropy.table import Table
from scipy import stats

from run_cases import run_settings
from sedum import config
from sedum.check.catalogue_scorecard import (
    CatalogueValidation,
    parse_references,
    validate_catalogue,
)
from sedum.check.known_redshifts import RedshiftMetrics, log_densities
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.observe.mock_survey import mock_survey
from sedum.priors.joint import Prior
from sedum.report.plots.checks.redshift_plots import (
    plot_redshifts,
    plot_references,
    redshift_table,
    reference_table,
)

PRIOR = Prior({"redshift": config.UniformPrior(kind="uniform", low=0.0, high=4.0)}, lambda z: z)


def exact(rng, n=1500, draws=300, sigma=0.05, width=1.0, shift=0.0):
    """Return p(z) normal with the truth as one of its draws, spoilt in width or place."""
    truth = rng.uniform(0.5, 3.5, n)
    centre = truth + sigma * rng.standard_normal(n) + shift * sigma
    drawn = centre[:, None] + width * sigma * rng.standard_normal((n, draws))
    return RedshiftMetrics.of(PRIOR, truth, drawn)


def test_numbers_of_a_known_posterior(rng):
    """Four standard errors of each: a false alarm once in 3,000 seeds."""
    found = exact(rng)
    numbers = found.measures()
    n, sigma = len(found), 0.05
    # The error of the median of a normal is 1.25 sigma / sqrt(n), before 1 + z.
    assert abs(numbers["bias"]) < 4 * 1.25 * sigma / np.sqrt(n)
    assert numbers["coverage_68"] == pytest.approx(0.68, abs=4 * np.sqrt(0.68 * 0.32 / n))
    assert numbers["coverage_95"] == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / n))
    assert numbers["outliers"] == 0
    entropy = -0.5 * np.log(2 * np.pi * np.e * sigma**2)
    assert numbers["log_density"] == pytest.approx(entropy, abs=0.08)
    # The prior has density 1/4 everywhere.
    assert numbers["information"] == pytest.approx(numbers["log_density"] + np.log(4), abs=1e-3)


def test_density_is_normalised_and_has_its_peaks(rng):
    peaks = np.where(rng.random(4000) < 0.3, 0.5, 2.5) + 0.02 * rng.standard_normal(4000)
    grid = np.linspace(0.001, 3.999, 801)
    draws = np.broadcast_to(peaks, (len(grid), 4000))
    density = np.exp(log_densities(PRIOR, grid, draws)[0])
    assert density.sum() * (grid[1] - grid[0]) == pytest.approx(1, abs=0.01)
    assert density[grid < 1.5].sum() * (grid[1] - grid[0]) == pytest.approx(0.3, abs=0.03)
    expected = 0.7 * stats.norm.pdf(2.5, 2.5, 0.02)
    assert density[np.abs(grid - 2.5).argmin()] == pytest.approx(expected, rel=0.15)
    beyond, gain = log_densities(PRIOR, np.array([5.0, 3.9]), draws[:2])
    assert beyond[0] == -np.inf
    assert np.isnan(gain[0])
    # Far from every draw it is the prior's share of one draw.
    assert gain[1] == pytest.approx(-np.log(4001), abs=1e-6)


def test_faults_of_redshifts_are_named(rng):
    """Three tests at 1e-4 each."""
    good = CatalogueValidation(1500, exact(rng), {}, [])
    assert good.faults() == []
    narrow = CatalogueValidation(1500, exact(rng, width=0.5), {}, []).faults()
    assert narrow[0].startswith("redshift: over-confident")
    shifted = CatalogueValidation(1500, exact(rng, shift=0.5), {}, []).faults()
    assert any("PIT not uniform" in fault for fault in shifted)


@pytest.fixture(scope="module")
def survey(small_model, small_posterior):
    """Return a mock catalogue with truths, another's masses, and rows that cannot be fitted."""
    theta, seen = mock_survey(small_model, small_posterior.noise, 150, 9)
    names = small_model.prior.names
    table = Table({"id": np.arange(150), "z": theta[:, names.index("redshift")]})
    for i, band in enumerate(small_model.filters.names):
        missing = ~seen.observed[:, i]
        table[f"f_{band}"] = np.where(missing, np.nan, seen.flux[:, i])
        table[f"e_{band}"] = np.where(missing, np.nan, seen.error[:, i])
    table["mass"] = theta[:, names.index("log_mass")] - 0.3
    table["z"][140:] = -99
    table["mass"][:40] = -99
    table["f_sdss_r0"][:3] = np.nan
    table["e_sdss_r0"][3] = -1.0
    return table


def test_catalogue_is_judged(tmp_path, small_run, small_model, small_posterior, survey):
    found = validate_catalogue(
        small_run,
        small_posterior,
        survey,
        {"log_mass": "mass", "log_mass_surviving": "mass"},
        model=small_model,
        n_draws=100,
    )
    card = found.scorecard()
    assert json.loads(json.dumps(card)) == card
    assert found.unfitted == {
        "selection band sdss_r0 not observed": 3,
        "error not positive in sdss_r0": 1,
    }
    assert card["redshift"]["all"]["galaxies"] == 136
    assert sum(b["galaxies"] for b in card["redshift"]["bins"]["redshift"].values()) <= 136
    assert card["redshift"]["all"]["nmad_error"] > 0
    masses = card["references"]["log_mass"]
    assert masses["redshift free"]["galaxies"] == 110
    assert masses["redshift known"]["galaxies"] == 100
    # Masses of known redshift are recovered, so the planted 0.3 dex are found.
    known = masses["redshift known"]
    assert known["offset"] == pytest.approx(0.3, abs=0.15)
    assert known["nmad"] < masses["redshift free, where known"]["nmad"] + 0.05
    surviving = card["references"]["log_mass_surviving"]["redshift known"]
    assert surviving["offset"] < known["offset"]
    plot_redshifts(found.redshifts, tmp_path / "z.png")
    plot_references(found.references, tmp_path / "masses.png")
    assert min(p.stat().st_size for p in tmp_path.iterdir()) > 10_000
    assert len(redshift_table(card["redshift"]).rows) >= 3
    assert len(reference_table(card["references"]).rows) == 6


def test_redshift_column_may_be_another(small_run, small_model, small_posterior, survey):
    again = survey.copy()
    again["z_other"] = again["z"]
    again["z"] = np.nan
    found = validate_catalogue(
        small_run, small_posterior, again, redshift="z_other", model=small_model, n_draws=50
    )
    assert len(found.redshifts) == 136
    assert found.references == []


def test_what_cannot_be_judged_is_said(small_run, small_model, small_posterior, survey):
    def judge(run=small_run, table=survey, references=None):
        return validate_catalogue(
            run, small_posterior, table, references, model=small_model, n_draws=20
        )

    with pytest.raises(SedumError, match="no column 'lmass'"):
        judge(references={"log_mass": "lmass"})
    with pytest.raises(SedumError, match="log_masses"):
        judge(references={"log_masses": "mass"})
    blank = survey.copy()
    blank["z"] = -99.0
    with pytest.raises(SedumError, match="no row has a known redshift"):
        judge(table=blank)
    bare = run_settings()
    del bare["catalogue"]["redshift"]
    with pytest.raises(SedumError, match="nothing to validate with"):
        judge(run=parse_run(bare))
    with pytest.raises(SedumError, match="expected QUANTITY=COLUMN"):
        parse_references(["log_mass"])
    with pytest.raises(SedumError, match="log_mass stands twice"):
        parse_references(["log_mass=a", "log_mass=b"])
    assert parse_references(["log_mass=a", "av=b"]) == {"log_mass": "a", "av": "b"}
