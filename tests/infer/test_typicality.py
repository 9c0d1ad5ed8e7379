"""What the simulations cannot have made is found, at a stated rate of false alarms."""

import json
import sys

import numpy as np
import pytest
from astropy.table import Table
from scipy import stats
from typer.testing import CliRunner

from run_cases import run_settings
from sedum.check.catalogue_check import check_catalogue
from sedum.check.misspecification import misspecification
from sedum.check.planted_faults import offset_band, quasars, stars, swap_bands, understate_errors
from sedum.cli.main import app
from sedum.config import TypicalitySettings, parse_run
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.infer.training.train import train
from sedum.infer.verify.typicality import Typicality, mock_observations
from sedum.library.generate import simulate
from sedum.observe.mock_survey import mock_survey
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.catalogue import read_catalogue
from sedum.photometry.observed import Photometry
from sedum.report.plots.checks.catalogue_check_plot import plot_check
from sedum.survey.fit import fit
from sedum.survey.measures.prior_bounds import PriorBounds

BANDS = ["sdss_u0", "sdss_g0", "sdss_r0", "sdss_i0", "sdss_z0"]
BANDS += ["twomass_J", "twomass_H", "twomass_Ks"]
#: One in fifty clean galaxies is flagged, and so many mocks are compared with.
LEVEL, MOCKS = 0.02, 600
FEW = 30


def settings(low=0.05, high=1.0):
    return {
        "name": "typical",
        "filters": BANDS,
        "model": {"history": {"kind": "exponential"}, "resolving_power": 100},
        "priors": {
            "redshift": {"kind": "uniform", "low": low, "high": high},
            "log_mass": {"kind": "uniform", "low": 9.0, "high": 12.0},
            "log_z": {"kind": "fixed", "value": -1.7},
            "log_u": {"kind": "fixed", "value": -3.0},
            "log_tau": {"kind": "fixed", "value": 0.0},
        },
        "noise": {
            "depths": dict.fromkeys(BANDS, 25.0),
            "selection": {"band": "sdss_r0", "snr": 5.0},
        },
        "library": {"size": 4000, "chunk": 4000, "seed": 3},
        "estimator": {"layers": 2, "bins": 4, "width": 64, "blocks": 2},
        "training": {"steps": 400, "round": 200, "batch": 128, "device": "cpu"},
        "catalogue": {
            "unit": "uJy",
            "columns": {b: {"value": f"f_{b}", "error": f"e_{b}"} for b in BANDS},
        },
        "output": {"typicality": {"level": LEVEL, "galaxies": MOCKS}},
    }


@pytest.fixture(scope="module")
def run():
    return parse_run(settings())


@pytest.fixture(scope="module")
def model(run):
    return GalaxyModel.from_run(run)


@pytest.fixture(scope="module")
def posterior(run, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("typical") / "library.h5"
    library = simulate(run, path, model=model)
    return train(run, library)


@pytest.fixture(scope="module")
def typicality(posterior, model):
    return Typicality(posterior, model, MOCKS)


@pytest.fixture(scope="module")
def whole(run):
    return NoiseModel(BANDS, run.noise.model_copy(update={"missing": 0.0}))


@pytest.fixture(scope="module")
def mocks(model, whole):
    """Galaxies in all bands: bright ones, where the median band has S/N above 30, and others."""
    _, seen = mock_survey(model, whole, 1200, 6)
    bright = np.median(seen.flux / seen.error, axis=1) > 30
    return {"bright": seen[bright], "faint": seen[~bright]}


@pytest.fixture(scope="module")
def clean(mocks):
    return {kind: seen[:FEW] for kind, seen in mocks.items()}


@pytest.fixture(scope="module")
def planted(run, model, whole, clean):
    rng = np.random.default_rng(9)
    bright = clean["bright"]
    assert len(bright) == FEW

    def observe(flux):
        seen = whole.observe(flux * bright.flux[:, -1:], rng)
        return seen[whole.selected(seen)]

    beyond = GalaxyModel.from_run(parse_run(settings(1.3, 2.0)))
    return {
        "offset": offset_band(bright, 3, -0.3),
        "swapped": swap_bands(bright, 1, 3),
        "stars": observe(stars(model.filters, rng.uniform(3000, 6000, FEW))),
        "quasars": observe(
            quasars(model.filters, rng.uniform(0.3, 3, FEW), rng.uniform(-0.5, 0.5, FEW))
        ),
        # Where the floor of 2% does not hide the reported errors.
        "errors": understate_errors(clean["faint"], 3.0),
        "beyond": mock_survey(beyond, whole, FEW, 7)[1],
    }


@pytest.fixture(scope="module")
def searched(typicality, clean, planted):
    """The best models of all, which take the longest."""
    return {name: typicality.search(seen) for name, seen in {**clean, **planted}.items()}


#: Shares that are found at the level, of the galaxies above.
FOUND = {
    "offset": 0.8,
    "swapped": 0.9,
    "stars": 0.9,
    "quasars": 0.8,
    "errors": 0.5,
    "beyond": 0.8,
}


def test_typicality_is_uniform_for_simulated_galaxies(posterior, model, typicality):
    """Kolmogorov-Smirnov of two samples, the mocks being one: false alarm 1e-4."""
    n = 150
    _, seen = mock_survey(model, posterior.noise, n, 31)
    assert np.unique(seen.observed.sum(axis=1)).size > 1
    found = typicality(seen)
    limit = np.sqrt(-np.log(1e-4 / 2) / 2 * (n + MOCKS) / (n * MOCKS))
    assert stats.kstest(found, "uniform").statistic < limit
    # Binomial with n = 150 at 2%: more than 11 once in 10,000 times.
    assert (found <= LEVEL).sum() <= 11


@pytest.mark.parametrize("fault", FOUND)
def test_planted_faults_are_found(typicality, planted, searched, fault):
    found = typicality(planted[fault], best=searched[fault])
    assert (found <= LEVEL).mean() >= FOUND[fault]


def test_a_whole_catalogue_is_judged(typicality, mocks, planted, searched):
    """Least p-value 1/201; a clean catalogue is below 1% once in a hundred seeds."""
    pytest.importorskip("sbi")
    others = {
        kind: typicality.search(seen[FEW : 3 * FEW], np.arange(FEW, 3 * FEW)).residual
        for kind, seen in mocks.items()
    }
    for kind in others:
        assert misspecification(searched[kind].residual, others[kind], 200).p_value > 0.01
    for fault in planted:
        kind = "faint" if fault == "errors" else "bright"
        found = misspecification(searched[fault].residual, others[kind], 200)
        assert found.p_value < 0.01, fault
        assert found.distance > found.typical


def test_bands_that_are_missing_count_for_nothing(typicality, clean):
    good, off = clean["bright"][:10], offset_band(clean["bright"][:10], 3, -0.3)
    np.testing.assert_array_equal(typicality(off.without(3)), typicality(good.without(3)))


def test_a_galaxy_does_not_depend_on_its_company(typicality, clean, planted):
    """To a few of the 250 mocks that each is compared with: models are in 32 bits."""
    seen = Photometry.concatenate([clean["faint"][:10], planted["stars"][:10]])
    together = typicality(seen)
    alone = [typicality(seen[i : i + 1], np.array([i]))[0] for i in (3, 14)]
    np.testing.assert_allclose(alone, together[[3, 14]], atol=0.02)


def test_odd_rows(typicality, clean):
    few = clean["bright"][:3]
    assert typicality(few[:0]).shape == (0,)
    assert 0 < typicality(few[:1])[0] <= 1
    flux = np.full((2, len(BANDS)), np.nan)
    flux[0, 2] = few.flux[0, 2]
    single, none = typicality(Photometry.make(flux, np.broadcast_to(few.error[0], flux.shape)))
    # Any flux of one band can be made.
    assert single > LEVEL
    assert np.isnan(none)


def test_given_redshifts_are_part_of_the_data(posterior, model, typicality):
    pairs = mock_observations(model, posterior.noise, 30, 12, given=True)
    whole = pairs[pairs.measured.all(axis=1)]
    smaller = Typicality(posterior, model, 200)
    assert (smaller(whole) <= 0.04).mean() < 0.25
    # A redshift off by 0.3 with an error of 0.001: nearly no galaxy has such colours there.
    wrong = np.where(whole.redshift > 0.5, whole.redshift - 0.3, whole.redshift + 0.3)
    assert (smaller(whole.with_redshift(wrong, 0.001)) <= 0.04).mean() > 0.5


def test_levels_need_enough_mock_galaxies():
    assert TypicalitySettings().level == 1e-3
    data = run_settings(output={"typicality": {"level": 1e-4, "galaxies": 10_000}})
    with pytest.raises(SedumError, match=r"output\.typicality.*needs at least 100000"):
        parse_run(data)


def test_posteriors_at_an_edge_are_named(model, posterior, planted, rng):
    prior = posterior.prior
    free = prior.sample(3 * 400, rng).reshape(3, 400, -1)
    at = prior.names.index("redshift")
    free[1, :, at] = np.linspace(0.99, 1.0, 400)
    free[2, :, at] = 0.4
    free[2, :, prior.names.index("log_mass")] = 9.001
    edges = PriorBounds(prior, 4)
    edges.note(free, np.array([0, 1, 3]))
    # Without data a hundredth of the draws lies there, where a fifth is asked for.
    assert edges.texts().tolist() == ["", "redshift high", "", "log_mass low"]
    edges = PriorBounds(prior, FEW)
    edges.note(posterior.sample(planted["beyond"], 200), np.arange(FEW))
    assert np.mean(["redshift high" in text for text in edges.texts()]) > 0.3
    assert PriorBounds(prior, 0).texts().tolist() == []


def as_table(seen):
    columns = {}
    for j, band in enumerate(BANDS):
        columns[f"f_{band}"] = np.where(seen.observed[:, j], seen.flux[:, j], np.nan)
        columns[f"e_{band}"] = seen.error[:, j]
    return Table(columns)


def test_fit_writes_the_columns(tmp_path, run, model, posterior, typicality, clean, planted):
    seen = Photometry.concatenate([clean["bright"][:8], planted["stars"][:8]])
    table = as_table(seen)
    table["e_sdss_g0"][2] = -1
    out = fit(run, posterior, table, tmp_path / "out.ecsv", model=model)
    assert "p-value" in Table.read(tmp_path / "out.ecsv")["typicality"].description
    inside, good = np.asarray(out["in_distribution"]), np.asarray(out["status"]) == "ok"
    assert not good[2]
    assert np.isnan(out["typicality"][2])
    assert not inside[2]
    np.testing.assert_array_equal(inside[good], np.asarray(out["typicality"])[good] > LEVEL)
    assert inside[:8].sum() >= 6
    assert not inside[8:].any()
    assert "ppp" not in out.colnames
    np.testing.assert_allclose(
        np.asarray(out["typicality"])[good], typicality(seen)[good], atol=0.02
    )


def test_catalogues_are_checked(tmp_path, run, model, posterior, clean, planted):
    pytest.importorskip("sbi")
    seen = Photometry.concatenate([clean["bright"], clean["faint"]])
    rows = read_catalogue(as_table(seen), run.catalogue, model.filters)
    found = check_catalogue(run, posterior, rows, model=model, n_predicted=10)
    assert found.faults() == []
    # The least bright may lie outside the range of so small a training set.
    assert 1.7 * FEW < found.galaxies <= 2 * FEW
    assert len(found.ppp) == 10
    off = read_catalogue(as_table(offset_band(seen, 5, -0.2)), run.catalogue, model.filters)
    found = check_catalogue(run, posterior, off, model=model, n_predicted=10)
    assert found.faults()[0].startswith("residuals about the best models are not those")
    assert any(fault.startswith("twomass_J: median residual +") for fault in found.faults())
    assert json.loads(json.dumps(found.summary()))["residuals"]["p_value"] < 0.005
    plot_check(found, tmp_path / "check.png")
    assert (tmp_path / "check.png").stat().st_size > 10_000
    few = read_catalogue(as_table(seen[:5]), run.catalogue, model.filters)
    with pytest.raises(SedumError, match=r"needs 30 galaxies that can be fitted, found 5"):
        check_catalogue(run, posterior, few, model=model)


def test_command(tmp_path, monkeypatch, posterior, planted):
    pytest.importorskip("sbi")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.yaml").write_text(json.dumps(settings()))
    posterior.write(tmp_path / "typical.safetensors")
    as_table(planted["stars"]).write(tmp_path / "stars.fits")
    words = ["check", "stars.fits", "--run", "run.yaml", "--quiet", "--galaxies", "30"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1, result.output
    assert "not typical" in result.output
    assert json.loads((tmp_path / "stars-check.json").read_text())["flagged"] > 20
    assert (tmp_path / "stars-check.png").read_bytes().startswith(b"\x89PNG")


def test_without_sbi_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sbi.diagnostics.misspecification", None)
    with pytest.raises(SedumError, match=r"pip install 'sedum\[sbi\]'"):
        misspecification(np.zeros((20, 2)), np.zeros((40, 2)))


def test_too_few_galaxies_to_test_a_catalogue():
    pytest.importorskip("sbi")
    with pytest.raises(SedumError, match="at least 10 galaxies"):
        misspecification(np.zeros((3, 2)), np.zeros((40, 2)))


def test_clean_samples_raise_few_alarms(rng):
    """Of 40 pairs of equal samples, more than 8 below 5% come once in some 6,000 runs."""
    pytest.importorskip("sbi")
    p = [
        misspecification(
            rng.standard_normal((60, 4)), rng.standard_normal((120, 4)), 100, seed
        ).p_value
        for seed in range(40)
    ]
    assert sum(value <= 0.05 for value in p) <= 8
    shifted = misspecification(
        rng.standard_normal((60, 4)) + 0.7, rng.standard_normal((120, 4)), 100
    )
    assert shifted.p_value < 0.02
