"""Files beside the results: scorecards, comparisons of models, the estimator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sedum.errors import SedumError
from sedum.photometry.row_status import OK
from sedum.results.posterior_catalogue import PosteriorCatalogue
from sedum.storage import read_json, read_tensors
from sedum.tables.stream import stream_table

__all__ = [
    "FACTOR_EDGES",
    "ModelComparison",
    "Scorecard",
    "find_comparison",
    "find_history",
    "find_scorecards",
]

#: Edges of bins of ln Bayes factors, equal in the inverse hyperbolic sine.
FACTOR_EDGES = np.sinh(np.linspace(-1, 1, 62) * np.arcsinh(1e4))

_NAMES = ("scorecard.json", "catalogue-scorecard.json")
_ROWS = 100_000


@dataclass(frozen=True)
class Scorecard:
    """A scorecard: its file, its content, and whether it names the estimator of the results."""

    path: Path
    content: dict[str, Any]
    known: bool


@dataclass(frozen=True)
class ModelComparison:
    """A comparison of models.

    Attributes
    ----------
    path
        Of its summary.
    summary
        What :meth:`sedum.comparison.compared_models.Comparison.summary` gave.
    factors
        Counts of ln Bayes factors of each model but the first, between the edges
        :data:`FACTOR_EDGES`; empty without the table.
    preferred
        Number of galaxies whose probability is largest for each model.
    known
        Whether one of the models is that of the results; None if that is not known.
    """

    path: Path
    summary: dict[str, Any]
    factors: dict[str, np.ndarray] = field(default_factory=dict)
    preferred: dict[str, int] = field(default_factory=dict)
    known: bool | None = None


def find_scorecards(
    results: PosteriorCatalogue, named: str | Path | None
) -> tuple[list[Scorecard], list[str]]:
    """Return scorecards that belong to results, and notes of those that do not.

    Parameters
    ----------
    results
        The results.
    named
        A folder of ``sedum validate``, or a file in it; where None, the folder
        NAME-validation is looked for beside the results and in the working folder.

    Raises
    ------
    SedumError
        If what was named is absent, no scorecard, or of another estimator.
    """
    if named is not None:
        path = Path(named)
        files = [path / name for name in _NAMES] if path.is_dir() else [path]
        cards = [_scorecard(file, results) for file in files if file.is_file() or len(files) == 1]
        if not cards:
            raise SedumError(
                f"{path} holds no scorecard; make one with 'sedum validate', or name another"
            )
        for card in cards:
            _refuse_other(card.path, _same(card.content.get("fingerprint"), results), "scorecard")
        return cards, []
    folder = f"{results.run.name}-validation"
    scorecards: list[Scorecard] = []
    notes: list[str] = []
    for parent in dict.fromkeys([results.path.absolute().parent, Path.cwd()]):
        for file in (parent / folder / name for name in _NAMES):
            if not file.is_file() or any(card.path.name == file.name for card in scorecards):
                continue
            try:
                card = _scorecard(file, results)
            except SedumError as error:
                notes.append(f"{error}.")
                continue
            if _same(card.content.get("fingerprint"), results) is False:
                notes.append(f"{folder}/{file.name} is of another estimator, and was left out.")
            else:
                scorecards.append(card)
    return scorecards, notes


def _scorecard(path: Path, results: PosteriorCatalogue) -> Scorecard:
    content = read_json(path, "scorecard", "sedum validate")
    whole = {"galaxies", "parameters", "information", "tarp"} <= set(content)
    if not whole and not {"rows", "unfitted"} <= set(content):
        raise SedumError(f"{path} is no scorecard; make one with 'sedum validate'")
    return Scorecard(path, content, _same(content.get("fingerprint"), results) is True)


def _same(fingerprint: Any, results: PosteriorCatalogue) -> bool | None:
    """Say whether a fingerprint is that of the results; None where either has none."""
    own = results.provenance.get("fingerprint")
    if not fingerprint or not own:
        return None
    return bool(fingerprint == own)


def _refuse_other(path: Path, same: bool | None, what: str) -> None:
    if same is False:
        raise SedumError(
            f"{path} is the {what} of another estimator than the one behind the results; "
            "name the one that belongs to them"
        )


# --- comparisons ---------------------------------------------------------------------------


def find_comparison(
    results: PosteriorCatalogue, named: str | Path | None
) -> tuple[ModelComparison | None, str]:
    """Return the comparison of models that belongs to results, and a note if one does not.

    Parameters
    ----------
    results
        The results.
    named
        The table or summary of ``sedum compare``; where None, CATALOGUE-compared and compared
        are looked for beside the results.

    Raises
    ------
    SedumError
        If what was named is absent, damaged, no comparison, or of other models.
    """
    if named is not None:
        compared = _comparison(Path(named), results)
        _refuse_other(compared.path, compared.known, "comparison")
        return compared, ""
    stem = results.path.stem.removesuffix("-posterior")
    for name in dict.fromkeys([f"{stem}-compared.json", "compared.json"]):
        path = results.path.with_name(name)
        if not path.is_file():
            continue
        try:
            compared = _comparison(path, results)
        except SedumError as error:
            return None, f"{error}."
        if compared.known is None:
            return None, f"{path.name} does not tell of which estimators it is, and was left out."
        if not compared.known:
            return None, f"{path.name} is of other models than that of the results, and left out."
        return compared, ""
    return None, ""


def _comparison(path: Path, results: PosteriorCatalogue) -> ModelComparison:
    summary_path = path.with_suffix(".json")
    if not summary_path.is_file():
        raise SedumError(
            f"comparison {path}: its summary {summary_path.name} does not exist; make both with "
            "'sedum compare'"
        )
    summary = read_json(summary_path, "comparison", "sedum compare")
    if not {"rows", "compared", "models", "shifts"} <= set(summary):
        raise SedumError(f"{summary_path} is no comparison; make one with 'sedum compare'")
    suffixes = [path.suffix] if path.suffix != ".json" else [".fits", ".parquet", ".ecsv"]
    tables = (path.with_suffix(suffix) for suffix in suffixes)
    table = next((t for t in tables if t.is_file()), None)
    if table is None:
        return ModelComparison(summary_path, summary)
    models = list(summary["models"])
    fingerprints = PosteriorCatalogue.provenance_of(table).get("models", {}).values()
    same = [_same(entry.get("fingerprint"), results) for entry in fingerprints]
    known = True if True in same else False if False in same else None
    factors, preferred = _count_factors(table, models)
    return ModelComparison(summary_path, summary, factors, preferred, known)


def _count_factors(table: Path, models: list[str]) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Count ln Bayes factors, and the models that compared galaxies prefer."""
    factors = {model: np.zeros(len(FACTOR_EDGES) - 1, np.int64) for model in models[1:]}
    best = np.zeros(len(models), np.int64)
    names = [f"log_bayes_factor_{m}" for m in models[1:]] + [f"probability_{m}" for m in models]
    for portion in stream_table(table, ["status", *names], _ROWS):
        missing = [name for name in names if name not in portion.colnames]
        if missing:
            raise SedumError(f"{table} is no comparison of {', '.join(models)}: no {missing[0]!r}")
        use = np.array([_text(status) == OK for status in portion["status"]], bool)
        for model in models[1:]:
            values = np.asarray(portion[f"log_bayes_factor_{model}"], float)[use]
            edges = np.clip(values[np.isfinite(values)], FACTOR_EDGES[0], FACTOR_EDGES[-1])
            factors[model] += np.histogram(edges, FACTOR_EDGES)[0]
        chances = np.stack([np.asarray(portion[f"probability_{m}"], float) for m in models], 1)[use]
        if len(chances):
            best += np.bincount(chances.argmax(axis=1), minlength=len(models))
    return factors, dict(zip(models, best.tolist(), strict=True))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


# --- the estimator -------------------------------------------------------------------------


def find_history(results: PosteriorCatalogue, named: str | Path | None) -> Mapping[str, Any]:
    """Return how the estimator was trained, from its file; empty where that is not found.

    Raises
    ------
    SedumError
        If the file that was named is absent, damaged, or another estimator's.
    """
    if named is not None:
        meta = _meta(Path(named))
        _refuse_other(Path(named), _same(meta.get("fingerprint"), results), "file")
        return dict(meta.get("history") or {})
    for path in _estimators(results):
        try:
            meta = _meta(path)
        except SedumError:
            continue  # nobody asked for it
        if _same(meta.get("fingerprint"), results):
            return dict(meta.get("history") or {})
    return {}


def _estimators(results: PosteriorCatalogue) -> Iterator[Path]:
    name = results.run.name
    for parent in dict.fromkeys([results.path.absolute().parent, Path.cwd()]):
        for file in (f"{name}.safetensors", "estimator.safetensors"):
            if (parent / file).is_file():
                yield parent / file


def _meta(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise SedumError(f"estimator {path} does not exist; make it with 'sedum train'")
    try:
        return read_tensors(path, "numpy")[0]
    except ValueError as error:
        raise SedumError(f"estimator {path} is damaged ({error}); train it again") from None
