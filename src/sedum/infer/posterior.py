"""Posteriors of many galaxies at once: drawing, densities, storing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sedum.config import RunFile, parse_run
from sedum.errors import SedumError
from sedum.galaxies.model_parameters import prior_of
from sedum.infer.condition import Condition, condition_of
from sedum.infer.densities.base_samples import BaseSamples
from sedum.infer.estimator import ROWS, Ensemble, Estimator, build_estimator
from sedum.infer.recalibration import BaseTransform, Recalibration
from sedum.infer.trained_limits import TrainedLimits
from sedum.introduced import Facts, Introduced, listed
from sedum.observe.features import FeatureTransform
from sedum.observe.noise_model import NoiseModel
from sedum.parallel.threads import in_threads
from sedum.photometry.catalogue import CatalogueRows, read_for_run
from sedum.photometry.filters import FilterSet
from sedum.photometry.observed import Photometry
from sedum.photometry.row_status import RowStatus
from sedum.storage import ModelFile, array_digest, digest, require_same, tensors_below
from sedum.tables.read import TableLike

__all__ = ["Posterior", "training_fingerprint"]

_FORMAT = 2
#: The format of recalibrated estimators, which older code must not read.
_RECALIBRATED = 3
_FILE = ModelFile(
    "estimator",
    "sedum train",
    (_FORMAT, _RECALIBRATED),
    ("weights.", "features.centre", "features.scale", "features.depth", "recalibration."),
)
#: Galaxies drawn together.
_PORTION = ROWS


@dataclass(eq=False, repr=False)
class Posterior(Introduced):
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
    recalibration
        A map of the normals that draws start from; see :func:`sedum.recalibrate`.

    Examples
    --------
    >>> draws = posterior.sample(catalogue[:2], n_draws=500)
    >>> draws.shape
    (2, 500, 9)
    """

    estimator: Estimator | Ensemble
    features: FeatureTransform
    run: RunFile
    fingerprint: dict[str, str]
    history: dict[str, Any] = field(default_factory=dict)
    source: str = "in memory"
    noise: NoiseModel = None  # type: ignore[assignment]
    recalibration: Recalibration | None = None

    def __post_init__(self) -> None:
        self.estimator = self.estimator.eval()
        self.prior = prior_of(self.run.model, self.run.priors)
        self.noise = self.noise or NoiseModel.from_run(self.run)

    def _facts(self) -> Facts:
        losses = self.history.get("losses") or []
        facts = {"parameters": listed(self.names), "bands": listed(self.noise.bands)}
        if losses:
            facts["held-out loss"] = f"{min(losses):.3g}"
        if self.recalibration is not None:
            facts["recalibrated"] = "yes"
        return self.source, facts

    @property
    def limits(self) -> TrainedLimits:
        """What the estimator was trained for, by which rows of a catalogue are judged."""
        return TrainedLimits(self.features, self.noise, self.prior)

    @property
    def names(self) -> list[str]:
        """Names of the parameters, the columns of draws."""
        return self.prior.names

    def sample(
        self,
        photometry: Photometry | TableLike,
        n_draws: int = 1000,
        seed: int = 1,
        keys: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw from the posteriors, on as many threads as torch is set to use.

        Parameters
        ----------
        photometry
            n observations in the bands of the run file. Or a catalogue, a table or a file, that
            the run file describes; all its rows must be fit for the estimator.
        n_draws
            Draws for each.
        seed
            Seed; with ``keys`` it fixes each galaxy's draws, whatever the others in the call
            and however many threads there are.
        keys
            One integer for each galaxy, [n]; the row numbers where None.

        Returns
        -------
        ndarray
            Parameters, [n, draws, len(names)]; NaN for a galaxy of which the network computes
            numbers that are not finite, or draws that are all the same.

        Raises
        ------
        SedumError
            If ``photometry`` is of another kind or has other bands, or a row of the catalogue
            cannot be fitted; :func:`sedum.fit` keeps such rows.
        """
        photometry = self._observed(photometry)
        n = len(photometry)
        out = np.empty((n, n_draws, len(self.names)))
        keys = np.arange(n) if keys is None else np.asarray(keys)
        base = BaseSamples.of(keys, n_draws, self.estimator.n_base, seed)

        def fill(start: int) -> None:
            rows = slice(start, min(start + _PORTION, n))
            latent = self._sample_latent(photometry[rows], base[rows])
            # The prior would turn NaN into a bound: a posterior without width.
            bad = ~np.isfinite(latent).all(axis=(1, 2))
            if n_draws > 1:
                bad |= (latent == latent[:, :1]).all(axis=1).any(axis=1)
            latent[bad] = 0.0
            flat = self.prior.from_latent(latent.reshape(-1, self.prior.dimension))
            out[rows] = flat.reshape(*latent.shape[:2], -1)
            out[rows][bad] = np.nan

        for _ in in_threads(fill, range(0, n, _PORTION)):
            pass
        return out

    def _observed(self, seen: Photometry | TableLike) -> Photometry:
        """Return photometry as it is, and a catalogue as the estimator is to see it."""
        if not isinstance(seen, Photometry):
            rows = seen
            if not isinstance(seen, CatalogueRows):
                rows = read_for_run(seen, self.run, FilterSet.from_run(self.run))
            seen, status = self._limited(rows)
            if not status.ok.all():
                first = int(np.argmin(status.ok))
                raise SedumError(
                    f"row {first} cannot be fitted: {status.text()[first]}; leave it out, or use "
                    "sedum.fit, which keeps such rows"
                )
        if seen.flux.shape[1] != len(self.noise.bands):
            raise SedumError(
                f"argument photometry has {seen.flux.shape[1]} bands, and the estimator "
                f"{len(self.noise.bands)}: {', '.join(self.noise.bands)}"
            )
        return seen

    def of_row(self, rows: CatalogueRows, row: int) -> Photometry:
        """Return one row of a catalogue as the estimator is to see it, [1].

        Raises
        ------
        SedumError
            If it cannot be fitted.
        """
        seen, status = self._limited(rows)
        if not status.ok[row]:
            raise SedumError(f"row {row} cannot be fitted: {status.text()[row]}")
        return seen[row : row + 1]

    def _limited(self, rows: CatalogueRows) -> tuple[Photometry, RowStatus]:
        given = self.run.catalogue is not None and self.run.catalogue.use_redshift
        return self.limits.apply(rows, given)[:2]

    def _sample_latent(self, photometry: Photometry, base: BaseSamples) -> np.ndarray:
        condition = self._condition(photometry)
        with torch.no_grad():
            transform = self._base_transform(photometry, condition.features.device)
            return self.estimator.sample(base, condition, transform).cpu().numpy()

    def stream(
        self,
        photometry: Photometry,
        n_draws: int = 1000,
        seed: int = 1,
        keys: np.ndarray | None = None,
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Draw portion by portion: memory does not grow with the number of galaxies.

        Yields
        ------
        rows, n_draws
            Which galaxies, and what :meth:`sample` returns for them.
        """
        n = len(photometry)
        keys = np.arange(n) if keys is None else np.asarray(keys)
        portion = _PORTION * max(torch.get_num_threads(), 1)
        for start in range(0, n, portion):
            rows = slice(start, min(start + portion, n))
            yield rows, self.sample(photometry[rows], n_draws, seed, keys[rows])

    def log_prob(self, photometry: Photometry, theta: np.ndarray) -> np.ndarray:
        """Return log posterior densities of parameters.

        Parameters
        ----------
        photometry
            n observations.
        theta
            Parameters, [n, d] or [n, draws, d], in the order of :attr:`names`.

        Returns
        -------
        ndarray
            ln p(theta | photometry), [n] or [n, draws], with respect to the inferred
            parameters in their own units; minus infinity outside the prior.

        Examples
        --------
        >>> from sedum import Photometry
        >>> seen = Photometry.make([[5.0, 8.0, 9.0]], [[0.1, 0.1, 0.1]])
        >>> draws = posterior.sample(seen, n_draws=10)
        >>> posterior.log_prob(seen, draws).shape
        (1, 10)
        """
        flat = theta.reshape(-1, theta.shape[-1])
        latent = self.prior.to_latent(flat)
        with np.errstate(invalid="ignore"):
            log_normal = -0.5 * (latent**2 + np.log(2 * np.pi)).sum(axis=1)
            # The prior's two densities, of theta and of the latent coordinates, differ by the
            # Jacobian between these.
            jacobian = self.prior.log_density(flat) - log_normal
        values = self.log_prob_latent(photometry, theta)
        return np.where(np.isfinite(values), values + jacobian.reshape(theta.shape[:-1]), values)

    def log_prob_latent(self, photometry: Photometry, theta: np.ndarray) -> np.ndarray:
        """Return log posterior densities in the latent space.

        Parameters
        ----------
        photometry, theta
            As for :meth:`log_prob`.

        Returns
        -------
        ndarray
            [n] or [n, draws]. The density is with respect to the latent coordinates, in which
            the prior is a standard normal; minus infinity outside the prior.
        """
        shape = theta.shape[:-1]
        y = self.prior.to_latent(theta.reshape(-1, theta.shape[-1]))
        valid = np.isfinite(y).all(axis=1).reshape(shape)
        y = np.nan_to_num(y).reshape(*shape, self.prior.dimension).astype(np.float32)
        condition = self._condition(photometry)
        with torch.no_grad():
            at = torch.from_numpy(y).to(condition.features)
            transform = self._base_transform(photometry, at.device)
            values = self.estimator.log_prob(at, condition, transform)
        return np.where(valid, values.cpu().numpy(), -np.inf)

    def _base_transform(self, photometry: Photometry, device: torch.device) -> BaseTransform | None:
        if self.recalibration is None:
            return None
        return self.recalibration.base_transform(photometry, device)

    def recalibrated(self, recalibration: Recalibration | None) -> Posterior:
        """Return the same posterior with another recalibration, or none."""
        return replace(self, recalibration=recalibration)

    def _condition(self, photometry: Photometry) -> Condition:
        device = next(self.estimator.parameters()).device
        return condition_of(self.prior, self.features, photometry).to(device)

    def for_bands(self, run: RunFile) -> Posterior:
        """Return the same estimator for the bands of another run file.

        Only estimators that read bands by their wavelengths (``embedding: bands``) can do this,
        and only what they saw in training is calibrated: many sets of bands, or fewer of them.

        Parameters
        ----------
        run
            Its filters and noise take the place of this one's; model and priors must be equal.

        Raises
        ------
        SedumError
            If the estimator is bound to its bands, or model, priors or estimator differ.
        """
        if not self.run.embeds_bands():
            raise SedumError(
                f"estimator {self.source} is bound to its bands; train one with "
                "estimator: {embedding: bands}"
            )
        for part in ("model", "priors", "estimator"):
            if getattr(run, part) != getattr(self.run, part):
                raise SedumError(f"{part} of the run file differs from that of the estimator")
        filters = FilterSet.from_run(run)
        noise = NoiseModel.from_run(run, filters)
        features = self.features.for_depths(noise.depth)
        estimator = make_estimator(run, features)
        weights = self.estimator.state_dict()
        pivots = torch.from_numpy(np.asarray(filters.pivots, np.float32))
        estimator.load_state_dict({**weights, "embedding.pivots": pivots})
        return replace(self, estimator=estimator, features=features, run=run, noise=noise)

    def digest(self) -> str:
        """Return the hash of the weights and the recalibration: what draws depend on."""
        weights = [v.cpu().numpy() for v in self.estimator.state_dict().values()]
        state = self.recalibration.state() if self.recalibration is not None else {}
        return array_digest(*weights, *state.values())

    # --- storing -------------------------------------------------------------------------

    def write(self, path: str | Path) -> None:
        """Write to one ``.safetensors`` file, atomically; its metadata is JSON."""
        tensors = {f"weights.{k}": v for k, v in self.estimator.state_dict().items()}
        tensors |= _stored("features", self.features.state())
        tensors |= _stored("noise", self.noise.state())
        meta = {
            "run": self.run.model_dump(mode="json"),
            "fingerprint": self.fingerprint,
            "history": self.history,
        }
        if self.recalibration is not None:
            tensors |= _stored("recalibration", self.recalibration.state())
            meta["recalibration"] = self.recalibration.about
        version = _FORMAT if self.recalibration is None else _RECALIBRATED
        _FILE.write(path, tensors, meta, version)

    @classmethod
    def read(cls, path: str | Path) -> Posterior:
        """Read from a file; nothing in it is executed.

        Raises
        ------
        SedumError
            If it is absent, damaged or not an estimator; it is named.
        """

        def build(metadata: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Posterior:
            run = parse_run(metadata["run"], source=f"run file stored in {path}")
            noise = NoiseModel.from_state(run.band_names(), run.noise, _arrays("noise", tensors))
            features = FeatureTransform.from_state(
                _arrays("features", tensors),
                run.features.colours,
                run.noise.limits is not None,
                run.embeds_bands(),
            )
            estimator = make_estimator(run, features)
            weights = tensors_below("weights", tensors)
            for name, own in estimator.state_dict().items():
                if weights[name].dtype != own.dtype:  # torch would convert it in silence
                    raise TypeError(f"weights.{name} has another type")
            estimator.load_state_dict(weights)
            recalibration = None
            if metadata["format"] == _RECALIBRATED:
                state = _arrays("recalibration", tensors)
                recalibration = Recalibration.from_state(state, metadata["recalibration"])
                if len(recalibration.lower) != prior_of(run.model, run.priors).dimension:
                    raise ValueError("recalibration of another number of parameters")
            return cls(
                estimator,
                features,
                run,
                metadata["fingerprint"],
                metadata["history"],
                str(path),
                noise,
                recalibration,
            )

        return _FILE.read(path, "pt", build)

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


def _arrays(part: str, tensors: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    return {k: v.numpy() for k, v in tensors_below(part, tensors).items()}


def training_fingerprint(
    simulations: dict[str, str], run: RunFile, noise: NoiseModel | None = None
) -> dict[str, str]:
    """Return what a posterior depends on: the simulations' fingerprint, noise and features."""
    return {
        **simulations,
        "noise": (noise or NoiseModel.from_run(run)).fingerprint(),
        "features": digest(run.features.model_dump(mode="json")),
    }


def make_estimator(
    run: RunFile, features: FeatureTransform, pivots: np.ndarray | None = None
) -> Estimator | Ensemble:
    """Build an untrained estimator of the run file's kind and sizes.

    ``pivots`` are the bands' wavelengths in Angstrom, which an embedding of kind ``bands``
    needs unless its weights are loaded afterwards.
    """
    prior = prior_of(run.model, run.priors)
    index = prior.free.index("redshift") if "redshift" in prior.free else None
    at = None if pivots is None else torch.from_numpy(np.asarray(pivots, np.float32))
    return build_estimator(run.estimator, features.layout, prior.dimension, index, at)
