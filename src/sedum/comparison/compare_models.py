"""Which model a catalogue speaks for, and what the choice of the model does to its galaxies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.table import Column, Table

from sedum.comparison.compared_models import Comparison, comparison_table
from sedum.comparison.model_evidence import (
    ModelShares,
    SelectedFraction,
    model_probabilities,
    model_shares,
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
from sedum.photometry.row_status import OK, RowStatus
from sedum.progress import Advance, progress
from sedum.results.posterior_table import PERCENTILES, check_format, write_table
from sedum.storage import check_writable
from sedum.survey.prepare import PreparedCatalogue, prepare_rows
from sedum.tables.read import TableLike, name_of

__all__ = ["QUANTITIES", "compare"]

#: What the shifts between models are measured of: parameters or derived quantities.
QUANTITIES = ("log_mass", "mass_weighted_age", "log_sfr_100")
#: Galaxies weighed between two steps of the progress bar.
_PORTION = 64
#: Draws of each galaxy of which quantities are computed.
_DERIVED_DRAWS = 200


def compare(
    estimators: Mapping[str, Posterior] | Sequence[str | Path],
    catalogue: TableLike,
    output: str | Path,
    *,
    run: RunFile | None = None,
    models: Mapping[str, Simulator] | None = None,
    prior_odds: Sequence[float] | None = None,
    draws: int = 4000,
    rounds: int = 4,
    nested: int = 0,
    rows: int | None = None,
    quantities: Sequence[str] = QUANTITIES,
    seed: int = 1,
    show_progress: bool = True,
) -> Comparison:
    """Compare trained models by their evidence, galaxy by galaxy and for the population.

    The draws of each estimator are weighed by the exact likelihood of its model, which gives
    the evidence p(data | model). Where the survey selects galaxies (``noise.selection``), it is
    divided by the share of the model's galaxies that the survey would detect. The evidence
    depends on the priors as much as on the physics: models with wide priors are punished for
    what they allow in vain.

    Parameters
    ----------
    estimators
        Trained posteriors by the names of their models, or files of theirs, whose stems are the
        names. The first is what the others are compared to.
    catalogue
        A file, an astropy Table or a pandas DataFrame.
    output
        FITS, ECSV or Parquet, by its extension: one row for each row of the catalogue.
    run
        Its ``catalogue`` section says how to read the file; the first estimator's run file
        where None.
    models
        Forward models by name, where they cannot be built from the run files in the estimators
        (external simulators) or the caller has them already.
    prior_odds
        Prior odds of the models, in their order; equal where None.
    draws, rounds
        Draws of each galaxy, and the most rounds of refinement; see
        :func:`sedum.infer.verify.importance_weights.reweight`. Evidence needs more of both than
        a posterior does: with too few it comes out low.
    nested
        Galaxies, drawn at random, whose evidence is also found by nested sampling under each
        model: a check, and the evidence of those that weights do not verify. Slow.
    rows
        The most rows to compare, drawn at random; all where None.
    quantities
        Parameters, or derived quantities, whose shifts between the models are wanted.
    seed
        Of draws and choices.
    show_progress
        Show a progress bar.

    Raises
    ------
    SedumError
        If fewer than two estimators are given, they are of different bands or noise, an odd is
        not positive, the output cannot be written or the catalogue not be read.
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
    if rows is not None and len(good) > rows:
        left = np.ones(len(status), bool)
        left[rng.choice(good, rows, replace=False)] = False
        status.mark(left, "not among the rows drawn")
        good = np.flatnonzero(status.ok)
    weighing = [
        _Weighing(name, posteriors[name], simulators[name], quantities, len(status), seed)
        for name in posteriors
    ]
    checked = np.sort(rng.permutation(good)[:nested])
    steps = (len(good) + len(checked)) * len(weighing)
    with progress(steps, "comparing", "galaxies × models", show_progress) as advance:
        for one in weighing:
            one.weigh(photometry, good, draws, rounds, advance)
        for one in weighing:
            one.sample_nested(photometry, checked, advance)
    for one in weighing:
        poor = np.zeros(len(status), bool)
        poor[good] = ~(one.verified | one.nested)[good]
        status.mark(poor, f"evidence of {one.name} not verified")
    evidence = np.stack([one.log_evidence for one in weighing], axis=1)
    probabilities = np.full(evidence.shape, np.nan)
    use = status.ok
    probabilities[use] = model_probabilities(evidence[use], odds)
    table = Table({"id": Column(read.ids), "status": Column(status.text())})
    found = Comparison(
        models=list(posteriors),
        table=comparison_table(table, weighing, probabilities, run, posteriors),
        quantities=list(quantities),
        prior_odds=odds,
        selected={one.name: one.selected for one in weighing},
        shares=_shares(evidence[use], seed),
        fitted=len(good),
        nested=Table(rows=[row for one in weighing for row in one.nested_rows] or None),
    )
    found.table.meta["catalogue"] = Path(name_of(catalogue)).name
    write_table(found.table, output)
    return found


def _shares(evidence: np.ndarray, seed: int) -> ModelShares | None:
    return model_shares(evidence, seed=seed) if len(evidence) else None


# --- what is compared must be comparable -------------------------------------------------


def _read(estimators: Mapping[str, Posterior] | Sequence[str | Path]) -> dict[str, Posterior]:
    """Return estimators by name; files are called by their stems, or else by their folders."""
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
        raise SedumError(f"found {len(posteriors)} estimator; give two or more to compare")
    return posteriors


def _odds(given: Sequence[float] | None, names: list[str]) -> np.ndarray:
    odds = np.ones(len(names)) if given is None else np.asarray(given, float)
    if odds.shape != (len(names),):
        raise SedumError(
            f"prior odds: {odds.size} numbers for {len(names)} models ({', '.join(names)})"
        )
    if not (np.isfinite(odds) & (odds > 0)).all():
        raise SedumError(f"prior odds: found {', '.join(f'{o:g}' for o in odds)}; all must be > 0")
    return odds / odds.sum()


def _check_alike(posteriors: Mapping[str, Posterior]) -> None:
    """Refuse estimators of other bands or other noise: their evidences are of other data."""
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
    return ", ".join(keys) or "what was learned of the catalogue behind it"


def _check_models(
    posteriors: Mapping[str, Posterior],
    simulators: Mapping[str, Simulator],
    quantities: Sequence[str],
) -> None:
    for name, posterior in posteriors.items():
        model = simulators[name]
        trained_model(posterior.run, posterior, model)
        derived = [q for q in quantities if q not in posterior.names]
        # A name that means nothing is found before any work.
        model.derived(model.prior.sample(2, np.random.default_rng(0)), derived)


def _check_run(run: RunFile, first: Posterior) -> None:
    if run is not first.run:
        _check_bands(first.noise.bands, run.band_names(), first.source, f"run file {run.name!r}")


def _common_status(each: Mapping[str, PreparedCatalogue]) -> RowStatus:
    """Return the status of rows under all models; a reason that not all share names its model."""
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


class _Weighing:
    """Evidence and quantities of all rows under one model; NaN where there are none."""

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
        #: Whether the evidence is that of nested sampling.
        self.nested = np.zeros(rows, bool)
        #: 16th, 50th and 84th percentiles of weighted draws, and of the estimator's.
        self.weighted = {q: np.full((rows, 3), np.nan) for q in quantities}
        self.estimated = {q: np.full((rows, 3), np.nan) for q in self.weighted}
        self.nested_rows: list[dict[str, object]] = []

    def weigh(
        self, photometry: Photometry, good: np.ndarray, draws: int, rounds: int, advance: Advance
    ) -> None:
        """Weigh the rows ``good``."""
        for start in range(0, len(good), _PORTION):
            at = good[start : start + _PORTION]
            seen = photometry[at]
            found = reweight(self.posterior, self.exact, seen, draws, self.seed, at, rounds)
            self.log_evidence[at] = found.log_evidence - self.selected.log_fraction
            self.log_evidence_error[at] = found.log_evidence_error
            self.ess[at], self.k_hat[at] = found.ess, found.k_hat
            self.verified[at] = found.verified
            self._measure(seen, at, found, draws)
            advance(len(at), self.name)

    def _measure(self, seen: Photometry, at: np.ndarray, found: WeightedDraws, draws: int) -> None:
        """Note the quantities of the estimator's draws, and of the weighted ones."""
        some = min(draws, _DERIVED_DRAWS)
        drawn = self.posterior.sample(seen, draws, self.seed, at)[:, :some]
        picks = np.stack([systematic(w, some, 0.5) for w in found.log_weights])
        weighted = np.take_along_axis(found.draws, picks[..., None], axis=1)
        before, after = self._quantities(drawn), self._quantities(weighted)
        for name in self.weighted:
            self.estimated[name][at] = np.percentile(before[name], PERCENTILES, axis=1).T
            self.weighted[name][at] = np.percentile(after[name], PERCENTILES, axis=1).T

    def _quantities(self, draws: np.ndarray) -> dict[str, np.ndarray]:
        """Return the quantities of draws [n, K, d], each [n, K]."""
        names = self.posterior.names
        derived = [q for q in self.weighted if q not in names]
        flat = self.model.derived(draws.reshape(-1, draws.shape[-1]), derived)
        found = {q: values.reshape(draws.shape[:2]) for q, values in flat.items()}
        own = {q: draws[..., names.index(q)] for q in self.weighted if q in names}
        return {**found, **own}

    def sample_nested(self, photometry: Photometry, rows: np.ndarray, advance: Advance) -> None:
        """Sample some rows; their evidence is used where that of the weights is not verified."""
        for row in rows:
            found = sample_nested(self.exact, photometry[row : row + 1], 100, seed=self.seed)
            # The error of nautilus: its effective draws are importance weights too.
            evidence, error = (
                found.log_evidence - self.selected.log_fraction,
                found.ess**-0.5,
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
                    "evaluations": found.evaluations,
                }
            )
            if not self.verified[row]:
                self.log_evidence[row], self.log_evidence_error[row] = evidence, error
                self.nested[row] = True
            advance(1, f"nested sampling, {self.name}")
