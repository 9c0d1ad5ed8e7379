"""Testing whether a catalogue is distributed like simulations: the kernel test of sbi."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sedum.errors import SedumError

__all__ = ["Misspecification", "misspecification"]


@dataclass(frozen=True)
class Misspecification:
    """A test of whether two samples have the same distribution.

    Attributes
    ----------
    p_value
        Probability of at least this distance if both samples were simulated.
    distance
        Squared maximum mean discrepancy, with a Gaussian kernel.
    typical
        Median of the distance if both samples are simulated.
    """

    p_value: float
    distance: float
    typical: float


def misspecification(
    observed: np.ndarray, simulated: np.ndarray, shuffles: int = 1000, seed: int = 1
) -> Misspecification:
    """Test whether observations are distributed like simulations.

    The statistic is the maximum mean discrepancy (Gretton et al. 2012). The width of its kernel
    follows the median heuristic, as Schmitt et al. (2023) propose for amortised inference. Its
    distribution under the simulations is computed by splitting those at random into parts of
    the size of the samples that are compared. Both use the package sbi.

    Parameters
    ----------
    observed
        Features of n observations, [n, d].
    simulated
        Features of m simulations, [m, d], with m at least n + 10. No more than 2n are used.
    shuffles
        Number of random splits. The minimum p-value is one over this number.
    seed
        Random seed of the splits.

    Returns
    -------
    Misspecification
        The distance and its p-value.

    Raises
    ------
    SedumError
        If there are fewer than ten observations, too few simulations, or the package sbi is not
        installed.
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
        # The bias of the statistic depends on the sizes of the samples: use those of the splits.
        distance = float(statistic(x, y[:size]))
    p_value = (1 + (alone >= distance).sum()) / (1 + shuffles)
    return Misspecification(float(p_value), distance, float(np.median(alone)))


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
