"""Photometry, lines, surviving mass and star-formation rate against bagpipes.

    python benchmarks/parity_bagpipes.py [--galaxies 500] [--out FOLDER]

Both codes read the same stellar, nebular and dust tables but share no code: sedum integrates
the populations over age bins, on an axis of cells, and projects filters exactly; bagpipes
samples wavelengths and ages. Every star-formation history that both have is drawn with one
dust law, and every dust law with one history. bagpipes interpolates linearly in metallicity,
sedum in its logarithm: sedum is given the metallicity at which both weigh the same two tables
alike. The cosmology is sedum's, and so is the solar luminosity. Bands that see light from below
Lyman alpha are left out. ``SMC*`` gives bagpipes the curve of the dust_extinction package that
sedum uses: bagpipes itself joins the published points of that curve by straight lines.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
import yaml
from rich.console import Console
from rich.table import Table

from sedum import config
from sedum.galaxies.components.attenuation import extinction
from sedum.galaxies.cosmology import MAX_REDSHIFT, CosmologyTable
from sedum.galaxies.model import GalaxyModel
from sedum.photometry.filters import FilterSet
from sedum.survey.start_run_file import template

EDGES = [0.0, 10.0, 30.0, 100.0, 250.0]
HISTORIES: dict[str, config.AnySFH] = {
    "constant": config.ConstantSFH(),
    "burst": config.BurstSFH(),
    "exponential": config.ExponentialSFH(),
    "delayed": config.DelayedTauSFH(),
    "lognormal": config.LogNormalSFH(),
    "dblplaw": config.DoublePowerLawSFH(),
    "continuity": config.ContinuitySFH(edges=EDGES),
}
LAWS: dict[str, config.DustSettings] = {
    "Calzetti": config.DustSettings(law="calzetti", birth_clouds=True, emission="draine_li"),
    "SMC": config.DustSettings(law="smc", birth_clouds=True, emission="draine_li"),
    "SMC*": config.DustSettings(law="smc", birth_clouds=True, emission="draine_li"),
    "Cardelli": config.DustSettings(law="milky_way", birth_clouds=True, emission="draine_li"),
    "CF00": config.DustSettings(law="power_law", birth_clouds=True, emission="draine_li"),
    "Salim": config.DustSettings(law="salim", birth_clouds=True, emission="draine_li"),
}
LINES = {"Ha": "H  1  6562.80A", "Hb": "H  1  4861.32A", "OIII5007": "O  3  5006.84A"}
#: Least redshift of a band's blue edge: nothing below Lyman alpha is compared.
BREAK = 1216.0


def import_bagpipes():
    """Import bagpipes, which prints, or return None where it cannot be."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import bagpipes
    except ImportError:
        return None
    # The same cosmology in both codes; bagpipes looks ages and distances up in these tables.
    z = bagpipes.utils.z_array
    table = CosmologyTable("Planck18")
    reach = torch.from_numpy(np.minimum(z, MAX_REDSHIFT))
    bagpipes.utils.age_at_z = table.age(reach).numpy() / 1e9
    bagpipes.utils.ldist_at_z = table.luminosity_distance(reach).numpy() / 3.086e24
    return bagpipes


def draw(model: GalaxyModel, bagpipes, galaxies: int, seed: int = 3) -> dict[str, np.ndarray]:
    """Draw galaxies that both codes can compute; columns by the names of sedum."""
    rng = np.random.default_rng(seed)
    p = dict(zip(model.prior.names, model.prior.sample(galaxies, rng).T, strict=True))
    p["redshift"] = rng.uniform(0.05, 8, galaxies)
    p["log_mass"] = np.full(galaxies, 10.0)
    oldest = np.interp(p["redshift"], bagpipes.utils.z_array, bagpipes.utils.age_at_z)
    if "age" in p:
        p["age"] = rng.uniform(0.05, 0.95, galaxies) * oldest
    if isinstance(model.config.history, config.BurstSFH):
        # At the centres of bagpipes' age bins, which then hold the whole burst in both codes.
        steps = rng.uniform(0, 1, galaxies) * (np.floor(10 * np.log10(oldest * 0.85)) + 30)
        p["age"] = 10 ** (-3 + 0.1 * np.round(steps))
    if "log_tau" in p:
        p["log_tau"] = rng.uniform(-1, 1, galaxies)
    for name, low, high in (("t_peak", 0.2, 1.2), ("t_turn", 0.2, 1.2)):
        if name in p:
            p[name] = rng.uniform(low, high, galaxies) * oldest
    if "fwhm" in p:
        p["fwhm"] = rng.uniform(0.3, 2, galaxies) * p["t_peak"]
    for name in ("alpha", "beta"):
        if name in p:
            p[name] = 10 ** rng.uniform(-0.5, 1.5, galaxies)
    p["av"] = rng.uniform(0, 2, galaxies)
    p["qpah"] = rng.uniform(0.6, 4.5, galaxies)
    p["umin"] = rng.uniform(0.2, 20, galaxies)
    p["metallicity"] = 10 ** rng.uniform(-2.2, 0.65, galaxies)  # in units of 0.02
    nodes = 10**model.grid.log_z / 0.02
    i = np.clip(np.searchsorted(nodes, p["metallicity"]) - 1, 0, len(nodes) - 2)
    share = (p["metallicity"] - nodes[i]) / (nodes[i + 1] - nodes[i])
    p["log_z"] = model.grid.log_z[i] + share * (model.grid.log_z[i + 1] - model.grid.log_z[i])
    return p


def components(history: str, law: str, p: dict[str, float], oldest: float) -> dict:
    """Return the parameters of one galaxy in bagpipes' words."""
    star_formation = {"massformed": 10.0, "metallicity": p["metallicity"]}
    match history:
        case "constant":
            star_formation |= {"age_max": p["age"], "age_min": 0.0}
        case "burst":
            star_formation |= {"age": p["age"]}
        case "exponential" | "delayed":
            star_formation |= {"age": p["age"], "tau": 10 ** p["log_tau"]}
        case "lognormal":
            star_formation |= {"tmax": p["t_peak"], "fwhm": p["fwhm"]}
        case "dblplaw":
            star_formation |= {"alpha": p["alpha"], "beta": p["beta"], "tau": p["t_turn"]}
        case "continuity":
            bins = len(EDGES)
            star_formation |= {"bin_edges": [*EDGES, oldest * 1e3]}
            for i in range(1, bins):
                star_formation[f"dsfr{i}"] = p[f"log_sfr_ratio_{bins - i}"]
    dust = {
        "type": law.strip("*"),
        "Av": p["av"],
        "eta": p["eta"],
        "qpah": p["qpah"],
        "umin": p["umin"],
    }
    dust["gamma"] = p["gamma"]
    if law == "CF00":
        dust["n"] = p["dust_slope"]
    if law == "Salim":
        dust |= {"delta": p["dust_delta"], "B": p["dust_bump"]}
    return {
        "redshift": p["redshift"],
        "t_bc": 0.01,
        history: star_formation,
        "dust": dust,
        "nebular": {"logU": p["log_u"]},
    }


def compare(
    history: str, law: str, filters: FilterSet, galaxies: int, resolutions=(1000.0, 100.0)
) -> dict:
    """Compute galaxies with both codes.

    Returns
    -------
    dict
        ``flux`` ratios minus one by resolution [galaxies, bands], ``use`` where they count,
        ``lines`` and ``derived`` ratios minus one by name, and CPU-seconds per galaxy.
    """
    bagpipes = import_bagpipes()
    spec = config.ModelSettings(history=HISTORIES[history], dust=LAWS[law])
    model = GalaxyModel(filters, spec)
    p = draw(model, bagpipes, galaxies)
    theta = np.stack([p[name] for name in model.prior.names], axis=1)
    names = ["log_mass_surviving", "log_sfr_100", *(f"log_flux_{key}" for key in LINES)]
    model.photometry(theta[:10])
    start = time.process_time()
    flux = model.photometry(theta)
    seconds = {"sedum": (time.process_time() - start) / galaxies}
    derived = model.derived(theta, names)
    oldest = np.interp(p["redshift"], bagpipes.utils.z_array, bagpipes.utils.age_at_z)
    scale = np.full(galaxies, 3.828 / 3.826)
    found: dict = {"flux": {}, "p": p, "model": model}
    with tempfile.TemporaryDirectory() as folder:
        curves = []
        for band in filters:
            curves.append(str(Path(folder) / f"{band.name}.dat"))
            np.savetxt(curves[-1], np.c_[band.wavelength, band.transmission])
        for resolution in resolutions:
            bagpipes.config.R_phot = resolution
            bagpipes.config.R_other = 200.0 if resolution > 100 else 20.0
            rows, values, galaxy, spent = [], [], None, 0.0
            for i in range(galaxies):
                one = {k: float(v[i]) for k, v in p.items()}
                wanted = components(history, law, one, float(oldest[i]))
                start = time.process_time()
                if galaxy is None:
                    galaxy = bagpipes.model_galaxy(wanted, filt_list=curves, phot_units="mujy")
                    if law == "SMC*":
                        dust = galaxy.dust_atten
                        dust.A_cont = extinction("smc", galaxy.wavelengths)
                        dust.A_line = extinction("smc", bagpipes.config.line_wavs)
                        galaxy.update(wanted)
                else:
                    galaxy.update(wanted)
                    spent += time.process_time() - start
                rows.append(galaxy.photometry * scale[i])
                lines = [galaxy.line_fluxes[name] * scale[i] for name in LINES.values()]
                values.append([10**galaxy.sfh.stellar_mass, galaxy.sfh.sfr, *lines])
            found["flux"][resolution] = flux / np.array(rows) - 1
            seconds[f"bagpipes R={resolution:g}"] = spent / max(galaxies - 1, 1)
    theirs = np.array(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = {name: 10 ** derived[name] / theirs[:, k] - 1 for k, name in enumerate(names)}
    # Where next to nothing formed or shines there is nothing to compare.
    forming = (theirs > [0, 1e-3, 1e-30, 1e-30, 1e-30]).all(1)
    found["derived"] = {n: np.where(forming, off[n], 0.0) for n in names}
    found["derived"]["log_mass_surviving"] = off["log_mass_surviving"]
    blue = np.array([band.limits[0] for band in filters])
    found["use"] = blue[None, :] / (1 + p["redshift"][:, None]) > BREAK
    found["seconds"] = seconds
    return found


def quantiles(values: np.ndarray) -> tuple[float, float]:
    """Return median and 99th percentile of absolute values."""
    away = np.abs(values)
    return float(np.median(away)), float(np.percentile(away, 99))


def draw_residuals(found: dict[str, dict], filters: FilterSet, path: Path) -> None:
    """Draw ratios against the rest wavelength of the band."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 2 * ((len(found) + 2) // 3)), layout="constrained")
    axes = figure.subplots((len(found) + 2) // 3, 3, sharex=True, sharey=True, squeeze=False)
    pivots = np.array([band.pivot for band in filters])
    for ax, (title, case) in zip(axes.flat, found.items(), strict=False):
        rest = pivots / (1 + case["p"]["redshift"][:, None])
        off = case["flux"][1000.0]
        ax.scatter(rest[case["use"]], 100 * off[case["use"]], s=1, color="C0", rasterized=True)
        ax.axhline(0, color="0.5", lw=0.7)
        ax.set(xscale="log", ylim=(-6, 6))
        ax.set_xticks([2e3, 5e3, 1e4, 3e4], ["2,000", "5,000", "10,000", "30,000"])
        ax.minorticks_off()
        ax.set_title(title, fontsize=9)
    for ax in axes[-1]:
        ax.set_xlabel("rest wavelength [Å]")
    for ax in axes[:, 0]:
        ax.set_ylabel("sedum / bagpipes - 1 [%]", fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--galaxies", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("."))
    options = parser.parse_args()
    if import_bagpipes() is None:
        sys.exit("bagpipes cannot be imported here")
    torch.set_num_threads(1)
    run = config.parse_run({**yaml.safe_load(template()), "name": "parity"})
    filters = FilterSet.from_run(run)
    cases = [(history, "Calzetti") for history in HISTORIES]
    cases += [("delayed", law) for law in LAWS if law != "Calzetti"]
    console = Console(width=130)
    table = Table(title=f"|sedum / bagpipes - 1|, {options.galaxies} galaxies each, 14 bands")
    table.add_column("history, dust")
    headings = ("R=1000 median", "worst band", "99th", "worst band", "R=100 median", "99th")
    for heading in (*headings, "mass 99th", "SFR 99th", "lines 99th"):
        table.add_column(heading, justify="right")
    found, seconds = {}, []
    for history, law in cases:
        case = compare(history, law, filters, options.galaxies)
        use = case["use"]
        fine, coarse = (case["flux"][r] for r in (1000.0, 100.0))
        by_band = np.array([quantiles(fine[use[:, j], j]) for j in range(len(filters))])
        values = [*quantiles(fine[use]), *quantiles(coarse[use])]
        off = case["derived"]
        table.add_row(
            f"{history}, {law}",
            f"{values[0]:.2%}",
            f"{by_band[:, 0].max():.2%}",
            f"{values[1]:.2%}",
            f"{by_band[:, 1].max():.2%}",
            f"{values[2]:.2%}",
            f"{values[3]:.2%}",
            f"{quantiles(off['log_mass_surviving'])[1]:.2%}",
            f"{quantiles(off['log_sfr_100'])[1]:.2%}",
            " ".join(f"{quantiles(off[f'log_flux_{key}'])[1]:.2%}" for key in LINES),
        )
        found[f"{history}, {law}"] = case
        seconds.append(case["seconds"])
    console.print(table)
    for name in seconds[0]:
        console.print(f"CPU ms per galaxy, {name}: {1e3 * np.mean([s[name] for s in seconds]):.3f}")
    draw_residuals(found, filters, options.out / "parity_bagpipes.png")


if __name__ == "__main__":
    main()
