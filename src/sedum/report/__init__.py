"""Pictures that people look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sedum._lazy import attach

if TYPE_CHECKING:
    from sedum.report.explorer.explore import explore as explore
    from sedum.report.page.html_report import write_report as write_report
    from sedum.report.plots.one_galaxy import corner as corner
    from sedum.report.plots.one_galaxy import sed as sed

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "write_report": "sedum.report.page.html_report",
        "explore": "sedum.report.explorer.explore",
        "corner": "sedum.report.plots.one_galaxy",
        "sed": "sedum.report.plots.one_galaxy",
    },
)
