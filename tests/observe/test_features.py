"""Noise and features: simulation and likelihood are one distribution, nothing leaks."""

import numpy as np
import pytest
from scipy import stats

from sedum import config
from sedum.observe.features import FeatureTransform
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.observed import Photometry

BANDS = ["a", "b", "c"]


def noise(**changes):
    settings = {
        "depths": {"a": 25.0, "b": 26.0, "c": 24.0},
        "floor": {"a": 0.1, "b": 0.0, "c": 0.3},
        "missing": 0.2,
        **changes,
    }
    return NoiseModel(BANDS, config.DepthNoise(**settings))


def test_depth_is_five_sigma():
    # 25 AB is 0.3631 µJy (Oke & Gunn 1983)
    np.testing.assert_allclose(noise().depth[0], 0.36308 / 5, rtol=1e-4)


def test_likelihood_is_the_distribution_of_the_samples(rng):
    """PIT of samples under the density's own distribution: KS, 3 bands at 1e-4 each."""
    model = noise()
    flux = np.tile([3.0, 0.1, 8.0], (20_000, 1)).astype(np.float32)
    seen = model.observe(flux, rng)
    for i in range(3):
        there = seen.observed[:, i]
        sigma = np.hypot(seen.error[there, i], model.floor[i] * flux[there, i])
        pit = stats.norm.cdf((seen.flux[there, i] - flux[there, i]) / sigma)
        assert stats.kstest(pit, "uniform").pvalue > 1e-4


def test_likelihood_integrates_to_one_and_ignores_missing_bands():
    model = noise()
    grid = np.linspace(-20, 40, 60_001)
    n = len(grid)
    values = np.zeros((n, 3))
    values[:, 2] = grid
    observed = np.zeros((n, 3), bool)
    observed[:, 2] = True
    unknown = np.full(n, np.nan)
    seen = Photometry(values, np.full((n, 3), 0.2), observed, unknown, unknown)
    density = np.exp(model.log_likelihood(seen, np.tile([1.0, 2.0, 8.0], (n, 1))))
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-6)
    many = model.log_likelihood(seen[:5], np.full((5, 7, 3), 8.0))
    assert many.shape == (5, 7)


def test_missing_bands_and_given_redshifts_come_at_their_rates(rng):
    model = noise(redshift_given=0.3, redshift_error=0.01)
    n = 20_000
    seen = model.observe(np.ones((n, 3), np.float32), rng, np.full(n, 2.0))
    assert seen.observed.mean() == pytest.approx(0.8, abs=5 * 0.4 / np.sqrt(3 * n))
    known = np.isfinite(seen.redshift)
    assert known.mean() == pytest.approx(0.3, abs=5 * 0.46 / np.sqrt(n))
    assert np.std(seen.redshift[known]) == pytest.approx(0.03, rel=0.1)


def test_selection_is_a_cut_on_the_noisy_flux(rng):
    cut = config.SelectionSettings(band="b", snr=5.0)
    model = noise(selection=cut)
    flux = rng.uniform(0, 1, (5000, 3)).astype(np.float32)
    seen = model.observe(flux, rng)
    kept = model.selected(seen)
    assert seen.observed[:, 1].all()
    np.testing.assert_array_equal(kept, seen.flux[:, 1] / seen.error[:, 1] >= 5)
    assert 0.1 < kept.mean() < 0.999


def test_errors_do_not_know_the_flux(rng):
    model = noise(scatter=0.2, shared_scatter=0.3)
    flux = 10 ** rng.uniform(-2, 2, (20_000, 3))
    seen = model.observe(flux, rng)
    there = seen.observed[:, 0]
    rho = stats.spearmanr(flux[there, 0], seen.error[there, 0])
    assert rho.pvalue > 1e-4


def test_features_are_standard_and_blind_to_what_is_missing(rng):
    model = noise(redshift_given=0.5)
    flux = 10 ** rng.uniform(-2, 2, (5000, 3)).astype(np.float32)
    seen = model.observe(flux, rng, rng.uniform(0, 3, 5000))
    transform = FeatureTransform.of(model).fit(seen)
    x = transform(seen)
    assert x.shape == (5000, transform.size)
    assert x.dtype == np.float32
    there = seen.observed[:, 0]
    assert x[there, 0].mean() == pytest.approx(0, abs=1e-5)
    assert x[there, 0].std() == pytest.approx(1, abs=1e-5)
    assert (x[~there, 0] == 0).all()
    assert (x[~there, 3] == 0).all()
    changed = Photometry(
        np.where(seen.observed, seen.flux, 77.0),
        np.where(seen.observed, seen.error, 88.0),
        seen.observed,
        seen.redshift,
        seen.redshift_error,
    )
    np.testing.assert_array_equal(transform(changed), x)


def test_features_survive_storing(rng):
    model = noise()
    seen = model.observe(np.ones((500, 3), np.float32), rng)
    transform = FeatureTransform.of(model).fit(seen)
    again = FeatureTransform.from_state(transform.state())
    np.testing.assert_array_equal(again(seen), transform(seen))


def test_outside_names_the_band(rng):
    model = noise(missing=0.0)
    seen = model.observe(np.ones((500, 3), np.float32), rng)
    transform = FeatureTransform.of(model).fit(seen)
    odd = seen[:3]
    odd.flux[1, 2] = 1e6
    odd.error[2, 0] = 1e3
    flux, error = transform.outside(odd)
    assert flux.tolist() == [[False] * 3, [False, False, True], [False] * 3]
    assert error.tolist() == [[False] * 3, [False] * 3, [True, False, False]]


def test_smaller_errors_than_any_in_training_are_raised(rng):
    model = noise(missing=0.0, redshift_given=0.5)
    seen = model.observe(np.ones((500, 3), np.float32), rng, rng.uniform(0, 3, 500))
    transform = FeatureTransform.of(model).fit(seen)
    known = np.flatnonzero(np.isfinite(seen.redshift))
    odd = seen[known[:4]]
    odd.error[1, 2] *= 1e-3
    odd.redshift_error[2] *= 1e-3
    odd.upper[3, 0], odd.flux[3, 0], odd.error[3, 0] = True, 3e-4, 1e-4  # a limit of 3 sigma
    better, raised = transform.with_errors_raised(odd)
    expected = np.zeros((4, 4), bool)
    expected[1, 2] = expected[2, 3] = expected[3, 0] = True
    assert np.array_equal(raised, expected)
    assert better.error[1, 2] == pytest.approx(seen.error[:, 2].min(), rel=1e-5)
    assert better.redshift_error[2] == pytest.approx(np.nanmin(seen.redshift_error), rel=1e-5)
    assert better.flux[3, 0] == pytest.approx(3 * better.error[3, 0])
    same = better.error[~expected[:, :3]] == odd.error[~expected[:, :3]]
    assert same.all()
    flux, error = transform.outside(better)
    assert not flux[:3].any()
    assert not error.any()
    assert not transform.outside_redshift_error(better).any()


def test_errors_beyond_the_survey_are_drawn_for_some(rng):
    model = noise(missing=0.0)
    flux = np.ones((20_000, 3), np.float32)
    plain = np.log10(model.observe(flux, rng).error / model.depth)
    wider = np.log10(model.observe(flux, rng, wider=0.1).error / model.depth)
    assert wider.min() < plain.min() - 0.2
    assert wider.max() > plain.max() + 0.2
    # Nine in ten are as they were: quartiles move little.
    np.testing.assert_allclose(
        np.percentile(wider, [25, 75]), np.percentile(plain, [25, 75]), atol=0.02
    )
