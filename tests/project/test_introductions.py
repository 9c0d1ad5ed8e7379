"""Objects introduce themselves in one line, and in notebooks as a small table."""

import numpy as np
import pytest
from astropy.table import Table

import sedum
from sedum.bridge.trained_bridge import Prediction
from sedum.introduced import Introduced, listed
from sedum.observe.mock_survey import mock_survey
from sedum.photometry.catalogue import read_for_run
from sedum.results.posterior_catalogue import PosteriorCatalogue
from sedum.survey.fit import fit


@pytest.fixture(scope="module")
def catalogue(small_model, small_posterior):
    theta, seen = mock_survey(small_model, small_posterior.noise, 30, 1)
    columns = {"id": np.arange(30), "z": theta[:, 0]}
    for j, band in enumerate(small_posterior.noise.bands):
        columns[f"f_{band}"] = np.where(seen.observed[:, j], seen.flux[:, j], np.nan)
        columns[f"e_{band}"] = seen.error[:, j]
    return Table(columns)


@pytest.fixture(scope="module")
def objects(small_run, small_model, small_library, small_posterior, catalogue, tmp_path_factory):
    folder = tmp_path_factory.mktemp("introduced")
    catalogue.write(folder / "in.fits")
    summary = fit(
        small_run, small_posterior, folder / "in.fits", folder / "out.fits", model=small_model
    )
    rows = read_for_run(catalogue, small_run, small_model.filters)
    theta, seen = mock_survey(small_model, small_posterior.noise, 120, 2)
    return [
        small_run,
        small_model,
        small_model.filters,
        small_model.prior,
        sedum.Library.read(small_library),
        small_posterior,
        small_posterior.noise,
        rows,
        rows.photometry,
        rows.photometry[:0],
        summary,
        PosteriorCatalogue.open(folder / "out.fits"),
        sedum.validate(small_posterior, theta, seen, n_draws=50),
        sedum.fit_noise(rows, small_run.band_names()),
        next(sedum.predict(small_posterior, small_model, rows.photometry[:2], n_draws=5))[1],
        Prediction(*(np.ones((2, 1)) for _ in range(5))),
    ]


def test_each_object_introduces_itself_in_one_line(objects):
    for each in objects:
        text = repr(each)
        assert text.startswith(f"<{type(each).__name__}"), text
        assert "\n" not in text
        assert len(text) < 250, text
        assert str(each) == text
        assert "array(" not in text
        html = each._repr_html_()
        assert html.count("<table>") == html.count("</table>") == 1


def test_introductions_have_the_facts(objects):
    texts = {type(each).__name__: repr(each) for each in reversed(objects)}
    assert texts["Library"].startswith("<Library: galaxies 3,000; parameters redshift, log_mass, ")
    assert "bands sdss_g0, sdss_r0, sdss_i0" in texts["FilterSet"]
    assert "rows 30; status" in texts["FitSummary"]
    assert "in.fits" not in texts["PosteriorCatalogue"]
    assert "rows 30" in texts["PosteriorCatalogue"]
    assert "galaxies 120" in texts["MockValidation"]


def test_text_from_data_is_escaped_in_notebooks():
    class Survey(Introduced):
        def _facts(self):
            return "<script>", {"<b>": "a & b"}

    html = Survey()._repr_html_()
    assert "<script>" not in html
    assert "<b><" not in html.replace("<b>Survey</b>", "")
    assert "a &amp; b" in html


def test_lists_are_shortened():
    assert listed(list("abcde")) == "a, b, c and 2 more"
    assert listed(list("abc")) == "a, b, c"
    assert listed([]) == "none"


def test_a_catalogue_is_drawn_from_as_it_is(catalogue, small_run, small_posterior, small_model):
    good = np.asarray(fit(small_run, small_posterior, catalogue, model=small_model)["status"])
    some = catalogue[good == "ok"][:4]
    draws = small_posterior.sample(some, n_draws=20)
    assert draws.shape == (4, 20, len(small_posterior.names))
    rows = read_for_run(some, small_run, small_model.filters)
    for same in (some.to_pandas(), rows, rows.photometry):
        np.testing.assert_array_equal(small_posterior.sample(same, n_draws=20), draws)


def test_what_cannot_be_drawn_from_is_one_line(catalogue, small_posterior):
    with pytest.raises(sedum.SedumError, match="a catalogue is a file, an astropy Table or"):
        small_posterior.sample(np.ones((3, 3)))
    bad = catalogue[:3].copy()
    for band in small_posterior.noise.bands:
        bad[f"f_{band}"][1] = np.nan
    with pytest.raises(sedum.SedumError, match="row 1 cannot be fitted: no band observed"):
        small_posterior.sample(bad)
    photometry = sedum.Photometry.make(np.ones((2, 5)), np.ones((2, 5)))
    with pytest.raises(sedum.SedumError, match="has 5 bands, and the estimator 3"):
        small_posterior.sample(photometry)
