"""The bridge: features, regressors, correction, errors, shift and the way through a survey."""

import json

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import sedum
from bridge_cases import BANDS, FEATURES, run_mapping, simulated, simulation_table, survey_table
from sedum.bridge.domain_shift import domain_shift, shift_weights
from sedum.bridge.magnitude_features import FeatureSet, default_features
from sedum.bridge.prediction_errors import ScatterModel, photometric_errors
from sedum.bridge.range_audit import audit_ranges, kept_features, ranges_of
from sedum.bridge.residual_correction import ResidualCorrection, corrected_out_of_fold, folds_of
from sedum.bridge.simulations.simulate import galaxies_of
from sedum.bridge.survey_rows import read_survey
from sedum.bridge.train_bridge import prepare
from sedum.bridge.training_examples import SurveyErrors
from sedum.config.bridge_file import AuditSettings, CorrectionSettings
from sedum.errors import SedumError

KINDS = {
    "single_layer": {"kind": "single_layer", "width": 32, "members": 3, "epochs": 60},
    "trees": {"kind": "trees", "iterations": 150},
    "flow": {"kind": "flow", "width": 32, "blocks": 1, "steps": 400, "batch": 128, "draws": 100},
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")
    simulation, survey = folder / "sim.fits", folder / "survey.fits"
    simulation_table(1200).write(simulation)
    survey_table(300).write(survey)
    return simulation, survey


@pytest.fixture(scope="module")
def trained(files):
    run = sedum.bridge.parse(run_mapping(*files))
    galaxies = sedum.bridge.simulate(run)
    return run, galaxies, sedum.bridge.train(run, galaxies)


# --- features --------------------------------------------------------------------------------


@given(shift=st.floats(-5, 5), seed=st.integers(0, 1000))
def test_magnitudes_move_with_brightness_and_colours_do_not(shift, seed):
    features = FeatureSet(["M_r", "u-r", "z"], BANDS)
    magnitude = np.random.default_rng(seed).normal(-20, 2, (6, len(BANDS)))
    z = np.linspace(0, 0.1, 6)
    moved = features(magnitude + shift, z) - features(magnitude, z)
    np.testing.assert_allclose(moved, np.tile([shift, 0, 0], (6, 1)), atol=1e-9)


def test_a_missing_band_takes_only_its_features():
    features = FeatureSet(FEATURES, BANDS)
    magnitude = np.full((1, 5), -20.0)
    magnitude[0, 0] = np.nan
    assert np.isnan(features(magnitude, np.zeros(1)))[0].tolist() == [
        False,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["M_x"], r"'M_x' needs band 'x'; allowed: u, g, r, i, k"),
        (["u+r"], r"cannot read 'u\+r'; write M_r"),
        (["u-r", "u-r"], r"'u-r' stands twice"),
        (["r-r"], "zero by construction"),
        ([], "list at least one"),
    ],
)
def test_features_that_cannot_be_are_named(names, message):
    with pytest.raises(SedumError, match=message):
        FeatureSet(names, BANDS)


def test_default_features_are_24_for_the_bands_of_gama():
    gama = ["FUV", "NUV", "u", "g", "r", "i", "z", "Y", "J", "H", "Ks", "W1"]
    assert len(default_features(gama)) == 24
    assert "M_FUV" in default_features(gama)
    assert default_features(["g", "r"]) == ["M_g", "M_r", "g-r"]
    with pytest.raises(SedumError, match="none of the default ones"):
        default_features(["f444w"])


# --- range audit -----------------------------------------------------------------------------


def test_the_audit_drops_what_lies_outside_and_keeps_what_it_is_told():
    features = FeatureSet(["M_r", "u-r", "g-i"], BANDS)
    magnitude, _ = simulated(2000)
    ranges = ranges_of(features, features(magnitude, np.zeros(2000)), AuditSettings())
    other, _ = simulated(500, seed=3)
    other[:, 0] += 3.0  # u too faint: only u-r is affected
    x = features(other, np.zeros(500))
    found = audit_ranges(features, ranges, x, AuditSettings())
    assert [f.name for f in found if f.dropped] == ["u-r"]
    assert found[1].outside > 0.9
    assert found[0].outside < 0.02
    assert kept_features(features, found).names == ["M_r", "g-i"]
    told = audit_ranges(features, ranges, x, AuditSettings(keep=["u-r"]))
    assert not any(f.dropped for f in told)


def test_no_overlap_and_constant_features_are_one_message():
    features = FeatureSet(["M_r"], BANDS)
    magnitude, _ = simulated(200)
    x = features(magnitude, np.zeros(200))
    ranges = ranges_of(features, x, AuditSettings())
    with pytest.raises(SedumError, match=r"overlaps .* in no feature: M_r \(100% outside\)"):
        kept_features(features, audit_ranges(features, ranges, x + 40, AuditSettings()))
    with pytest.raises(SedumError, match=r"'M_r' is the same \(-20\) for all 10"):
        ranges_of(features, np.full((10, 1), -20.0), AuditSettings())


# --- regressors ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_each_regressor_learns_repeats_and_is_stored_without_pickle(kind, files, tmp_path):
    run = sedum.bridge.parse(run_mapping(files[0], regression=KINDS[kind]))
    galaxies = sedum.bridge.simulate(run)
    bridge = sedum.bridge.train(run, galaxies)
    magnitude, log_mass = simulated(400, seed=9)
    found = bridge.predict(magnitude).value[:, 0]
    # The masses spread by 1.0 dex; half the colour's share of 1.2 would leave 0.17.
    assert np.std(found - log_mass) < 0.1
    again = sedum.bridge.train(run, galaxies)
    np.testing.assert_allclose(again.predict(magnitude).value[:, 0], found, atol=1e-5)
    bridge.write(tmp_path / "b.safetensors")
    read = sedum.bridge.Bridge.read(tmp_path / "b.safetensors")
    np.testing.assert_allclose(read.predict(magnitude).value[:, 0], found, atol=1e-6)
    assert read.features.names == FEATURES


def test_trees_walk_as_scikit_learn_does():
    from sklearn.ensemble import HistGradientBoostingRegressor

    from sedum.bridge.regressors.trees import BoostedTrees, _nodes

    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 4))
    x[rng.uniform(size=x.shape) < 0.1] = np.nan
    y = np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1]) ** 2
    theirs = HistGradientBoostingRegressor(max_iter=30, random_state=1).fit(x, y)
    ours = BoostedTrees({f"0.{k}": v for k, v in _nodes(theirs).items()})
    np.testing.assert_allclose(ours.predict(x)[:, 0], theirs.predict(x), atol=1e-9)


def test_the_flow_is_calibrated(files):
    spec = {**KINDS["flow"], "steps": 1000, "layers": 1}
    run = sedum.bridge.parse(run_mapping(files[0], regression=spec, features=["M_r"]))
    bridge = sedum.bridge.train(run)
    magnitude, log_mass = simulated(500, seed=11)
    # From one magnitude the colour is unknown: the posterior of the mass is wide, 1.2 dex.
    draws = bridge.regressor.sample(bridge.features(magnitude, np.zeros(500)), 200)[:, :, 0]
    inside = (log_mass > 8.6) & (log_mass < 10.9)
    rank = (draws[inside] < log_mass[inside, None]).mean(1)
    # Off by more than this for one in a thousand calibrated posteriors, doubled for 1,200 examples.
    assert stats.kstest(rank, "uniform").statistic < 2 * 1.95 / np.sqrt(inside.sum())
    assert np.median(draws.std(1)) > 0.2


def test_bands_missing_in_the_survey_cost_little(files):
    simulation, _ = files
    survey = survey_table(300, seed=4)
    survey["k"][::2] = 99.0
    mapping = run_mapping(simulation, "none.fits")
    mapping["survey"]["catalogue"]["missing_beyond"] = 90.0
    mapping["regression"] |= {"missing": True, "noise": True}
    run = sedum.bridge.parse(mapping)
    rows = read_survey(run, survey)
    bridge = sedum.bridge.train(run, survey=rows)
    table = sedum.bridge.apply(bridge, survey)
    assert (table["status"] == "ok").all()
    assert set(table["n_features"][::2]) == {3}
    residual = np.asarray(table["log_mass"] - table["log_mass_reference"])
    assert np.std(residual[::2]) < 0.15
    # Without training on gaps, those rows keep their place and say why they have no value.
    plain = sedum.bridge.train(sedum.bridge.parse(run_mapping(simulation)))
    given_up = sedum.bridge.apply(plain.with_run(run), survey)
    assert set(given_up["status"][::2]) == {"a feature that is needed is not measured"}
    assert np.isnan(given_up["log_mass"][::2]).all()
    assert np.isfinite(given_up["log_mass"][1::2]).all()


def test_simulated_galaxies_take_errors_of_survey_galaxies_as_bright(files):
    run = sedum.bridge.parse(run_mapping(*files))
    rows = read_survey(run)
    faint = rows.magnitude[:, 0] > np.median(rows.magnitude[:, 0])
    rows.error[faint] = 0.5
    rows.error[~faint] = 0.001
    errors = SurveyErrors(rows)
    magnitude, _ = simulated(3000, seed=5)
    moved = errors.observed(magnitude, np.random.default_rng(1), noise=True, missing=False)
    assert errors.band == 0
    bright = magnitude[:, 0] < np.quantile(rows.magnitude[:, 0], 0.4)
    assert np.abs(moved - magnitude)[bright].max() < 0.01
    faint = magnitude[:, 0] > np.quantile(rows.magnitude[:, 0], 0.6)
    assert np.std((moved - magnitude)[faint]) == pytest.approx(0.5, rel=0.1)


# --- errors ----------------------------------------------------------------------------------


class Linear:
    """0.4 M_r + 0.7 (g - i): errors are known by hand."""

    partial = False

    def predict(self, x):
        return (x @ np.array([0.4, 0.7]))[:, None]

    def spread(self, x):
        return np.zeros((len(x), 1))


def test_photometric_errors_are_those_of_linear_propagation():
    features = FeatureSet(["M_r", "g-i"], BANDS)
    magnitude = np.full((50, 5), -20.0)
    error = np.tile([0.3, 0.1, 0.05, 0.2, 0.4], (50, 1))
    found = photometric_errors(Linear(), features, magnitude, error, np.zeros(50), 2000, 1)
    expected = np.sqrt((0.4 * 0.05) ** 2 + 0.7**2 * (0.1**2 + 0.2**2))
    # The error of the error is 1.6%: five of them for fifty galaxies.
    np.testing.assert_allclose(found, expected, rtol=0.08)
    assert (
        photometric_errors(Linear(), features, magnitude[:0], error[:0], np.zeros(0), 8, 1).size
        == 0
    )


def test_scatter_follows_the_value_and_known_errors_are_taken_off():
    rng = np.random.default_rng(1)
    value = rng.uniform(8, 12, 20_000)
    noise = np.full(20_000, 0.06)
    residual = rng.normal(0, np.hypot(0.02 * (13 - value), noise))
    model = ScatterModel.fit(value, residual, noise)
    at = np.linspace(8.3, 11.7, 5)
    np.testing.assert_allclose(model(at), 0.02 * (13 - at), rtol=0.15)


# --- residual correction ---------------------------------------------------------------------


@pytest.mark.parametrize("spec", [CorrectionSettings(), CorrectionSettings(kind="polynomial")])
def test_a_smooth_bias_is_removed_out_of_fold_in_spite_of_chance_matches(spec):
    rng = np.random.default_rng(1)
    truth = rng.uniform(8, 11.5, 600)
    predicted = truth + 0.1 + 0.05 * (truth - 10) + rng.normal(0, 0.08, 600)
    predicted[:18] += 2.0  # 3% belong to other galaxies
    found = corrected_out_of_fold(spec, predicted, truth, 1)
    rest = slice(18, None)
    assert abs(np.median(found[rest] - truth[rest])) < 0.015
    slope = np.polyfit(truth[rest], found[rest] - truth[rest], 1)[0]
    assert abs(slope) < 0.03


def test_no_galaxy_corrects_itself():
    rng = np.random.default_rng(2)
    truth = rng.uniform(8, 11, 80)
    predicted = truth + rng.normal(0, 0.1, 80)
    spec = CorrectionSettings(knots=10)
    with_self = predicted - ResidualCorrection.fit(spec, predicted, truth)(predicted)
    without = corrected_out_of_fold(spec, predicted, truth, 1)
    # Ten coefficients on eighty galaxies fit noise: in sample that looks like skill.
    assert np.std(with_self - truth) < np.std(predicted - truth) < np.std(without - truth)
    folds = list(folds_of(80, 5, 1))
    assert sum(fold.astype(int) for _, fold in folds).tolist() == [1] * 80


def test_corrections_go_on_straight_and_are_stored():
    x = np.linspace(8, 11, 200)
    made = ResidualCorrection.fit(CorrectionSettings(), x, x - 0.1 * (x - 9))
    read = ResidualCorrection.from_state(json.loads(json.dumps(made.state())))
    np.testing.assert_allclose(read(np.array([7.0, 12.0])), [-0.2, 0.3], atol=1e-6)
    level = ResidualCorrection.fit(
        CorrectionSettings(kind="polynomial", degree=1), x, x - 0.1 * (x - 9)
    )
    assert level(np.array([30.0]))[0] == pytest.approx(level(np.array([11.0]))[0], abs=0.01)
    with pytest.raises(SedumError, match="3 galaxies with a reference value"):
        ResidualCorrection.fit(CorrectionSettings(), x[:3], x[:3])


# --- domain shift ----------------------------------------------------------------------------


def test_alike_samples_are_not_told_apart_and_others_are():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(600, 3)), rng.normal(size=(500, 3))
    same = domain_shift(["x", "y", "z"], a, b, 1)
    assert same.p_value > 0.001  # the false-alarm rate
    b[:, 1] += 0.8
    moved = domain_shift(["x", "y", "z"], a, b, 1)
    assert moved.p_value < 1e-6
    assert moved.features["y"]["median_shift"] == pytest.approx(0.8, abs=0.2)
    assert moved.features["y"]["ks"] > 3 * moved.features["x"]["ks"]


def test_weights_bring_the_simulation_towards_the_survey():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(4000, 2)), rng.normal([0.8, 0], 1, size=(1000, 2))
    weights, share = shift_weights(a, b, 1)
    assert weights.mean() == pytest.approx(1)
    assert np.average(a[:, 0], weights=weights) == pytest.approx(0.8, abs=0.15)
    assert 0.05 < share < 1


# --- the whole way ---------------------------------------------------------------------------


def test_offset_and_errors_are_found_on_the_survey(trained, files):
    _, galaxies, bridge = trained
    found = sedum.bridge.validate(bridge, galaxies, folds=3)
    card = found.card["survey"]["log_mass"]
    assert card["before"]["bias"] == pytest.approx(0.1, abs=0.02)
    assert abs(card["after"]["bias"]) < 0.015
    assert card["after"]["nmad"] == pytest.approx(0.055, abs=0.015)
    assert card["after"]["scatter"] >= card["in_sample"]["scatter"] * 0.99
    # 300 galaxies: four standard errors of a fraction.
    assert card["coverage_68"] == pytest.approx(0.683, abs=4 * 0.027)
    assert card["coverage_95"] > 0.90
    assert card["error"] < card["error_linear"]
    within = found.card["within"]["log_mass"]
    assert within["scatter"] < 0.08
    importance = found.card["importance"]["log_mass"]
    assert set(importance) == set(FEATURES)
    assert max(importance, key=lambda f: importance[f]["permutation"]) in ("M_r", "M_k")
    assert all(row["saliency"] > 0 for row in importance.values())
    json.dumps(found.card, allow_nan=False)


def test_every_row_of_a_catalogue_keeps_its_place(trained, tmp_path):
    _, _, bridge = trained
    survey = survey_table(6, seed=8)
    for b in BANDS:
        survey[b][1] = np.nan
    survey["e_g"][2] = -1.0
    survey["r"][3] = -35.0
    survey["r"][4] = -99.0
    table = sedum.bridge.apply(bridge, survey, tmp_path / "out.fits")
    assert list(table["id"]) == [f"g{i}" for i in range(6)]
    assert table["status"][0] == "ok"
    assert table["status"][1] == "no band observed"
    assert "error" in table["status"][2]
    assert table["status"][3] == "ok"
    assert table["n_outside"][3] >= 1
    assert table["outside"][3] == "M_r"
    assert table["status"][4] == "a feature that is needed is not measured"
    assert np.isnan(table["log_mass"][[1, 2, 4]]).all()
    read = Table.read(tmp_path / "out.fits")
    assert len(read) == 6
    quadrature = np.hypot(read["log_mass_error_photometric"], read["log_mass_error_model"])
    np.testing.assert_allclose(read["log_mass_error"][0], quadrature[0], rtol=1e-5)
    alone = sedum.bridge.apply(bridge, survey[:1])
    assert alone["log_mass"][0] == pytest.approx(table["log_mass"][0], abs=1e-6)


def test_several_simulations_are_judged_by_each_other(files, tmp_path):
    other = tmp_path / "other.fits"
    table = simulation_table(500, seed=6)
    table["stellar_mass"] *= 10**0.3
    table.write(other)
    mapping = run_mapping(files[0])
    mapping["simulations"].append(
        {**mapping["simulations"][0], "file": str(other), "name": "heavy"}
    )
    run = sedum.bridge.parse(mapping)
    galaxies = sedum.bridge.simulate(run)
    assert galaxies.sources == ["sim", "heavy"]
    found = sedum.bridge.validate(sedum.bridge.train(run, galaxies), galaxies, folds=0)
    across = found.card["across"]["heavy"]
    assert across["before"]["log_mass"]["bias"] == pytest.approx(-0.3, abs=0.03)
    assert abs(across["after"]["log_mass"]["bias"]) < 0.02


def test_targets_with_zeros_need_a_floor_or_are_left_out(files):
    both = {"log_mass": {"property": "stellar_mass"}, "log_sfr": {"property": "sfr"}}
    run = sedum.bridge.parse(run_mapping(files[0], targets=both))
    galaxies = sedum.bridge.simulate(run)
    assert prepare(run, galaxies, None).left_out == 172  # every seventh of 1,200
    both["log_sfr"]["floor"] = 1e-3
    run = sedum.bridge.parse(run_mapping(files[0], targets=both))
    assert prepare(run, galaxies, None).left_out == 0
    assert sedum.bridge.train(run, galaxies).predict(galaxies.magnitude[:3]).value.shape == (3, 2)


def test_simulated_galaxies_are_kept_and_bound_to_their_run(files, tmp_path):
    run = sedum.bridge.parse(run_mapping(files[0]))
    path = tmp_path / "galaxies.parquet"
    made, read = galaxies_of(run, path), galaxies_of(run, path)
    np.testing.assert_allclose(read.magnitude, made.magnitude, rtol=1e-6)
    np.testing.assert_array_equal(read.properties["stellar_mass"], made.properties["stellar_mass"])
    with pytest.raises(SedumError, match="made with other simulations"):
        galaxies_of(sedum.bridge.parse(run_mapping(files[0], seed=2)), path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(SedumError, match="damaged or holds no simulated galaxies"):
        galaxies_of(run, path)


# --- bad input -------------------------------------------------------------------------------


def test_damaged_and_foreign_bridges_are_refused(trained, tmp_path):
    run, _, bridge = trained
    path = tmp_path / "b.safetensors"
    bridge.write(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SedumError, match="damaged or not safetensors"):
        sedum.bridge.Bridge.read(path)
    with pytest.raises(SedumError, match="does not exist; make it with 'sedum bridge train'"):
        sedum.bridge.Bridge.read(tmp_path / "none.safetensors")
    with pytest.raises(SedumError, match="trained with another run file"):
        bridge.require(run.model_copy(update={"features": ["M_r"]}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"targets": {"x": {"property": "stellar_mas"}}},
            "no property 'stellar_mas'; did you mean",
        ),
        ({"features": ["M_w"]}, "needs band 'w'"),
        ({"regression": {"kind": "mlp"}}, "found 'mlp'; allowed: single_layer, trees, flow"),
        ({"regression": {"kind": "single_layer", "noise": True}}, "need a survey"),
        ({"simulations": [{"kind": "table", "columns": {"r": "r"}}]}, "file: this key is required"),
        ({"frame": "observed"}, "a table is at rest"),
        ({"bands": {"u-r": "sdss_u0"}}, "short names are of letters"),
    ],
)
def test_run_files_that_cannot_be_used_say_which_key(files, change, message):
    with pytest.raises(SedumError, match=message):
        sedum.bridge.train(sedum.bridge.parse(run_mapping(files[0], **change)))


def test_tables_without_bands_mass_or_light_are_refused(tmp_path):
    table = simulation_table(100)
    table["r"] = 99.0
    path = tmp_path / "dark.fits"
    table.write(path)
    with pytest.raises(SedumError, match=r"column 'r' .* holds no magnitude"):
        sedum.bridge.simulate(sedum.bridge.parse(run_mapping(path)))
    table = simulation_table(100)
    table.remove_column("i")
    table.write(path, overwrite=True)
    with pytest.raises(SedumError, match="no column 'i'"):
        sedum.bridge.simulate(sedum.bridge.parse(run_mapping(path)))
    table = simulation_table(1)
    table.write(path, overwrite=True)
    with pytest.raises(SedumError, match="at least 50 are needed"):
        sedum.bridge.train(sedum.bridge.parse(run_mapping(path)))
    bad = simulation_table(100)
    bad["u"][:] = -20.0
    bad["r"][:] = -20.0
    bad.write(path, overwrite=True)
    with pytest.raises(SedumError, match=r"'M_r' is the same \(-20\) for all 100"):
        sedum.bridge.train(sedum.bridge.parse(run_mapping(path)))


@settings(max_examples=15, deadline=None)
@given(
    values=st.lists(
        st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([99.0, -999.0])),
        min_size=5,
        max_size=5,
    )
)
def test_any_row_gives_a_value_or_a_reason(trained, values):
    _, _, bridge = trained
    survey = survey_table(2, seed=8)
    for b, value in zip(BANDS, values, strict=True):
        survey[b][0] = value
    table = sedum.bridge.apply(bridge, survey)
    assert len(table) == 2
    assert (table["status"][0] == "ok") == bool(np.isfinite(table["log_mass"][0]))
    assert table["status"][1] == "ok"


def test_fluxes_at_ten_parsec_become_absolute_magnitudes(tmp_path):
    table = Table({b: 10 ** (np.linspace(8, 11, 60) + i / 10) for i, b in enumerate(BANDS)})
    table["stellar_mass"] = np.geomspace(1e8, 1e11, 60)
    table.write(tmp_path / "jy.fits")
    mapping = run_mapping(tmp_path / "jy.fits")
    mapping["simulations"][0]["unit"] = "Jy"
    galaxies = sedum.bridge.simulate(sedum.bridge.parse(mapping))
    np.testing.assert_allclose(
        galaxies.magnitude[:, 0], 8.90 - 2.5 * np.linspace(8, 11, 60), atol=0.01
    )


# --- absolute magnitudes by sedum's own fit --------------------------------------------------


def test_absolute_magnitudes_come_from_a_fit_at_the_known_redshift(
    small_run, small_posterior, small_model, tmp_path
):
    fit_file, weights = tmp_path / "fit.yaml", tmp_path / "fit.safetensors"
    fit_file.write_text(small_run.to_yaml())
    small_posterior.write(weights)
    theta = small_model.prior.sample(30, np.random.default_rng(1))
    flux = small_model.photometry(theta)
    z = theta[:, small_model.prior.names.index("redshift")]
    survey = Table({"id": np.arange(30), "z": z})
    for i, b in enumerate(small_run.band_names()):
        survey[f"f_{b}"], survey[f"e_{b}"] = flux[:, i], 0.03 * flux[:, i] + 0.01
    survey["z"][0] = np.nan
    survey["z"][1] = 4.0
    mapping = run_mapping("none.fits", bands={"g": "sdss_g0", "r": "sdss_r0", "i": "sdss_i0"})
    mapping["simulations"][0]["columns"] = {"g": "g", "r": "r", "i": "i"}
    catalogue = small_run.catalogue.model_dump(mode="json", exclude_none=True)
    catalogue["columns"] = {b: catalogue["columns"][f"sdss_{b}0"] for b in ("g", "r", "i")}
    mapping["features"] = ["M_r", "g-i"]
    mapping["survey"] = {
        "catalogue": catalogue,
        "rest_fit": {"run": str(fit_file), "estimator": str(weights), "draws": 50},
    }
    rows = read_survey(sedum.bridge.parse(mapping), survey)
    assert rows.row_status.text()[:2].tolist() == [
        "no redshift",
        "redshift outside survey.rest_fit",
    ]
    ok = rows.row_status.ok
    truth = small_model.derived(theta, ["absmag_sdss_r0"])["absmag_sdss_r0"]
    off = np.abs(rows.magnitude[ok, 1] - truth[ok])
    # A barely trained posterior is wide, and says so.
    assert stats.spearmanr(rows.magnitude[ok, 1], truth[ok]).statistic > 0.5
    assert np.median(off / rows.error[ok, 1]) < 1.5
    assert np.isnan(rows.magnitude[~ok]).all()
    del mapping["survey"]["rest_fit"]
    with pytest.raises(SedumError, match="apparent magnitudes need k-corrections"):
        sedum.bridge.parse(mapping)
