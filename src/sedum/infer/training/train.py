"""Training: fresh noise in every batch, averaged weights, exact resume."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from sedum.config import EnsembleSettings, RunFile
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.model_parameters import prior_of
from sedum.galaxies.simulator import Simulator
from sedum.infer.estimator import Ensemble, Estimator
from sedum.infer.posterior import Posterior, make_estimator, training_fingerprint
from sedum.infer.training.batches import Batch, Batches
from sedum.infer.training.gradients import batch_gradient
from sedum.infer.training.precision import matrix_precision
from sedum.infer.training.training_state import TrainingState, schedule
from sedum.library.library_file import Library
from sedum.library.training_source import TrainingGalaxies, galaxies_of
from sedum.photometry.filters import FilterSet
from sedum.progress import Advance, progress
from sedum.storage import check_writable, digest, lock_path, locked, require_same, sweep

__all__ = ["Report", "Stopped", "train", "train_rounds", "train_to_file"]

#: Called after every round with its number, from 0, and the held-out loss.
Report = Callable[[int, float], None]

#: Sections of the run file that training does not depend on, and filters and noise, whose files
#: may be named by another path; the fingerprint knows their content.
_NOT_TRAINED = {"catalogue", "output", "name", "filters", "noise"}
#: Held-out galaxies on which members of an ensemble are weighed.
_WEIGHED = 2048


def train(
    run: RunFile,
    library: Library | str | Path | Simulator | TrainingGalaxies,
    *,
    checkpoint: str | Path | None = None,
    show_progress: bool = False,
) -> Posterior:
    """Train the estimator of a run file.

    Parameters
    ----------
    run
        The run file.
    library
        Simulated galaxies made with it: a library in memory, or its file, which is streamed,
        whatever its size; or the forward model, which then simulates new galaxies as training
        needs them.
    checkpoint
        Where to keep the state between rounds. If the file is there and belongs to this run,
        training goes on from it and ends exactly as if it had never stopped. Members of an
        ensemble have files of their own beside it.
    show_progress
        Show a progress bar, and a line of losses and rates for every round.

    Returns
    -------
    Posterior
        With the averaged weights of the round that did best on held-out galaxies.

    Raises
    ------
    SedumError
        If the selection leaves too few galaxies, the checkpoint belongs to another run, or
        the loss stops being finite.

    Examples
    --------
    >>> shorter = run.training.model_copy(update={"steps": 20})
    >>> trained = train(run.model_copy(update={"training": shorter}), library)
    >>> trained.names[:2]
    ['redshift', 'log_mass']
    >>> trained.write("estimator.safetensors")
    """
    galaxies = galaxies_of(
        library, run.training.held_out, max(run.library.size, 1), run.library.seed
    )
    if galaxies.names != prior_of(run.model, run.priors).names or (
        galaxies.bands != run.band_names()
    ):
        raise SedumError(
            "the library's parameters or bands are not those of the run file; simulate again, or "
            "use the run file it was made with"
        )
    batches = Batches(run, galaxies)
    path = Path(checkpoint) if checkpoint else None
    fingerprint = training_fingerprint(galaxies.fingerprint, run, batches.noise)

    def finished(estimator: Estimator | Ensemble, losses: Sequence[float]) -> Posterior:
        history = {"losses": list(losses), "steps_per_round": run.training.round}
        return Posterior(
            estimator, batches.features, run, fingerprint, history, noise=batches.noise
        )

    if isinstance(run.estimator, EnsembleSettings):
        return finished(*_train_members(run, galaxies, batches, path, show_progress))
    try:
        return finished(*train_rounds(run, batches, path, show_progress))
    except Diverged as stopped:
        if stopped.estimator is not None:
            stopped.posterior = finished(stopped.estimator, stopped.losses)
        raise


class Diverged(SedumError):
    """The loss was not finite; what training had reached by then is kept.

    Attributes
    ----------
    estimator, losses
        With the best weights of the rounds before, and their losses; None if there was no round.
    posterior
        The same with all that is needed to use it.
    """

    estimator: Estimator | None = None
    losses: Sequence[float] = ()
    posterior: Posterior | None = None


class Stopped(Exception):
    """Raised by a report to end a training that is not worth going on with."""


def train_rounds(
    run: RunFile,
    batches: Batches,
    path: Path | None = None,
    show_progress: bool = False,
    report: Report | None = None,
) -> tuple[Estimator, list[float]]:
    """Train one estimator; return it and the held-out loss of each round.

    Parameters
    ----------
    run
        The run file, whose estimator is no ensemble.
    batches
        Where observations come from.
    path
        The checkpoint.
    show_progress
        Show a progress bar.
    report
        Called after every round.
    """
    spec = run.training
    torch.manual_seed(batches.seed)
    estimator = make_estimator(run, batches.features, _pivots(run))
    assert isinstance(estimator, Estimator)
    estimator = estimator.to(choose_device(spec.device))
    state = TrainingState(estimator, spec)
    identity = digest(
        {
            "run": run.model_dump(mode="json", exclude=_NOT_TRAINED),
            "seed": batches.seed,
            "noise": batches.noise.fingerprint(),
            "library": batches.galaxies.fingerprint,
            "galaxies": batches.galaxies.identity,
        }
    )
    if path and path.exists():
        state.read(path, identity)
    rounds = math.ceil(spec.steps / spec.round)
    validation = batches.validation()
    with progress(spec.steps, "training", "steps", show_progress) as advance:
        advance(min(state.round * spec.round, spec.steps))
        while state.round < rounds and not state.is_stale():
            try:
                mean = _run_round(state, batches, advance)
            except Diverged as stopped:
                if state.round:
                    estimator.load_state_dict(state.best)
                    stopped.estimator, stopped.losses = estimator, state.losses
                raise
            state.close_round(mean_loss(state.averaged, validation))
            rate = spec.learning_rate * schedule(state.round * spec.round / spec.steps, spec.warmup)
            line = (
                f"round {state.round:3}: training loss {mean:8.4f}, held out "
                f"{state.losses[-1]:8.4f}, best {state.best_loss:8.4f}, learning rate {rate:.1e}"
            )
            advance(0, note=f"held-out loss {state.losses[-1]:.3f}", line=line)
            if path:
                state.write(path, identity)
            if report:
                report(state.round - 1, state.losses[-1])
    estimator.load_state_dict(state.best)
    return estimator, state.losses


def _train_members(
    run: RunFile,
    galaxies: TrainingGalaxies,
    batches: Batches,
    path: Path | None,
    show_progress: bool,
) -> tuple[Ensemble, list[float]]:
    """Train the members of an ensemble one by one, each with a seed of its own."""
    assert isinstance(run.estimator, EnsembleSettings)
    members, losses = [], []
    for k, spec in enumerate(run.estimator.members):
        alone = run.model_copy(update={"estimator": spec})
        own = Batches(alone, galaxies, batches.features, seed=run.training.seed + 1000 * k)
        at = _checkpoints(path, run)[1 + k] if path else None
        member, history = train_rounds(alone, own, at, show_progress)
        members.append(member)
        losses += history
    ensemble = Ensemble(members)
    if run.estimator.weights == "score":
        y, condition = batches.validation()
        y, condition = y[:_WEIGHED], condition.rows(slice(_WEIGHED))
        with torch.no_grad():
            each = [m.cpu().log_prob(y, condition) for m in members]
        ensemble.weigh(torch.stack(each, dim=-1))
    return ensemble, losses


def _pivots(run: RunFile) -> np.ndarray | None:
    """Return the wavelengths of the bands, where the embedding needs them."""
    return FilterSet.from_run(run).pivots if run.embeds_bands() else None


def train_to_file(
    run: RunFile,
    library: str | Path | None,
    path: str | Path,
    *,
    model: Simulator | None = None,
    show_progress: bool = False,
) -> Posterior:
    """Train on a library file and write the estimator; see :func:`train`.

    ``model`` is the forward model, where the caller has it already: its fingerprint is needed.
    Without a library (None) galaxies are simulated as they are needed. The checkpoint is
    ``<path>.checkpoint`` while training goes on. An estimator of the same run file that is there
    already is read instead of trained again.

    Raises
    ------
    SedumError
        Also if the library or an existing estimator belongs to another run file, or the path
        cannot be written.
    """
    path = Path(path)
    checkpoints = _checkpoints(path.with_name(path.name + ".checkpoint"), run)
    finished = path.is_file() and not any(p.exists() for p in (lock_path(path), *checkpoints))
    if not finished:
        check_writable(path)
    model = model or GalaxyModel.from_run(run)
    fingerprint = model.fingerprint()
    source: TrainingGalaxies | Simulator = model
    if library is not None:
        source = galaxies_of(library, run.training.held_out, run.library.size, run.library.seed)
        require_same(source.fingerprint, fingerprint, f"library {library}", "simulate again")
    if finished:  # without a lock: any number of processes may want it
        return _existing(path, run, fingerprint)
    with locked(path, "training"):
        for left in checkpoints:
            sweep(left)
        if path.exists():
            posterior = _existing(path, run, fingerprint)
        else:
            posterior = _train_to_file(run, source, path, checkpoints[0], show_progress)
        for left in checkpoints:
            left.unlink(missing_ok=True)
    return posterior


def _existing(path: Path, run: RunFile, fingerprint: dict[str, str]) -> Posterior:
    """Return a finished estimator, provided that this run would make the same."""
    posterior = Posterior.read(path)
    # What differs is named where it can be; the rest is sizes, steps and seeds.
    posterior.require(training_fingerprint(fingerprint, run))
    if posterior.run.model_dump(exclude=_NOT_TRAINED) != run.model_dump(exclude=_NOT_TRAINED):
        raise SedumError(
            f"estimator {path} exists and was made with another run file; remove it or "
            "write elsewhere"
        )
    return posterior


def _train_to_file(
    run: RunFile,
    source: TrainingGalaxies | Simulator,
    path: Path,
    checkpoint: Path,
    show_progress: bool,
) -> Posterior:
    try:
        posterior = train(run, source, checkpoint=checkpoint, show_progress=show_progress)
    except Diverged as stopped:
        if stopped.posterior is None:
            raise
        good = path.with_name(f"{path.stem}.last-good{path.suffix}")
        stopped.posterior.write(good)
        rounds = len(stopped.losses)
        raise SedumError(f"{stopped}; the best of {rounds} rounds before is in {good}") from None
    posterior.write(path)
    return posterior


def _checkpoints(path: Path, run: RunFile) -> list[Path]:
    """Return where the state of a training is kept; members of an ensemble have their own."""
    members = run.estimator.members if isinstance(run.estimator, EnsembleSettings) else []
    return [path, *(path.with_name(f"{path.name}.member-{k}") for k in range(len(members)))]


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


def _run_round(state: TrainingState, batches: Batches, advance: Advance) -> float:
    """Take the steps of one round; return the mean training loss."""
    spec = state.spec
    done = state.round * spec.round
    count = min(spec.round, spec.steps - done)
    device = next(state.estimator.parameters()).device
    state.estimator.train()
    # Vector fields draw random numbers in their loss: a resumed round must draw the same.
    torch.manual_seed(batches.seed + 7919 * state.round)
    total = torch.zeros((), dtype=torch.float64)
    with matrix_precision(spec.precision, device):
        for i, (latent, condition) in enumerate(batches.round(state.round, count, spec.batch)):
            y = latent.to(device, non_blocking=True)
            loss = batch_gradient(state.estimator, y, condition.to(device, non_blocking=True))
            if not torch.isfinite(loss):
                raise Diverged(
                    f"training: the loss is not finite at step {done + i}; lower "
                    "training.learning_rate"
                )
            state.update(done + i)
            total += loss.cpu()
            advance(1)
    return float(total / max(count, 1))


def mean_loss(estimator: Estimator, batch: Batch) -> float:
    """Return the mean held-out loss, in portions, with the same random numbers at every call."""
    device = next(estimator.parameters()).device
    estimator.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        y, condition = batch
        portions = (slice(start, start + 2048) for start in range(0, len(y), 2048))
        parts = [
            estimator.loss(y[rows].to(device), condition.rows(rows).to(device)) for rows in portions
        ]
    return float(torch.cat(parts).double().mean())
