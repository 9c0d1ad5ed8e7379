"""The summary of the report: key numbers, and possible problems."""

from __future__ import annotations

from collections.abc import Sequence

from sedum.photometry.row_status import OK, most_frequent_first
from sedum.report.collected.catalogue_counts import use_redshift
from sedum.report.collected.catalogue_sample import CatalogueSample
from sedum.report.collected.related_files import ModelComparison, Scorecard
from sedum.report.page.page_parts import (
    Block,
    Cell,
    Grid,
    Number,
    Section,
    Term,
    Text,
    count,
    fraction,
    with_error,
)
from sedum.report.page.sections.redshifts_section import measure_known, wilson
from sedum.report.page.sections.run_section import written

__all__ = ["summary_section"]

#: Fractions beyond which a problem is noted, and the deviation of coverage in errors.
_UNFITTED, _OUTLIERS, _UNVERIFIED, _ODD, _EDGE, _SIGMA = 0.1, 0.1, 0.3, 0.05, 0.3, 4.0


def summary_section(
    sample: CatalogueSample, cards: Sequence[Scorecard], compared: ModelComparison | None
) -> Section:
    """Return the section with key numbers and possible problems."""
    blocks: list[Block] = [_numbers(sample, cards, compared)]
    notes = _notes(sample, cards)
    blocks += [Text(note, kind="warning") for note in notes]
    if not notes:
        blocks.append(Text.of("No problem was found in these results.", kind="good"))
    return Section("summary", "Summary", blocks)


def _numbers(
    sample: CatalogueSample, cards: Sequence[Scorecard], compared: ModelComparison | None
) -> Grid:
    results, counts = sample.results, sample.counts
    rows: list[list[Cell]] = []
    if "catalogue" in results.provenance:
        rows.append(["catalogue", str(results.provenance["catalogue"])])
    rows += [
        ["results", results.path.name],
        [Term("date", "date"), Number(written(results), "date")],
        ["version of sedum", Number(results.provenance["versions"]["sedum"], "version")]
        if "sedum" in results.provenance.get("versions", {})
        else ["version of sedum", "not recorded"],
        [Term("rows", "rows"), count(counts.rows, "rows", "rows")],
        [
            Term("fitted", "fitted"),
            (
                count(counts.ok, "fitted", "fitted"),
                " (",
                fraction(counts.ok, counts.rows, "fitted", "fitted-fraction"),
                ")",
            ),
        ],
    ]
    bands = len(results.run.filters)
    rows.append(["bands", count(bands, "setting")])
    known = counts.known
    if (n := int(known.galaxies.sum())) and "redshift" in results.quantities():
        whole = measure_known(sample)[0]
        rows.append([Term("known redshifts", "known"), count(n, "known")])
        rows.append(["NMAD", with_error(whole["nmad"], whole["nmad_error"], "nmad")])
        rows.append(
            [
                "outliers",
                with_error(whole["outliers"], whole["outliers_error"], "outliers", percent=True),
            ]
        )
    elif use_redshift(results):
        rows.append(
            [
                Term("redshifts given", "known"),
                count(counts.with_redshift, "known", "redshifts-given"),
            ]
        )
    for column in ("verified", "in_distribution"):
        if column in results.columns:
            text = column.replace("_", " ")
            rows.append([Term(text, column), fraction(counts.true[column], counts.ok, column)])
    for card in cards:
        faults = len(card.content.get("faults", []))
        kind = "mock galaxies" if "parameters" in card.content else "known redshifts"
        rows.append([f"calibration faults, {kind}", count(faults, "coverage")])
    if compared is not None:
        n = len(compared.summary["models"])
        rows.append(["models compared", count(n, "evidence")])
    return Grid("Key numbers", ["item", "value"], rows)


def _notes(sample: CatalogueSample, cards: Sequence[Scorecard]) -> list[tuple[Cell, ...]]:
    """Return possible problems, each as the parts of a line."""
    counts, columns = sample.counts, sample.results.columns
    notes: list[tuple[Cell, ...]] = []
    unfitted = counts.rows - counts.ok
    if unfitted > _UNFITTED * counts.rows:
        reasons = [s for s in most_frequent_first(counts.status.items()) if s[0] != OK]
        reason, number = reasons[0]
        notes.append(
            (
                fraction(unfitted, counts.rows, "status"),
                " of the rows were not fitted, most often (",
                count(number, "status"),
                f") because: {reason}.",
            )
        )
    if not counts.ok:
        return notes
    known = counts.known
    n = int(known.galaxies.sum())
    if n and "redshift" in sample.results.quantities():
        outliers, inside = int(known.outliers.sum()), int(known.inside.sum())
        if outliers > _OUTLIERS * n:
            notes.append((fraction(outliers, n, "outliers"), " of known redshifts are outliers."))
        if abs(inside / n - 0.68) > _SIGMA * wilson(inside, n):
            kind = "too narrow" if inside < 0.68 * n else "too wide"
            notes.append(
                (
                    f"Posteriors of redshift are {kind}: ",
                    fraction(inside, n, "coverage_z"),
                    " of known redshifts lie in their 68% intervals.",
                )
            )
    if "verified" in columns:
        without = counts.ok - counts.true["verified"]
        if without > _UNVERIFIED * counts.ok:
            notes.append(
                (fraction(without, counts.ok, "verified"), " of fitted galaxies are not verified.")
            )
    if "in_distribution" in columns:
        odd = counts.ok - counts.true["in_distribution"]
        if odd > _ODD * counts.ok:
            text = " of fitted galaxies are unlike the simulations; sedum check names the bands."
            notes.append((fraction(odd, counts.ok, "in_distribution"), text))
    edges = sum(number for text, number in counts.texts["at_edge"].items() if text)
    if edges > _EDGE * counts.ok:
        text = " of fitted galaxies are at an edge of the prior in at least one parameter."
        notes.append((fraction(edges, counts.ok, "at_edge"), text))
    lacking = counts.worst.counts["no value"]
    if lacking:
        notes.append(
            (count(lacking, "no_value"), " fitted rows have no value for at least one quantity.")
        )
    for card in cards:
        faults = len(card.content.get("faults", []))
        if faults:
            text = f" calibration faults in {card.path.name}; sedum recalibrate may correct them."
            notes.append((count(faults, "coverage"), text))
    return notes
