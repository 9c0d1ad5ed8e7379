"""The commands of the bridge from simulations to surveys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sedum.cli.options import ForceOption, QuietOption, out_option

if TYPE_CHECKING:
    from sedum.bridge.trained_bridge import Bridge
    from sedum.config.bridge_file import BridgeFile

__all__ = ["app"]

app = typer.Typer(
    name="bridge",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Train small networks on simulated galaxies, and apply them to surveys.",
)

RunArgument = Annotated[
    Path, typer.Argument(metavar="BRIDGE.yaml", help="The run file of the bridge.")
]
GalaxiesOption = Annotated[
    Path | None,
    typer.Option("--galaxies", "-g", help="Simulated galaxies. (default: NAME-galaxies.parquet)"),
]
BridgeOption = Annotated[
    Path | None,
    typer.Option("--bridge", "-b", help="The trained bridge. (default: NAME.safetensors)"),
]


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="Where to write.")] = Path("bridge.yaml"),
    force: ForceOption = False,
) -> None:
    """Write a commented run file of a bridge, to edit.

    Python: sedum.bridge.parse({...}), a mapping of the same keys
    """
    from importlib.resources import files

    from sedum.errors import SedumError
    from sedum.storage import atomic_path, check_writable

    target = check_writable(path)
    if target.exists() and not force:
        raise SedumError(f"{path} exists; name another file, or add --force to overwrite it")
    with atomic_path(target) as temporary:
        temporary.write_text(files("sedum").joinpath("config/templates/bridge.yaml").read_text())
    print(f"wrote {path}; edit it, then: sedum bridge train {path}")


@app.command()
def simulate(
    run_file: RunArgument,
    out: Annotated[
        Path | None,
        out_option("Parquet to write. (default: NAME-galaxies.parquet)"),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Read or generate the simulated galaxies, and write them to one file.

    Histories of star formation get synthetic photometry in the bands of the run file.

    Python: sedum.bridge.simulate(sedum.bridge.load("bridge.yaml"))
    """
    from sedum.bridge.simulations.simulate import galaxies_of
    from sedum.config.bridge_file import load
    from sedum.storage import check_writable

    run = load(run_file)
    target = check_writable(out or Path(f"{run.name}-galaxies.parquet"))
    galaxies = galaxies_of(run, target, show_progress=not quiet)
    print(f"{target}: {len(galaxies):,} galaxies of {', '.join(galaxies.sources)}")


@app.command()
def train(
    run_file: RunArgument,
    galaxies: GalaxiesOption = None,
    out: Annotated[
        Path | None,
        out_option("Bridge to write. (default: NAME.safetensors)"),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Train on the simulated galaxies.

    If the run file has a survey, its ranges are compared with those of the simulations, and the
    correction is fitted.

    Python: sedum.bridge.train(sedum.bridge.load("bridge.yaml")).write("bridge.safetensors")
    """
    from rich.console import Console

    from sedum.bridge.simulations.simulate import galaxies_of
    from sedum.bridge.train_bridge import train
    from sedum.config.bridge_file import load
    from sedum.report.plots.bridge_plots import audit_table
    from sedum.storage import check_writable

    run = load(run_file)
    target = check_writable(out or Path(f"{run.name}.safetensors"))
    simulated = galaxies_of(run, _galaxies(run.name, galaxies), show_progress=not quiet)
    bridge = train(run, simulated, show_progress=not quiet)
    bridge.write(target)
    if bridge.audit:
        Console(highlight=False).print(audit_table([f.as_dict() for f in bridge.audit]))
    print(
        f"{target}: {len(bridge.features)} features, {bridge.about['galaxies']:,} galaxies "
        f"({bridge.about['left_out']:,} left out without a target or feature)"
    )
    for name, held in bridge.about["held_out"].items():
        print(f"  {name}: scatter {held['scatter']:.4f}, bias {held['bias']:+.4f} (held out)")


@app.command()
def validate(
    run_file: RunArgument,
    catalogue: Annotated[
        Path | None, typer.Option("--catalogue", "-c", help="Survey. (default: survey.file)")
    ] = None,
    bridge_file: BridgeOption = None,
    galaxies: GalaxiesOption = None,
    out: Annotated[
        Path | None,
        out_option("JSON to write, figures beside it. (default: NAME-validation.json)"),
    ] = None,
    folds: Annotated[
        int, typer.Option(min=0, help="Folds of the test within the simulations; 0 for none.")
    ] = 5,
    quiet: QuietOption = False,
) -> None:
    """Test a bridge within and across simulations, and on survey galaxies of known values.

    The correction of survey galaxies is fitted out of fold; the published in-sample correction is
    given for comparison. The importance of each feature and the shift between survey and
    simulation are measured, too.

    Python: sedum.bridge.validate(bridge, galaxies).card
    """
    from rich.console import Console

    from sedum.bridge.simulations.simulate import galaxies_of
    from sedum.bridge.validate_bridge import validate
    from sedum.report.plots.bridge_plots import (
        plot_bridge,
        plot_features,
        survey_table,
        within_table,
    )
    from sedum.storage import check_writable

    run, bridge = _trained(run_file, bridge_file)
    target = check_writable(out or Path(f"{run.name}-validation.json"))
    simulated = galaxies_of(run, _galaxies(run.name, galaxies), show_progress=not quiet)
    validation = validate(bridge, simulated, catalogue, folds=folds, show_progress=not quiet)
    validation.write(target)
    console = Console(highlight=False, width=max(Console().width, 110))
    if "within" in validation.card or "across" in validation.card:
        console.print(within_table(validation.card))
    if validation.card.get("survey"):
        console.print(survey_table(validation.card["survey"]))
        for name, row in validation.card["survey"].items():
            print(
                f"{name}: errors {row['error_photometric']:.3f} (photometry), "
                f"{row['error_model']:.3f} (model), {row['error']:.3f} in quadrature, "
                f"{row['error_linear']:.3f} as a sum; coverage {row['coverage_68']:.1%} at 1σ, "
                f"{row['coverage_95']:.1%} at 2σ"
            )
    if "shift" in validation.card:
        shift = validation.card["shift"]
        print(
            f"a classifier separates survey and simulation for {shift['accuracy']:.1%} of "
            f"galaxies (50% if they do not differ; p = {shift['p_value']:.2g})"
        )
    for k, name in enumerate(bridge.targets):
        stem = target.with_suffix("")
        plot_features(validation, Path(f"{stem}-{name}-features.png"), k)
        plot_bridge(validation, Path(f"{stem}-{name}.png"), k)
    print(f"{target}: scorecard; figures beside it")


@app.command("apply")
def apply_(
    run_file: RunArgument,
    catalogue: Annotated[
        Path | None, typer.Argument(help="Catalogue. (default: survey.file)")
    ] = None,
    bridge_file: BridgeOption = None,
    out: Annotated[
        Path | None,
        out_option("FITS, ECSV or Parquet. (default: CATALOGUE-bridge.fits)"),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Predict the targets of every row of a catalogue, with each error term and flags.

    Rows keep their order. One without a prediction keeps its place, and its status says why.

    Python: sedum.bridge.apply(bridge, "cat.fits", "out.fits")
    """
    from sedum.bridge.apply_bridge import apply
    from sedum.cli.catalogue_commands import print_status
    from sedum.errors import SedumError
    from sedum.results.posterior_table import check_format, count_status
    from sedum.storage import check_writable

    run, bridge = _trained(run_file, bridge_file)
    source = catalogue
    if source is None and run.survey is not None and run.survey.file is not None:
        source = Path(run.survey.file)
    if source is None:
        raise SedumError("name a catalogue, or give survey.file in the run file")
    target = out or Path(f"{source.stem}-bridge.fits")
    check_format(check_writable(target))
    table = apply(bridge, source, target, show_progress=not quiet)
    print(f"{target}: {len(table):,} rows")
    print_status(count_status(table))


def _galaxies(name: str, given: Path | None) -> Path:
    return given or Path(f"{name}-galaxies.parquet")


def _trained(run_file: Path, bridge_file: Path | None) -> tuple[BridgeFile, Bridge]:
    from sedum.bridge.trained_bridge import Bridge
    from sedum.config.bridge_file import load

    run = load(run_file)
    bridge = Bridge.read(bridge_file or Path(f"{run.name}.safetensors"))
    bridge.require(run)
    return run, bridge.with_run(run)
