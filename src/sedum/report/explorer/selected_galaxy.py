"""Single galaxies of a posterior catalogue, computed when they are selected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sedum.config import RunFile, load_run
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.model_parameters import prior_of
from sedum.infer.posterior import Posterior
from sedum.infer.trained_model import trained_model
from sedum.photometry.catalogue import CatalogueRows, to_photometry
from sedum.photometry.observed import Photometry
from sedum.photometry.row_status import OK
from sedum.results.posterior_catalogue import PosteriorCatalogue
from sedum.results.provenance import swapped_run
from sedum.survey.measures.swapped_prior import SwappedPrior
from sedum.survey.predict import Predictions, predict_draws
from sedum.survey.prepare import galaxy_keys
from sedum.survey.select_rows import draw_selected
from sedum.tables.single_rows import RowReader

__all__ = ["FittedGalaxies", "SelectedGalaxy", "open_galaxies"]

#: Number of draws for the bands of spectra and histories; more take longer and look the same.
_SPECTRA = 300
#: Number of draws for residuals, as in the posterior-predictive check of the fit.
_PREDICTED = 50
#: Maximum difference of medians from the 32-bit catalogue, as a fraction of the 68% interval.
_ROUNDING = 0.02


@dataclass(frozen=True)
class SelectedGalaxy:
    """A galaxy of a posterior catalogue.

    Attributes
    ----------
    row
        Its row, from 0.
    recorded
        The columns of its row in the posterior catalogue.
    photometry
        The observation, one row; None if the catalogue is not available.
    draws
        Posterior draws, [draws, d]; None if the row was not fitted.
    predictions
        Posterior predictions of the draws; None likewise.
    residual
        Observed minus model flux in sigma, its 16th, 50th and 84th percentiles, [3, bands]; NaN
        where a band was not measured.
    notices
        Notes about these draws, in sentences.
    """

    row: int
    recorded: dict[str, Any]
    photometry: Photometry | None = None
    draws: np.ndarray | None = None
    predictions: Predictions | None = None
    residual: np.ndarray | None = None
    notices: list[str] = field(default_factory=list)

    @property
    def identifier(self) -> str:
        """Its identifier in the catalogue."""
        return str(self.recorded["id"])

    @property
    def fitted(self) -> bool:
        """Whether the row was fitted."""
        return bool(self.recorded["status"] == OK)


class FittedGalaxies:
    """Computes single galaxies of a posterior catalogue.

    Parameters
    ----------
    results
        The posterior catalogue.
    run, posterior, catalogue
        The run file, estimator and photometry that it was fitted with.

    Raises
    ------
    SedumError
        If they do not belong together.
    """

    def __init__(
        self, results: PosteriorCatalogue, run: RunFile, posterior: Posterior, catalogue: RowReader
    ):
        self.results, self.posterior, self.catalogue = results, posterior, catalogue
        if run.catalogue is None:
            raise SedumError("the run file has no catalogue section; 'sedum init' shows one")
        self.mapping = run.catalogue
        output = results.run.output
        # Nested sampling takes a minute: its draws are read from the catalogue if they are there.
        if output.verify is not None and output.verify.nested:
            quick = output.verify.model_copy(update={"nested": False})
            output = output.model_copy(update={"verify": quick})
        self.run = run.model_copy(update={"output": output})
        model = trained_model(self.run, posterior)
        if not isinstance(model, GalaxyModel):
            raise SedumError("single galaxies can be shown of sedum's own forward model only")
        self.model = model
        if len(catalogue) != results.rows:
            raise SedumError(
                f"{catalogue.source} has {len(catalogue):,} rows and {results.path} "
                f"{results.rows:,}; give the catalogue that was fitted (argument catalogue)"
            )
        self.priors = swapped_run(run, results.provenance)
        #: That of the posteriors as they are shown.
        self.prior = model.prior
        if self.priors is not None:
            self.prior = prior_of(self.priors.model, self.priors.priors)
        names = [f"{name}_draws" for name in posterior.names]
        self._saved = names if all(name in results.columns for name in names) else []

    def look(self, row: int) -> SelectedGalaxy:
        """Return a galaxy by its row number; its draws are those of the fit.

        Raises
        ------
        SedumError
            If the catalogue has another identifier in this row, or cannot be read.
        """
        recorded = self.results.row(row)
        seen = self._observed(row, recorded)
        if recorded["status"] != OK:
            return SelectedGalaxy(row, recorded, seen.photometry)
        with _one_thread():
            draws, photometry, notices = self._draws(recorded, seen)
            predictions = predict_draws(
                self.model, draws[None, :_SPECTRA], derived=self.run.output.derived
            )
            residual = self._residuals(photometry, draws)
        return SelectedGalaxy(row, recorded, photometry, draws, predictions, residual, notices)

    def warm_up(self) -> None:
        """Look at a galaxy that was fitted, so that what is slow only once is done."""
        start = 0
        for portion in self.results.stream(["status"]):
            good = np.flatnonzero(np.asarray(portion["status"]) == OK)
            if len(good):
                self.look(start + int(good[0]))
                return
            start += len(portion)

    def _observed(self, row: int, recorded: dict[str, Any]) -> CatalogueRows:
        source = str(self.catalogue.source)
        table = self.catalogue.read(row, self.mapping.needed())
        seen = to_photometry(table, self.mapping, self.model.filters, source=source, first=row)
        if isinstance(recorded["id"], str):
            # Identifiers that were text when they were fitted: draws depend on that.
            seen = replace(seen, ids=seen.ids.astype(str))
        own = str(seen.ids[0])
        if str(recorded["id"]) not in (own, own.encode("ascii", "backslashreplace").decode()):
            raise SedumError(
                f"row {row:,} is {recorded['id']} in {self.results.path} but {own} in {source}; "
                "give the catalogue that was fitted (argument catalogue)"
            )
        return seen

    def _draws(
        self, recorded: dict[str, Any], seen: CatalogueRows
    ) -> tuple[np.ndarray, Photometry, list[str]]:
        """Return the draws of a galaxy, its photometry as the fit saw it, and notices."""
        selected = draw_selected(self.run, self.posterior, self.model, seen, np.array([0]))
        if self._saved:
            saved = np.stack([np.asarray(recorded[name], float) for name in self._saved], axis=-1)
            return saved, selected.photometry, []
        if recorded.get("method") == "nested":
            return (
                selected.draws[0],
                selected.photometry,
                [
                    "The catalogue's row is of nested sampling, which takes a minute; these panels "
                    "show the estimator's draws. Fit with output.save_draws to see the others."
                ],
            )
        draws, notices = selected.draws, []
        if self.priors is not None:
            other = SwappedPrior(self.posterior, self.priors, 1, self.run.output.seed)
            draws = other.apply(draws, np.array([0]), galaxy_keys(selected.ids))
            notices.append("Draws are weighted to the priors that the catalogue was given.")
        elif not self._agrees(recorded, draws[0]):
            notices.append(
                "These draws are not those behind the catalogue: the estimator or the photometry "
                "has changed since it was fitted."
            )
        return draws[0], selected.photometry, notices

    def _agrees(self, recorded: dict[str, Any], draws: np.ndarray) -> bool:
        """Say whether the medians of the draws are the catalogue's."""
        for j, name in enumerate(self.posterior.names):
            low, middle, high = (float(recorded[f"{name}_p{p}"]) for p in (16, 50, 84))
            allowed = _ROUNDING * (high - low) + 1e-5 * abs(middle) + 1e-12
            if abs(float(np.median(draws[:, j])) - middle) > allowed:
                return False
        return True

    def _residuals(self, photometry: Photometry, draws: np.ndarray) -> np.ndarray:
        some = draws[:: max(len(draws) // _PREDICTED, 1)]
        flux = self.model.photometry(some)[None].astype(float)
        redshift = some[None, :, self.posterior.names.index("redshift")]
        scores = self.posterior.noise.normal_scores(photometry, flux, redshift)[0]
        residuals = np.percentile(scores, (16, 50, 84), axis=0)
        return np.where(photometry.measured[0], residuals, np.nan)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Work on one thread: for a single galaxy, waking others takes longer than the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def open_galaxies(
    results: PosteriorCatalogue,
    catalogue: str | Path | None = None,
    estimator: str | Path | None = None,
    run: str | Path | None = None,
) -> FittedGalaxies | str:
    """Return the galaxies, or a sentence that names the missing files.

    If the catalogue or the estimator is not given, it is searched for beside the results and then
    in the working folder, by the name in their provenance.

    Raises
    ------
    SedumError
        If a given file is absent, or a file does not belong to the results.
    """
    run_file = load_run(run) if run is not None else results.run
    name = results.provenance.get("catalogue", "")
    at = Path(catalogue) if catalogue is not None else _beside(results.path, name)
    trained = _beside(results.path, f"{run_file.name}.safetensors")
    trained = Path(estimator) if estimator is not None else trained
    missing = []
    if at is None:
        missing.append(f"the catalogue{f' {name}' if name else ''} (argument catalogue)")
    if trained is None:
        missing.append(f"the estimator {run_file.name}.safetensors (argument estimator)")
    if at is None or trained is None:
        return f"Single galaxies need {' and '.join(missing)}, not found beside {results.path}."
    posterior = Posterior.read(trained)
    if posterior.fingerprint != results.provenance.get("fingerprint"):
        raise SedumError(
            f"estimator {trained} is not the one that {results.path} was fitted with; name it by "
            "argument estimator"
        )
    extension = run_file.catalogue.extension if run_file.catalogue is not None else None
    return FittedGalaxies(results, run_file, posterior, RowReader(at, extension))


def _beside(results: Path, name: str) -> Path | None:
    """Return the file of this name beside the results or in the working folder, or None."""
    for path in (results.parent / name, Path(name)) if name else ():
        if path.exists():
            return path
    return None
