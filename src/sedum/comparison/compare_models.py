"""Comparing models on a catalogue: their evidence, and how results depend on the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.table import Column, Table

from sedum.comparison.compared_models import Comparison, comparison_table
from sedum.comparison.model_evidence import (
    ModelFractions,
    SelectedFraction,
    model_fractions,
    model_probabilities,
    selected_fraction,
)
from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.infer.trained_model import trained_model
from sedum.infer.verify.exact_posterior import ExactPosterior
from sedum.infer.verify.importance_weights import WeightedDraws, reweight, systematic
from sedum.infer.verify.nested_sampling import sample_nested
from sedum.photometry.catalogue import read_for_run
from sedum.photometry.observed import Photometry
from sedum.photometry.row_status import OK, Reason, RowStatus
from sedum.progress import Advance, progress
from sedum.results.posterior_table import PERCENTILES, check_format, write_table
from sedum.storage import check_writable
from sedum.survey.prepare import PreparedCatalogue, prepare_rows
from sedum.tables.read import TableLike, name_of

__all__ = ["QUANTITIES", "compare"]

#: Parameters and derived quantities whose shifts between models are measured.
QUANTITIES = ("log_mass", "mass_weighted_age", "log_sfr_100")
#: Galaxies weighted between two steps of the progress bar.
_TOGETHER = 64
#: Draws of each galaxy from which derived quantities are computed.
_DERIVED_DRAWS = 200


def compare(
    estimators: Mapping[str, Posterior] | Sequence[str | Path],
    catalogue: TableLike,
    output: str | Path,
    *,
    run: RunFile | None = None,
    models: Mapping[str, Simulator] | None = None,
    prior_odds: Sequence[float] | None = None,
    n_draws: int = 4000,
    rounds: int = 4,
    nested: int = 0,
    n_rows: int | None = None,
    quantities: Sequence[str] = QUANTITIES,
    seed: int = 1,
    show_progress: bool = False,
) -> Comparison:
    """Compare trained models by their evidence, galaxy by galaxy and for the population.

    The draws of each estimator are weighted by the exact likelihood of its model, which gives
    the evidence p(data | model). If the survey selects galaxies (``noise.selection``), the
    evidence is divided by the fraction of the model's galaxies that the survey would detect.
    The evidence depends on the priors as much as on the physics: models with wide priors are
    penalised for the unused part of their parameter space.

    Parameters
    ----------
    estimators
        Trained posteriors by the names of their models; or a list of their files, whose stems
        are the names. The others are compared with the first.
    catalogue
        A file, an astropy Table or a pandas DataFrame.
    output
        Where to write the table: FITS, ECSV or Parquet by its extension. It has one row for
        each row of the catalogue.
    run
        The run file whose ``catalogue`` section says how to read the catalogue. If None, it is
        the run file of the first estimator.
    models
        Forward models by name, if they cannot be built from the run files in the estimators
        (external simulators) or the caller has them already.
    prior_odds
        Prior odds of the models, in their order. They are equal if None.
    n_draws
        Number of draws for each galaxy. Evidence needs more draws and rounds than a posterior
        does: it is underestimated with too few.
    rounds
        Maximum number of rounds of refinement; see
        :func:`sedum.infer.verify.importance_weights.reweight`.
    nested
        Number of galaxies, drawn at random, whose evidence is also computed by nested sampling
        under each model. It checks the weights, and replaces evidence that they do not verify.
        It takes about a minute for each galaxy and model.
    n_rows
        Maximum number of rows to compare, drawn at random; all rows if None.
    quantities
        Parameters and derived quantities whose shifts between the models are measured.
    seed
        Random seed of draws and of the selection of rows.
    show_progress
        Show a progress bar.

    Returns
    -------
    Comparison
        The table that was written, the fractions of the population, and shifts of quantities.

    Raises
    ------
    SedumError
        If fewer than two estimators are given, their bands or noise differ, prior odds are not
        positive, the output cannot be written, or the catalogue cannot be read.

    Examples
    --------
    Two estimators of the same model describe a catalogue equally well:

    >>> result = compare(
    ...     {"first": posterior, "second": posterior}, catalogue, "comparison.fits",
    ...     n_draws=200, rounds=1, n_rows=5,
    ... )
    >>> result.models
    ['first', 'second']
    >>> len(result.table) == len(catalogue)
    True
    """
    output = check_writable(output)
    check_format(output)
    if isinstance(catalogue, str | Path) and output.resolve() == Path(catalogue).resolve():
        raise SedumError(f"{output} is the catalogue itself; choose another output path")
    posteriors = _read(estimators)
    odds = _odds(prior_odds, list(posteriors))
    _check_alike(posteriors)
    simulators = {
        name: (models or {}).get(name) or GalaxyModel.from_run(posterior.run)
        for name, posterior in posteriors.items()
    }
    _check_models(posteriors, simulators, quantities)
    first = next(iter(posteriors))
    run = run or posteriors[first].run
    _check_run(run, posteriors[first])
    read = read_for_run(catalogue, run, simulators[first].filters)
    each = {
        name: prepare_rows(run, posterior, read, simulators[name])
        for name, posterior in posteriors.items()
    }
    photometry = each[first].photometry
    status = _common_status(each)
    good = np.flatnonzero(status.ok)
    rng = np.random.default_rng(seed)
    if n_rows is not None and len(good) > n_rows:
        left = np.ones(len(status), bool)
        left[rng.choice(good, n_rows, replace=False)] = False
        status.mark(left, Reason.NOT_DRAWN)
        good = np.flatnonzero(status.ok)
    weighted = [
        _ModelWeights(name, posteriors[name], simulators[name], quantities, len(status), seed)
        for name in posteriors
    ]
    checked = np.sort(rng.permutation(good)[:nested])
    steps = (len(good) + len(checked)) * len(weighted)
    with progress(steps, "comparing", "galaxies × models", show_progress) as advance:
        for one in weighted:
            one.weight(photometry, good, n_draws, rounds, advance)
        for one in weighted:
            one.sample_nested(photometry, checked, advance)
    for one in weighted:
        poor = np.zeros(len(status), bool)
        poor[good] = ~(one.verified | one.nested)[good]
        status.mark(poor, Reason.EVIDENCE_NOT_VERIFIED, one.name)
    evidence = np.stack([one.log_evidence for one in weighted], axis=1)
    probabilities = np.full(evidence.shape, np.nan)
    use = status.ok
    probabilities[use] = model_probabilities(evidence[use], odds)
    table = Table({"id": Column(read.ids), "status": Column(status.text())})
    result = Comparison(
        models=list(posteriors),
        table=comparison_table(table, weighted, probabilities, run, posteriors),
        quantities=list(quantities),
        prior_odds=odds,
        selected={one.name: one.selected for one in weighted},
        fractions=_fractions(evidence[use], seed),
        fitted=len(good),
        nested=Table(rows=[row for one in weighted for row in one.nested_rows] or None),
    )
    result.table.meta["catalogue"] = Path(name_of(catalogue)).name
    write_table(result.table, output)
    return result


def _fractions(evidence: np.ndarray, seed: int) -> ModelFractions | None:
    return model_fractions(evidence, seed=seed) if len(evidence) else None


# --- what is compared must be comparable -------------------------------------------------


def _read(estimators: Mapping[str, Posterior] | Sequence[str | Path]) -> dict[str, Posterior]:
    """Return estimators by name: the stem of the file, with that of its folder if not unique."""
    if isinstance(estimators, Mapping):
        posteriors = dict(estimators)
    else:
        paths = [Path(path) for path in estimators]
        names = [path.stem for path in paths]
        if len(set(names)) < len(names):
            names = [f"{path.absolute().parent.name}_{path.stem}" for path in paths]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise SedumError(f"two estimators are called {twice!r}; rename one of the files")
        posteriors = {n: Posterior.read(p) for n, p in zip(names, paths, strict=True)}
    if len(posteriors) < 2:
        raise SedumError(f"compare needs two or more estimators, got {len(posteriors)}")
    return posteriors


def _odds(given: Sequence[float] | None, names: list[str]) -> np.ndarray:
    odds = np.ones(len(names)) if given is None else np.asarray(given, float)
    if odds.shape != (len(names),):
        raise SedumError(
            f"prior odds: {odds.size} numbers for {len(names)} models ({', '.join(names)})"
        )
    if not (np.isfinite(odds) & (odds > 0)).all():
        raise SedumError(f"prior odds {', '.join(f'{o:g}' for o in odds)}: all must be > 0")
    return odds / odds.sum()


def _check_alike(posteriors: Mapping[str, Posterior]) -> None:
    """Refuse estimators of other bands or other noise: their evidence is that of other data."""
    (_, first), *others = posteriors.items()
    for _, other in others:
        _check_bands(first.noise.bands, other.noise.bands, first.source, other.source)
        if other.fingerprint["filters"] != first.fingerprint["filters"]:
            raise SedumError(
                f"{other.source}: its filter curves are not those of {first.source}, though their "
                "names are; train both with the same filters"
            )
        if other.noise.fingerprint() != first.noise.fingerprint():
            differing = _differing(first.noise.spec, other.noise.spec)
            raise SedumError(
                f"{other.source}: its noise differs from that of {first.source} ({differing}); "
                "evidence is comparable only for the same data and errors: train both with the "
                "same noise section"
            )


def _check_bands(first: list[str], other: list[str], source: str, name: str) -> None:
    if first == other:
        return
    absent = [b for b in first if b not in other]
    more = [b for b in other if b not in first]
    parts = [f"lacks {', '.join(absent)}"] if absent else []
    parts += [f"has {', '.join(more)} besides"] if more else []
    what = " and ".join(parts) or "has them in another order"
    raise SedumError(f"{name}: its bands are not those of {source}: it {what}")


def _differing(first: object, other: object) -> str:
    """Name the keys of the noise section that differ."""
    one, two = (dict(spec.model_dump(mode="json")) for spec in (first, other))  # type: ignore[attr-defined]
    keys = [f"noise.{key}" for key in {**one, **two} if one.get(key) != two.get(key)]
    return ", ".join(keys) or "the noise learned from a catalogue"


def _check_models(
    posteriors: Mapping[str, Posterior],
    simulators: Mapping[str, Simulator],
    quantities: Sequence[str],
) -> None:
    for name, posterior in posteriors.items():
        model = simulators[name]
        trained_model(posterior.run, posterior, model)
        derived = [q for q in quantities if q not in posterior.names]
        # An unknown name is refused before any work.
        model.derived(model.prior.sample(2, np.random.default_rng(0)), derived)


def _check_run(run: RunFile, first: Posterior) -> None:
    if run is not first.run:
        _check_bands(first.noise.bands, run.band_names(), first.source, f"run file {run.name!r}")


def _common_status(each: Mapping[str, PreparedCatalogue]) -> RowStatus:
    """Return the status of rows under all models; a reason that is not common names its model."""
    texts = {name: ready.status.text() for name, ready in each.items()}
    stacked = np.stack(list(texts.values()))
    common = (stacked == stacked[0]).all(axis=0)
    status = RowStatus(len(common))
    for name, text in texts.items():
        for reason in np.unique(text[text != OK]):
            status.mark(common & (text == reason), str(reason))
            status.mark(~common & (text == reason), f"{name}: {reason}")
    return status


# --- the work ----------------------------------------------------------------------------


class _ModelWeights:
    """Evidence and quantities of all rows under one model; NaN where they are unknown."""

    def __init__(
        self,
        name: str,
        posterior: Posterior,
        model: Simulator,
        quantities: Iterable[str],
        rows: int,
        seed: int,
    ):
        self.name, self.posterior, self.model, self.seed = name, posterior, model, seed
        self.exact = ExactPosterior(model, posterior.noise)
        self.selected: SelectedFraction = selected_fraction(model, posterior.noise, seed)
        blank = np.full(rows, np.nan)
        self.log_evidence, self.log_evidence_error = blank.copy(), blank.copy()
        self.ess, self.k_hat = blank.copy(), blank.copy()
        self.verified = np.zeros(rows, bool)
        #: Whether the evidence comes from nested sampling.
        self.nested = np.zeros(rows, bool)
        #: 16th, 50th and 84th percentiles of weighted draws, and of the estimator's.
        self.weighted = {q: np.full((rows, 3), np.nan) for q in quantities}
        self.estimated = {q: np.full((rows, 3), np.nan) for q in self.weighted}
        self.nested_rows: list[dict[str, object]] = []

    def weight(
        self, photometry: Photometry, good: np.ndarray, draws: int, rounds: int, advance: Advance
    ) -> None:
        """Weight the draws of the rows ``good``."""
        for start in range(0, len(good), _TOGETHER):
            at = good[start : start + _TOGETHER]
            seen = photometry[at]
            weights = reweight(self.posterior, self.exact, seen, draws, self.seed, at, rounds)
            self.log_evidence[at] = weights.log_evidence - self.selected.log_fraction
            self.log_evidence_error[at] = weights.log_evidence_error
            self.ess[at], self.k_hat[at] = weights.ess, weights.k_hat
            self.verified[at] = weights.verified
            self._measure(seen, at, weights, draws)
            advance(len(at), self.name)

    def _measure(
        self, seen: Photometry, at: np.ndarray, weights: WeightedDraws, draws: int
    ) -> None:
        """Store the quantities of the estimator's draws, and of the weighted draws."""
        some = min(draws, _DERIVED_DRAWS)
        drawn = self.posterior.sample(seen, draws, self.seed, at)[:, :some]
        picks = np.stack([systematic(w, some, 0.5) for w in weights.log_weights])
        weighted = np.take_along_axis(weights.draws, picks[..., None], axis=1)
        before, after = self._quantities(drawn), self._quantities(weighted)
        for name in self.weighted:
            self.estimated[name][at] = np.percentile(before[name], PERCENTILES, axis=1).T
            self.weighted[name][at] = np.percentile(after[name], PERCENTILES, axis=1).T

    def _quantities(self, draws: np.ndarray) -> dict[str, np.ndarray]:
        """Return the quantities of draws [n, K, d], each [n, K]."""
        names = self.posterior.names
        derived = [q for q in self.weighted if q not in names]
        flat = self.model.derived(draws.reshape(-1, draws.shape[-1]), derived)
        values_by_name = {q: values.reshape(draws.shape[:2]) for q, values in flat.items()}
        own = {q: draws[..., names.index(q)] for q in self.weighted if q in names}
        return {**values_by_name, **own}

    def sample_nested(self, photometry: Photometry, rows: np.ndarray, advance: Advance) -> None:
        """Sample some rows; their evidence replaces that of weights that are not verified."""
        for row in rows:
            result = sample_nested(self.exact, photometry[row : row + 1], 100, seed=self.seed)
            # Nautilus gives effective draws of importance weights, hence this error.
            evidence, error = (
                result.log_evidence - self.selected.log_fraction,
                result.ess**-0.5,
            )
            self.nested_rows.append(
                {
                    "row": int(row),
                    "model": self.name,
                    "verified": bool(self.verified[row]),
                    "log_evidence": float(self.log_evidence[row]),
                    "log_evidence_error": float(self.log_evidence_error[row]),
                    "log_evidence_nested": evidence,
                    "difference": float(self.log_evidence[row]) - evidence,
                    "ess": float(self.ess[row]),
                    "evaluations": result.evaluations,
                }
            )
            if not self.verified[row]:
                self.log_evidence[row], self.log_evidence_error[row] = evidence, error
                self.nested[row] = True
            advance(1, f"nested sampling, {self.name}")
