"""Every noise model: its likelihood is the distribution of its samples, and nothing leaks."""

import numpy as np
import pytest
from scipy import stats

from sedum import config
from sedum.errors import SedumError
from sedum.observe.features import FeatureTransform
from sedum.observe.learn_noise import fit_noise
from sedum.observe.noise_file import SurveySample
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.catalogue import CatalogueRows
from sedum.photometry.observed import Photometry
from sedum.photometry.row_status import RowStatus

BANDS = ["a", "b", "c"]
DEPTHS = {"a": 25.0, "b": 26.0, "c": 24.0}
PIVOTS = np.array([5000.0, 9000.0, 16000.0])
TRUTH = np.array([3.0, 0.1, 8.0])


def survey(n=4000, seed=5):
    """Return a catalogue whose errors grow with flux and are correlated between bands."""
    rng = np.random.default_rng(seed)
    flux = 10 ** rng.uniform(-1.5, 2.0, (n, 1)) * 10 ** rng.normal(0, 0.2, (n, 3))
    place = rng.normal(0, 0.2, (n, 1)) + rng.normal(0, 0.05, (n, 3))
    depth = np.array([0.07, 0.03, 0.18])
    error = np.exp(place) * np.sqrt(depth**2 + 0.001 * flux)
    seen = flux + error * rng.standard_normal((n, 3))
    seen[rng.random(n) < 0.3, 2] = np.nan
    unknown = np.full(n, np.nan)
    return CatalogueRows(np.arange(n), Photometry.make(seen, error), unknown, unknown, RowStatus(n))


@pytest.fixture(scope="module")
def sample():
    return fit_noise(survey(), BANDS, reference="a")


COMMON = {"floor": {"a": 0.1, "b": 0.0, "c": 0.3}, "missing": 0.1}
REGIONS = [
    {"fraction": 0.7, "depths": DEPTHS},
    {"fraction": 0.3, "depths": {b: d + 1 for b, d in DEPTHS.items()}},
]
TEMPLATE = {"wavelength": [1000, 5000, 20000], "fraction": [0.3, 0.05, 0.1]}
SPECS = {
    "depths": config.DepthNoise(depths=DEPTHS, **COMMON),
    "regions": config.RegionNoise(kind="regions", regions=REGIONS, **COMMON),
    "limits": config.DepthNoise(depths=DEPTHS, limits={"sigma": 3}, **COMMON),
    "student": config.DepthNoise(depths=DEPTHS, student_dof=3, limits={"sigma": 2}, **COMMON),
    "asinh": config.DepthNoise(depths=DEPTHS, space="asinh", limits={"sigma": 2}, **COMMON),
    "template": config.DepthNoise(depths=DEPTHS, template_error=TEMPLATE, **COMMON),
    "zeropoint": config.DepthNoise(depths=DEPTHS, zeropoint_error=0.1, **COMMON),
    "learned": config.LearnedNoise(kind="learned", file="x", limits={"sigma": 3}, **COMMON),
    "learned asinh": config.LearnedNoise(kind="learned", file="x", space="asinh", **COMMON),
    "bootstrap": config.BootstrapNoise(kind="bootstrap", file="x", limits={"sigma": 3}, **COMMON),
}


def build(name, sample):
    return NoiseModel(BANDS, SPECS[name], PIVOTS, sample)


def single(seen, band):
    """Return photometry as if only one band had been observed."""
    for other in set(range(3)) - {band}:
        seen = seen.without(other)
    return seen


@pytest.mark.parametrize("name", SPECS)
def test_likelihood_is_the_distribution_of_the_samples(name, sample, rng):
    """PIT of each sample under the integrated density: KS at 1e-4 for each of 30 cases.

    The density is integrated over observed fluxes at the sample's own latent numbers; a
    sample below its limit takes a random part of the limit's probability.
    """
    model = build(name, sample)
    n = 400
    flux = np.tile(TRUTH, (n, 1))
    redshift = np.full(n, 1.0)
    # Zero-points are shared by galaxies observed together: each is observed alone here.
    calls = [slice(i, i + 1) for i in range(n)] if name == "zeropoint" else [slice(0, n)]
    seen = Photometry.concatenate([model.observe(flux[c], rng, redshift[c]) for c in calls])
    latent = model.errors.latent_of(np.where(seen.upper, 0.0, seen.flux), seen.error)
    for band in range(3):
        there = np.flatnonzero(seen.observed[:, band])
        probability = np.empty(len(there))
        for k, i in enumerate(there):
            grid = TRUTH[band] + model.depth[band] * np.sinh(np.linspace(-9, 9, 3001))
            grid = np.concatenate([grid, 10 * np.abs(TRUTH[band]) * np.linspace(-2, 6, 3001)])
            limited = bool(seen.upper[i, band])
            faint = model.errors.scale(np.zeros((1, 3)), latent[i : i + 1])[0, band]
            cut = 3 if name in ("limits", "learned", "bootstrap") else 2
            edge = cut * faint if model.spec.limits else -np.inf
            grid = np.unique(np.append(grid[grid > edge], max(edge, grid.min())))
            if not limited:
                grid = np.unique(np.append(grid, seen.flux[i, band]))
            values = np.tile(seen.flux[i], (len(grid), 1))
            values[:, band] = grid
            every = model.errors.scale(values, latent[i : i + 1])
            trial = Photometry.make(values, every).with_redshift(np.full(len(grid), np.nan), 1.0)
            density = np.exp(
                model.log_likelihood(
                    single(trial, band), np.tile(TRUTH, (len(grid), 1)), np.ones(len(grid))
                )
            )
            below = 0.0
            if np.isfinite(edge):
                at = Photometry.make(
                    np.full((1, 3), edge), np.full((1, 3), faint), np.ones((1, 3), bool)
                )
                at_latent = single(at, band)
                below = float(np.exp(model.log_likelihood(at_latent, TRUTH[None], np.ones(1)))[0])
            steps = np.diff(grid) * (density[1:] + density[:-1]) / 2
            cumulative = below + np.concatenate([[0.0], np.cumsum(steps)])
            assert cumulative[-1] == pytest.approx(1, abs=0.02), (name, band)
            if limited:
                probability[k] = below * rng.random()
            else:
                probability[k] = np.interp(seen.flux[i, band], grid, cumulative)
        assert stats.kstest(probability, "uniform").pvalue > 1e-4, (name, band)


def leak(model, rng, betray=0.0):
    """Return how well a probe predicts the true flux beyond what flux and error allow.

    True fluxes are independent between bands, so that any other band that helps is a leak.
    The optimal estimate from one band's flux and error comes from the likelihood itself; the
    probe is a regression on polynomials of all features. Returned is its fraction of variance
    explained on held-out galaxies.
    """
    n = 6000
    flux = 10 ** rng.uniform(-1.3, 1.3, (n, 3))
    seen = model.observe(flux, rng, np.full(n, 1.0))
    if betray:
        seen.error[:] = seen.error * (flux / flux.mean()) ** betray
    grid = 10 ** np.linspace(-1.3, 1.3, 200)
    band = 0
    trial = np.zeros((n, len(grid), 3)) + grid[:, None]
    alone = single(seen, band)
    log = model.log_likelihood(alone, trial, np.ones((n, len(grid))))
    weight = np.exp(log - log.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    mean = weight @ np.log(grid)
    spread = np.sqrt(weight @ np.log(grid) ** 2 - mean**2) + 0.02
    target = (np.log(flux[:, band]) - mean) / spread
    x = FeatureTransform.of(model).fit(seen)(seen).astype(float)
    x = np.column_stack([np.ones(n), x, x**2, x[:, :1] * x[:, 1:], x[:, 3:4] * x])
    half = n // 2
    there = seen.observed[:, band]
    train, test = there & (np.arange(n) < half), there & (np.arange(n) >= half)
    ridge = x[train].T @ x[train] + 5.0 * np.eye(x.shape[1])
    guess = x[test] @ np.linalg.solve(ridge, x[train].T @ target[train])
    return 1 - np.mean((target[test] - guess) ** 2) / np.mean(target[test] ** 2)


@pytest.mark.parametrize("name", ["depths", "limits", "learned", "bootstrap", "asinh"])
def test_features_do_not_betray_the_true_flux(name, sample, rng):
    """The null fraction scatters by some 0.01 about a negative mean: 0.03 is beyond 1e-3."""
    assert leak(build(name, sample), rng) < 0.03


def test_the_probe_finds_a_leak(rng):
    noise = NoiseModel(BANDS, config.DepthNoise(depths=DEPTHS, **COMMON))
    assert leak(noise, rng, betray=0.3) > 0.1


def test_bootstrap_keeps_error_vectors_and_patterns(sample, rng):
    spec = config.BootstrapNoise(kind="bootstrap", file="x", missing=0.0)
    model = NoiseModel(BANDS, spec, sample=sample)
    seen = model.observe(10 ** rng.uniform(-1, 2, (4000, 3)), rng)
    absent = 1 - seen.observed.mean(axis=0)
    np.testing.assert_allclose(absent, [0, 0, 0.3], atol=0.04)
    pairs = {(b, c) for b, c in sample.error[sample.observed[:, 2]][:, 1:].tolist()}
    there = seen.observed[:, 2]
    drawn = seen.error[there][:, 1:].astype(np.float32).tolist()
    assert all(tuple(pair) in pairs for pair in drawn[:200])


def test_learned_errors_follow_the_catalogue(sample, rng):
    """Median error against brightness within 5%, and the correlation of errors within 0.1."""
    model = NoiseModel(BANDS, SPECS["learned asinh"], sample=sample)
    rows = survey(seed=6).photometry
    for low, high in ((0.0, 1.0), (1.0, 10.0), (20.0, 80.0)):
        there = (rows.flux[:, 0] > low) & (rows.flux[:, 0] < high)
        latent = np.zeros((there.sum(), 3))
        expected = np.median(model.errors.scale(rows.flux[there], latent)[:, 0])
        assert expected == pytest.approx(np.median(rows.error[there, 0]), rel=0.05)
    assert sample.correlation[0, 1] == pytest.approx(0.2**2 / (0.2**2 + 0.05**2), abs=0.1)


def test_sample_file_round_trip_and_damage(sample, tmp_path):
    path = tmp_path / "noise.h5"
    sample.write(path)
    again = SurveySample.read(path)
    for name, array in sample.state().items():
        np.testing.assert_array_equal(again.state()[name], array)
    with pytest.raises(SedumError, match="fitted without x"):
        again.of_bands(["a", "x"])
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(SedumError, match=r"noise\.h5 is damaged"):
        SurveySample.read(path)
    with pytest.raises(SedumError, match="does not exist"):
        SurveySample.read(tmp_path / "absent.h5")


def test_too_few_measurements_are_refused():
    with pytest.raises(SedumError, match="fewer than 20 rows measure a, b, c"):
        fit_noise(survey(10), BANDS)


def test_features_have_an_inverse(rng):
    model = NoiseModel(BANDS, SPECS["limits"])
    seen = model.observe(10 ** rng.uniform(-2, 2, (500, 3)), rng, rng.uniform(0, 3, 500))
    for colours in (False, True):
        spec = config.FeatureSettings(colours=colours)
        transform = FeatureTransform.of(model, spec).fit(seen)
        features = transform(seen)
        assert features.shape == (500, transform.size)
        again = transform.inverse(features)
        np.testing.assert_array_equal(again.observed, seen.observed)
        np.testing.assert_array_equal(again.upper, seen.upper)
        np.testing.assert_allclose(again.flux, seen.flux, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(again.error, seen.error, rtol=1e-4)
        np.testing.assert_allclose(again.redshift, seen.redshift, rtol=1e-4, atol=1e-5)


def test_thinned_galaxies_have_any_number_of_bands(rng):
    bands = [f"band{i}" for i in range(20)]
    spec = config.DepthNoise(
        depths=dict.fromkeys(bands, 25.0), missing={"rate": 0.0, "band_dropout": 0.5}
    )
    seen = NoiseModel(bands, spec).observe(np.ones((20_000, 20)), rng)
    count = np.bincount(seen.observed.sum(axis=1), minlength=21) / 20_000
    # Half are whole; the number of bands of the others is uniform (a beta-binomial).
    np.testing.assert_allclose(count[:20], 0.5 / 21, atol=0.006)
    assert count[20] == pytest.approx(0.5 + 0.5 / 21, abs=0.02)


def test_patterns_drop_bands_together(rng):
    missing = {"rate": 0, "band_dropout": 0, "patterns": [{"fraction": 0.4, "absent": ["b", "c"]}]}
    seen = NoiseModel(BANDS, config.DepthNoise(depths=DEPTHS, missing=missing)).observe(
        np.ones((10_000, 3)), rng
    )
    assert seen.observed[:, 0].all()
    np.testing.assert_array_equal(seen.observed[:, 1], seen.observed[:, 2])
    assert seen.observed[:, 1].mean() == pytest.approx(0.6, abs=0.025)
