"""The explorer: rows read singly, galaxies as they were fitted, the page and its server."""

import http.client
import json
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest

import sedum
from explore_cases import BANDS, HOSTILE, ROWS, UNFIT, table_of
from run_cases import run_settings
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.photometry.row_reasons import Reason
from sedum.report.explorer.plain_labels import column_label, plain_label, plain_unit
from sedum.report.explorer.row_texts import status_meaning, verification_lines
from sedum.results.posterior_catalogue import PosteriorCatalogue
from sedum.survey.select_rows import draw_selected, select_rows
from sedum.tables.single_rows import RowReader
from sedum.tables.stream import stream_table

# --- single rows ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.parquet", "a.fits", "a.h5", "a.csv", "folder"])
def test_single_rows_are_those_of_the_whole(name, tmp_path):
    table = table_of(50)
    if name == "folder":
        import pyarrow.parquet as parquet

        (tmp_path / name).mkdir()
        for k, part in enumerate((table[:20], table[20:21], table[21:])):
            part.write(tmp_path / "part.parquet", overwrite=True)
            rows = parquet.read_table(tmp_path / "part.parquet")
            parquet.write_table(rows, tmp_path / name / f"p{k}.parquet", row_group_size=7)
    elif name.endswith("h5"):
        table.remove_column("id")
        table.write(tmp_path / name, path="data")
    else:
        table.write(tmp_path / name)
    reader = RowReader(tmp_path / name)
    assert len(reader) == 50
    names = ["f_sdss_g0", "f_sdss_r0", *(["id"] if "id" in table.colnames else []), "absent"]
    for row in (0, 19, 20, 21, 33, 49):
        found = reader.read(row, names)
        assert len(found) == 1
        for column in names[:-1]:
            value = found[column][0]
            value = value.decode() if isinstance(value, bytes) else value
            expected = table[column][row]
            assert value == expected or (expected != expected and value != value)
    with pytest.raises(SedumError, match="rows 0 to 49"):
        reader.read(50, names)
    # Portions from some row on are those of the rows from there.
    rest = list(stream_table(tmp_path / name, ["f_sdss_g0"], 11, start=17))
    assert [len(part) for part in rest] == [11, 11, 11]
    got = np.concatenate([np.asarray(part["f_sdss_g0"]) for part in rest])
    np.testing.assert_array_equal(got, table["f_sdss_g0"][17:])


def test_rows_of_results_are_found_by_identifier(explored, tmp_path):
    results = PosteriorCatalogue.open(explored / "post.fits")
    assert results.provenance["catalogue"] == "cat.parquet"
    assert results.find("g59") == 59
    assert results.find("g1" + HOSTILE) == 1
    assert results.find("g60") is None
    told = results.row(59)
    assert told["id"] == "g59"
    assert told["redshift_p50"] == results.read(["redshift_p50"])["redshift_p50"][59]
    with pytest.raises(SedumError, match="no row 60"):
        results.row(60)


# --- galaxies ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def galaxies(explored):
    from sedum.report.explorer.selected_galaxy import open_galaxies

    found = open_galaxies(PosteriorCatalogue.open(explored / "post.fits"))
    assert not isinstance(found, str)
    return found


def test_a_galaxy_is_as_it_was_fitted(galaxies, small_run, small_posterior, small_model, explored):
    from sedum.photometry.catalogue import read_for_run

    seen = galaxies.look(20)
    rows = read_for_run(explored / "cat.parquet", small_run, small_model.filters)
    at = select_rows(rows, [20])
    chosen = draw_selected(small_run, small_posterior, small_model, rows, at)
    # Sums round by the number of threads.
    np.testing.assert_allclose(seen.draws, chosen.draws[0], rtol=1e-4, atol=1e-6)
    assert (seen.identifier, seen.fitted, seen.notices) == ("g20", True, [])
    assert seen.predictions.spectrum.shape[:2] == (1, 5)
    assert seen.residual.shape == (3, 3)
    assert (np.diff(seen.residual, axis=0) >= 0).all()
    flux = small_model.photometry(seen.draws)
    # Brighter than the models is positive.
    brighter = seen.photometry.flux[0] > np.median(flux, axis=0)
    far = np.abs(seen.residual[1]) > 0.5
    assert (brighter == (seen.residual[1] > 0))[far].all()


def test_a_row_that_was_not_fitted_keeps_its_photometry(galaxies):
    seen = galaxies.look(UNFIT)
    assert not seen.fitted
    assert seen.draws is None
    assert seen.photometry.measured[0].tolist() == [True, False, True]


def test_what_does_not_belong_together_is_said(explored, tmp_path, small_posterior, small_run):
    from sedum.report.explorer.selected_galaxy import open_galaxies

    results = PosteriorCatalogue.open(explored / "post.fits")
    missing = open_galaxies(results, estimator=explored / "small.safetensors", catalogue=None)
    assert not isinstance(missing, str)
    (tmp_path / "alone.fits").write_bytes((explored / "post.fits").read_bytes())
    alone = PosteriorCatalogue.open(tmp_path / "alone.fits")
    said = open_galaxies(alone)
    assert "catalogue cat.parquet (argument catalogue)" in said
    assert "small.safetensors (argument estimator)" in said
    table = table_of()
    table[:10].write(tmp_path / "short.parquet")
    with pytest.raises(SedumError, match="has 10 rows"):
        open_galaxies(results, catalogue=tmp_path / "short.parquet")
    table[::-1].write(tmp_path / "turned.parquet")
    turned = open_galaxies(results, catalogue=tmp_path / "turned.parquet")
    with pytest.raises(SedumError, match=r"row 5 is g5 .* but g54"):
        turned.look(5)
    for band in BANDS:
        table[f"f_{band}"] *= 1.5
    table.write(tmp_path / "other.parquet")
    other = open_galaxies(results, catalogue=tmp_path / "other.parquet")
    assert "not those behind the catalogue" in other.look(5).notices[0]
    other_noise = parse_run(run_settings(noise={"depths": dict.fromkeys(BANDS, 24.0)}))
    wrong = sedum.Posterior(
        small_posterior.estimator,
        small_posterior.features,
        other_noise,
        small_posterior.fingerprint | {"noise": "another"},
    )
    wrong.write(tmp_path / "wrong.safetensors")
    with pytest.raises(SedumError, match="not the one that"):
        open_galaxies(results, estimator=tmp_path / "wrong.safetensors")


def test_saved_draws_are_shown(tmp_path, small_posterior, small_model):
    from sedum.report.explorer.sampled_rows import SampledRows
    from sedum.report.explorer.selected_galaxy import open_galaxies

    stored = {"percentiles": [2.5, 16, 50, 84, 97.5], "quantiles": 5, "pz": {"points": 10}}
    run = parse_run(run_settings(output={"save_draws": True, "draws": 20, **stored}))
    table_of(12).write(tmp_path / "cat.parquet")
    small_posterior.write(tmp_path / "small.safetensors")
    sedum.fit(
        run,
        small_posterior,
        tmp_path / "cat.parquet",
        tmp_path / "post.parquet",
        model=small_model,
    )
    results = PosteriorCatalogue.open(tmp_path / "post.parquet")
    seen = open_galaxies(results).look(4)
    # Of a posterior, the table has the median and the mean: lists would fill the memory.
    held = [name for name in SampledRows(results).columns if name.startswith(("redshift", "pz"))]
    assert set(held) == {"redshift_catalogue", "redshift_p50", "redshift_mean", "redshift_mode"}
    saved = results.read(["redshift_draws"])["redshift_draws"][4]
    np.testing.assert_array_equal(seen.draws[:, small_posterior.names.index("redshift")], saved)


def test_draws_are_weighted_to_the_priors_of_the_fit(tmp_path, small_posterior, small_model):
    from sedum.report.explorer.selected_galaxy import open_galaxies

    output = {"draws": 1000, "derived": []}
    low = {"redshift": {"kind": "uniform", "low": 0.05, "high": 0.7}}
    table_of(12).write(tmp_path / "cat.parquet")
    small_posterior.write(tmp_path / "small.safetensors")
    sedum.fit(
        parse_run(run_settings(output=output)),
        small_posterior,
        tmp_path / "cat.parquet",
        tmp_path / "post.fits",
        model=small_model,
        priors=parse_run(run_settings(priors=low)),
    )
    results = PosteriorCatalogue.open(tmp_path / "post.fits")
    row = int(np.flatnonzero(results.read(["status"])["status"] == "ok")[0])
    seen = open_galaxies(results).look(row)
    assert "weighted to the priors" in seen.notices[0]
    redshift = seen.draws[:, small_posterior.names.index("redshift")]
    assert (redshift <= 0.7).all()
    assert np.median(redshift) == pytest.approx(seen.recorded["redshift_p50"], abs=0.05)


# --- words and numbers ---------------------------------------------------------------------


def test_verification_lines():
    assert verification_lines({"status": "no band observed"}) == []
    plain = verification_lines({"status": "ok"})
    assert [tone for tone, _ in plain] == ["plain"]
    row = {
        "status": "ok",
        "verified": False,
        "method": "flow",
        "ess": 12.0,
        "k_hat": 0.9,
        "log_evidence": 3.0,
        "log_evidence_error": 0.1,
        "ppp": 0.001,
        "worst_band": "r",
        "worst_sigma": -4.2,
        "typicality": 1e-4,
        "in_distribution": False,
        "at_edge": "av low",
    }
    said = verification_lines(row)
    text = " ".join(words for _, words in said)
    for part in (
        "not verified",
        "12, below 100",
        "0.90, not below",
        "r, -4.2σ",
        "unlike",
        "av low",
    ):
        assert part in text
    assert all(tone == "poor" for tone, words in said if "evidence" not in words)
    good = row | {"verified": True, "method": "weighted", "ess": 800.0, "k_hat": 0.2, "ppp": 0.4}
    good |= {"worst_sigma": 1.0, "in_distribution": True, "typicality": 0.3, "at_edge": ""}
    assert not any(tone == "poor" for tone, _ in verification_lines(good))


def test_every_status_of_the_fit_has_a_meaning():
    assert status_meaning("ok") == ""
    assert "by which the survey selects galaxies" in status_meaning("selection band r not observed")
    assert "signal-to-noise is below" in status_meaning("below the selection in r")
    for reason in Reason:
        assert status_meaning(reason.text("r")) == f"{reason.meaning} {reason.remedy}"
    assert status_meaning("something new") == "The row could not be fitted."


def test_labels_have_units():
    assert plain_label("log_mass_surviving") == "log₁₀ M★ / M☉"
    assert plain_label("log_sfr_100") == "log₁₀ SFR(100 Myr) / (M☉/yr)"
    assert column_label("av_p50") == "A_V [mag]"
    assert column_label("av_mean") == "A_V [mag] (mean)"
    assert plain_label("lookback_t50") == "lookback t50 [Gyr]"
    assert plain_unit("dex(solMass / yr)") == "M☉/yr"


def test_rows_are_chosen_and_added(explored):
    from sedum.report.explorer.sampled_rows import RowFilter, SampledRows

    results = PosteriorCatalogue.open(explored / "post.fits")
    rows = SampledRows(results, max_rows=20)
    assert not rows.complete
    assert 5 < len(rows) < 40  # binomial of mean 20: beyond 4 sigma once in 10^4
    absent = next(i for i in range(ROWS) if rows.index(i) is None)
    mine = rows.copy()
    at = mine.add(absent)
    assert (mine.rows[at], mine.index(absent)) == (absent, at)
    assert mine.columns["id"][at] == results.row(absent)["id"]
    assert len(rows) == len(mine) - 1
    whole = SampledRows(results)
    assert whole.complete
    assert dict(whole.statuses())["ok"] == ROWS - 1
    assert whole.passing(RowFilter(status="ok")).sum() == ROWS - 1
    low, high = whole.redshift_range()
    z = whole.columns["redshift_p50"]
    inside = whole.passing(RowFilter(redshift=(low, 0.5 * (low + high))))
    np.testing.assert_array_equal(inside, z <= 0.5 * (low + high))
    assert whole.passing(RowFilter(rows=frozenset({4, 9}))).sum() == 2
    assert set(whole.quantities()) >= {"redshift_p50", "log_mass_p50", "n_bands"}
    whole.columns["verified"] = np.arange(ROWS) < 10
    assert whole.passing(RowFilter(flags=(("verified", True),), status="ok")).sum() == 9
    assert whole.data()["verified"][:11] == ["yes"] * 10 + ["no"]


def test_corner_contours_hold_their_shares(rng):
    pytest.importorskip("bokeh")
    from sedum.report.explorer.panels.corner_panel import marginals

    x, y = 0.5 + 0.1 * rng.standard_normal((2, 20_000))
    density, lines = marginals(x, y)
    assert density.shape == (30, 30)
    radii = sorted(float(np.hypot(*(line - 0.5).T).mean()) for line in lines)
    # One and two sigma of a normal in two dimensions, widened by the smoothing of 1.3 bins.
    wide = np.hypot(0.1, 1.3 / 30)
    np.testing.assert_allclose(radii, np.array([1.0, 1.98]) * wide, rtol=0.08)


def test_flux_scale_shows_negative_fluxes_and_round_ticks():
    pytest.importorskip("bokeh")
    from sedum.report.explorer.panels.plot_axes import FluxScale

    scale = FluxScale(np.array([-0.02, 0.1, 30.0]), np.full(3, 0.03), np.array([0.05, 28.0]))
    assert scale.low < -0.02
    assert scale.high > 30
    ticker, texts = scale.ticks()
    assert "0" in texts.values()
    assert "10" in texts.values()
    values = [float(text.replace("−", "-")) for text in texts.values()]
    np.testing.assert_allclose(list(texts), scale(np.array(values)))
    assert (np.diff(np.sort(ticker.ticks)) > 0.3).all()
    # A limit has no error; it does not make the others faint, and there may be nothing else.
    limited = FluxScale(np.array([3.0, 30.0, 9.0]), np.array([0.03, 0.03, np.nan]), np.zeros(0))
    assert limited.low > 0
    assert FluxScale(np.array([9.0]), np.array([np.nan]), np.zeros(0)).noise > 0
    bright = FluxScale(np.array([3.0, 30.0]), np.full(2, 0.03), np.array([2.0, 28.0]))
    assert bright.low > 0


# --- the page and its server ---------------------------------------------------------------


def test_the_server_is_for_this_machine_alone(explorer):
    assert explorer.url.startswith("http://127.0.0.1:")
    page = urllib.request.urlopen(explorer.url).read().decode()
    assert "post.fits" in page
    assert "cdn." not in page
    assert "https://" not in page

    def status(host, origin=None):
        """Return the answer to a browser that was told that this machine is ``host``."""
        line = http.client.HTTPConnection("127.0.0.1", explorer.port, timeout=10)
        path, headers = "/", {"Host": host}
        if origin:
            path = "/ws"
            headers |= {
                "Origin": origin,
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
                "Sec-WebSocket-Version": "13",
            }
        line.request("GET", path, headers=headers)
        return line.getresponse().status

    own = f"127.0.0.1:{explorer.port}"
    assert status(own) == 200
    assert status(f"localhost:{explorer.port}", f"http://localhost:{explorer.port}") == 101
    assert status(f"attacker.example:{explorer.port}") == 404
    assert status(own, "http://attacker.example") == 403
    with pytest.raises(SedumError, match=f"cannot serve at port {explorer.port}"):
        sedum.explore(explorer.results.path, port=explorer.port)


def test_the_page_without_a_browser(explorer, explored, tmp_path):
    from bokeh.document import Document

    from sedum.report.explorer.explorer_page import Page

    document = Document()
    page = Page(explorer.results, explorer.rows, explorer.galaxies)
    page.into(document)
    page.show(20)
    assert "g20" in page.heading.text
    assert len(document.get_model_by_name("spectrum").data["median"]) > 100
    assert len(document.get_model_by_name("observed").data["band"]) == 3
    page.show(UNFIT)
    assert len(document.get_model_by_name("spectrum").data["median"]) == 0
    assert len(document.get_model_by_name("observed").data["band"]) == 2
    assert "by which the survey selects galaxies" in page.statements.text
    page.show(1)
    assert "<img" not in page.heading.text
    page.status.value = "ok"
    assert sum(page.overview.filter.booleans) == ROWS - 1
    # Without catalogue and estimator there is what the results tell.
    bare = Page(explorer.results, explorer.rows, "Single galaxies need something.")
    bare.into(Document())
    bare.show(20)
    assert "need something" in bare.statements.text
    assert "log_mass" in bare.percentiles.text


def test_a_missing_package_is_one_line(monkeypatch, explored):
    for name in [n for n in sys.modules if n.startswith("sedum.report.explorer.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "bokeh.application", None)
    with pytest.raises(SedumError, match=r"needs the package bokeh.*sedum\[explore\]"):
        sedum.explore(explored / "post.fits")


def test_the_command_serves_until_interrupted(monkeypatch, explored, capsys):
    pytest.importorskip("bokeh")
    from sedum.cli.main import app
    from sedum.report.explorer.server import Explorer

    def interrupted(self):
        told = urllib.request.urlopen(self.url).status
        print(json.dumps({"status": told}))
        raise KeyboardInterrupt

    monkeypatch.setattr(Explorer, "wait", interrupted)
    app(["explore", str(explored / "post.fits"), "--no-browser"], standalone_mode=False)
    printed = capsys.readouterr().out
    assert "http://127.0.0.1:" in printed
    assert '{"status": 200}' in printed
    url = printed.split()[1]
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=2)
