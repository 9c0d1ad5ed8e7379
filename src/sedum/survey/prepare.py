"""A catalogue made ready for an estimator: read, given redshifts, and each row with its status."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from sedum.config import RunFile
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.infer.trained_model import trained_model
from sedum.photometry.catalogue import CatalogueRows, read_for_run
from sedum.photometry.observed import Photometry
from sedum.photometry.row_status import RowStatus
from sedum.tables.read import TableLike

__all__ = ["PreparedCatalogue", "galaxy_keys", "prepare", "prepare_rows"]


@dataclass(frozen=True)
class PreparedCatalogue:
    """The rows of a catalogue as an estimator is to see them.

    Attributes
    ----------
    rows
        The catalogue as read, n rows.
    model
        The forward model that the estimator was trained with.
    photometry
        What the estimator sees, [n]: the photometry of ``rows``, with the catalogue's redshifts
        where they are given to it.
    status
        Whether each row can be fitted, or why not, [n].
    errors_raised
        Number of errors of each row, of fluxes and of the redshift, that were raised to the
        smallest in training, [n].
    """

    rows: CatalogueRows
    model: Simulator
    photometry: Photometry
    status: RowStatus
    errors_raised: np.ndarray

    @property
    def good(self) -> np.ndarray:
        """Return the numbers of the rows that can be fitted."""
        return np.flatnonzero(self.status.ok)

    @property
    def keys(self) -> np.ndarray:
        """Return an integer for each row that fixes its draws, [n]; see :func:`galaxy_keys`."""
        return galaxy_keys(self.rows.ids)

    def __len__(self) -> int:
        return len(self.rows)


def prepare(
    run: RunFile,
    posterior: Posterior,
    catalogue: TableLike | CatalogueRows,
    *,
    model: Simulator | None = None,
    give_redshifts: bool | None = None,
) -> PreparedCatalogue:
    """Read a catalogue and decide which of its rows the estimator can fit.

    Parameters
    ----------
    run
        The run file. Its ``catalogue`` section says how to read the table.
    posterior
        The trained estimator.
    catalogue
        A file, a table, or rows that were read already.
    model
        The forward model, if the caller has it.
    give_redshifts
        Whether the estimator is given the catalogue's redshifts; ``catalogue.use_redshift`` of
        the run file if None.

    Raises
    ------
    SedumError
        If the estimator was trained with another run file, the catalogue cannot be read, or
        redshifts are to be given to an estimator that was trained without them.
    """
    model = trained_model(run, posterior, model)
    if not isinstance(catalogue, CatalogueRows):
        catalogue = read_for_run(catalogue, run, model.filters)
    return prepare_rows(run, posterior, catalogue, model, give_redshifts=give_redshifts)


def prepare_rows(
    run: RunFile,
    posterior: Posterior,
    rows: CatalogueRows,
    model: Simulator,
    *,
    give_redshifts: bool | None = None,
) -> PreparedCatalogue:
    """Decide which rows the estimator can fit, where it is known to be that of the run file.

    Parameters are those of :func:`prepare`.
    """
    if give_redshifts is None:
        give_redshifts = run.catalogue is not None and run.catalogue.use_redshift
    photometry, status, raised = posterior.limits.apply(rows, give_redshifts)
    return PreparedCatalogue(rows, model, photometry, status, raised)


def galaxy_keys(ids: np.ndarray) -> np.ndarray:
    """Return an integer for each identifier, [n], that fixes the draws of the galaxy.

    A galaxy has the same draws whichever rows it is fitted with. Integers stand for themselves,
    any other identifier for its hash.
    """
    ids = np.asarray(ids)
    if ids.dtype.kind in "iu":
        return ids.astype(np.int64)
    return np.array(
        [int.from_bytes(blake2b(str(i).encode(), digest_size=7).digest(), "big") for i in ids],
        np.int64,
    )
