"""Run files: what is accepted, and the one line that a mistake gets."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from run_cases import run_settings
from sedum.config import load_run, parse_run
from sedum.errors import SedumError
from sedum.survey.start_run_file import template


def message(data, **kwargs):
    with pytest.raises(SedumError) as caught:
        parse_run(data, **kwargs)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_template_is_valid_and_survives_a_round_trip():
    run = parse_run(yaml.safe_load(template()))
    assert len(run.filters) == 14
    assert parse_run(yaml.safe_load(run.to_yaml())) == run


def test_defaults_are_the_published_priors():
    data = run_settings()
    del data["priors"]
    run = parse_run(data)
    expected = ["redshift", "log_mass", "log_z", "av", "log_ssfr", "quantiles", "log_u"]
    assert run.model.parameters() == expected
    assert (run.prior("redshift").low, run.prior("redshift").high) == (0.01, 14.0)
    assert run.prior("av").kind == "log_uniform"


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"nosie": {}}, ["nosie", "unknown key", "did you mean noise"]),
        ({"training": {"stpes": 3}}, ["training.stpes", "did you mean steps"]),
        ({"noise": {"missing": {"rat": 0.1}}}, ["noise.missing.rat", "did you mean rate"]),
        ({"training": {"steps": -3}}, ["training.steps", "greater than 0", "-3"]),
        ({"training": {"steps": "many"}}, ["training.steps", "many"]),
        ({"model": {"dust": "calzeti"}}, ["model.dust", "'calzeti'", "did you mean calzetti"]),
        ({"model": {"cosmology": "Plank18"}}, ["model.cosmology", "did you mean Planck18"]),
        ({"model": {"history": {"kind": "bust"}}}, ["model.history", "bust", "dense_basis"]),
        (
            {"priors": {"redshift": {"kind": "unifrom", "low": 0, "high": 1}}},
            ["priors.redshift.kind", "unifrom", "did you mean uniform"],
        ),
        ({"priors": {"redshift": {"low": 0, "high": 1}}}, ["priors.redshift.kind", "required"]),
        (
            {"priors": {"redshift": {"kind": "uniform", "low": 2, "high": 1}}},
            ["priors.redshift", "low (2.0) must be below high (1.0)"],
        ),
        (
            {"priors": {"redshift": {"kind": "uniform", "low": 0, "hihg": 1}}},
            ["priors.redshift.hihg: unknown key; did you mean high? allowed: kind, low, high"],
        ),
        (
            {"priors": {"log_mas": {"kind": "uniform", "low": 0, "high": 1}}},
            ["priors.log_mas", "did you mean log_mass"],
        ),
        ({"noise": {"depths": {"sdss_g0": 25.0}}}, ["noise.depths", "sdss_r0, sdss_i0"]),
        (
            {"noise": {"depths": {"sdss_g0": 25, "sdss_r0": 25, "sdss_i0": 25, "sdss_j": 1}}},
            ["noise.depths", "sdss_j", "allowed"],
        ),
        ({"noise": {"floor": 1.5}}, ["noise.floor", "1.5"]),
        (
            {"noise": {"selection": {"band": "sdss_r1", "snr": 5}}},
            ["noise.selection.band", "sdss_r1", "did you mean sdss_r0"],
        ),
        ({"catalogue": {"unit": "zeropoint"}}, ["catalogue", "zeropoint"]),
        ({"filters": ["sdss_g0", "sdss_g0"]}, ["sdss_g0", "twice"]),
        ({"filters": []}, ["filters"]),
        (
            {"filters": [{"name": "x", "eazi": 3, "file": "a"}]},
            ["filters[0].eazi: unknown key; did you mean eazy"],
        ),
        ({"filters": [3]}, ["filters[0]: expected a band's name", "found 3"]),
        ({"model": {"history": {"quantiles": 3}}}, ["model.history.kind", "dense_basis"]),
        ({"training": {"device": "gpu"}}, ["training.device: found 'gpu'; allowed: auto"]),
        (
            {"priors": {"log_ssfr": {"kind": "main_sequence", "low": -7, "high": -9}}},
            ["priors.log_ssfr: low (-7.0) must be below high (-9.0)"],
        ),
    ],
)
def test_mistakes_are_named(change, parts):
    text = message(run_settings(**change))
    for part in parts:
        assert part in text, text


def test_missing_sections_are_named():
    data = run_settings()
    del data["noise"]
    assert "noise: this key is required" in message(data)


def test_files_that_are_not_run_files(tmp_path):
    with pytest.raises(SedumError, match="sedum init"):
        load_run(tmp_path / "absent.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("filters: [a\nnoise: {")
    with pytest.raises(SedumError, match=r"bad.yaml line \d+: not valid YAML"):
        load_run(bad)
    bad.write_text("- a list")
    with pytest.raises(SedumError, match="expected a mapping"):
        load_run(bad)
    bad.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(SedumError):
        load_run(bad)


def test_paths_are_relative_to_the_run_file(tmp_path):
    data = run_settings(filters=[{"name": "mine", "curve": "mine.txt"}])
    data["noise"] = {"depths": {"mine": 25}}
    del data["catalogue"]
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(data))
    assert load_run(path).filters[0].curve == tmp_path / "mine.txt"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(section=st.sampled_from(sorted(run_settings())), value=JSON)
def test_any_value_of_a_section_is_accepted_or_refused_in_one_line(section, value):
    data = run_settings()
    data[section] = value
    message = ""
    try:
        parse_run(data)
    except SedumError as error:
        message = str(error)
    assert "\n" not in message
