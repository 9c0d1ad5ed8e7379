"""Draw docs/images/overview.png, the figure of the README and the first page.

    python docs/tools/readme_figure.py

Mock galaxies in seven bands and the estimator that the tutorials share.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import small

import sedum
from sedum.galaxies.model import GalaxyModel
from sedum.observe.mock_survey import mock_survey
from sedum.report.plots.galaxy_plots import draw_sed
from sedum.report.plots.style import BLUE, GREY, figure, label, save, styled
from sedum.survey.predict import predict_draws

_GALAXIES = 400


def main() -> None:
    """Fit mock galaxies and draw one of them, and all redshifts against the truth."""
    target = Path(__file__).resolve().parents[1] / "images" / "overview.png"
    folder = small.workspace()
    run = sedum.load_run("run.yaml")
    posterior = sedum.Posterior.read("small.safetensors")
    model = GalaxyModel.from_run(run)
    theta, seen = mock_survey(model, posterior.noise, _GALAXIES, seed=5)
    draws = posterior.sample(seen, 500)
    redshift = model.prior.names.index("redshift")
    low, middle, high = np.percentile(draws[..., redshift], [16, 50, 84], axis=1)
    # A galaxy of median signal-to-noise that has all bands.
    snr = np.where(seen.observed, seen.flux / seen.error, np.nan).mean(axis=1)
    whole = np.flatnonzero(np.isfinite(snr))
    shown = int(whole[np.argsort(snr[whole])[len(whole) // 2]])
    found = predict_draws(model, draws[shown : shown + 1, :200])
    with styled():
        made = figure(10.5, 3.6)
        left, right = made.subplots(1, 2, width_ratios=(1.7, 1))
        draw_sed(left, model.filters, seen[shown : shown + 1], found)
        true = theta[:, redshift]
        bars = [middle - low, high - middle]
        right.errorbar(true, middle, bars, fmt=".", ms=3, lw=0.4, color=BLUE, alpha=0.6)
        ends = [true.min(), true.max()]
        right.plot(ends, ends, color=GREY, lw=1)
        right.set(xlabel=f"true {label('redshift')}", ylabel="redshift, median and 68%")
        save(made, target)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
