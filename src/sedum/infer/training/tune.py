"""Tuning of settings with Optuna: resumable, pruned, with several workers on one study."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sedum.config import FlowSettings, RunFile
from sedum.errors import SedumError
from sedum.infer.training.batches import Batches
from sedum.infer.training.train import Diverged, Stopped, train_rounds
from sedum.library.training_source import galaxies_of
from sedum.storage import check_writable, digest

__all__ = ["SPACE", "best_run", "open_study", "tune"]

#: Search space by the keys of the run file: choices, or a logarithmic range.
SPACE: dict[str, list[int] | tuple[float, float]] = {
    "estimator.layers": [2, 3, 4, 5],
    "estimator.bins": [6, 8, 12],
    "estimator.components": [1, 4, 8, 16],
    "estimator.width": [128, 192, 256, 384],
    "estimator.blocks": [2, 3, 4],
    "training.batch": [256, 512, 1024],
    "training.learning_rate": (5e-4, 5e-3),
    "training.weight_decay": (1e-5, 1e-2),
}


def open_study(run: RunFile, storage: str | Path) -> Any:
    """Open the study of a run file in a SQLite file, or create it.

    Raises
    ------
    SedumError
        If Optuna is not installed, or the file is not a study of Optuna.
    """
    try:
        import optuna
    except ImportError:
        raise SedumError("tuning needs the package optuna: pip install 'sedum[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = check_writable(storage)
    fixed = run.model_dump(mode="json", exclude={"catalogue", "output", "name", "estimator"})
    fixed["training"] = {k: v for k, v in fixed["training"].items() if f"training.{k}" not in SPACE}
    for last in (False, False, False, True):
        try:
            return optuna.create_study(
                study_name=f"{run.name}-{digest(fixed)[:12]}",
                storage=f"sqlite:///{path}",
                load_if_exists=True,
                direction="minimize",
                sampler=optuna.samplers.TPESampler(constant_liar=True),
                pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
            )
        except Exception as error:  # whatever the database raises
            # Of workers that start together, only one can create the file; the others wait for it.
            if last:
                first = (str(error).strip().splitlines() or ["unknown cause"])[0][:120]
                raise SedumError(
                    f"{path} is not a study that tuning made ({first}); remove it"
                ) from None
            time.sleep(1.0)
    raise AssertionError


def tune(
    run: RunFile,
    library: str | Path,
    storage: str | Path,
    *,
    trials: int = 20,
    show_progress: bool = False,
) -> RunFile:
    """Search for the settings with the best held-out loss, and return their run file.

    Each trial is a training with the ``training.steps`` of the run file, which should be few. It
    reports its held-out loss after each round, and is stopped if the median of the others is
    better. A new call with the same storage continues the study, and several processes may work on
    one study.

    Parameters
    ----------
    run
        The run file; its estimator must be of kind ``flow``.
    library
        The library file.
    storage
        SQLite file of the study.
    trials
        Total number of finished trials of the study, including pruned ones.
    show_progress
        Show progress bars.

    Raises
    ------
    SedumError
        If the estimator is of another kind, Optuna is missing, or no trial finished.
    """
    if not isinstance(run.estimator, FlowSettings):
        raise SedumError(f"estimator.kind: {run.estimator.kind!r} cannot be tuned; allowed: flow")
    study = open_study(run, storage)
    import optuna

    galaxies = galaxies_of(library, run.training.held_out, run.library.size, run.library.seed)
    features = Batches(run, galaxies).features
    done = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)

    def objective(trial: Any) -> float:
        trial_run = with_settings(run, {key: _suggest(trial, key) for key in SPACE})
        batches = Batches(trial_run, galaxies, features)

        def report(index: int, loss: float) -> None:
            trial.report(loss, index)
            if trial.should_prune():
                raise Stopped

        try:
            _, losses = train_rounds(trial_run, batches, show_progress=show_progress, report=report)
        except Stopped:
            raise optuna.TrialPruned from None
        except Diverged:
            raise optuna.TrialPruned from None
        return min(losses)

    while len(study.get_trials(deepcopy=False, states=done)) < trials:
        study.optimize(objective, n_trials=1)
    return best_run(run, study)


def best_run(run: RunFile, study: Any) -> RunFile:
    """Return the run file with the settings of a study's best trial."""
    try:
        return with_settings(run, study.best_params)
    except ValueError:
        raise SedumError("no trial has finished yet; run more") from None


def with_settings(run: RunFile, settings: dict[str, Any]) -> RunFile:
    """Return a run file with some keys of its sections ``estimator`` and ``training`` replaced."""
    changed = {}
    for section in ("estimator", "training"):
        own = {k.split(".")[1]: v for k, v in settings.items() if k.startswith(f"{section}.")}
        changed[section] = getattr(run, section).model_copy(update=own)
    return run.model_copy(update=changed)


def _suggest(trial: Any, key: str) -> float | int:
    options = SPACE[key]
    if isinstance(options, tuple):
        return float(trial.suggest_float(key, *options, log=True))
    return int(trial.suggest_categorical(key, options))
