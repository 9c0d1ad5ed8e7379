"""The report: numbers that are right and defined, a page that stands alone, hostile input."""

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pytest
from astropy.table import Table
from matplotlib.mathtext import MathTextParser
from typer.testing import CliRunner

from run_cases import run_settings
from sedum.check.mock_scorecard import MockValidation
from sedum.cli.main import app
from sedum.comparison.compared_models import Comparison, comparison_table
from sedum.comparison.model_evidence import SelectedFraction, model_fractions
from sedum.config import PARAMETERS, parse_run
from sedum.errors import SedumError
from sedum.galaxies import derived
from sedum.photometry.row_reasons import Reason
from sedum.report.collected.catalogue_counts import Known
from sedum.report.collected.catalogue_sample import collect, nice_edges
from sedum.report.page.figure_gallery import Gallery
from sedum.report.page.html_report import write_report
from sedum.report.page.sections.redshifts_section import wilson
from sedum.report.page.sections.rows_section import explain
from sedum.report.plots.loss_plot import draw_losses
from sedum.report.plots.report_figures.relation_figures import speagle
from sedum.report.plots.style import LABELS, label
from sedum.results.posterior_catalogue import PosteriorCatalogue
from sedum.results.posterior_table import describe, describe_column, write_table

ROWS = 400
SCRIPT = "<script>alert(1)</script>"
FINGERPRINT = {"filters": "a" * 64, "noise": "b" * 64}
ESTIMATOR = SimpleNamespace(fingerprint=FINGERPRINT, digest=lambda: "e" * 64)
QUANTITIES = {
    "redshift": (0.5, 0.2, 0.04),
    "log_mass": (10.0, 0.7, 0.1),
    "av": (0.6, 0.3, 0.2),
    "log_mass_surviving": (9.8, 0.7, 0.1),
    "log_sfr_100": (0.3, 0.6, 0.2),
}


def results(path, n=ROWS, names=QUANTITIES, change=None, trust=True, known=True, **settings):
    """Write a posterior catalogue with numbers drawn at random, and return its table."""
    rng = np.random.default_rng(7)
    content = run_settings(**settings)
    # Another simulator has other parameters.
    content["priors"] = settings.get("priors", content["priors"])
    run = parse_run(content)
    table = Table(
        {"id": np.array([f"gal {i}" for i in range(n)], "U40"), "status": np.full(n, "ok", "U60")}
    )
    table["n_bands"] = rng.integers(1, 4, n).astype(np.int16)
    values = {}
    for name in names:
        centre, spread, width = QUANTITIES.get(name, (0.0, 1.0, 0.1))
        values[name] = np.abs(rng.normal(centre, spread, n)) if centre else rng.normal(0, 1, n)
        for p, shift in ((16, -1), (50, 0), (84, 1)):
            table[f"{name}_p{p}"] = values[name] + shift * width
    if known and "redshift" in names:
        truth = np.maximum(values["redshift"] + rng.normal(0, 0.06, n), 0.01)
        truth[::10] += 0.9
        truth[5::7] = np.nan
        table["redshift_catalogue"] = truth
    table["at_edge"] = np.where(rng.random(n) < 0.1, "av low, log_mass high", "")
    if trust:
        table["verified"] = rng.random(n) < 0.8
        table["method"] = np.where(table["verified"], "weighted", "flow")
        table["worst_band"] = "sdss_g0"
        table["ess"], table["k_hat"] = rng.uniform(10, 900, n), rng.uniform(0, 1, n)
        table["ppp"], table["typicality"] = rng.uniform(0, 1, n), rng.uniform(0, 1, n)
        table["in_distribution"] = table["typicality"] > 0.05
    if n > 20:
        table["status"][3], table["status"][4] = "no band observed", "error not finite in sdss_g0"
        table["id"][3] = SCRIPT
        for name in names:
            for p in (16, 50, 84):
                table[f"{name}_p{p}"][3:5] = np.nan
    if change:
        change(table)
    describe(table, run, ESTIMATOR)
    table.meta["catalogue"] = "cat.fits"
    write_table(table, path)
    return table


class Page(HTMLParser):
    """What a test wants to know of a page."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads, self.numbers = [], [], [], []
        self.tags, self.named, self.alone, self.alts = [], {}, [], []
        self.stack, self.text, self.lines = [], path.read_text(encoding="utf-8"), []
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        if "id" in attrs:
            self.ids.append(attrs["id"])
        if tag == "a":
            self.links.append(attrs["href"])
        self.loads += [v for k, v in attrs.items() if k in ("src", "srcset", "data", "action")]
        if tag == "link":
            self.loads.append(attrs.get("href"))
        if tag == "img":
            self.alts.append(attrs.get("alt"))
        if tag not in ("meta", "img", "input", "br", "link"):
            self.stack.append((tag, attrs))
        if attrs.get("class") == "number":
            links = [a["href"] for t, a in self.stack if t == "a"]
            self.numbers.append(links)

    def handle_endtag(self, tag):
        while self.stack and self.stack.pop()[0] != tag:
            pass

    def handle_data(self, data):
        self.lines.append(data)
        if self.stack and (name := self.stack[-1][1].get("data-name")):
            self.named[name] = data

    def value(self, name):
        """Return the first number of an element that has a name."""
        return float(
            re.match(r"[+−]?[\d.,]+", self.named[name])[0].replace("−", "-").replace(",", "")
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def table(folder):
    return results(folder / "cat-posterior.parquet")


@pytest.fixture(scope="module")
def page(folder, table):
    """Return the whole page: results with everything, a scorecard and a comparison beside them."""
    validation = folder / "small-validation"
    validation.mkdir()
    (validation / "scorecard.json").write_text(
        json.dumps({**scorecard(), "fingerprint": FINGERPRINT})
    )
    comparison(folder / "cat-compared.fits")
    write_report(
        folder / "cat-posterior.parquet",
        folder / "page.html",
        figures=folder / "figs",
    )
    return Page(folder / "page.html")


def scorecard():
    """Return the scorecard of posteriors that are too narrow."""
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(300, 2))
    seen = truth + 0.3 * rng.normal(size=truth.shape)
    draws = seen[:, None] + 0.15 * rng.normal(size=(300, 100, 2))
    bins = {"redshift": np.where(truth[:, 0] > 0, "1: above 0", "0: below 0")}
    return MockValidation(
        ["redshift", "av"], draws, truth, draws, truth, np.zeros(300), np.full(300, -1.0), bins
    ).scorecard()


def comparison(path, n=200, fingerprint=FINGERPRINT):
    """Write a comparison of two models, of which the second is favoured by 1 nat."""
    rng = np.random.default_rng(4)
    evidence = rng.normal([-20, -19], 1, (n, 2))
    weighed = [
        SimpleNamespace(
            name=name,
            log_evidence=evidence[:, k],
            log_evidence_error=np.full(n, 0.1),
            ess=np.full(n, 500.0),
            k_hat=np.full(n, 0.3),
            verified=np.ones(n, bool),
            nested=np.zeros(n, bool),
            weighted={"log_mass": rng.normal(10 + k, 1, (n, 3))},
            estimated={"log_mass": rng.normal(10 + k, 1, (n, 3))},
        )
        for k, name in enumerate(["one", "two"])
    ]
    for one in weighed:
        for store in (one.weighted, one.estimated):
            store["log_mass"].sort(axis=1)
    chances = np.exp(evidence) / np.exp(evidence).sum(axis=1, keepdims=True)
    run = parse_run(run_settings())
    made = comparison_table(
        Table({"id": np.arange(n), "status": np.full(n, "ok")}),
        weighed,
        chances,
        run,
        {
            "one": SimpleNamespace(run=run, fingerprint=fingerprint),
            "two": SimpleNamespace(run=run, fingerprint={"filters": "c"}),
        },
    )
    found = Comparison(
        ["one", "two"],
        made,
        ["log_mass"],
        np.array([0.5, 0.5]),
        dict.fromkeys(["one", "two"], SelectedFraction(0.0, 0.0)),
        model_fractions(evidence),
        n,
        Table(),
    )
    write_table(made, path)
    found.write_summary(path.with_suffix(".json"))
    return chances


# --- the page ------------------------------------------------------------------------------


def test_every_number_links_to_its_definition(page):
    assert len(page.numbers) > 300
    assert all(links and unquote(links[-1]).startswith("#def-") for links in page.numbers)
    targets = {unquote(link.removeprefix("#")) for link in page.links}
    assert all(link.startswith("#") for link in page.links)
    assert targets <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_page_loads_nothing(page, folder):
    assert page.loads
    assert all(load.startswith("data:image/svg+xml;base64,") for load in page.loads)
    assert not re.search(r"@import|url\(|https?://", page.text)
    assert page.tags.count("script") == 1
    assert (folder / "page.html").stat().st_size < 5e6


def test_the_page_is_accessible(page):
    assert page.alts
    assert all(len(alt) > 20 for alt in page.alts)
    assert page.tags.count("h1") == 1
    assert page.tags.count("caption") == page.tags.count("table")
    assert 'lang="en"' in page.text
    assert 'scope="col"' in page.text
    assert 'name="viewport"' in page.text


def test_identifiers_are_escaped(page):
    assert SCRIPT not in page.text
    assert SCRIPT in page.lines  # it is text, once unescaped


def test_numbers_are_those_of_the_table(page, table):
    ok = np.asarray(table["status"]) == "ok"
    assert page.value("rows") == ROWS
    assert page.value("fitted") == page.value("status-ok") == ok.sum() == ROWS - 2
    assert page.value("fitted-fraction") == pytest.approx(100 * ok.mean(), abs=0.05)
    known = ok & np.isfinite(table["redshift_catalogue"])
    truth, low, middle, high = (
        np.asarray(table[name], np.float64)[known]
        for name in ("redshift_catalogue", "redshift_p16", "redshift_p50", "redshift_p84")
    )
    error = (middle - truth) / (1 + truth)
    assert page.value("photoz-galaxies") == known.sum()
    nmad = 1.4826 * np.median(np.abs(error - np.median(error)))
    assert page.value("photoz-nmad") == pytest.approx(nmad, abs=1e-4)
    assert page.value("photoz-bias") == pytest.approx(np.median(error), abs=1e-4)
    share = np.mean(np.abs(error) > 0.15)
    assert 0.05 < share < 0.3
    assert page.value("photoz-outliers") == pytest.approx(100 * share, abs=0.05)
    inside = np.mean((low <= truth) & (truth <= high))
    assert page.value("photoz-coverage") == pytest.approx(100 * inside, abs=0.05)
    assert page.value("verification-verified") == (np.asarray(table["verified"]) & ok).sum()
    assert page.value("verification-ppp") == (np.asarray(table["ppp"])[ok] < 0.01).sum()
    assert page.value("verification-at_edge") == (np.asarray(table["at_edge"])[ok] != "").sum()
    flagged = (
        ~ok
        | (np.asarray(table["at_edge"]) != "")
        | ~np.asarray(table["verified"])
        | ~np.asarray(table["in_distribution"])
        | (np.asarray(table["ppp"]) < 0.01)
    )
    flagged[np.flatnonzero(known)[np.abs(error) > 0.15]] = True
    assert page.value("flagged") == flagged.sum()
    words = " ".join(page.lines)
    mass = np.asarray(table["log_mass_p50"], float)[ok]
    assert f"{np.median(mass):.2f} (−{np.median(mass) - np.percentile(mass, 16):.2f}" in words


def test_scorecards_and_comparisons_are_shown(page):
    words = " ".join(page.lines)
    assert "over-confident" in words
    assert "Recovery and calibration on mock galaxies" in words
    assert "Evidence of the models" in words
    assert "figure-models" in page.ids
    assert "figure-calibration-bins" in page.ids


def test_the_same_results_give_the_same_bytes(page, folder):
    write_report(folder / "cat-posterior.parquet", folder / "again.html")
    assert (folder / "again.html").read_bytes() == (folder / "page.html").read_bytes()


def test_figures_are_vector_files(page, folder, tmp_path):
    names = {p.name for p in (folder / "figs").iterdir()}
    shown = [i.removeprefix("figure-") for i in page.ids if i.startswith("figure-")]
    assert names == {f"{name}.pdf" for name in shown}
    assert not any(b"/Type3" in (folder / "figs" / name).read_bytes() for name in names)
    pictures = [Gallery(tmp_path / k).add("loss", draw_losses([2.0, 1.0], 5), "", "") for k in "ab"]
    assert pictures[0] == pictures[1]
    one, two = ((tmp_path / k / "loss.pdf").read_bytes() for k in "ab")
    assert one == two
    assert b"/CIDFontType2" in one  # TrueType, not outlines of matplotlib's own


# --- what lies beside results --------------------------------------------------------------


def test_what_is_of_another_estimator_is_left_out(table, tmp_path):
    path = tmp_path / "cat-posterior.parquet"
    results(path, n=30)
    (tmp_path / "small-validation").mkdir()
    card = tmp_path / "small-validation" / "scorecard.json"
    card.write_text(json.dumps({**scorecard(), "fingerprint": {"filters": "other"}}))
    comparison(tmp_path / "cat-compared.parquet", 20, {"filters": "other"})
    write_report(path, tmp_path / "a.html")
    words = " ".join(Page(tmp_path / "a.html").lines)
    assert "scorecard.json is of another estimator" in words
    assert "cat-compared.json is of other models" in words
    assert "Evidence of the models" not in words
    for options in ({"scorecard": card}, {"compared": tmp_path / "cat-compared.parquet"}):
        with pytest.raises(SedumError, match="of another estimator"):
            write_report(path, tmp_path / "b.html", **options)
    card.write_text("{")
    with pytest.raises(SedumError, match=r"scorecard\.json is damaged"):
        write_report(path, tmp_path / "b.html", scorecard=card.parent)
    with pytest.raises(SedumError, match="holds no scorecard"):
        write_report(path, tmp_path / "b.html", scorecard=tmp_path)
    with pytest.raises(SedumError, match=r"summary none\.json does not exist"):
        write_report(path, tmp_path / "b.html", compared=tmp_path / "none.fits")
    assert not (tmp_path / "b.html").exists()


def test_redshifts_that_were_given_are_not_compared(tmp_path):
    made = results(tmp_path / "a.fits", n=60, names=["redshift"], catalogue={"use_redshift": True})
    write_report(tmp_path / "a.fits", tmp_path / "a.html")
    page = Page(tmp_path / "a.html")
    known = np.isfinite(made["redshift_catalogue"]) & (np.asarray(made["status"]) == "ok")
    assert page.value("redshifts-given") == known.sum()
    assert "were given to the fit" in " ".join(page.lines)
    assert "photoz-nmad" not in page.named
    assert "redshift outlier" not in [line.strip() for line in page.lines]


# --- any size, any content -----------------------------------------------------------------


def test_counts_do_not_depend_on_portions_or_samples(table, folder):
    found = PosteriorCatalogue.open(folder / "cat-posterior.parquet")
    whole = collect(found)
    parts = collect(found, sample=100, rows=37)
    assert whole.complete
    assert not parts.complete
    assert 60 < len(parts.sample) < 140  # binomial of mean 100: beyond 4.6 sigma once in 10^5
    a, b = whole.counts, parts.counts
    assert (a.rows, a.ok, a.status, a.texts, a.true) == (b.rows, b.ok, b.status, b.texts, b.true)
    assert (a.n_bands, a.worst.counts, a.worst.flagged) == (
        b.n_bands,
        b.worst.counts,
        b.worst.flagged,
    )
    assert [row for row, _ in a.worst.rows()] == [row for row, _ in b.worst.rows()]
    np.testing.assert_array_equal(a.known.galaxies, b.known.galaxies)
    np.testing.assert_array_equal(a.known.inside, b.known.inside)
    np.testing.assert_array_equal(a.known.sample, b.known.sample)
    for one in (a, b):
        density = one.densities[0]
        assert density.counts.sum() + density.outside == ROWS - 2
    histogram = a.histograms["log_mass_p50"]
    assert histogram.counts.sum() + histogram.beyond + histogram.without == ROWS - 2


def test_the_sample_of_known_redshifts_is_fair(monkeypatch):
    monkeypatch.setattr("sedum.report.collected.catalogue_counts._KEPT", 500)
    known = Known()
    for start in range(0, 20_000, 1000):
        z = (np.arange(start, start + 1000) + 0.5) / 20_000
        known.note(Table(dict.fromkeys(Known.columns, z)))
    assert known.galaxies.sum() == 20_000
    assert len(known.sample) == 500
    # Uniform numbers: the mean of 500 is within 5 standard errors.
    assert abs(known.sample[:, 0].mean() - 0.5) < 5 / np.sqrt(12 * 500)
    assert len(np.unique(known.sample[:, 0])) == 500


def nothing_fitted(table):
    table["status"] = "no band observed"
    for name in table.colnames:
        if "_p" in name and name[-2:].isdigit():
            table[name] = np.nan


def no_values(table):
    for p in (16, 50, 84):
        table[f"av_p{p}"] = np.nan
        table[f"redshift_p{p}"][7] = np.inf


@pytest.mark.parametrize(
    ("n", "names", "options"),
    [
        (40, ["redshift", "log_mass"], {"change": nothing_fitted}),
        (1, list(QUANTITIES), {}),
        (60, ["log_mass", "av"], {}),
        (60, ["redshift"], {"trust": False, "known": False}),
        (60, ["redshift", "av"], {"change": no_values}),
    ],
    ids=["nothing fitted", "one row", "no redshift", "redshift alone", "no values"],
)
def test_odd_results(n, names, options, tmp_path):
    made = results(tmp_path / "odd.parquet", n=n, names=names, **options)
    write_report(tmp_path / "odd.parquet", tmp_path / "odd.html")
    page = Page(tmp_path / "odd.html")
    assert page.value("rows") == n
    assert page.value("fitted") == (np.asarray(made["status"]) == "ok").sum()
    assert not re.search(r">[^<]*\bnan\b", page.text.split("<main>")[1])


def test_names_of_other_simulators(tmp_path):
    """Names that are no ASCII, with HTML, a dollar sign and blanks; a unit of the file's own."""
    name = "größe $<b>"
    priors = {
        "redshift": {"kind": "uniform", "low": 0.0, "high": 2.0},
        name: {"kind": "normal", "mean": 0.0, "sigma": 1.0},
    }
    model = {"kind": "external", "name": "Σ <i>", "parameter_names": ["redshift", name]}
    path = tmp_path / "catálogo-posterior.parquet"
    results(path, n=60, names=["redshift", name], model=model, priors=priors)
    write_report(path, tmp_path / "a.html", title="<i>Ångström</i>")
    page = Page(tmp_path / "a.html")
    assert "<b>" not in page.text
    assert "<i>" not in page.text
    assert "<i>Ångström</i>" in page.lines
    assert name in page.lines
    targets = {unquote(link.removeprefix("#")) for link in page.links}
    assert targets <= set(page.ids)


def test_damage_and_refusals(tmp_path):
    results(tmp_path / "a.parquet", n=30)
    path = tmp_path / "cut.parquet"
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    content[200:600] = bytes(400)
    path.write_bytes(content)
    with pytest.raises(SedumError, match=r"cut\.parquet cannot be read"):
        write_report(path, tmp_path / "a.html")
    with pytest.raises(SedumError, match="do not exist"):
        write_report(tmp_path / "none.fits", tmp_path / "a.html")
    with pytest.raises(SedumError, match="it is a folder"):
        write_report(tmp_path / "a.parquet", tmp_path)
    with pytest.raises(SedumError, match="the results themselves"):
        write_report(tmp_path / "a.parquet", tmp_path / "a.parquet")
    (tmp_path / "file").write_text("")
    with pytest.raises(SedumError, match="cannot write"):
        write_report(tmp_path / "a.parquet", tmp_path / "file" / "a.html")
    with pytest.raises(SedumError, match="cannot write"):
        write_report(tmp_path / "a.parquet", tmp_path / "a.html", figures=tmp_path / "file")
    with pytest.raises(SedumError, match=r"estimator .*none\.safetensors does not exist"):
        write_report(tmp_path / "a.parquet", tmp_path / "a.html", estimator="none.safetensors")
    assert not (tmp_path / "a.html").exists()


def test_training_is_told_from_the_estimator(small_run, small_posterior, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "test_report.ESTIMATOR",
        SimpleNamespace(fingerprint=small_posterior.fingerprint, digest=small_posterior.digest),
    )
    results(tmp_path / "a.ecsv", n=12, names=["redshift"], trust=False, known=False)
    small_posterior.write(tmp_path / "small.safetensors")
    write_report(tmp_path / "a.ecsv", tmp_path / "a.html")
    page = Page(tmp_path / "a.html")
    assert "figure-training-loss" in page.ids
    loss = min(small_posterior.history["losses"])
    assert f"{loss:.3f}".replace("-", "−") in page.lines


# --- small parts ---------------------------------------------------------------------------


def test_wilson_errors():
    """Half of the interval between the roots of (p - x)² = x (1 - x) / n."""
    for k, n in ((0, 10), (3, 10), (68, 100), (100, 100)):
        p = k / n
        roots = np.roots([1 + 1 / n, -(2 * p + 1 / n), p**2])
        assert wilson(k, n) == pytest.approx(float(np.ptp(roots.real)) / 2, rel=1e-6)


def test_bins_of_redshift():
    edges = nice_edges(np.random.default_rng(1).uniform(0.3, 6, 5000))
    assert edges[0] <= 0.3
    assert edges[-1] == 6
    assert 2 <= len(edges) <= 7
    assert nice_edges(np.array([0.6])).tolist() == [0.5, 0.75]
    assert nice_edges(np.array([np.nan])) is None


def test_sequence_of_speagle():
    """Their best fit at log M = 10.5: log SFR of 0.84 × 10.5 − 6.51 at t = 0, and at 5 Gyr."""
    assert speagle(np.array(10.5), 0.0) == pytest.approx(2.31)
    assert speagle(np.array(10.5), 5.0) == pytest.approx(0.71 * 10.5 - 5.96)


def test_every_quantity_has_a_label_with_its_unit():
    names = [
        *PARAMETERS,
        *derived._PLAIN,
        "t50",
        "log_sfr_ratio_2",
        "sfr_fraction_3",
        "log_sfr_100",
    ]
    names += ["log_ssfr_10", "lookback_t25", "absmag_sdss_r0", "colour_sdss_g0_minus_sdss_r0"]
    names += ["log_lum_Ha", "log_flux_OIII5007", "ew_Hb", "burst_age", "burst_log_tau"]
    assert set(LABELS) >= {*PARAMETERS, *derived._PLAIN}
    words = {"mag": "mag", "Gyr": "Gyr", "K": "[K]", "percent": "%", "Angstrom": "Å"}
    words |= {"solMass": r"{\rm M}_\odot", "yr": r"\rm yr", "solLum": r"{\rm L}_\odot"}
    words |= {"erg": "erg", "s": r"s}^{-1}", "Hz": "Hz", "cm2": "cm"}
    parser = MathTextParser("path")
    for name in names:
        text = label(name)
        assert text != name or name in ("redshift",), name
        parser.parse(text)
        unit = describe_column(name)[0]
        for word in re.findall(r"[A-Za-z]\w*", unit.replace("dex", "")):
            assert words[word] in text or (word, name[:8]) == ("yr", "log_ssfr"), (name, text)
    assert label("their size", "kpc") == "their size [kpc]"


def test_every_status_is_explained():
    assert len(Reason) >= 15
    for reason in Reason:
        assert explain(reason.text("sdss_r0")) == (reason.meaning, reason.remedy)
    # As the table has a family of bands: without the band.
    assert explain("flux outside the training range in")[0] == Reason.FLUX_OUTSIDE_TRAINING.meaning
    assert explain("ok") == ("The row was fitted.", "")
    assert explain("something new") == ("", "")


def test_command(tmp_path):
    results(tmp_path / "a.parquet", n=12, names=["redshift"], trust=False, known=False)
    out, figures = tmp_path / "page.html", tmp_path / "figs"
    words = ["report", tmp_path / "a.parquet", "-o", out, "-q", "--title", "Mine"]
    done = CliRunner().invoke(app, [str(w) for w in [*words, "--figures", figures]])
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"{out}: ")
    assert "<title>Mine</title>" in out.read_text()
    assert (figures / "distributions.pdf").is_file()
