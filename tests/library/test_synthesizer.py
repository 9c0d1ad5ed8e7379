"""A user's own Synthesizer model behind sedum's interface."""

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.library.synthesizer_model import SynthesizerModel

ROOT = Path(__file__).resolve().parents[2]
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
    sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "examples")]
    import parity_synthesizer
    from sedum.photometry.filters import FilterSet

    parity_synthesizer.import_synthesizer()
    folder = tmp_path_factory.mktemp("grid")
    parity_synthesizer.write_shared_grid(folder)
    yield parity_synthesizer.Peer(folder, FilterSet.from_names(BANDS))
    del sys.path[:2]


@pytest.fixture(scope="module")
def galaxy(peer):
    from synthesizer.parametric import SFH, Galaxy, Stars, ZDist
    from unyt import Msun, Myr

    def build(p):
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

    return build


@pytest.fixture(scope="module")
def model(peer, galaxy):
    from synthesizer.emission_models.transformers.igm import Inoue14

    return SynthesizerModel(
        parse_run(RUN),
        galaxy,
        peer.model("power_law", 0.7),
        peer.filters,
        igm=Inoue14,
        derived={
            "log_mass": lambda g: np.log10(g.stars.initial_mass.to_value("Msun")),
            "broken": lambda g: g.stars.no_such_thing,
        },
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
    library = simulate(run, tmp_path / "own.h5", model=model)
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
    from sedum.infer.training.train import train
    from sedum.survey.fit import fit

    posterior = train(parse_run(small), library)
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
    theta[1, 2], theta[2, 0] = 50.0, -0.5
    with pytest.raises(SedumError, match=r"row 2: redshift = -0.5 is negative"):
        model.photometry(theta)
    with pytest.raises(SedumError, match="no quantity 'age'"):
        model.derived(theta[:1], ["age"])
    with pytest.raises(SedumError, match=r"row 0: the derived quantity 'broken' failed"):
        model.derived(theta[:1], ["broken"])


def test_fluxes_that_mean_nothing_are_refused(peer, galaxy, model):
    theta = model.prior.sample(2, np.random.default_rng(1))
    theta[1, 1] = 400.0  # 10^400 Msun
    with pytest.raises(SedumError, match=r"row 1: Synthesizer"):
        model.photometry(theta)
    far = model.prior.sample(2, np.random.default_rng(1))
    far[1, 0] = 40.0  # the grid begins at 200 Å: u to i see less than that
    with pytest.raises(SedumError, match=r"row 1: band sdss_g0 sees light beyond the grid"):
        model.photometry(far)


def test_fingerprint_follows_grid_emission_and_medium(peer, galaxy, model):
    from synthesizer.emission_models import IncidentEmission

    def other(emission, igm):
        return SynthesizerModel(parse_run(RUN), galaxy, emission, peer.filters, igm).fingerprint()

    first = model.fingerprint()
    again = other(peer.model("power_law"), model._igm)
    assert again == first
    assert other(peer.model("power_law"), None)["model"] != first["model"]
    assert other(IncidentEmission(grid=peer.grid), model._igm)["model"] != first["model"]
    spectra = peer.grid.spectra["nebular"]
    spectra[0, 0, 0] += 1
    changed = other(peer.model("power_law"), model._igm)
    spectra[0, 0, 0] -= 1
    assert changed["grid"] != first["grid"]


def test_instruments_are_accepted_and_other_things_named(peer, galaxy, model):
    from synthesizer.instruments import PhotometricInstrument

    camera = PhotometricInstrument("camera", peer.filters)
    found = SynthesizerModel(parse_run(RUN), galaxy, model._emission, camera, model._igm)
    assert found.fingerprint() == model.fingerprint()
    with pytest.raises(SedumError, match="found list; give a Synthesizer FilterCollection"):
        SynthesizerModel(parse_run(RUN), galaxy, model._emission, BANDS)


def test_spectrum_gives_the_photometry(model):
    """Averages over sedum's curves of the plug-in's spectra are its fluxes."""
    theta = model.prior.sample(3, np.random.default_rng(2))
    wavelength = np.arange(3500.0, 9000.0, 0.1)  # lines are narrower than 1 Å
    spectra = model.spectrum(theta, wavelength)
    flux = model.photometry(theta)
    for j, band in enumerate(model.filters):
        np.testing.assert_allclose(band.average(wavelength, spectra), flux[:, j], rtol=0.005)


# Synthesizer integrates over the jumps of binned rates.
@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
@pytest.mark.parametrize(
    ("kind", "law"),
    [("delayed_tau", "calzetti"), ("constant", "power_law"), ("continuity_flex", "salim")],
)
def test_parity(peer, kind, law):
    """Both codes on the same grid, Synthesizer with its own history; see the benchmark."""
    import parity_synthesizer as parity
    from sedum.photometry.filters import FilterSet

    case = parity.compare(peer, FilterSet.from_names(BANDS), kind, law, 20)
    off = np.abs(case.off[case.use])
    assert len(off) > 15
    assert np.median(off) < 0.01
    assert np.percentile(off, 99) < 0.05
    assert np.abs(case.lines).max() < 0.02


def test_example_runs(peer, tmp_path, capsys):
    import synthesizer_plugin

    out = str(tmp_path)
    synthesizer_plugin.main(["--galaxies", "200", "--steps", "4", "--out", out])
    assert (tmp_path / "fitted.fits").exists()
    assert "log_mass" in capsys.readouterr().out
