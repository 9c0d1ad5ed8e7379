"""Photometry, surviving mass and star-formation rate against bagpipes, delayed-tau histories.

    python benchmarks/parity_bagpipes.py

Both codes read the same stellar and nebular tables but share no code: sedum integrates the
populations over age bins, on an axis of cells, and projects filters exactly; bagpipes samples
wavelengths (here at ten times its default density) and ages. Metallicities are those of the
grid, since the codes interpolate between them differently, and distances are scaled to sedum's
cosmology. Bands that see rest-frame light beyond 2.5 µm are left out: bagpipes adds dust
emission there.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import yaml
from rich.console import Console
from rich.table import Table

from sedum.cli.init import template
from sedum.config import DelayedTau, Model, parse_run
from sedum.galaxies.model import GalaxyModel
from sedum.photometry.filters import FilterSet

GALAXIES = 300


def draw(model: GalaxyModel, universe_age, rng: np.random.Generator) -> np.ndarray:
    """Draw galaxies that both codes can compute."""
    theta = model.prior.sample(GALAXIES, rng)
    column = model.prior.names.index
    theta[:, column("redshift")] = rng.uniform(0.05, 8, GALAXIES)
    theta[:, column("log_z")] = np.log10(0.02 * rng.choice([0.02, 0.2, 0.4, 1.0], GALAXIES))
    theta[:, column("log_mass")] = 10
    oldest = universe_age(theta[:, column("redshift")])
    theta[:, column("age")] = rng.uniform(0.05, 0.95, GALAXIES) * oldest
    theta[:, column("log_tau")] = rng.uniform(-1, 1, GALAXIES)
    return theta


def main() -> None:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            import bagpipes
    except ImportError as error:
        sys.exit(f"bagpipes cannot be imported here: {error}")
    bagpipes.config.R_phot, bagpipes.config.R_other = 1000.0, 200.0
    utils = bagpipes.utils
    torch.set_num_threads(1)
    run = parse_run({**yaml.safe_load(template()), "name": "parity"})
    filters = FilterSet.from_run(run)
    model = GalaxyModel(filters, Model(history=DelayedTau(kind="delayed_tau")))
    column = model.prior.names.index

    def universe_age(z: np.ndarray) -> np.ndarray:
        return np.interp(z, utils.z_array, utils.age_at_z)

    theta = draw(model, universe_age, np.random.default_rng(3))
    start = time.process_time()
    flux, derived = model.photometry(theta), model.derived(theta)
    ours = (time.process_time() - start) / GALAXIES
    rows, mass, rate, galaxy, theirs = [], [], [], None, 0.0
    with tempfile.TemporaryDirectory() as folder:
        curves = []
        for band in filters:
            curves.append(str(Path(folder) / f"{band.name}.dat"))
            np.savetxt(curves[-1], np.c_[band.wavelength, band.transmission])
        for t in theta:
            components = {
                "redshift": t[column("redshift")],
                "t_bc": 0.01,
                "delayed": {
                    "age": t[column("age")],
                    "tau": 10 ** t[column("log_tau")],
                    "massformed": 10.0,
                    "metallicity": 10 ** t[column("log_z")] / 0.02,
                },
                "dust": {"type": "Calzetti", "Av": t[column("av")]},
                "nebular": {"logU": t[column("log_u")]},
            }
            start = time.process_time()
            if galaxy is None:
                galaxy = bagpipes.model_galaxy(components, filt_list=curves, phot_units="mujy")
            else:
                galaxy.update(components)
                theirs += (time.process_time() - start) / (GALAXIES - 1)
            z = torch.tensor([t[column("redshift")]])
            distance = np.interp(z.item(), utils.z_array, utils.ldist_at_z) * 3.086e24
            scale = (distance / model.cosmology.luminosity_distance(z).item()) ** 2
            rows.append(galaxy.photometry * scale * 3.828 / 3.826)
            mass.append(galaxy.sfh.stellar_mass)
            rate.append(np.log10(galaxy.sfh.sfr))
    report(model, theta, flux, np.array(rows))
    console = Console(highlight=False)
    for name, values in (("log_mass_surviving", mass), ("log_sfr_100", rate)):
        away = np.abs(10 ** (derived[name] - np.array(values)) - 1)
        console.print(f"{name}: median {np.median(away):.2%}, 99th {np.percentile(away, 99):.2%}")
    console.print(
        f"CPU ms per galaxy: sedum {1e3 * ours:.3f} (photometry and derived, {GALAXIES} at once), "
        f"bagpipes {1e3 * theirs:.1f} (photometry, at this density): ratio {theirs / ours:.0f}"
    )


def report(model: GalaxyModel, theta: np.ndarray, flux: np.ndarray, other: np.ndarray) -> None:
    """Print differences band by band."""
    table = Table(title=f"sedum / bagpipes - 1, {GALAXIES} delayed-tau galaxies")
    for heading in ("band", "galaxies", "median", "median |.|", "99th |.|"):
        table.add_column(heading, justify="left" if heading == "band" else "right")
    z = theta[:, model.prior.names.index("redshift")]
    for j, band in enumerate(model.filters):
        rest_low, rest_high = (w / (1 + z) for w in band.limits)
        use = (rest_high < 25_000) & (rest_low > 1216)
        off = flux[use, j] / other[use, j] - 1
        table.add_row(
            band.name,
            str(use.sum()),
            f"{np.median(off):+.2%}",
            f"{np.median(np.abs(off)):.2%}",
            f"{np.percentile(np.abs(off), 99):.2%}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
