"""Selecting galaxies of a catalogue by row or identifier, and drawing from their posteriors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.photometry.catalogue import CatalogueRows
from sedum.photometry.observed import Photometry
from sedum.survey.measures.verification import Verification
from sedum.survey.prepare import prepare_rows

__all__ = ["SelectedGalaxies", "draw_selected", "select_rows"]


@dataclass(frozen=True)
class SelectedGalaxies:
    """Selected galaxies of a catalogue, with the draws of their fit.

    Attributes
    ----------
    rows
        Row numbers, [n].
    ids
        Identifiers, [n].
    photometry
        Observed photometry, [n].
    draws
        Posterior draws, [n, draws, d].
    """

    rows: np.ndarray
    ids: np.ndarray
    photometry: Photometry
    draws: np.ndarray


def select_rows(
    catalogue: CatalogueRows, rows: Sequence[int] = (), ids: Sequence[str] = ()
) -> np.ndarray:
    """Return the numbers of rows that are selected by number, from 0, or by identifier.

    Raises
    ------
    SedumError
        If no row is selected, or a number or identifier is not in the catalogue or not unique.
    """
    if not rows and not ids:
        raise SedumError(
            "name at least one galaxy: by its number from 0 (argument rows), or by its identifier "
            "(argument ids)"
        )
    selected = []
    for row in rows:
        if not 0 <= row < len(catalogue):
            raise SedumError(
                f"argument rows: {row} is no row; the catalogue has rows 0 to {len(catalogue) - 1}"
            )
        selected.append(row)
    known = catalogue.ids.astype(str)
    for name in ids:
        at = np.flatnonzero(known == str(name))
        if len(at) != 1:
            many = "no row has" if not len(at) else f"{len(at)} rows have"
            raise SedumError(f"argument ids: {many} this identifier: {name}")
        selected.append(int(at[0]))
    return np.array(list(dict.fromkeys(selected)))


def draw_selected(
    run: RunFile,
    posterior: Posterior,
    model: Simulator,
    catalogue: CatalogueRows,
    rows: np.ndarray,
) -> SelectedGalaxies:
    """Draw from the posteriors of selected rows, with the result of :func:`sedum.fit`.

    Seeds are those of the fit. So is the verification, if the run file asks for it.

    Raises
    ------
    SedumError
        If a row cannot be fitted; the message says why.
    """
    ready = prepare_rows(run, posterior, catalogue, model)
    for row, reason in zip(rows, ready.status[rows].text(), strict=True):
        if not ready.status.ok[row]:
            raise SedumError(f"row {row} (id {catalogue.ids[row]}) cannot be fitted: {reason}")
    seen, keys, output = ready.photometry[rows], ready.keys[rows], run.output
    if output.verify:
        draws = Verification(posterior, model, output, len(ready)).verify(seen, rows, keys)
    else:
        draws = posterior.sample(seen, output.draws, output.seed, keys=keys)
    return SelectedGalaxies(rows, catalogue.ids[rows], seen, draws)
