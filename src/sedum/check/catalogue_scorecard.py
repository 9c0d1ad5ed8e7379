"""The scorecard of an estimator on a real catalogue: known redshifts and other estimates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from sedum.check.known_redshifts import RedshiftMetrics
from sedum.check.mock_scorecard import bin_labels
from sedum.config import CatalogueSettings, RunFile
from sedum.errors import SedumError
from sedum.galaxies.derived import derived_quantities
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.infer.trained_model import trained_model
from sedum.introduced import Facts, Introduced, listed
from sedum.photometry.catalogue import CatalogueRows, to_photometry
from sedum.photometry.observed import Photometry
from sedum.photometry.row_status import OK
from sedum.progress import progress
from sedum.statistics import median_and_nmad
from sedum.survey.prepare import prepare_rows
from sedum.tables.read import TableLike, name_of, read_table
from sedum.tables.values import means_missing, numeric

__all__ = ["CatalogueValidation", "ReferenceComparison", "parse_references", "validate_catalogue"]

#: Minimum number of galaxies of a bin, and number of bootstrap resamples.
_MINIMUM, _RESAMPLES = 20, 200
#: Number of draws for the median of a derived quantity.
_DERIVED_DRAWS = 200
#: Galaxies between two steps of the progress bar.
_TOGETHER = 256


@dataclass(frozen=True)
class ReferenceComparison:
    """Estimates of one quantity by another method, compared with the posterior medians.

    Attributes
    ----------
    name
        Name of the quantity.
    column
        Column of the catalogue with the other estimates.
    value
        The other estimates, [n]; NaN where there is none.
    free, known
        Posterior medians with the redshift free and with it given, [n]; NaN if not fitted.
    """

    name: str
    column: str
    value: np.ndarray
    free: np.ndarray
    known: np.ndarray

    def groups(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return other estimates and posterior medians of each comparison, by its name."""
        there = np.isfinite(self.value)
        free, known = there & np.isfinite(self.free), there & np.isfinite(self.known)
        groups = {"redshift free": (self.value[free], self.free[free])}
        if known.any():
            both = free & known
            groups["redshift free, where known"] = (self.value[both], self.free[both])
            groups["redshift known"] = (self.value[known], self.known[known])
        return groups


@dataclass(frozen=True, repr=False)
class CatalogueValidation(Introduced):
    """Validation of an estimator on a real catalogue.

    Attributes
    ----------
    rows
        Number of rows of the catalogue.
    redshifts
        Posteriors of redshift of the galaxies whose redshift is known; None if there are none.
    unfitted
        Number of galaxies, of known redshift or with another estimate, that could not be fitted
        with the redshift free, by reason.
    references
        Comparisons with other estimates.
    bins
        Labels of the galaxies of ``redshifts``, by the name of the binning.
    notes
        Comparisons that were not possible, with the reason.
    """

    rows: int
    redshifts: RedshiftMetrics | None
    unfitted: dict[str, int]
    references: list[ReferenceComparison]
    bins: dict[str, np.ndarray] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def _facts(self) -> Facts:
        facts = {"rows": f"{self.rows:,}", "not fitted": f"{sum(self.unfitted.values()):,}"}
        if self.redshifts is not None:
            measures = self.redshifts.measures()
            facts["redshifts"] = f"{len(self.redshifts):,}, NMAD {measures['nmad']:.3f}"
        if self.references:
            facts["references"] = listed([reference.name for reference in self.references])
        return "", facts

    def scorecard(self) -> dict[str, Any]:
        """Return all numbers, with errors by resampling galaxies, ready for JSON."""
        card: dict[str, Any] = {
            "rows": self.rows,
            "unfitted": self.unfitted,
            "notes": self.notes,
            "faults": self.faults(),
        }
        if self.redshifts is not None:
            card["redshift"] = {"all": _redshift_card(self.redshifts), "bins": {}}
            for name, labels in self.bins.items():
                card["redshift"]["bins"][name] = {
                    str(label): _redshift_card(self.redshifts[labels == label])
                    for label in dict.fromkeys(np.sort(labels).tolist())
                    if (labels == label).sum() >= _MINIMUM
                }
        card["references"] = {
            reference.name: {
                "column": reference.column,
                **{key: _reference_card(*pair) for key, pair in reference.groups().items()},
            }
            for reference in self.references
        }
        return card

    def faults(self) -> list[str]:
        """Return the faults of p(z), one text each. Each test has a false-alarm rate of 1e-4."""
        faults: list[str] = []
        if self.redshifts is None or len(self.redshifts) < _MINIMUM:
            return faults
        n = len(self.redshifts)
        for level in (0.68, 0.95):
            fraction = float(self.redshifts.inside(level).mean())
            if stats.binomtest(round(fraction * n), n, level).pvalue < 1e-4:
                kind = "over-confident" if fraction < level else "under-confident"
                faults.append(
                    f"redshift: {kind}, {fraction:.3f} of truths in {level:.0%} intervals"
                )
        test = stats.kstest(self.redshifts.pit, "uniform")
        if test.pvalue < 1e-4:
            faults.append(
                f"redshift: PIT not uniform, KS {test.statistic:.3f}, p = {test.pvalue:.1e}, "
                f"mean {self.redshifts.pit.mean():.3f}"
            )
        return faults


def validate_catalogue(
    run: RunFile,
    posterior: Posterior,
    catalogue: TableLike,
    references: Mapping[str, str] | None = None,
    *,
    redshift: str | None = None,
    model: Simulator | None = None,
    n_draws: int = 1000,
    seed: int = 1,
    show_progress: bool = False,
) -> CatalogueValidation:
    """Validate an estimator on a catalogue with known redshifts or other estimates.

    Known redshifts are hidden from the estimator, and compared with p(z). Reference columns are
    estimates of the same galaxies by other codes. They are not the truth, so the difference is an
    offset, not a bias.

    Parameters
    ----------
    run
        The run file. Its ``catalogue`` section says how to read the catalogue.
    posterior
        The estimator trained for it.
    catalogue
        A file, an astropy Table or a pandas DataFrame.
    references
        Columns of other estimates, by the parameter or derived quantity that they estimate, in
        its unit: ``{"log_mass_surviving": "lmass"}``.
    redshift
        Column of known redshifts. If None, it is that of the run file.
    model
        The forward model, if the caller has it already.
    n_draws, seed
        As for :meth:`Posterior.sample`.
    show_progress
        Show a progress bar.

    Raises
    ------
    SedumError
        If there is nothing to compare with, a column does not exist, a quantity is unknown, or
        the estimator belongs to another run file.

    Examples
    --------
    >>> validation = validate_catalogue(run, posterior, catalogue)
    >>> len(validation.redshifts)
    18
    >>> validation.scorecard()["redshift"]["all"]["galaxies"]
    18
    """
    if run.catalogue is None:
        raise SedumError("the run file has no catalogue section; 'sedum init' shows one")
    references = dict(references or {})
    mapping = _mapping(run.catalogue, redshift)
    if mapping.redshift is None and not references:
        raise SedumError(
            "the catalogue has nothing to validate with: name its column of known redshifts "
            "(catalogue.redshift, or argument redshift), or of others' estimates (argument "
            "references)"
        )
    for name in references:
        if name not in posterior.names:
            derived_quantities([name])
    model = trained_model(run, posterior, model)
    table = read_table(catalogue, mapping.extension)
    source = name_of(catalogue)
    rows = to_photometry(table, mapping, model.filters, source)
    others = {
        name: _estimates(numeric(table, column, source, f"argument references, {name}"), mapping)
        for name, column in references.items()
    }
    judge = _Judge(posterior, model, rows, others, n_draws, seed)
    wanted = judge.spec.copy()
    for values in others.values():
        wanted |= np.isfinite(values)
    if not wanted.any():
        raise SedumError(f"{source}: no row has a known redshift or another's estimate")
    status = prepare_rows(run, posterior, rows, model, give_redshifts=False).status
    free = np.flatnonzero(wanted & status.ok)
    given, known = rows.photometry, free[:0]
    notes: list[str] = []
    if others:
        given, known, notes = _given(run, posterior, rows, model)
    with progress(len(free) + len(known), "validating", "galaxies", show_progress) as advance:
        judge.fit(rows.photometry, free, "free", advance)
        judge.fit(given, known, "known", advance)
    redshifts, bins = None, {}
    if (fitted := np.flatnonzero(judge.spec & status.ok)).size:
        truth = rows.catalogue_redshift[fitted]
        redshifts = RedshiftMetrics.of(posterior.prior, truth, judge.redshift_draws(fitted))
        bins = _bins(rows.photometry[fitted], truth, model.filters.names)
    return CatalogueValidation(
        len(rows),
        redshifts,
        {reason: count for reason, count in status[wanted].counts() if reason != OK},
        [
            ReferenceComparison(
                name,
                references[name],
                value,
                judge.medians[name, "free"],
                judge.medians[name, "known"],
            )
            for name, value in others.items()
        ],
        bins,
        notes,
    )


def _given(
    run: RunFile, posterior: Posterior, rows: CatalogueRows, model: Simulator
) -> tuple[Photometry, np.ndarray, list[str]]:
    """Return photometry with given redshifts, the rows that can be fitted with it, and notes."""
    known = np.isfinite(rows.catalogue_redshift)
    if not known.any():
        return rows.photometry, np.zeros(0, int), []
    try:
        ready = prepare_rows(run, posterior, rows, model, give_redshifts=True)
    except SedumError as error:
        return rows.photometry, np.zeros(0, int), [f"redshift known: {error}"]
    return ready.photometry, np.flatnonzero(known & ready.status.ok), []


class _Judge:
    """Fits galaxies, and keeps the numbers for the comparisons."""

    def __init__(
        self,
        posterior: Posterior,
        model: Simulator,
        rows: CatalogueRows,
        others: Mapping[str, np.ndarray],
        draws: int,
        seed: int,
    ):
        self.posterior, self.model, self.rows, self.others = posterior, model, rows, others
        self.draws, self.seed = draws, seed
        #: Whether the redshift is known, [rows].
        self.spec = np.isfinite(rows.catalogue_redshift)
        # Draws of these rows only: of millions of rows, few may have a known redshift.
        self._place = np.cumsum(self.spec) - 1
        self._redshifts = np.full((int(self.spec.sum()), draws), np.nan)
        self.medians = {
            (name, way): np.full(len(rows), np.nan) for name in others for way in ("free", "known")
        }

    def fit(
        self, photometry: Photometry, rows: np.ndarray, way: str, advance: Callable[[int], None]
    ) -> None:
        """Fit some rows; ``way`` says whether redshifts are free or known."""
        column = self.posterior.names.index("redshift")
        for start in range(0, len(rows), _TOGETHER):
            at = rows[start : start + _TOGETHER]
            drawn = self.posterior.sample(photometry[at], self.draws, self.seed, keys=at)
            if way == "free":
                spec = self.spec[at]
                self._redshifts[self._place[at[spec]]] = drawn[spec][..., column]
            self._compare(drawn, at, way)
            advance(len(at))

    def redshift_draws(self, rows: np.ndarray) -> np.ndarray:
        """Return the draws of redshift of rows whose redshift is known but was hidden."""
        return self._redshifts[self._place[rows]]

    def _compare(self, drawn: np.ndarray, at: np.ndarray, way: str) -> None:
        names = self.posterior.names
        for name, values in self.others.items():
            some = np.flatnonzero(np.isfinite(values[at]))
            if not len(some):
                continue
            if name in names:
                value = drawn[some][..., names.index(name)]
            else:
                part = drawn[some, :_DERIVED_DRAWS]
                quantity = self.model.derived(part.reshape(-1, part.shape[-1]), [name])[name]
                value = quantity.reshape(part.shape[:2])
            self.medians[name, way][at[some]] = np.median(value, axis=1)


def _mapping(catalogue: CatalogueSettings, redshift: str | None) -> CatalogueSettings:
    if redshift is None:
        return catalogue.model_copy(update={"use_redshift": False})
    return catalogue.model_copy(update={"use_redshift": False, "redshift": redshift})


def _estimates(values: np.ndarray, mapping: CatalogueSettings) -> np.ndarray:
    bad = ~np.isfinite(values) | means_missing(values, mapping.missing, mapping.missing_beyond)
    return np.where(bad, np.nan, values)


def _bins(seen: Photometry, redshift: np.ndarray, bands: list[str]) -> dict[str, np.ndarray]:
    """Return labels of galaxies by signal-to-noise, redshift and missing bands, [n]."""
    measured = seen.measured
    snr = np.where(measured, seen.flux / seen.error, 0).sum(axis=1)
    snr = snr / np.maximum(measured.sum(axis=1), 1)
    patterns = [", ".join(b for b, m in zip(bands, row, strict=True) if not m) for row in measured]
    texts = np.array([f"without {p}" if p else "all" for p in patterns])
    kinds, where, counts = np.unique(texts, return_inverse=True, return_counts=True)
    texts = np.where(counts[where] >= _MINIMUM, kinds[where], "other patterns")
    return {
        "signal-to-noise": bin_labels(snr, [5, 20, 100]),
        "redshift": bin_labels(redshift, [0.5, 1, 2, 4]),
        "bands": texts,
    }


def _with_errors(measure: Callable[[np.ndarray], dict[str, float]], n: int) -> dict[str, Any]:
    """Return the result of ``measure`` for all n rows, and its spread over resampled rows."""
    rng = np.random.default_rng(1)
    whole: dict[str, Any] = measure(np.arange(n))
    again = [measure(rng.integers(n, size=n)) for _ in range(_RESAMPLES)]
    return whole | {f"{k}_error": float(np.std([a[k] for a in again])) for k in whole}


def _redshift_card(redshifts: RedshiftMetrics) -> dict[str, Any]:
    test = stats.kstest(redshifts.pit, "uniform")
    card = _with_errors(lambda rows: redshifts[rows].measures(), len(redshifts))
    return {
        "galaxies": len(redshifts),
        **card,
        "pit_ks": float(test.statistic),
        "pit_p_value": float(test.pvalue),
        "outside_prior": int((~np.isfinite(redshifts.log_density)).sum()),
    }


def _reference_card(value: np.ndarray, median: np.ndarray) -> dict[str, Any]:
    difference = median - value
    if not len(difference):
        return {"galaxies": 0}

    def measure(rows: np.ndarray) -> dict[str, float]:
        offset, scatter = median_and_nmad(difference[rows])
        return {"offset": offset, "nmad": scatter}

    return {"galaxies": len(difference), **_with_errors(measure, len(difference))}


def parse_references(texts: list[str]) -> dict[str, str]:
    """Turn ``QUANTITY=COLUMN`` of the command line into a mapping.

    Raises
    ------
    SedumError
        If a text is not of that form, or names a quantity twice.
    """
    columns: dict[str, str] = {}
    for text in texts:
        name, separator, column = text.partition("=")
        if not (name and separator and column):
            raise SedumError(f"argument references: expected QUANTITY=COLUMN, not {text!r}")
        if name in columns:
            raise SedumError(f"argument references: {name} stands twice")
        columns[name] = column
    return columns
