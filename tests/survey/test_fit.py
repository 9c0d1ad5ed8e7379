"""Fitting catalogues: every row keeps its place, and files carry units and provenance."""

import numpy as np
import pytest
from astropy.table import Table

from run_cases import run_settings
from sedum.config import TypicalitySettings, VerifySettings, parse_run
from sedum.errors import SedumError
from sedum.infer.posterior import Posterior
from sedum.infer.training.train import train_to_file
from sedum.infer.verify.nested_sampling import NestedResult
from sedum.observe.learn_noise import fit_noise
from sedum.observe.mock_survey import mock_survey
from sedum.photometry.catalogue import read_for_run
from sedum.results.posterior_table import count_status
from sedum.results.provenance import read_provenance
from sedum.survey.fit import fit

BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]
#: Verification goes with typicality, for which these few mock galaxies are enough here.
FEW_MOCKS = TypicalitySettings(level=0.1, galaxies=100)


@pytest.fixture(scope="module")
def mock(small_model, small_posterior):
    return mock_survey(small_model, small_posterior.noise, 40, 1)


@pytest.fixture
def catalogue(mock):
    theta, seen = mock
    columns = {"id": np.array([f"g{i:03d}" for i in range(len(theta))]), "z": theta[:, 0]}
    for j, band in enumerate(BANDS):
        columns[f"f_{band}"] = np.where(seen.observed[:, j], seen.flux[:, j], np.nan)
        columns[f"e_{band}"] = seen.error[:, j]
    return Table(columns)


def do_fit(table, folder, run, posterior, model, name="out.fits"):
    source = folder / "in.fits"
    table.write(source, overwrite=True)
    return fit_written(table, folder, run, posterior, model, name)


def fit_written(_, folder, run, posterior, model, name="out.fits"):
    return fit(run, posterior, folder / "in.fits", folder / name, model=model).read()


def do_fit_in_memory(table, folder, run, posterior, model, name="out.fits"):
    return fit(run, posterior, table, folder / name, model=model)


def test_a_table_in_memory_is_fitted_as_its_file(
    tmp_path, catalogue, small_run, small_posterior, small_model
):
    arguments = (catalogue, tmp_path, small_run, small_posterior, small_model)
    from_file, written = do_fit(*arguments), do_fit_in_memory(*arguments, "b.fits")
    returned = fit(small_run, small_posterior, catalogue, model=small_model)
    as_frame = fit(small_run, small_posterior, catalogue.to_pandas(), model=small_model)
    for name in returned.colnames:
        for other in (from_file, written, as_frame, Table.read(tmp_path / "b.fits")):
            a, b = np.asarray(returned[name]), np.asarray(other[name])
            if a.dtype.kind == "f":
                np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5, err_msg=name)
            else:
                assert a.astype(str).tolist() == b.astype(str).tolist(), name
    assert returned["log_mass_p50"].description == from_file["log_mass_p50"].description


def test_dask_is_for_hats(catalogue, small_run, small_posterior):
    with pytest.raises(SedumError, match="client and scheduler are for catalogues in HATS"):
        fit(small_run, small_posterior, catalogue, scheduler="tcp://127.0.0.1:1")


@pytest.mark.parametrize("name", ["more.fits", "more.ecsv", "more.parquet"])
def test_chosen_derived_quantities_are_written(
    tmp_path, catalogue, small_run, small_posterior, small_model, name
):
    wanted = [
        "log_ssfr_30",
        "lookback_t50",
        "absmag_sdss_r0",
        "colour_sdss_g0_minus_sdss_r0",
        "log_lum_Ha",
        "log_flux_Ha",
        "ew_Ha",
        "log_q_ion",
        "log_xi_ion",
        "log_l_ir",
        "d4000",
        "light_weighted_age",
    ]
    output = small_run.output.model_copy(update={"derived": wanted})
    run = small_run.model_copy(update={"output": output})
    table = do_fit(catalogue, tmp_path, run, small_posterior, small_model, name)
    for column in wanted:
        assert np.isfinite(table[f"{column}_p50"]).all(), column
    assert "uv_slope_p50" not in table.colnames
    if name.endswith("ecsv"):  # FITS has no units of logarithms
        units = {c: str(Table.read(tmp_path / name)[f"{c}_p50"].unit) for c in wanted}
        assert units["ew_Ha"] == "Angstrom"
        assert units["log_l_ir"] == "dex(solLum)"


@pytest.mark.parametrize("name", ["out.fits", "out.ecsv", "out.parquet"])
def test_output_formats(tmp_path, catalogue, small_run, small_posterior, small_model, name):
    table = do_fit(catalogue, tmp_path, small_run, small_posterior, small_model, name)
    assert (table["status"] == "ok").all()
    again = Table.read(tmp_path / name)
    if name.endswith("ecsv"):
        assert str(again["av_p50"].unit) == "mag"
        assert "84th percentile" in again["av_p84"].description
    told = read_provenance(tmp_path / name)
    assert told["run"]["name"] == "small"
    assert told["estimator"] == small_posterior.digest()
    assert [str(i).strip() for i in again["id"]] == [f"g{i:03d}" for i in range(40)]
    np.testing.assert_allclose(again["redshift_p50"], table["redshift_p50"], rtol=1e-6)
    for column in ("log_mass", "t50", "log_sfr_10", "mass_weighted_age", "uv_slope"):
        low, middle, high = (np.asarray(again[f"{column}_p{p}"]) for p in (16, 50, 84))
        assert (low <= middle).all()
        assert (middle <= high).all()


def test_bad_rows_keep_their_place(tmp_path, catalogue, small_run, small_posterior, small_model):
    whole = do_fit(catalogue, tmp_path, small_run, small_posterior, small_model)
    catalogue["e_sdss_r0"][3] = -1
    catalogue["f_sdss_g0"][5] = np.inf
    for band in BANDS:
        catalogue[f"f_{band}"][7] = np.nan
    catalogue["f_sdss_r0"][9] = np.nan
    catalogue["f_sdss_r0"][11] = 0.0
    catalogue["f_sdss_i0"][13] = 1e12
    table = do_fit(catalogue, tmp_path, small_run, small_posterior, small_model)
    status = dict(enumerate(table["status"]))
    assert status[3] == "error not positive in sdss_r0"
    assert status[5] == "flux not finite in sdss_g0"
    assert status[7] == "no band observed"
    assert status[9] == "selection band sdss_r0 not observed"
    assert status[11] == "below the selection in sdss_r0"
    assert status[13] == "flux outside the training range in sdss_i0"
    bad = [3, 5, 7, 9, 11, 13]
    good = np.setdiff1d(np.arange(40), bad)
    assert np.isnan(table["redshift_p50"][bad]).all()
    # What is wrong with some rows does not touch the others, to float32 rounding.
    np.testing.assert_allclose(table["redshift_p50"][good], whole["redshift_p50"][good], rtol=1e-3)
    assert count_status(table)[0] == ("ok", 34)


def test_small_errors_are_raised_and_the_rows_fitted(
    catalogue, small_run, small_posterior, small_model
):
    few = catalogue[:6]
    few["e_sdss_r0"][1] *= 1e-4
    for band in BANDS:
        few[f"e_{band}"][2] *= 1e-4
    few["e_sdss_i0"][3] *= 1e5
    table = fit(small_run, small_posterior, few, model=small_model)
    at = [0, 1, 2, 4, 5]
    assert (table["status"][at] == "ok").all()
    assert table["n_errors_raised"][at].tolist() == [0, 1, int(table["n_bands"][2]), 0, 0]
    assert table["status"][3] == "error outside the training range in sdss_i0"


def test_identifiers_of_any_alphabet(tmp_path, catalogue, small_run, small_posterior, small_model):
    catalogue["id"] = [f"α{i}" for i in range(40)]
    source = tmp_path / "in.ecsv"
    catalogue.write(source)
    fit(
        small_run,
        small_posterior,
        source,
        tmp_path / "out.fits",
        model=small_model,
    )
    stored = Table.read(tmp_path / "out.fits")
    assert len(set(stored["id"])) == 40


def test_one_row(tmp_path, catalogue, small_run, small_posterior, small_model):
    table = do_fit(catalogue[:1], tmp_path, small_run, small_posterior, small_model)
    assert len(table) == 1
    assert table["status"][0] == "ok"


def test_no_fittable_row(tmp_path, catalogue, small_run, small_posterior, small_model):
    for band in BANDS:
        catalogue[f"f_{band}"] = np.nan
    table = do_fit(catalogue, tmp_path, small_run, small_posterior, small_model)
    assert (table["status"] == "no band observed").all()
    assert len(Table.read(tmp_path / "out.fits")) == 40


def test_known_redshift_is_used(tmp_path, catalogue, small_posterior, small_model):
    run = parse_run(run_settings(catalogue={"use_redshift": True}))
    catalogue["z"][4] = 7.0
    catalogue["z"][5] = -1.0
    table = do_fit(catalogue, tmp_path, run, small_posterior, small_model)
    assert table["status"][4] == "given redshift outside the prior"
    assert table["status"][5] == "ok"
    width = np.asarray(table["redshift_p84"] - table["redshift_p16"])
    others = np.setdiff1d(np.arange(40), [4, 5])
    assert np.nanmedian(width[others]) < 0.2 * width[5]


def test_draws_are_written_on_request(tmp_path, catalogue, small_posterior, small_model):
    run = parse_run(run_settings(output={"save_draws": True}))
    for name in ("out.fits", "out.parquet"):
        table = do_fit(catalogue, tmp_path, run, small_posterior, small_model, name)
        assert table["redshift_draws"].shape == (40, 64)
        middle = np.percentile(table["redshift_draws"], 50, axis=1)
        np.testing.assert_allclose(middle, table["redshift_p50"], rtol=1e-5)
    assert Table.read(tmp_path / "out.fits")["redshift_draws"].shape == (40, 64)


def test_refused_before_any_work(tmp_path, catalogue, small_run, small_posterior, small_model):
    with pytest.raises(SedumError, match="is the catalogue itself"):
        do_fit(catalogue, tmp_path, small_run, small_posterior, small_model, "in.fits")
    with pytest.raises(SedumError, match=r"unknown extension '.txt'"):
        do_fit(catalogue, tmp_path, small_run, small_posterior, small_model, "out.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(SedumError, match="cannot write"):
        do_fit(catalogue, tmp_path, small_run, small_posterior, small_model, "file/out.fits")
    data = run_settings()
    del data["catalogue"]
    with pytest.raises(SedumError, match="no catalogue section"):
        do_fit(catalogue, tmp_path, parse_run(data), small_posterior, small_model)


def test_estimator_of_another_run_is_refused(tmp_path, catalogue, small_posterior):
    from sedum.galaxies.model import GalaxyModel

    run = parse_run(run_settings(model={"dust": "none"}))
    with pytest.raises(SedumError, match="made with another run file: its model"):
        do_fit(catalogue, tmp_path, run, small_posterior, GalaxyModel.from_run(run))
    run = parse_run(run_settings(noise={"floor": 0.07}))
    with pytest.raises(SedumError, match="its noise differs"):
        do_fit(catalogue, tmp_path, run, small_posterior, GalaxyModel.from_run(run))


def test_failed_writing_leaves_the_old_file(
    tmp_path, catalogue, monkeypatch, small_run, small_posterior, small_model
):
    from sedum.results import posterior_table as tables

    do_fit_in_memory(catalogue, tmp_path, small_run, small_posterior, small_model)
    before = (tmp_path / "out.fits").read_bytes()

    def dying(table, path):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(tables, "_write_fits", dying)
    with pytest.raises(OSError, match="no space"):
        do_fit_in_memory(catalogue[:3], tmp_path, small_run, small_posterior, small_model)
    assert (tmp_path / "out.fits").read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"out.fits"}


def test_estimators_bring_the_noise_they_learned(tmp_path, catalogue, small_library, small_model):
    settings = run_settings()
    rows = read_for_run(catalogue, parse_run(settings), small_model.filters)
    fit_noise(rows, BANDS, reference="sdss_r0").write(tmp_path / "noise.h5")
    settings["noise"] = {
        "kind": "bootstrap",
        "file": str(tmp_path / "noise.h5"),
        "selection": {"band": "sdss_r0", "snr": 5.0},
    }
    settings["training"] = {**settings["training"], "steps": 20}
    run = parse_run(settings)
    path = tmp_path / "small.safetensors"
    train_to_file(run, small_library, path, model=small_model)
    (tmp_path / "noise.h5").unlink()
    table = do_fit(catalogue, tmp_path, run, Posterior.read(path), small_model)
    assert (table["status"] == "ok").sum() > 20


def test_verified_rows_say_how_far_they_can_be_trusted(
    tmp_path, catalogue, small_run, small_posterior, small_model
):
    update = {"verify": VerifySettings(rounds=1), "draws": 256, "typicality": FEW_MOCKS}
    output = small_run.output.model_copy(update=update)
    run = small_run.model_copy(update={"output": output})
    catalogue["e_sdss_r0"][3] = -1
    table = do_fit(catalogue, tmp_path, run, small_posterior, small_model, "trust.ecsv")
    again = Table.read(tmp_path / "trust.ecsv")
    assert "exact likelihood" in again["verified"].description
    assert all(again[name].description for name in again.colnames)
    good = np.asarray(table["status"]) == "ok"
    assert not good[3]
    assert np.isnan(table["log_evidence"][3])
    assert not table["verified"][3]
    assert not table["in_distribution"][3]
    assert np.isfinite(table["typicality"][good]).all()
    assert np.isfinite(table["log_evidence"][good]).all()
    assert set(np.asarray(table["worst_band"])[good]) <= set(BANDS)
    trusted = np.asarray(table["verified"])
    assert (np.asarray(table["ppp"])[trusted] > 1e-4).all()
    assert (np.asarray(table["ess"])[trusted] >= 100).all()
    assert set(np.asarray(table["method"])[trusted]) <= {"weighted", "refined"}
    assert set(np.asarray(table["method"])[good & ~trusted]) <= {"flow"}


def test_what_fails_goes_to_nested_sampling(
    tmp_path, catalogue, small_run, small_posterior, small_model, monkeypatch
):
    def quick(exact, seen, size, seed):
        assert len(seen) == 1
        asked.append(seen)
        return NestedResult(exact.prior.sample(size, np.random.default_rng(seed)), -3.0, 500.0, 1)

    monkeypatch.setattr("sedum.survey.measures.nested_fallback.sample_nested", quick)
    asked: list = []
    update = {"verify": VerifySettings(rounds=0, nested=True), "draws": 64, "typicality": FEW_MOCKS}
    run = small_run.model_copy(update={"output": small_run.output.model_copy(update=update)})
    table = do_fit(catalogue, tmp_path, run, small_posterior, small_model)
    # 64 draws are fewer than a verified posterior needs: all fail, and all are sampled.
    assert (table["method"] == "nested").all()
    assert table["verified"].all()
    assert (table["log_evidence"] == -3).all()
    assert len(asked) == len(table)
    assert not list(tmp_path.glob("*.nested"))


@pytest.mark.parametrize(
    ("first", "again"), [(do_fit, fit_written), (do_fit_in_memory, do_fit_in_memory)]
)
def test_interrupted_nested_sampling_goes_on(
    first, again, tmp_path, catalogue, small_run, small_posterior, small_model, monkeypatch
):
    done = []

    def quick(exact, seen, size, seed):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(seen)
        return NestedResult(exact.prior.sample(size, np.random.default_rng(seed)), -3.0, 500.0, 1)

    monkeypatch.setattr("sedum.survey.measures.nested_fallback.sample_nested", quick)
    update = {"verify": VerifySettings(rounds=0, nested=True), "draws": 64, "typicality": FEW_MOCKS}
    run = small_run.model_copy(update={"output": small_run.output.model_copy(update=update)})
    with pytest.raises(KeyboardInterrupt):
        first(catalogue, tmp_path, run, small_posterior, small_model)
    kept = sorted(tmp_path.glob("**/*nested/*.npz"))
    assert len(kept) == 3
    kept[0].write_bytes(b"damaged")  # is done again, as if it were not there
    done.clear()
    monkeypatch.setattr(
        "sedum.survey.measures.nested_fallback.sample_nested",
        lambda exact, seen, size, seed: (
            done.append(seen)
            or NestedResult(exact.prior.sample(size, np.random.default_rng(seed)), -3.0, 500.0, 1)
        ),
    )
    table = again(catalogue, tmp_path, run, small_posterior, small_model)
    assert len(done) == len(table) - 2
    assert table["verified"].all()
    assert not list(tmp_path.glob("**/*nested"))
