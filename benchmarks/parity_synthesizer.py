"""Photometry against Synthesizer, on the same grid.

    python benchmarks/parity_synthesizer.py [--galaxies 500] [--out FOLDER]

BC03-MILES and its Cloudy models at log U = -2 are written to a grid that Synthesizer reads,
averaged over sedum's bins of age. The star-formation history is Synthesizer's own formula,
integrated over those bins. (Its double power law turns about an age, not a time, its
Dense Basis is another interpolation, and its Milky-Way curve another one: these are left out.)
From there on each code goes its own way: spectra, dust, the
intergalactic medium (Inoue et al. 2014), cosmology, filters. Metallicities are those of the
grid, since Synthesizer takes the nearest. The time is that of everything from parameters to
photometry.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import yaml
from rich.console import Console
from rich.table import Table
from scipy import integrate

from sedum import config
from sedum.cli.init import template
from sedum.galaxies import libraries
from sedum.galaxies.binned import bin_edges
from sedum.galaxies.grid_files import bin_lines, write_grid
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.tables import AGE_EDGES, bin_average_weights
from sedum.photometry.filters import FilterSet

LOG_U = 4  # the index of -2
LYMAN = 911.7525
HISTORIES = {
    "constant": config.Constant(),
    "exponential": config.Exponential(),
    "delayed_tau": config.DelayedTau(),
    "log_normal": config.LogNormal(),
    "continuity": config.Continuity(),
    "continuity_flex": config.ContinuityFlex(),
    "dirichlet_bins": config.DirichletHistory(),
}
LAWS = {"power_law": config.Dust(law="power_law"), "calzetti": config.Dust(law="calzetti")}


def import_synthesizer():
    """Import Synthesizer, which prints, or return None where it is not installed."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import synthesizer
    except ImportError:
        return None
    return synthesizer


def write_shared_grid(folder: Path) -> None:
    """Write the tables, averaged over age bins, with gas about stars up to 10 Myr."""
    tables = libraries.read("bc03_miles")
    gas = tables.gas
    keep = (tables.wavelength > 200) & (tables.wavelength < 1e6)
    wavelength = tables.wavelength[keep]
    incident = bin_average_weights(tables.ages, AGE_EDGES) @ tables.stellar[..., keep]
    bins = len(AGE_EDGES) - 1
    share = np.clip((1e7 - AGE_EDGES[:-1]) / np.diff(AGE_EDGES), 0, 1)
    lines = np.zeros((len(tables.metallicities), bins, len(gas.line_names)))
    lines[:, :15] = gas.lines[:, LOG_U] * share[:15, None]
    nebular = np.zeros_like(incident)
    nebular[:, :15] = gas.continuum[:, LOG_U][..., keep] * share[:15, None]
    nebular += bin_lines(wavelength, gas.line_wavelengths, lines)
    transmitted = incident * (1 - share[:, None] * (wavelength <= LYMAN))
    centres = np.sqrt(np.maximum(AGE_EDGES[:-1], 1e5) * AGE_EDGES[1:])
    write_grid(
        folder / "shared.hdf5",
        ages=centres,
        metallicities=tables.metallicities,
        wavelength=wavelength,
        incident=incident,
        nebular=nebular,
        transmitted=transmitted,
        line_names=[" ".join(name.split()) for name in gas.line_names],
        line_wavelengths=gas.line_wavelengths,
        line_luminosities=lines,
        surviving=np.ones(incident.shape[:2]),
    )


def draw(model: GalaxyModel, galaxies: int) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Draw galaxies at metallicities of the grid: parameters, columns, nodes of metallicity."""
    rng = np.random.default_rng(3)
    p = dict(zip(model.prior.names, model.prior.sample(galaxies, rng).T, strict=True))
    p["redshift"] = rng.uniform(0.05, 8, galaxies)
    universe = model.cosmology.age_gyr(p["redshift"])
    node = rng.integers(1, 6, galaxies)
    p["log_z"], p["log_mass"] = model.grid.log_z[node], np.full(galaxies, 10.0)
    p["av"] = rng.uniform(0, 2, galaxies)
    if "age" in p:
        p["age"] = rng.uniform(0.05, 0.95, galaxies) * universe
    if "log_tau" in p:
        p["log_tau"] = rng.uniform(-1, 1, galaxies)
    if "t_peak" in p:
        p["t_peak"] = rng.uniform(0.2, 1.2, galaxies) * universe
    if "fwhm" in p:
        p["fwhm"] = rng.uniform(0.3, 2, galaxies) * p["t_peak"]
    return np.stack([p[name] for name in model.prior.names], axis=1), p, node


def synthesizer_history(kind: str, p: dict[str, float], universe: float):
    """Return Synthesizer's history of one galaxy; ages are lookback times in yr."""
    from synthesizer.parametric import SFH
    from unyt import yr

    match kind:
        case "constant":
            return SFH.Constant(max_age=p["age"] * 1e9 * yr)
        case "exponential":
            return SFH.DecliningExponential(
                tau=10 ** (p["log_tau"] + 9) * yr, max_age=p["age"] * 1e9 * yr
            )
        case "delayed_tau":
            return SFH.DelayedExponential(
                tau=10 ** (p["log_tau"] + 9) * yr, max_age=p["age"] * 1e9 * yr
            )
        case "log_normal":
            tau = np.arcsinh(p["fwhm"] / (2 * p["t_peak"])) / np.sqrt(2 * np.log(2))
            peak = (universe - p["t_peak"]) * 1e9 * yr
            return SFH.LogNormal(tau=tau, peak_age=peak, max_age=universe * 1e9 * yr)
        case "continuity_flex":
            return SFH.ContinuityFlex(
                logsfr_ratio_young=p["log_sfr_ratio_young"],
                logsfr_ratio_old=p["log_sfr_ratio_old"],
                logsfr_ratios=np.array([p[f"log_sfr_ratio_{i}"] for i in range(1, 5)]),
                fixed_young_bin=np.array([0.0, np.log10(3e7)]),
                fixed_old_bin=np.log10(np.array([0.85, 1.0]) * universe * 1e9),
            )
        case "continuity" | "dirichlet_bins":
            age = torch.tensor([universe * 1e9], dtype=torch.float64)
            edges = np.log10(np.maximum(bin_edges(HISTORIES[kind], age)[0].numpy(), 1.0))
            bins = 10 ** np.stack([edges[:-1], edges[1:]], axis=1) * yr
            if kind == "continuity":
                ratios = np.array([p[f"log_sfr_ratio_{i}"] for i in range(1, 7)])
                return SFH.Continuity(logsfr_ratios=ratios, agebins=bins)
            left = 1 - np.array([0.0, *(p[f"share_{i}"] for i in range(1, 7))])
            return SFH.Dirichlet(z_fraction=left[1:] / left[:-1], agebins=bins)
    raise ValueError(kind)


def shares(history, universe: float) -> np.ndarray:
    """Integrate a rate over sedum's bins of age and normalise, [ages]."""
    top = np.minimum(AGE_EDGES, universe * 1e9)
    mass = np.zeros(len(AGE_EDGES) - 1)
    for i, (low, high) in enumerate(pairwise(top)):
        if high > low:
            points = np.linspace(low, high, 9)
            mass[i] = sum(
                integrate.fixed_quad(
                    lambda t: np.array([float(history._sfr(x)) for x in t]), a, b, n=5
                )[0]
                for a, b in pairwise(points)
            )
    return mass / mass.sum()


class Peer:
    """Synthesizer's way from shares of mass to photometry."""

    def __init__(self, folder: Path, filters: FilterSet):
        from synthesizer import Grid
        from synthesizer.instruments import Filter, FilterCollection
        from unyt import angstrom

        self.grid = Grid("shared", grid_dir=str(folder))
        bands = [
            Filter(b.name, transmission=b.transmission, new_lam=b.wavelength * angstrom)
            for b in filters
        ]
        self.filters = FilterCollection(filters=bands, new_lam=None, fill_gaps=False)
        self.names = filters.names

    def model(self, law: str, slope: float):
        """Return the emission model of a dust law."""
        from synthesizer.emission_models import TotalEmission
        from synthesizer.emission_models.attenuation import Calzetti2000, PowerLaw

        curve = PowerLaw(slope=-slope) if law == "power_law" else Calzetti2000()
        return TotalEmission(self.grid, dust_curve=curve, tau_v="tau_v", fesc=0.0)

    def galaxy(self, mass: np.ndarray, node: int, av: float, redshift: float):
        """Return a galaxy of 10^10 Msun with its shares of mass by age."""
        from synthesizer.parametric import Galaxy, Stars
        from unyt import Msun

        sfzh = np.zeros((len(mass), len(self.grid.metallicities)))
        sfzh[:, node] = mass * 1e10
        stars = Stars(
            self.grid.log10ages,
            self.grid.metallicities,
            sfzh=sfzh,
            initial_mass=1e10 * Msun,
            tau_v=av / 1.0857362,
        )
        return Galaxy(stars=stars, redshift=redshift)

    def galaxy_of(self, history, node: int, av: float, redshift: float):
        """Return a galaxy of 10^10 Msun whose history Synthesizer itself bins."""
        from synthesizer.parametric import Galaxy, Stars, ZDist
        from unyt import Msun

        stars = Stars(
            self.grid.log10ages,
            self.grid.metallicities,
            sf_hist=history,
            metal_dist=ZDist.DeltaConstant(metallicity=float(self.grid.metallicities[node])),
            initial_mass=1e10 * Msun,
            tau_v=av / 1.0857362,
        )
        return Galaxy(stars=stars, redshift=redshift)

    def photometry(self, galaxy, model) -> np.ndarray:
        """Return µJy in the bands."""
        from astropy.cosmology import Planck18
        from synthesizer.emission_models.transformers.igm import Inoue14

        galaxy.stars.get_spectra(model)
        galaxy.get_observed_spectra(Planck18, igm=Inoue14)
        spectrum = galaxy.stars.spectra[model.label]
        found = spectrum.get_photo_fnu(self.filters, verbose=False)
        return np.array([found[name].to_value("uJy") for name in self.names])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--galaxies", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("."))
    options = parser.parse_args()
    if import_synthesizer() is None:
        sys.exit("Synthesizer is not installed; run: pip install 'sedum[synthesizer]'")
    torch.set_num_threads(1)
    run = config.parse_run({**yaml.safe_load(template()), "name": "parity"})
    filters = FilterSet.from_run(run)
    blue = np.array([band.limits[0] for band in filters])
    table = Table(title=f"|sedum / Synthesizer - 1|, {options.galaxies} galaxies each, 14 bands")
    for heading in ("history, dust", "median", "worst band", "99th", "worst band", "CPU ratio"):
        table.add_column(heading, justify="left" if heading == "history, dust" else "right")
    residuals = {}
    with tempfile.TemporaryDirectory() as name:
        write_shared_grid(Path(name))
        peer = Peer(Path(name), filters)
        for kind, law in [(k, "calzetti") for k in HISTORIES] + [("delayed_tau", "power_law")]:
            priors = {
                "log_u": config.Fixed(kind="fixed", value=-2.0),
                "dust_slope": config.Fixed(kind="fixed", value=0.7),
            }
            spec = config.Model(history=HISTORIES[kind], dust=LAWS[law])
            used = {k: v for k, v in priors.items() if k in spec.parameters()}
            model = GalaxyModel(filters, spec, used)
            theta, p, node = draw(model, options.galaxies)
            model.photometry(theta)
            many = np.repeat(theta, max(1, 5000 // len(theta)), axis=0)
            start = time.process_time()
            model.photometry(many)
            ours = (time.process_time() - start) / len(many)
            flux = model.photometry(theta)
            emission = peer.model(law, 0.7)
            universe = model.cosmology.age_gyr(p["redshift"])
            rows, spent = [], 0.0
            for i in range(len(theta)):
                one = {k: float(v[i]) for k, v in p.items()}
                mass = shares(synthesizer_history(kind, one, float(universe[i])), universe[i])
                start = time.process_time()
                galaxy = peer.galaxy(mass, int(node[i]), one["av"], one["redshift"])
                rows.append(peer.photometry(galaxy, emission))
                spent += time.process_time() - start
            off = flux / np.array(rows) - 1
            use = blue / (1 + theta[:, :1]) > 1216
            by_band = [np.abs(off[use[:, j], j]) for j in range(len(filters))]
            table.add_row(
                f"{kind}, {law}",
                f"{np.median(np.abs(off[use])):.2%}",
                f"{max(np.median(b) for b in by_band):.2%}",
                f"{np.percentile(np.abs(off[use]), 99):.2%}",
                f"{max(np.percentile(b, 99) for b in by_band):.2%}",
                f"{spent / len(theta) / ours:.0f}",
            )
            residuals[f"{kind}, {law}"] = (theta[:, 0], off, use)
    Console(width=110).print(table)
    draw_residuals(residuals, filters, options.out / "parity_synthesizer.png")


def draw_residuals(residuals: dict, filters: FilterSet, path: Path) -> None:
    """Draw ratios against the rest wavelength of the band."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained")
    axes = figure.subplots(3, 3, sharex=True, sharey=True)
    pivots = np.array([band.pivot for band in filters])
    for ax, (title, (redshift, off, use)) in zip(axes.flat, residuals.items(), strict=False):
        ax.scatter((pivots / (1 + redshift[:, None]))[use], 100 * off[use], s=1, rasterized=True)
        ax.axhline(0, color="0.5", lw=0.7)
        ax.set(xscale="log", ylim=(-6, 6))
        ax.set_xticks([2e3, 5e3, 1e4, 3e4], ["2,000", "5,000", "10,000", "30,000"])
        ax.minorticks_off()
        ax.set_title(title, fontsize=9)
    figure.supxlabel("rest wavelength [Å]")
    figure.supylabel("sedum / Synthesizer - 1 [%]")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
