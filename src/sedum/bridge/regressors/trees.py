"""Gradient-boosted trees of scikit-learn as plain arrays, so that no stored code is run."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from sklearn.ensemble import HistGradientBoostingRegressor

from sedum.bridge.training_examples import Examples
from sedum.config.bridge_file import TreeSettings
from sedum.storage import tensors_below

__all__ = ["BoostedTrees", "fit_trees"]

#: Number of draws of noise and missing bands for each galaxy.
_VIEWS = 4


class BoostedTrees:
    """Sums of trees, one ensemble for each target.

    Parameters
    ----------
    arrays
        For target k: ``k.base``; for all nodes of its trees, one tree after the other,
        ``k.feature``, ``k.threshold``, ``k.left`` and ``k.right`` (relative to the first node of
        the tree), ``k.value``, ``k.leaf``, ``k.missing_left``; and the first node of each tree,
        ``k.roots``.
    """

    partial = True

    def __init__(self, arrays: dict[str, np.ndarray]):
        self._arrays = arrays
        self.targets = len([k for k in arrays if k.endswith(".base")])

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return predictions, [n, targets]; see :class:`Regressor`."""
        x = np.ascontiguousarray(x, dtype=np.float64)
        out = np.empty((len(x), self.targets))
        for k in range(self.targets):
            a = tensors_below(str(k), self._arrays)
            out[:, k] = _walk(
                x,
                a["roots"],
                a["feature"],
                a["threshold"],
                a["left"],
                a["right"],
                a["value"],
                a["leaf"],
                a["missing_left"],
            )
            out[:, k] += a["base"][0]
        return out

    def spread(self, x: np.ndarray) -> np.ndarray:
        """Return zeros: trees do not estimate their own error."""
        return np.zeros((len(x), self.targets))

    def gradient(self, x: np.ndarray) -> None:
        """Return None: trees are constant almost everywhere."""
        return

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the trees; see :class:`Regressor`."""
        return self._arrays

    @classmethod
    def from_arrays(cls, spec: TreeSettings, arrays: dict[str, np.ndarray]) -> BoostedTrees:
        """Undo :meth:`arrays`."""
        return cls(arrays)


def fit_trees(
    spec: TreeSettings, examples: Examples, held_out: Examples, seed: int
) -> BoostedTrees:
    """Train with squared error; held-out galaxies stop the boosting."""
    rng = np.random.default_rng(seed)
    views = _VIEWS if examples.varied else 1
    x = np.concatenate([examples.draw(rng) for _ in range(views)])
    x_held = held_out.draw(rng)
    arrays: dict[str, np.ndarray] = {}
    for k in range(examples.y.shape[1]):
        boosted = HistGradientBoostingRegressor(
            learning_rate=spec.learning_rate,
            max_iter=spec.iterations,
            max_leaf_nodes=spec.leaves,
            early_stopping=True,
            n_iter_no_change=20,
            random_state=seed,
        )
        boosted.fit(
            x,
            np.tile(examples.y[:, k], views),
            sample_weight=np.tile(examples.weight, views),
            X_val=x_held,
            y_val=held_out.y[:, k],
        )
        arrays |= {f"{k}.{name}": value for name, value in _nodes(boosted).items()}
    return BoostedTrees(arrays)


def _nodes(boosted: HistGradientBoostingRegressor) -> dict[str, np.ndarray]:
    """Return the trees of a fitted model as arrays."""
    trees = [stage[0].nodes for stage in boosted._predictors]
    sizes = np.array([len(t) for t in trees])
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    nodes = np.concatenate(trees)
    return {
        "base": np.asarray(boosted._baseline_prediction, float).reshape(-1)[:1],
        "roots": roots,
        "feature": nodes["feature_idx"].astype(np.int64),
        "threshold": nodes["num_threshold"].astype(float),
        "left": nodes["left"].astype(np.int64),
        "right": nodes["right"].astype(np.int64),
        "value": nodes["value"].astype(float),
        "leaf": nodes["is_leaf"].astype(np.uint8),
        "missing_left": nodes["missing_go_to_left"].astype(np.uint8),
    }


@njit(parallel=True, cache=True)
def _walk(
    x: np.ndarray,
    roots: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    value: np.ndarray,
    leaf: np.ndarray,
    missing_left: np.ndarray,
) -> np.ndarray:
    out = np.zeros(len(x))
    for i in prange(len(x)):
        total = 0.0
        for tree in range(len(roots)):
            root = roots[tree]
            node = root
            while leaf[node] == 0:
                v = x[i, feature[node]]
                go_left = missing_left[node] == 1 if np.isnan(v) else v <= threshold[node]
                node = root + (left[node] if go_left else right[node])
            total += value[node]
        out[i] = total
    return out
