"""Models compared by evidence that is known otherwise, and on data of known models."""

import copy
import json

import numpy as np
import pytest
from astropy.table import Table
from scipy import stats

from command_line import sedum
from run_cases import run_settings
from sedum import config
from sedum.comparison.compare_models import compare
from sedum.comparison.model_evidence import model_fractions, model_probabilities, selected_fraction
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.infer.training.train import train
from sedum.infer.verify.nested_sampling import sample_nested
from sedum.library.generate import simulate
from sedum.library.library_file import Library
from sedum.observe.mock_survey import mock_survey
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.observed import Photometry
from sedum.priors.joint import Prior
from sedum.report.plots.comparison_plots import comparison_tables, plot_comparison

BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]

# --- probabilities and fractions ------------------------------------------------------------


def test_probabilities_by_bayes():
    evidence = np.log([[1.0, 3.0], [2.0, 2.0]])
    np.testing.assert_allclose(model_probabilities(evidence), [[0.25, 0.75], [0.5, 0.5]])
    odds = np.array([3.0, 1.0])
    np.testing.assert_allclose(model_probabilities(evidence, odds), [[0.5, 0.5], [0.75, 0.25]])
    shifted = model_probabilities(evidence - 5000.0)
    np.testing.assert_allclose(shifted, [[0.25, 0.75], [0.5, 0.5]])


def test_shares_of_galaxies_of_known_models():
    """Where every galaxy tells its model, the posterior is Dirichlet(1 + counts)."""
    counts = np.array([60, 30, 10])
    evidence = np.where(np.repeat(np.arange(3), counts)[:, None] == np.arange(3), 0.0, -50.0)
    found = model_fractions(evidence)
    exact = stats.dirichlet(1 + counts)
    # Some 3,400 effective draws: five standard errors.
    np.testing.assert_allclose(found.mean, exact.mean(), atol=5 * np.sqrt(exact.var().max() / 2000))
    np.testing.assert_allclose(found.sigma, np.sqrt(exact.var()), rtol=0.1)
    np.testing.assert_allclose(found.most_likely, counts / 100, atol=1e-6)
    beta = stats.beta(61, 42)
    assert found.low[0] == pytest.approx(beta.ppf(0.16), abs=0.01)
    assert found.high[0] == pytest.approx(beta.ppf(0.84), abs=0.01)
    assert found.ess > 1000


def test_shares_without_information_are_the_prior():
    found = model_fractions(np.full((500, 4), -7.0))
    np.testing.assert_allclose(found.mean, 0.25, atol=0.03)
    np.testing.assert_allclose(found.sigma, np.sqrt(3 / 80), rtol=0.1)


def test_shares_of_overlapping_models(rng):
    """Normals that overlap: the truth within four of the errors that are claimed."""
    first = rng.random(3000) < 0.3
    x = rng.normal(np.where(first, 0.0, 1.5), 1.0)
    evidence = np.stack([stats.norm.logpdf(x, 0.0), stats.norm.logpdf(x, 1.5)], axis=1)
    found = model_fractions(evidence)
    assert abs(found.mean[0] - 0.3) < 4 * found.sigma[0]
    assert abs(found.most_likely[0] - found.mean[0]) < 0.3 * found.sigma[0]
    # The information of known memberships gives the least error there can be.
    assert np.sqrt(0.21 / 3000) < found.sigma[0] < 0.03


class Single:
    """One band, whose flux is uniform between 0 and 10."""

    prior = Prior(
        {
            "redshift": config.FixedPrior(kind="fixed", value=0.1),
            "flux": config.UniformPrior(kind="uniform", low=0.0, high=10.0),
        },
        lambda z: z,
    )

    def photometry(self, theta):
        return theta[:, 1:]


@pytest.mark.parametrize(("snr", "expected"), [(5.0, 0.5), (8.0, 0.2), (None, 1.0)])
def test_selected_fraction(snr, expected):
    """Noise of 1 about a uniform flux: the share beyond a cut is that of the flux."""
    spec = config.DepthNoise(
        depths={"x": 23.9 - 2.5 * np.log10(5.0)},
        scatter=0,
        shared_scatter=0,
        floor=0,
        selection=None if snr is None else {"band": "x", "snr": snr},
    )
    found = selected_fraction(Single(), NoiseModel(["x"], spec))
    # Truncation at the ends changes 0.2 by 0.0009 (at 8, noise reaches beyond 10).
    assert found.log_fraction == pytest.approx(np.log(expected), abs=4 * found.error + 0.005)
    assert found.error == pytest.approx(np.sqrt((1 - expected) / expected / 16000), rel=0.5)


# --- catalogues --------------------------------------------------------------------------


def settings(history):
    """Return a run file of three free parameters: weights and nautilus are quick and sure."""
    fixed = {"log_z": -2.0, "av": 0.2, "log_u": -2.5}
    return run_settings(
        name=history,
        model={"history": {"kind": history}},
        priors={
            "redshift": {"kind": "uniform", "low": 0.2, "high": 0.4},
            "log_mass": {"kind": "uniform", "low": 8.5, "high": 10.5},
            **{k: {"kind": "fixed", "value": v} for k, v in fixed.items()},
            "age": {"kind": "universe_age", "low": 0.1, "high": 8.0},
        },
        noise={"missing": 0.0, "redshift_given": 0.0},
        training={"steps": 600, "round": 200},
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return posteriors and forward models of constant star formation and of a burst."""
    folder = tmp_path_factory.mktemp("compare")
    posteriors, models = {}, {}
    for history in ("constant", "burst"):
        run = parse_run(settings(history))
        model = models[history] = GalaxyModel.from_run(run)
        simulate(run, folder / f"{history}.h5", model=model)
        library = Library.read(folder / f"{history}.h5")
        posteriors[history] = train(run, library)
        posteriors[history].write(folder / f"{history}.safetensors")
    return posteriors, models, folder


def as_table(seen):
    columns = {"id": np.arange(len(seen)), "z": np.full(len(seen), np.nan)}
    for j, band in enumerate(BANDS):
        columns[f"f_{band}"] = np.where(seen.observed[:, j], seen.flux[:, j], np.nan)
        columns[f"e_{band}"] = seen.error[:, j]
    return Table(columns)


def mixed(trained, each, seed=8):
    """Return galaxies of both models, as many of each, in this order."""
    posteriors, models, _ = trained
    parts = [
        mock_survey(models[h], posteriors[h].noise, each, seed + k)[1]
        for k, h in enumerate(posteriors)
    ]
    return Photometry.concatenate(parts)


def do(trained, table, path, **options):
    posteriors, models, _ = trained
    options = {"rounds": 4, **options}
    return compare(posteriors, table, path, models=models, **options)


@pytest.fixture(scope="module")
def found(trained, tmp_path_factory):
    seen = mixed(trained, 40)
    path = tmp_path_factory.mktemp("found") / "out.fits"
    return do(trained, as_table(seen), path, n_draws=500)


def test_data_prefer_the_model_that_they_come_from(found):
    """Mean ln Bayes factor has the right sign; a false alarm has a chance of 3e-5 for each.

    Probabilities are calibrated: the sum of membership less probability is within four of its
    standard deviations (false alarm 6e-5).
    """
    use = found.compared
    assert use.mean() > 0.8
    factor = found.log_bayes_factor("burst")
    burst = (np.arange(80) >= 40)[use]
    for which, sign in ((burst, 1), (~burst, -1)):
        values = sign * factor[which]
        assert values.mean() > 4 * values.std() / np.sqrt(len(values))
    chance = np.asarray(found.table["probability_burst"])[use]
    off = (burst - chance).sum()
    assert abs(off) < 4 * np.sqrt((chance * (1 - chance)).sum())
    np.testing.assert_allclose(
        chance + np.asarray(found.table["probability_constant"])[use], 1, atol=1e-6
    )
    assert abs(found.fractions.mean[1] - burst.mean()) < 4 * found.fractions.sigma[1]
    total, error = found.summed("burst")
    assert total == pytest.approx(factor.sum())
    assert 0 < error < 10


def test_shifts_and_figure(found, tmp_path):
    shifts = found.shifts()
    assert set(shifts["quantity"]) == {"log_mass", "mass_weighted_age", "log_sfr_100"}
    assert set(shifts["draws"]) == {"estimator", "weighted"}
    whole = shifts[~np.isfinite(shifts["log_mass_low"]) & (shifts["draws"] == "weighted")]
    both = np.asarray(found.table["verified_constant"]) & np.asarray(found.table["verified_burst"])
    assert (whole["galaxies"] == both.sum()).all()
    row = whole[whole["quantity"] == "log_sfr_100"][0]
    columns = [np.asarray(found.table[f"log_sfr_100_{m}_p50"]) for m in ("constant", "burst")]
    assert row["shift"] == pytest.approx(np.median((columns[1] - columns[0])[both]))
    # A burst that is over forms nothing now, and constant star formation much.
    assert row["shift"] < -0.5
    assert str(found.table["log_mass_burst_p50"].unit) == "dex(solMass)"
    plot_comparison(found, tmp_path / "compared.png")
    assert (tmp_path / "compared.png").stat().st_size > 20_000
    models, table = comparison_tables(found)
    assert len(models.rows) == 2
    assert len(table.rows) == 6
    found.write_summary(tmp_path / "compared.json")
    told = json.loads((tmp_path / "compared.json").read_text())
    assert told["compared"] == found.compared.sum()
    assert sum(m["fraction"] for m in told["models"].values()) == pytest.approx(1)


def test_evidence_is_that_of_nested_sampling(trained, tmp_path, monkeypatch):
    def quick(exact, seen, draws, seed):
        return sample_nested(exact, seen, draws, live=300, effective=1000, seed=seed)

    monkeypatch.setattr("sedum.comparison.compare_models.sample_nested", quick)
    found = do(trained, as_table(mixed(trained, 2)), tmp_path / "n.ecsv", nested=1, n_rows=2)
    assert len(found.nested) == 2
    assert set(found.nested["model"]) == {"constant", "burst"}
    for row in found.nested:
        assert row["verified"]
        # Five times the errors of both: nautilus has 1,000 effective draws.
        tolerance = 5 * np.hypot(row["log_evidence_error"], 1000**-0.5)
        assert abs(row["difference"]) < tolerance < 0.6
    left = np.asarray(found.table["status"]) == "not among the rows drawn"
    assert left.sum() == 2
    assert len(comparison_tables(found)) == 3


def test_unverified_evidence_is_a_status_and_nested_sampling_replaces_it(
    trained, tmp_path, monkeypatch
):
    class Found:
        log_evidence, ess, evaluations = -3.0, 400.0, 10

    monkeypatch.setattr("sedum.comparison.compare_models.sample_nested", lambda *a, **k: Found)
    # 60 draws cannot have 100 effective ones.
    table = as_table(mixed(trained, 2))
    found = do(trained, table, tmp_path / "u.fits", n_draws=60, rounds=0, nested=1)
    status = np.asarray(found.table["status"])
    assert (status == "evidence of constant not verified").sum() == 3
    assert (status == "ok").sum() == 1
    assert np.isnan(found.table["probability_burst"][status != "ok"]).all()
    assert np.isfinite(found.table["log_evidence_burst"]).all()
    row = int(np.flatnonzero(status == "ok")[0])
    assert found.table["nested_burst"][row]
    selected = found.selected["burst"].log_fraction
    assert found.table["log_evidence_burst"][row] == pytest.approx(-3 - selected)
    assert found.table["log_evidence_error_burst"][row] == pytest.approx(0.05)
    assert found.fractions is not None


def test_bad_rows_keep_their_place(trained, tmp_path):
    table = as_table(mixed(trained, 2))
    table["f_sdss_g0"][1] = np.inf
    table["e_sdss_i0"][2] = -1
    for band in BANDS:
        table[f"f_{band}"][3] = np.nan
    found = do(trained, table, tmp_path / "out.fits", n_draws=400)
    assert list(found.table["status"][1:]) == [
        "flux not finite in sdss_g0",
        "error not positive in sdss_i0",
        "no band observed",
    ]
    assert np.isnan(found.table["probability_burst"][1:]).all()
    stored = Table.read(tmp_path / "out.fits")
    assert len(stored) == 4
    assert list(stored["id"]) == [0, 1, 2, 3]


def test_one_row(trained, tmp_path):
    table = as_table(mixed(trained, 1))[:1]
    found = do(trained, table, tmp_path / "out.ecsv", n_draws=400, prior_odds=[3, 1])
    assert len(found.table) == 1
    assert (found.fractions is None) == (found.compared.sum() == 0)
    plot_comparison(found, tmp_path / "out.png")
    assert len(comparison_tables(found)) == 2
    assert json.dumps(found.summary())


def test_no_row_is_refused(trained, tmp_path):
    with pytest.raises(SedumError, match="has no rows"):
        do(trained, as_table(mixed(trained, 1))[:0], tmp_path / "out.ecsv", n_draws=400)


def test_what_cannot_be_compared_is_refused(trained, tmp_path):
    posteriors, _, _ = trained
    table, path = as_table(mixed(trained, 1)), tmp_path / "out.fits"
    constant, other = posteriors["constant"], copy.copy(posteriors["burst"])
    other.source = "b.safetensors"

    def refused(match, **options):
        with pytest.raises(SedumError, match=match):
            compare({"a": constant, "b": other}, table, path, **options)

    bands = ["sdss_g0", "sdss_r0", "sdss_z0"]
    spec = constant.noise.spec.model_copy(update={"depths": dict.fromkeys(bands, 25.0)})
    other.noise = NoiseModel(bands, spec)
    refused(r"b\.safetensors: its bands .* lacks sdss_i0 and has sdss_z0 besides")
    other.noise = NoiseModel(BANDS[::-1], constant.noise.spec)
    refused("has them in another order")
    other.noise = NoiseModel(BANDS, constant.noise.spec.model_copy(update={"floor": 0.07}))
    refused(r"b\.safetensors: its noise differs .*\(noise\.floor\)")
    other.noise = constant.noise
    other.fingerprint = {**other.fingerprint, "filters": "x"}
    refused("filter curves are not those")
    other.fingerprint = posteriors["burst"].fingerprint
    refused("prior odds: 3 numbers for 2 models", prior_odds=[1, 2, 3])
    refused("all must be > 0", prior_odds=[1, 0])
    run = constant.run.model_copy(update={"filters": BANDS[:2]})
    refused(r"run file 'constant': its bands .* lacks sdss_i0", run=run)
    with pytest.raises(SedumError, match="two or more"):
        compare({"a": constant}, table, path)


def test_command(trained, tmp_path):
    _, _, folder = trained
    as_table(mixed(trained, 3)).write(tmp_path / "cat.fits")
    files = [folder / "constant.safetensors", folder / "burst.safetensors"]
    text = sedum(
        "compare", *files, "cat.fits", "--draws", "400", "--rounds", "2", "-q", cwd=tmp_path
    )
    assert "galaxies compared, of 6 fitted" in text
    assert "shift of medians relative to constant" in text
    assert "6 rows" in text
    names = {p.name for p in tmp_path.iterdir()}
    assert {"cat-compared.fits", "cat-compared.png", "cat-compared.json"} <= names
    text = sedum("compare", files[0], "cat.fits", cwd=tmp_path, check=2)
    assert "two estimators or more" in text
    odds = ("--prior-odds", "2:1")
    text = sedum("compare", *files, "cat.fits", *odds, cwd=tmp_path, check=2)
    assert "write numbers as 2,1" in text
