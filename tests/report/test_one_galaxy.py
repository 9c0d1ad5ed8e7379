"""Figures of one galaxy, from an estimator and a catalogue."""

import numpy as np
import pytest
from astropy.table import Table

from sedum.errors import SedumError
from sedum.observe.mock_survey import mock_survey
from sedum.report import corner, sed


@pytest.fixture(scope="module")
def catalogue(small_model, small_posterior):
    _, seen = mock_survey(small_model, small_posterior.noise, 3, 4)
    columns = {"id": ["a", "b", "c"], "z": np.full(3, np.nan)}
    for j, band in enumerate(small_posterior.noise.bands):
        columns[f"f_{band}"], columns[f"e_{band}"] = seen.flux[:, j], seen.error[:, j]
    table = Table(columns)
    for band in small_posterior.noise.bands:
        table[f"f_{band}"][2] = np.nan
    return table


def test_the_marginals_of_a_row(catalogue, small_posterior, tmp_path):
    figure = corner(small_posterior, catalogue, row=1, n_draws=300)
    count = len(small_posterior.prior.free)
    assert len(figure.axes) == count**2
    figure.savefig(tmp_path / "corner.png")
    assert (tmp_path / "corner.png").stat().st_size > 10_000


def test_the_spectrum_of_a_row(catalogue, small_posterior, small_model):
    figure = sed(small_posterior, catalogue, row=1, model=small_model, n_draws=20)
    assert figure.axes[0].get_title() == "b"
    assert "observed" in [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_rows_that_cannot_be_shown(catalogue, small_posterior):
    with pytest.raises(SedumError, match="row 2 cannot be fitted: no band observed"):
        corner(small_posterior, catalogue, row=2)
    with pytest.raises(SedumError, match="argument row: found 7; the catalogue has 3 rows"):
        sed(small_posterior, catalogue, row=7)
