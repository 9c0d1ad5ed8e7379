"""The report of a posterior catalogue: one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from sedum._version import __version__
from sedum.errors import SedumError
from sedum.report.collected.catalogue_sample import SAMPLE, collect
from sedum.report.collected.related_files import find_comparison, find_history, find_scorecards
from sedum.report.page.figure_gallery import Gallery
from sedum.report.page.glossary import Definition, define
from sedum.report.page.page_parts import (
    Cell,
    Grid,
    Number,
    Picture,
    Section,
    Term,
    Text,
    anchor,
    terms,
)
from sedum.report.page.sections.calibration_section import calibration_section
from sedum.report.page.sections.flagged_section import flagged_section
from sedum.report.page.sections.models_section import models_section
from sedum.report.page.sections.redshifts_section import redshifts_section
from sedum.report.page.sections.rows_section import rows_section
from sedum.report.page.sections.run_section import run_section, written
from sedum.report.page.sections.summary_section import summary_section
from sedum.report.page.sections.values_section import distributions_section, relations_section
from sedum.report.page.sections.verification_section import verification_section
from sedum.results.posterior_catalogue import PosteriorCatalogue
from sedum.storage import atomic_path, check_writable

__all__ = ["write_report"]

_TEMPLATE = "report_page.html.j2"


def write_report(
    results: str | Path | PosteriorCatalogue,
    output: str | Path = "report.html",
    *,
    title: str | None = None,
    scorecard: str | Path | None = None,
    compared: str | Path | None = None,
    estimator: str | Path | None = None,
    figures: str | Path | None = None,
    n_sample: int = SAMPLE,
    show_progress: bool = False,
) -> Path:
    """Write a report of a posterior catalogue: an HTML page that loads nothing else.

    The catalogue is read twice, in portions. Counts, fractions and densities are of all rows.
    Medians over galaxies are of all rows of catalogues with up to ``n_sample`` rows, and of about
    ``n_sample`` random rows of larger ones. The same results give the same page.

    Parameters
    ----------
    results
        The posterior catalogue, or its path.
    output
        The page to write.
    title
        The heading of the page; the name of the results if None.
    scorecard
        A folder of ``sedum validate`` or a file in it. If None, NAME-validation is searched for
        beside the results and in the working folder, where NAME is that of the run file.
    compared
        The table or summary of ``sedum compare``. If None, CATALOGUE-compared and compared are
        searched for beside the results.
    estimator
        The estimator, which has the record of its training. If None, NAME.safetensors and
        estimator.safetensors are searched for beside the results and in the working folder.
    figures
        A folder to which each figure is also written as a vector PDF.
    n_sample
        Number of rows for medians and percentiles over galaxies.
    show_progress
        Show a progress bar.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    SedumError
        If the results are absent, damaged or not from sedum, a given file does not belong to
        them, or the page or a figure cannot be written.

    Examples
    --------
    >>> import sedum
    >>> _ = sedum.fit(run, posterior, catalogue, "posteriors.fits")
    >>> write_report("posteriors.fits", "report.html").name
    'report.html'
    """
    output = check_writable(output)
    folder = None if figures is None else Path(figures)
    if folder is not None:
        check_writable(folder / "figure.pdf")
    results = (
        results if isinstance(results, PosteriorCatalogue) else PosteriorCatalogue.open(results)
    )
    if output.resolve() == results.path.resolve():
        raise SedumError(f"{output} is the results themselves; choose another output path")
    cards, notes = find_scorecards(results, scorecard)
    comparison, note = find_comparison(results, compared)
    history = find_history(results, estimator)
    rows = collect(results, n_sample, show_progress=show_progress)
    gallery = Gallery(folder)
    sections = [
        summary_section(rows, cards, comparison),
        run_section(results, history, gallery),
        rows_section(rows, gallery),
        distributions_section(rows, gallery),
        relations_section(rows, gallery),
        redshifts_section(rows, gallery),
        calibration_section(cards, notes, gallery),
        verification_section(rows, gallery),
        flagged_section(rows),
        models_section(comparison, note, gallery),
    ]
    page = _page(title or f"Posteriors of {results.path.name}", sections, results)
    with atomic_path(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return output


def _page(title: str, sections: list[Section], results: PosteriorCatalogue) -> str:
    """Return the page as HTML; whatever is text is escaped by the template."""
    environment = Environment(
        loader=PackageLoader("sedum", "report/page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests |= {
        "number": lambda cell: isinstance(cell, Number),
        "term": lambda cell: isinstance(cell, Term),
        "several": lambda cell: isinstance(cell, tuple),
    }
    environment.filters |= {"anchor": anchor, "data": _data}
    return environment.get_template(_TEMPLATE).render(
        title=title,
        sections=sections,
        glossary=_glossary(sections, results),
        written=Number(written(results), "date"),
        version=Number(__version__, "version"),
    )


def _data(svg: bytes) -> str:
    """Return an SVG as the address of an image that is its own content."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def _glossary(sections: list[Section], results: PosteriorCatalogue) -> list[tuple[str, Definition]]:
    """Return the definitions that the page links to, by their keys, in order of their titles."""
    used = {"date", "version"}
    for section in sections:
        for block in section.blocks:
            used |= set(terms(_cells(block)))
    if "wilson" not in used and used & {"outliers", "coverage_z"}:
        used.add("wilson")
    definitions = [(key, define(key, results)) for key in used]
    return sorted(definitions, key=lambda pair: (pair[1].title.lower(), pair[0]))


def _cells(block: object) -> list[Cell]:
    """Return all cells of a block."""
    match block:
        case Text():
            return list(block.parts)
        case Grid():
            return [*block.headings, *(cell for row in block.rows for cell in row)]
        case Picture():
            return list(block.caption)
    return []
