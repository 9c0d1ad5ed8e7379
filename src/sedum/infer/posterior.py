"""Posteriors of many galaxies at once: drawing, densities, storing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from scipy import special, stats

from sedum.config import RunFile, parse_run
from sedum.errors import SedumError
from sedum.galaxies.parameters import prior_of
from sedum.infer.estimator import Estimator
from sedum.observe.features import FeatureTransform
from sedum.observe.noise import NoiseModel
from sedum.photometry.observed import Photometry
from sedum.priors.joint import Prior
from sedum.storage import atomic_path, digest, require_same

__all__ = ["Posterior", "anchor_of", "training_fingerprint"]

_KIND = "sedum estimator"
_FORMAT = 1
#: Galaxies drawn together; bounds memory at 1,000 draws to some 200 MB.
_PORTION = 200


def anchor_of(prior: Prior, photometry: Photometry) -> np.ndarray:
    """Return centre and width of the latent redshift that given redshifts imply, [n, 2].

    (0, 1), the prior's, where no redshift is given. The anchor only chooses the coordinate in
    which the estimator works, so a given redshift just outside the prior is moved to its edge.
    """
    anchor = np.tile([0.0, 1.0], (len(photometry), 1))
    known = np.isfinite(photometry.redshift)
    if not known.any() or "redshift" not in prior.free:
        return anchor
    z = photometry.redshift[known]
    sigma = photometry.redshift_error[known] * (1 + z)
    low, high = prior.support("redshift", tail=1e-9)
    inside = np.clip(z, low, high)
    above = prior.latent_of("redshift", np.clip(inside + sigma, low, high))
    below = prior.latent_of("redshift", np.clip(inside - sigma, low, high))
    anchor[known, 0] = np.clip(prior.latent_of("redshift", inside), -5, 5)
    anchor[known, 1] = np.clip((above - below) / 2, 1e-5, 1.0)
    return anchor


class Posterior:
    """A trained estimator with all that is needed to use it.

    Parameters
    ----------
    estimator
        The density estimator.
    features
        The transform of observations that it was trained with.
    run
        The run file of the training.
    fingerprint
        What the training depended on; see :func:`training_fingerprint`.
    history
        Record of the training.
    source
        The file it was read from, for messages.
    noise
        The noise that it was trained with; made from the run file if None.
    """

    def __init__(
        self,
        estimator: Estimator,
        features: FeatureTransform,
        run: RunFile,
        fingerprint: dict[str, str],
        history: dict[str, Any] | None = None,
        source: str = "in memory",
        noise: NoiseModel | None = None,
    ):
        self.estimator = estimator.eval()
        self.features = features
        self.run = run
        self.fingerprint = fingerprint
        self.history = history or {}
        self.source = source
        self.prior = prior_of(run.model, run.priors)
        self.noise = noise or NoiseModel.from_run(run)

    @property
    def names(self) -> list[str]:
        """Names of the parameters, the columns of draws."""
        return self.prior.names

    def sample(
        self,
        photometry: Photometry,
        draws: int = 1000,
        seed: int = 1,
        keys: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw from the posteriors.

        Parameters
        ----------
        photometry
            n observations in the bands of the run file.
        draws
            Draws for each.
        seed
            Seed; with ``keys`` it fixes each galaxy's draws, whatever the others in the call.
        keys
            One integer for each galaxy, [n]; the row numbers where None.

        Returns
        -------
        ndarray
            Parameters, [n, draws, len(names)].
        """
        out = np.empty((len(photometry), draws, len(self.names)))
        keys = np.arange(len(photometry)) if keys is None else np.asarray(keys)
        for start in range(0, len(photometry), _PORTION):
            rows = slice(start, start + _PORTION)
            latent = self._sample_latent(photometry[rows], draws, seed, keys[rows])
            flat = self.prior.from_latent(latent.reshape(-1, self.prior.dimension))
            out[rows] = flat.reshape(*latent.shape[:2], -1)
        return out

    def _sample_latent(
        self, photometry: Photometry, draws: int, seed: int, keys: np.ndarray
    ) -> np.ndarray:
        base = base_draws(keys, draws, self.prior.dimension, seed)
        features, anchor = self._context(photometry)
        device = next(self.estimator.parameters()).device
        with torch.no_grad():
            y = self.estimator.sample(torch.from_numpy(base).to(device), features, anchor)
        return y.cpu().numpy()

    def log_prob(self, photometry: Photometry, theta: np.ndarray) -> np.ndarray:
        """Return log posterior densities of parameters, in the latent space.

        Parameters
        ----------
        photometry
            n observations.
        theta
            [n, d] or [n, draws, d].

        Returns
        -------
        ndarray
            [n] or [n, draws]. The density is with respect to the latent coordinates, where
            the prior is a standard normal; minus infinity outside the prior.
        """
        shape = theta.shape[:-1]
        y = self.prior.to_latent(theta.reshape(-1, theta.shape[-1]))
        valid = np.isfinite(y).all(axis=1).reshape(shape)
        y = np.nan_to_num(y).reshape(*shape, self.prior.dimension).astype(np.float32)
        features, anchor = self._context(photometry)
        with torch.no_grad():
            values = self.estimator.log_prob(torch.from_numpy(y).to(features), features, anchor)
        return np.where(valid, values.cpu().numpy(), -np.inf)

    def _context(self, photometry: Photometry) -> tuple[torch.Tensor, torch.Tensor]:
        device = next(self.estimator.parameters()).device
        features = torch.from_numpy(self.features(photometry)).to(device)
        anchor = torch.from_numpy(anchor_of(self.prior, photometry).astype(np.float32))
        return features, anchor.to(device)

    # --- storing -------------------------------------------------------------------------

    def write(self, path: str | Path) -> None:
        """Write to one ``.safetensors`` file, atomically; its metadata is JSON."""
        tensors = {f"weights.{k}": v for k, v in self.estimator.state_dict().items()}
        tensors |= _stored("features", self.features.state())
        tensors |= _stored("noise", self.noise.state())
        meta = {
            "kind": _KIND,
            "format": _FORMAT,
            "run": self.run.model_dump(mode="json"),
            "fingerprint": self.fingerprint,
            "history": self.history,
        }
        contiguous = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
        with atomic_path(path) as temporary:
            save_file(contiguous, str(temporary), metadata={"sedum": json.dumps(meta)})

    @classmethod
    def read(cls, path: str | Path) -> Posterior:
        """Read from a file; nothing in it is executed.

        Raises
        ------
        SedumError
            If it is absent, damaged or not an estimator; it is named.
        """
        path = Path(path)
        if not path.is_file():
            raise SedumError(f"estimator {path} does not exist; make it with 'sedum train'")
        try:
            with safe_open(str(path), framework="pt") as file:
                meta = json.loads((file.metadata() or {}).get("sedum", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError) as error:
            raise SedumError(
                f"estimator {path} is damaged or not safetensors ({error}); train it again"
            ) from None
        if meta.get("kind") != _KIND or meta.get("format") != _FORMAT:
            raise SedumError(f"{path} is not a sedum estimator of format {_FORMAT}; train it again")
        run = parse_run(meta["run"], source=f"run file stored in {path}")
        try:
            noise = NoiseModel.from_state(run.band_names(), run.noise, _arrays("noise", tensors))
            features = FeatureTransform.from_state(
                _arrays("features", tensors), run.features.colours, run.noise.limits is not None
            )
            estimator = make_estimator(run, features)
            estimator.load_state_dict(_part("weights", tensors))
            return cls(
                estimator, features, run, meta["fingerprint"], meta["history"], str(path), noise
            )
        except (RuntimeError, KeyError, TypeError, ValueError, IndexError):
            raise SedumError(
                f"estimator {path} does not fit its own run file; train it again"
            ) from None

    def require(self, fingerprint: dict[str, str]) -> None:
        """Make sure that the estimator was trained for a run file, or say what differs.

        Parameters
        ----------
        fingerprint
            That of the run file; see :func:`training_fingerprint`.

        Raises
        ------
        SedumError
            Naming the parts of the run file that differ.
        """
        require_same(self.fingerprint, fingerprint, f"estimator {self.source}", "train again")


def _stored(part: str, state: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    # Copies: noise and features share arrays, which the format refuses.
    return {f"{part}.{k}": torch.from_numpy(np.array(v, order="C")) for k, v in state.items()}


def _part(part: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    prefix = f"{part}."
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _arrays(part: str, tensors: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {k: v.numpy() for k, v in _part(part, tensors).items()}


def training_fingerprint(
    simulations: dict[str, str], run: RunFile, noise: NoiseModel | None = None
) -> dict[str, str]:
    """Return what a posterior depends on: the simulations' fingerprint, noise and features."""
    return {
        **simulations,
        "noise": (noise or NoiseModel.from_run(run)).fingerprint(),
        "features": digest(run.features.model_dump(mode="json")),
    }


def make_estimator(run: RunFile, features: FeatureTransform) -> Estimator:
    """Build an untrained estimator of the run file's sizes."""
    prior = prior_of(run.model, run.priors)
    anchored = prior.free.index("redshift") if "redshift" in prior.free else None
    return Estimator(features.size, prior.dimension, run.estimator, anchored)


def base_draws(keys: np.ndarray, draws: int, dimension: int, seed: int) -> np.ndarray:
    """Return standard-normal draws that depend on seed and key alone.

    A Sobol sequence, common to all galaxies, is shifted modulo one by a random vector of each
    galaxy (Cranley & Patterson 1976): quasi-random within a galaxy, independent between them.

    Returns
    -------
    ndarray
        float32, [n, draws, dimension].
    """
    power = max(int(np.ceil(np.log2(draws))), 0)
    sobol = stats.qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng(seed))
    points = sobol.random_base2(power)[:draws]
    shifts = hashed_uniforms(keys, dimension, seed)
    u = (points[None] + shifts[:, None]) % 1.0
    return special.ndtri(np.clip(u, 1e-9, 1 - 1e-9)).astype(np.float32)


def hashed_uniforms(keys: np.ndarray, dimension: int, seed: int) -> np.ndarray:
    """Hash integers to uniform variates [n, dimension] (splitmix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        state = np.asarray(keys, np.int64).astype(np.uint64)[:, None] * np.uint64(
            0xD1342543DE82EF95
        )
        state = state + np.uint64(seed) * np.uint64(0x2545F4914F6CDD1D)
        state = state + np.arange(1, dimension + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(float) / 2.0**53
