"""Is a whole catalogue distributed like simulations? The kernel two-sample test of sbi."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sedum.errors import SedumError

__all__ = ["Misspecification", "misspecification"]


@dataclass(frozen=True)
class Misspecification:
    """A test of whether two samples have one distribution.

    Attributes
    ----------
    p_value
        Probability of so great a distance among simulations alone.
    distance
        The squared maximum mean discrepancy, with a Gaussian kernel.
    typical
        Its median among simulations alone.
    """

    p_value: float
    distance: float
    typical: float


def misspecification(
    observed: np.ndarray, simulated: np.ndarray, shuffles: int = 1000, seed: int = 1
) -> Misspecification:
    """Test whether observations are distributed like simulations.

    The statistic is the maximum mean discrepancy (Gretton et al. 2012) with the width of its
    kernel by the median heuristic, as Schmitt et al. (2023) propose for amortised inference;
    its distribution under the simulations comes from splitting those at random, into parts as
    large as the samples that are compared. Statistic and splitting are sbi's.

    Parameters
    ----------
    observed
        Features of n observations, [n, d].
    simulated
        Those of at least n + 10 simulations, [m, d]. More than 2n are of no use.
    shuffles
        Random splits; the least p-value is one over their number.
    seed
        Of the splits.

    Raises
    ------
    SedumError
        If there are fewer than ten observations or too few simulations, or the package sbi is
        not installed.
    """
    baseline, statistic = _load()
    n, m = len(observed), len(simulated)
    if n < 10 or m < n + 10:
        raise SedumError(
            f"testing a catalogue against simulations needs at least 10 galaxies and 10 "
            f"simulations more than those, found {n} and {m}"
        )
    x = torch.from_numpy(np.ascontiguousarray(observed, np.float32))
    y = torch.from_numpy(np.ascontiguousarray(simulated, np.float32))
    size = min(n, m - n)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        alone = baseline(n, y, n_shuffle=shuffles, max_samples=n + size).numpy()
        # The bias of the statistic depends on the sizes, so they are those of the splits.
        found = float(statistic(x, y[:size]))
    p_value = (1 + (alone >= found).sum()) / (1 + shuffles)
    return Misspecification(float(p_value), found, float(np.median(alone)))


def _load():  # type: ignore[no-untyped-def]
    """Return sbi's functions: the distribution under the simulations, and the statistic."""
    try:
        from sbi.diagnostics.misspecification import (
            calculate_baseline_mmd,
            compute_rbf_mmd_median_heuristic,
        )
    except ImportError:
        raise SedumError(
            "testing a whole catalogue needs the package sbi: pip install 'sedum[sbi]'"
        ) from None
    return calculate_baseline_mmd, compute_rbf_mmd_median_heuristic
