"""A user's own Synthesizer model behind sedum's interface."""

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from sedum import config
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.library.synthesizer import SynthesizerModel

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
BANDS = ["sdss_g0", "sdss_r0", "sdss_i0"]
RUN = {
    "name": "own",
    "filters": BANDS,
    "model": {
        "kind": "external",
        "name": "constant star formation, power-law dust",
        "parameter_names": ["redshift", "log_mass", "duration", "tau_v"],
    },
    "priors": {
        "redshift": {"kind": "uniform", "low": 0.1, "high": 1.0},
        "log_mass": {"kind": "uniform", "low": 8, "high": 11},
        "duration": {"kind": "log_uniform", "low": 10, "high": 1000},
        "tau_v": {"kind": "uniform", "low": 0, "high": 2},
    },
    "noise": {"depths": dict.fromkeys(BANDS, 25.0)},
    "library": {"size": 300, "chunk": 150},
}


def test_external_models_need_their_priors():
    parse_run(RUN)
    fewer = {**RUN, "priors": {"redshift": RUN["priors"]["redshift"]}}
    with pytest.raises(SedumError, match="missing for log_mass, duration, tau_v"):
        parse_run(fewer)


def test_run_file_survives_a_round_trip():
    run = parse_run(RUN)
    assert parse_run(run.model_dump(mode="json")) == run


def test_commands_cannot_run_external_models():
    from sedum.galaxies.model import GalaxyModel

    with pytest.raises(SedumError, match="external simulator; run it from Python"):
        GalaxyModel.from_run(parse_run(RUN))


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "synthesizer", None)
    with pytest.raises(SedumError, match=r"pip install 'sedum\[synthesizer\]'"):
        SynthesizerModel(parse_run(RUN), lambda p: None, None, [])


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    pytest.importorskip("synthesizer", reason="Synthesizer is not installed")
    sys.path.insert(0, str(BENCHMARKS))
    import parity_synthesizer
    from sedum.photometry.filters import FilterSet

    parity_synthesizer.import_synthesizer()
    folder = tmp_path_factory.mktemp("grid")
    parity_synthesizer.write_shared_grid(folder)
    yield parity_synthesizer.Peer(folder, FilterSet.from_names(BANDS))
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def model(peer):
    from synthesizer.emission_models.transformers.igm import Inoue14
    from synthesizer.parametric import SFH, Galaxy, Stars, ZDist
    from unyt import Msun, Myr

    def galaxy(p):
        if p["duration"] <= 0:
            raise ValueError("a duration must be positive")
        stars = Stars(
            peer.grid.log10ages,
            peer.grid.metallicities,
            sf_hist=SFH.Constant(max_age=p["duration"] * Myr),
            metal_dist=ZDist.DeltaConstant(metallicity=0.008),
            initial_mass=10 ** p["log_mass"] * Msun,
            tau_v=p["tau_v"],
        )
        return Galaxy(stars=stars, redshift=p["redshift"])

    return SynthesizerModel(
        parse_run(RUN),
        galaxy,
        peer.model("power_law", 0.7),
        peer.filters,
        igm=Inoue14,
        derived={"log_mass": lambda g: np.log10(g.stars.initial_mass.to_value("Msun"))},
    )


def test_plugin_gives_synthesizers_own_photometry(peer, model):
    theta = model.prior.sample(5, np.random.default_rng(1))
    flux = model.photometry(theta)
    for row, values in zip(flux, theta, strict=True):
        galaxy = model._build(dict(zip(model.prior.names, values.tolist(), strict=True)))
        np.testing.assert_allclose(peer.photometry(galaxy, model._emission), row, rtol=1e-5)
    heavier = theta.copy()
    heavier[:, 1] += 1
    np.testing.assert_allclose(model.photometry(heavier), 10 * flux, rtol=1e-4)


def test_everything_downstream_works_with_it(model, tmp_path):
    from sedum.library.generate import simulate

    run = parse_run(RUN)
    library = simulate(run, tmp_path / "own.h5", model=model, show_progress=False)
    assert library.names == ["redshift", "log_mass", "duration", "tau_v"]
    assert (library.flux > 0).all()
    columns = {b: {"value": f"f_{b}", "error": f"e_{b}"} for b in BANDS}
    small = {
        **RUN,
        "estimator": {"layers": 1, "bins": 4, "width": 16, "blocks": 1},
        "training": {"steps": 4, "round": 2, "batch": 8, "held_out": 0.2, "device": "cpu"},
        "output": {"draws": 8, "derived_draws": 4, "derived": ["log_mass"]},
        "catalogue": {"id": "id", "unit": "uJy", "columns": columns},
    }
    from sedum.infer.train import train
    from sedum.survey.fit import fit

    posterior = train(parse_run(small), library, show_progress=False)
    bright = np.argsort(-library.flux[:, 1])[:3]
    table = Table({"id": np.arange(3)})
    for j, band in enumerate(BANDS):
        table[f"f_{band}"] = library.flux[bright, j]
        table[f"e_{band}"] = 0.1 * library.flux[bright, j].min()
    table.write(tmp_path / "own.csv")
    found = fit(
        parse_run(small),
        posterior,
        tmp_path / "own.csv",
        tmp_path / "own.fits",
        model=model,
        show_progress=False,
    )
    assert len(found) == 3
    assert {"duration_p50", "log_mass_p50"} <= set(found.colnames)


def test_failures_name_the_row(model):
    theta = model.prior.sample(3, np.random.default_rng(1))
    theta[1, 2] = -5.0
    with pytest.raises(SedumError, match=r"row 1: Synthesizer failed"):
        model.photometry(theta)
    theta[1, 2] = np.nan
    with pytest.raises(SedumError, match=r"row 1: duration = nan"):
        model.photometry(theta)
    with pytest.raises(SedumError, match="no quantity 'age'"):
        model.derived(theta[:1], ["age"])


def test_parity(peer, tmp_path):
    """sedum and Synthesizer on the same grid, on few galaxies."""
    import parity_synthesizer as parity
    from sedum.galaxies.model import GalaxyModel
    from sedum.photometry.filters import FilterSet

    fixed = {"log_u": config.Fixed(kind="fixed", value=-2.0)}
    filters = FilterSet.from_names(BANDS)
    ours = GalaxyModel(filters, config.Model(history=config.DelayedTau()), fixed)
    theta, p, node = parity.draw(ours, 15)
    universe = ours.cosmology.age_gyr(p["redshift"])
    emission = peer.model("calzetti", 0.7)
    for i, flux in enumerate(ours.photometry(theta)):
        one = {k: float(v[i]) for k, v in p.items()}
        history = parity.synthesizer_history("delayed_tau", one, universe[i])
        mass = parity.shares(history, universe[i])
        galaxy = peer.galaxy(mass, int(node[i]), one["av"], one["redshift"])
        theirs = peer.photometry(galaxy, emission)
        use = np.array([band.limits[0] for band in filters]) / (1 + theta[i, 0]) > 1216
        np.testing.assert_allclose(flux[use], theirs[use], rtol=0.05)
