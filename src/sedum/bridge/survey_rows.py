"""The survey: magnitudes at the distance of 10 pc, with errors, of every row of its catalogue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from sedum.bridge.simulations.simulate import bridge_filters
from sedum.bridge.simulations.synthetic_photometry import distance_modulus
from sedum.config.bridge_file import BridgeFile, RestFitSettings, SurveySettings
from sedum.config.run_file import load_run
from sedum.errors import SedumError
from sedum.infer.posterior import Posterior
from sedum.infer.trained_model import trained_model
from sedum.photometry.catalogue import CatalogueRows, to_photometry
from sedum.photometry.row_status import Reason, RowStatus
from sedum.photometry.units import flux_to_magnitude
from sedum.tables.read import TableLike, name_of, read_table
from sedum.tables.values import numeric

__all__ = ["SurveyRows", "read_survey"]

#: Galaxies whose rest-frame magnitudes are drawn together.
_PORTION = 2000


@dataclass(frozen=True)
class SurveyRows:
    """A survey's galaxies, in the order of the catalogue.

    Attributes
    ----------
    ids
        Identifiers, [n].
    magnitude, error
        AB magnitudes less the distance modulus, and their errors, [n, bands]; NaN where a band
        was not measured.
    redshift
        [n]; 0 for catalogues of absolute magnitudes without redshifts.
    reference, reference_error
        Known values of the targets, [n, targets]; NaN where there is none.
    row_status
        The status of each row, as numbers.
    """

    ids: np.ndarray
    magnitude: np.ndarray
    error: np.ndarray
    redshift: np.ndarray
    reference: np.ndarray
    reference_error: np.ndarray
    row_status: RowStatus

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: np.ndarray | slice) -> SurveyRows:
        return SurveyRows(
            self.ids[rows],
            self.magnitude[rows],
            self.error[rows],
            self.redshift[rows],
            self.reference[rows],
            self.reference_error[rows],
            self.row_status[rows],
        )


def read_survey(run: BridgeFile, source: TableLike | None = None) -> SurveyRows:
    """Read a survey's catalogue as the run file of a bridge says.

    Parameters
    ----------
    run
        The run file; its ``survey`` section.
    source
        The catalogue; ``survey.file`` where None.

    Returns
    -------
    SurveyRows
        Bands of lower signal-to-noise than ``survey.min_snr`` and upper limits count as not
        measured, since their magnitudes would be biased.

    Raises
    ------
    SedumError
        If the run file has no survey, or a column is absent.
    """
    if run.survey is None:
        raise SedumError("the run file has no survey section, which says how to read a catalogue")
    spec = run.survey
    source = source if source is not None else spec.file
    if source is None:
        raise SedumError("survey.file: name the catalogue, here or on the command line")
    table = read_table(source, spec.catalogue.extension)
    name = name_of(source)
    rows = to_photometry(table, spec.catalogue, bridge_filters(run), source=name)
    status = rows.row_status.copy()
    redshift = rows.catalogue_redshift
    if spec.magnitudes == "apparent":
        status.mark(~np.isfinite(redshift), Reason.NO_REDSHIFT)
        status.mark(redshift <= 0, Reason.REDSHIFT_NOT_POSITIVE)
    else:
        redshift = np.where(np.isfinite(redshift), redshift, 0.0)
    if spec.rest_fit is not None:
        magnitude, error = _rest_fit(run, spec.rest_fit, table, name, status)
    else:
        magnitude, error = _magnitudes(rows, spec)
        if spec.magnitudes == "apparent":
            far = np.full(len(rows), np.nan)
            far[status.ok] = distance_modulus(redshift[status.ok], run.cosmology)
            magnitude = magnitude - far[:, None]
    status.mark(~np.isfinite(magnitude).any(axis=1), Reason.NO_BAND_WELL_MEASURED)
    reference = _references(run, spec, table, name, spec.reference, error=False)
    errors = _references(run, spec, table, name, spec.reference_error, error=True)
    return SurveyRows(rows.ids, magnitude, error, redshift, reference, errors, status)


def _magnitudes(rows: CatalogueRows, spec: SurveySettings) -> tuple[np.ndarray, np.ndarray]:
    seen = rows.photometry
    flux, sigma = seen.flux.astype(float), seen.error.astype(float)
    good = seen.measured & (flux > spec.min_snr * sigma)
    magnitude = np.where(good, flux_to_magnitude(np.where(good, flux, 1.0)), np.nan)
    error = np.where(good, 2.5 / np.log(10) * sigma / np.where(good, flux, 1.0), np.nan)
    return magnitude, np.hypot(error, spec.floor)


def _rest_fit(
    run: BridgeFile, spec: RestFitSettings, table: Table, name: str, status: RowStatus
) -> tuple[np.ndarray, np.ndarray]:
    """Return absolute magnitudes and errors of all bands: medians over the posterior at known z."""
    fitted = load_run(spec.run)
    if fitted.catalogue is None:
        raise SedumError(f"{spec.run}: the run file of survey.rest_fit needs a catalogue section")
    posterior = Posterior.read(spec.estimator)
    model = trained_model(fitted, posterior)
    rows = to_photometry(table, fitted.catalogue, model.filters, source=name)
    z = rows.catalogue_redshift
    low, high = model.prior.support("redshift")
    status.mark(~rows.row_status.ok, Reason.NOT_USABLE_BY_REST_FIT)
    status.mark(~((z >= low) & (z <= high)), Reason.REDSHIFT_OUTSIDE_REST_FIT)
    names = [f"absmag_{band}" for band in _sedpy_names(run)]
    magnitude = np.full((len(rows), len(names)), np.nan)
    error = np.full_like(magnitude, np.nan)
    use = np.flatnonzero(status.ok)
    for start in range(0, len(use), _PORTION):
        some = use[start : start + _PORTION]
        width = np.full(len(some), 0.001) * (1 + z[some])
        seen = rows.photometry[some].with_redshift(z[some], width)
        draws = posterior.sample(seen, spec.draws, keys=some)
        derived = model.derived(draws.reshape(-1, draws.shape[-1]), names)
        for i, key in enumerate(names):
            values = derived[key].reshape(len(some), spec.draws)
            low_, middle, high_ = np.percentile(values, [16, 50, 84], axis=1)
            magnitude[some, i], error[some, i] = middle, (high_ - low_) / 2
    return magnitude, error


def _sedpy_names(run: BridgeFile) -> list[str]:
    for short, band in run.bands.items():
        if not isinstance(band, str):
            raise SedumError(f"bands.{short}: survey.rest_fit needs bands by their sedpy names")
    return [str(band) for band in run.bands.values()]


def _references(
    run: BridgeFile,
    spec: SurveySettings,
    table: Table,
    name: str,
    columns: dict[str, str],
    *,
    error: bool,
) -> np.ndarray:
    """Return known values of the targets, or their errors, [n, targets]."""
    out = np.full((len(table), len(run.targets)), np.nan)
    key = "survey.reference_error" if error else "survey.reference"
    for i, (target, settings) in enumerate(run.targets.items()):
        if target not in columns:
            continue
        values = numeric(table, columns[target], name, f"{key}.{target}")
        if settings.log and not spec.reference_is_log and not error:
            values = np.log10(values, out=np.full_like(values, np.nan), where=values > 0)
        out[:, i] = np.where(np.isfinite(values), values, np.nan)
    return out
