"""Application of a bridge to a catalogue: values, errors and flags for every row."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from astropy.table import Table

from sedum._version import __version__
from sedum.bridge.survey_rows import SurveyRows, read_survey
from sedum.bridge.trained_bridge import Bridge, Prediction
from sedum.parallel.threads import in_threads
from sedum.photometry.row_status import Reason
from sedum.progress import progress
from sedum.results.posterior_table import check_format, write_table
from sedum.results.schema import STANDARD
from sedum.storage import check_writable
from sedum.tables.read import TableLike

__all__ = ["apply", "predict_rows"]

_PORTION = 20_000


def apply(
    bridge: Bridge,
    catalogue: TableLike | None = None,
    out: str | Path | None = None,
    *,
    show_progress: bool = False,
) -> Table:
    """Predict the targets of every row of a catalogue, with or without reference values.

    Parameters
    ----------
    bridge
        The trained bridge. Its run file says how to read the catalogue.
    catalogue
        The catalogue as a file or table; ``survey.file`` of the run file if None.
    out
        FITS, ECSV or Parquet to write.
    show_progress
        Show a progress bar.

    Returns
    -------
    Table
        For each target T: ``T`` (corrected), ``T_raw``, ``T_error_photometric``,
        ``T_error_model``, ``T_error`` (in quadrature), ``T_error_linear`` (their sum) and, where
        it is known, ``T_reference``; ``n_features``, ``n_outside`` and ``outside``: features that
        were measured, that lie outside the simulation's range, and the first of them by name;
        ``status``: ``ok``, or the reason why there is no value.

    Raises
    ------
    SedumError
        If the catalogue cannot be read as the run file says.
    """
    if out is not None:
        check_format(check_writable(out))
    survey = read_survey(bridge.run, catalogue)
    prediction = predict_rows(bridge, survey, show_progress=show_progress)
    table = _table(bridge, survey, prediction)
    if out is not None:
        write_table(table, out)
    return table


def predict_rows(bridge: Bridge, survey: SurveyRows, *, show_progress: bool = False) -> Prediction:
    """Predict the rows of a survey; the result is NaN for rows that cannot be used.

    The work uses the threads that torch is set to use; results do not depend on their number.
    """
    starts = range(0, max(len(survey), 1), _PORTION)

    def one(start: int) -> Prediction:
        rows = survey[slice(start, start + _PORTION)]
        bad = ~rows.row_status.ok[:, None]
        magnitude = np.where(bad, np.nan, rows.magnitude)
        return bridge.predict(
            magnitude, rows.error, rows.redshift, seed=bridge.run.seed + start // _PORTION
        )

    parts = []
    with progress(len(survey), "predicting", "galaxies", show_progress) as advance:
        for part in in_threads(one, starts):
            parts.append(part)
            advance(len(part.raw))
    return Prediction(
        *(
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("raw", "value", "photometric", "model", "outside")
        )
    )


def _table(bridge: Bridge, survey: SurveyRows, prediction: Prediction) -> Table:
    x = bridge.features(survey.magnitude, survey.redshift)
    status = survey.row_status.copy()
    status.mark(~bridge.usable(x), Reason.FEATURE_MISSING)
    good = status.ok
    table = Table()
    table["id"] = survey.ids
    table["id"].description = "identifier, or row number, in the catalogue"
    for k, name in enumerate(bridge.targets):
        target = bridge.run.targets[name]
        what = f"log10 {target.property}" if target.log else target.property
        columns = {
            name: (prediction.value, f"{what}, corrected"),
            f"{name}_raw": (prediction.raw, f"{what} before the residual correction"),
            f"{name}_error_photometric": (prediction.photometric, "1 sigma by photometric errors"),
            f"{name}_error_model": (prediction.model, "1 sigma of the model"),
            f"{name}_error": (prediction.total, "both errors in quadrature"),
            f"{name}_error_linear": (prediction.linear, "linear sum of both errors"),
        }
        for column, (values, text) in columns.items():
            table[column] = np.where(good, values[:, k], np.nan)
            table[column].description = text
        if np.isfinite(survey.reference[:, k]).any():
            table[f"{name}_reference"] = survey.reference[:, k]
            table[f"{name}_reference"].description = f"{what} in the catalogue"
    table["redshift_catalogue"] = survey.redshift
    table["redshift_catalogue"].description = STANDARD["redshift_catalogue"]
    table["n_features"] = np.isfinite(x).sum(1).astype(np.int16)
    table["n_features"].description = "features measured"
    table["n_outside"] = prediction.outside.sum(1).astype(np.int16)
    table["n_outside"].description = "features outside the range of the simulation"
    names = np.array(["", *bridge.features.names])
    first = np.where(prediction.outside.any(1), prediction.outside.argmax(1) + 1, 0)
    table["outside"] = names[first]
    table["outside"].description = "the first feature outside the range, or empty"
    table["status"] = status.text()
    table["status"].description = "ok, or the reason why there is no value"
    table.meta["sedum"] = json.dumps(
        {
            "bridge": bridge.run.model_dump(mode="json"),
            "about": bridge.about,
            "version": __version__,
        },
        sort_keys=True,
    )
    return table
