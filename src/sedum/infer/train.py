"""Training: fresh noise in every batch, averaged weights, exact resume."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.parameters import prior_of
from sedum.infer.estimator import Estimator
from sedum.infer.posterior import (
    Posterior,
    anchor_of,
    make_estimator,
    training_fingerprint,
)
from sedum.library.store import Library
from sedum.observe.features import FeatureTransform
from sedum.observe.noise import NoiseModel
from sedum.photometry.observed import Photometry
from sedum.priors.joint import Prior
from sedum.progress import Advance, progress
from sedum.storage import atomic_path, check_writable, digest

__all__ = ["train", "train_to_file"]

#: Galaxies whose noise is drawn together.
_PORTION = 32_768
#: Observations for the standardisation, and the most for validation.
_SAMPLE = 50_000
_VALIDATION = 8_192
#: Sections of the run file that training does not depend on, and filters and noise, whose files
#: may be named by another path; the fingerprint knows their content.
_NOT_TRAINED = {"catalogue", "output", "name", "filters", "noise"}


def train(
    run: RunFile,
    library: Library,
    *,
    checkpoint: str | Path | None = None,
    show_progress: bool = True,
) -> Posterior:
    """Train the estimator of a run file on a library.

    Parameters
    ----------
    run
        The run file.
    library
        Simulated galaxies made with it.
    checkpoint
        Where to keep the state between rounds. If the file is there and belongs to this run,
        training goes on from it and ends exactly as if it had never stopped.
    show_progress
        Show a progress bar.

    Returns
    -------
    Posterior
        With the averaged weights of the round that did best on held-out galaxies.

    Raises
    ------
    SedumError
        If the selection leaves too few galaxies, the checkpoint belongs to another run, or
        the loss stops being finite.
    """
    if library.names != prior_of(run.model, run.priors).names or library.bands != run.band_names():
        raise SedumError(
            "the library's parameters or bands are not those of the run file; simulate again, or "
            "use the run file it was made with"
        )
    torch.manual_seed(run.training.seed)
    data = _Data(run, library)
    estimator = make_estimator(run, data.features).to(choose_device(run.training.device))
    state = _State(estimator, run)
    path = Path(checkpoint) if checkpoint else None
    identity = digest(
        {
            "run": run.model_dump(mode="json", exclude=_NOT_TRAINED),
            "noise": data.noise.fingerprint(),
            "library": library.fingerprint,
            "size": len(library),
        }
    )
    if path and path.exists():
        state.read(path, identity)
    rounds = math.ceil(run.training.steps / run.training.round)
    validation = data.validation()
    with progress(run.training.steps, "training", "steps", show_progress) as advance:
        advance(min(state.round * run.training.round, run.training.steps))
        while state.round < rounds and not state.is_stale():
            _run_round(state, data, advance)
            state.close_round(_mean_loss(state.averaged, validation))
            advance(0, note=f"held-out loss {state.losses[-1]:.3f}, best {state.best_loss:.3f}")
            if path:
                state.write(path, identity)
    estimator.load_state_dict(state.best)
    history = {"losses": state.losses, "steps_per_round": run.training.round}
    fingerprint = training_fingerprint(library.fingerprint, run, data.noise)
    return Posterior(estimator, data.features, run, fingerprint, history, noise=data.noise)


def train_to_file(
    run: RunFile,
    library: str | Path,
    path: str | Path,
    *,
    model: GalaxyModel | None = None,
    show_progress: bool = True,
) -> Posterior:
    """Train on a library file and write the estimator; see :func:`train`.

    ``model`` is the forward model, where the caller has it already: its fingerprint is needed.
    The checkpoint is ``<path>.checkpoint`` while training goes on. An estimator of the same
    run file that is there already is read instead of trained again.

    Raises
    ------
    SedumError
        Also if the library or an existing estimator belongs to another run file, or the path
        cannot be written.
    """
    path = check_writable(path)
    source = Library.read(library)
    fingerprint = (model or GalaxyModel.from_run(run)).fingerprint()
    source.require(fingerprint, library)
    if path.exists():
        found = Posterior.read(path)
        # What differs is named where it can be; the rest is sizes, steps and seeds.
        found.require(training_fingerprint(fingerprint, run))
        if found.run.model_dump(exclude=_NOT_TRAINED) != run.model_dump(exclude=_NOT_TRAINED):
            raise SedumError(
                f"estimator {path} exists and was made with another run file; remove it or "
                "write elsewhere"
            )
        return found
    checkpoint = path.with_name(path.name + ".checkpoint")
    posterior = train(run, source, checkpoint=checkpoint, show_progress=show_progress)
    posterior.write(path)
    checkpoint.unlink(missing_ok=True)
    return posterior


def choose_device(name: str) -> torch.device:
    """Return the device a run file names; ``auto`` takes a GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError):
        raise SedumError(
            f"training.device: {name!r} is not available here; use auto or cpu"
        ) from None
    return torch.device(name)


class _Data:
    """Observations of the library's galaxies, drawn afresh whenever asked for."""

    def __init__(self, run: RunFile, library: Library):
        self.run = run
        self.prior: Prior = prior_of(run.model, run.priors)
        self.noise = NoiseModel.from_run(run)
        self._flux = library.flux
        self._redshift = library.theta[:, library.names.index("redshift")]
        self._latent = self.prior.to_latent(library.theta).astype(np.float32)
        self._training = len(library) - max(1, int(len(library) * run.training.held_out))
        rng = self._rng(0)
        photometry, _ = self._draw(np.arange(min(self._training, 4 * _SAMPLE)), rng)
        if len(photometry) < 100:
            raise SedumError(
                f"only {len(photometry)} of {len(library)} galaxies pass noise.selection; "
                "simulate more, or ease the selection or the priors"
            )
        self.features = FeatureTransform.of(self.noise, run.features).fit(photometry)

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.run.training.seed, *key])

    def _draw(self, rows: np.ndarray, rng: np.random.Generator) -> tuple[Photometry, np.ndarray]:
        """Observe galaxies; return what the survey selects, and which rows those are."""
        photometry = self.noise.observe(self._flux[rows], rng, self._redshift[rows])
        kept = self.noise.selected(photometry)
        return photometry[kept], rows[kept]

    def _tensors(self, photometry: Photometry, rows: np.ndarray) -> tuple[torch.Tensor, ...]:
        return (
            torch.from_numpy(self._latent[rows]),
            torch.from_numpy(self.features(photometry)),
            torch.from_numpy(anchor_of(self.prior, photometry).astype(np.float32)),
        )

    def batches(self, index: int, count: int, size: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield the batches of one round, which depend on the seed and its index alone."""
        rng = self._rng(1, index)
        left: list[tuple[torch.Tensor, ...]] = []
        held = 0
        while count:
            order = rng.permutation(self._training)
            for start in range(0, self._training, _PORTION):
                left.append(self._tensors(*self._draw(order[start : start + _PORTION], rng)))
                held += len(left[-1][0])
                if held < size:
                    continue
                pool = tuple(torch.cat(parts) for parts in zip(*left, strict=True))
                whole = min(held // size, count)
                for k in range(whole):
                    yield tuple(t[k * size : (k + 1) * size] for t in pool)
                left = [tuple(t[whole * size :] for t in pool)]
                held -= whole * size
                count -= whole
                if not count:
                    return

    def validation(self) -> tuple[torch.Tensor, ...]:
        """Return observations of the held-out galaxies, the same at every call."""
        rows = np.arange(self._training, len(self._flux))
        photometry, rows = self._draw(rows, self._rng(2))
        if not len(rows):
            raise SedumError("no held-out galaxy passes noise.selection; simulate more")
        return self._tensors(photometry[:_VALIDATION], rows[:_VALIDATION])


@dataclass
class _State:
    """Everything that changes during training."""

    estimator: Estimator
    run: RunFile
    round: int = 0
    best_loss: float = math.inf
    best_round: int = 0
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        spec = self.run.training
        self.optimiser = torch.optim.AdamW(
            self.estimator.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay
        )
        self.averaged = copy.deepcopy(self.estimator)
        self.best = copy.deepcopy(self.estimator.state_dict())

    def step(self, loss: torch.Tensor, index: int) -> None:
        """Take one step of the optimiser; ``index`` counts from the start of training."""
        spec = self.run.training
        for group in self.optimiser.param_groups:
            group["lr"] = spec.learning_rate * schedule(index / spec.steps, spec.warmup)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        parameters: list[torch.Tensor] = list(self.estimator.parameters())
        torch.nn.utils.clip_grad_norm_(parameters, spec.clip)
        self.optimiser.step()
        # Early on, a long average would remember the random start.
        decay = min(spec.averaging, (1 + index) / (10 + index))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.averaged.parameters()), parameters, 1 - decay)

    def close_round(self, loss: float) -> None:
        """Record the held-out loss of the averaged weights."""
        self.round += 1
        self.losses.append(loss)
        if loss < self.best_loss:
            self.best_loss, self.best_round = loss, self.round
            self.best = copy.deepcopy(self.averaged.state_dict())

    def is_stale(self) -> bool:
        """Say whether the held-out loss has stopped improving."""
        return self.round - self.best_round >= self.run.training.patience

    def write(self, path: Path, identity: str) -> None:
        """Write a checkpoint, atomically."""
        tensors = {f"now.{k}": v for k, v in self.estimator.state_dict().items()}
        tensors |= {f"averaged.{k}": v for k, v in self.averaged.state_dict().items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        for i, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{i}.{k}": v for k, v in moments.items()}
        meta = {
            "identity": identity,
            "round": self.round,
            "best_loss": self.best_loss,
            "best_round": self.best_round,
            "losses": self.losses,
        }
        copied = {k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}
        with atomic_path(path) as temporary:
            save_file(copied, str(temporary), metadata={"checkpoint": json.dumps(meta)})

    def read(self, path: Path, identity: str) -> None:
        """Go back to the state of a checkpoint."""
        try:
            with safe_open(str(path), framework="pt") as file:
                meta = json.loads((file.metadata() or {})["checkpoint"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, ValueError, KeyError):
            raise SedumError(
                f"checkpoint {path} is damaged or not one of sedum's; remove it to start afresh"
            ) from None
        if meta["identity"] != identity:
            raise SedumError(
                f"checkpoint {path} belongs to another run file or library; remove it to start "
                "afresh"
            )

        def part(prefix: str) -> dict[str, torch.Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.estimator.load_state_dict(part("now."))
        self.averaged.load_state_dict(part("averaged."))
        self.best = part("best.")
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in part("optimiser.").items():
            index, key = name.split(".", 1)
            moments.setdefault(int(index), {})[key] = value
        whole = self.optimiser.state_dict()
        self.optimiser.load_state_dict({**whole, "state": moments})
        self.round = meta["round"]
        self.best_loss, self.best_round = meta["best_loss"], meta["best_round"]
        self.losses = meta["losses"]


def _run_round(state: _State, data: _Data, advance: Advance) -> None:
    spec = state.run.training
    done = state.round * spec.round
    count = min(spec.round, spec.steps - done)
    device = next(state.estimator.parameters()).device
    state.estimator.train()
    for i, batch in enumerate(data.batches(state.round, count, spec.batch)):
        y, features, anchor = (t.to(device) for t in batch)
        loss = -state.estimator.log_prob(y, features, anchor).mean()
        if not torch.isfinite(loss):
            raise SedumError(
                f"training: the loss is not finite at step {done + i}; lower "
                "training.learning_rate. The last checkpoint holds the last good weights"
            )
        state.step(loss, done + i)
        advance(1)


def _mean_loss(estimator: Estimator, batch: tuple[torch.Tensor, ...]) -> float:
    """Return the mean negative log posterior density, in portions."""
    device = next(estimator.parameters()).device
    estimator.eval()
    with torch.no_grad():
        parts = [
            -estimator.log_prob(*(t.to(device) for t in portion))
            for portion in zip(*(t.split(2048) for t in batch), strict=True)
        ]
    return float(torch.cat(parts).double().mean())


def schedule(progress: float, warmup: float) -> float:
    """Return the factor on the learning rate: linear rise, then half a cosine to zero."""
    if progress < warmup:
        return max(progress / warmup, 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
