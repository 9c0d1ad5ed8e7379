"""The estimator: exact densities, analytic posteriors, resuming, storing."""

import numpy as np
import pytest
import torch
from scipy import stats

from run_cases import run_settings
from sedum import config
from sedum.check.recovery import ranks
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.galaxies.model_parameters import prior_of
from sedum.infer.condition import Condition, latent_redshift
from sedum.infer.densities.base_samples import BaseSamples, hashed_uniforms
from sedum.infer.densities.flow_kernels import normals
from sedum.infer.densities.hypernetwork_flow import FlowShape, HypernetworkFlow
from sedum.infer.estimator import Estimator, build_estimator
from sedum.infer.posterior import Posterior, training_fingerprint
from sedum.infer.training import train as training
from sedum.infer.training.training_state import schedule
from sedum.library.library_file import Library
from sedum.observe.features import FeatureLayout
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.observed import Photometry


def random_flow(n=6, d=4, scale=0.5, seed=0):
    shape = FlowShape(d, layers=3, bins=6)
    generator = torch.Generator().manual_seed(seed)
    return shape, scale * torch.randn(n, shape.size, generator=generator, dtype=torch.float64)


def test_zero_parameters_are_the_identity():
    shape = FlowShape(3, layers=2, bins=5)
    # The splines are the identity from 6 on.
    x = 2.5 * torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    y, log_slope = shape.forward(torch.zeros(40, shape.size), x)
    torch.testing.assert_close(y, x, atol=1e-5, rtol=0)
    torch.testing.assert_close(log_slope, torch.zeros(40), atol=1e-5, rtol=0)


def test_flow_inverts_and_its_determinant_is_right():
    shape, parameters = random_flow()
    x = torch.randn(6, 7, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    y, log_slope = shape.forward(parameters, x)
    torch.testing.assert_close(shape.inverse(parameters, y), x, atol=1e-7, rtol=0)
    for i in range(6):
        jacobian = torch.autograd.functional.jacobian(
            lambda v, i=i: shape.forward(parameters[i : i + 1], v[None])[0][0], x[i, 0]
        )
        expected = torch.linalg.slogdet(jacobian)[1]
        torch.testing.assert_close(log_slope[i, 0], expected, atol=1e-8, rtol=0)


def test_many_draws_equal_one_at_a_time():
    shape, parameters = random_flow()
    x = torch.randn(6, 7, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    together, log_slope = shape.forward(parameters, x)
    for j in range(7):
        alone, single = shape.forward(parameters, x[:, j])
        torch.testing.assert_close(together[:, j], alone)
        torch.testing.assert_close(log_slope[:, j], single)


@pytest.mark.parametrize("components", [1, 3])
def test_the_kernel_draws_what_torch_draws(components):
    """In single precision, to 2e-3 of the prior's width in the worst of 54,000 numbers."""
    torch.manual_seed(8)
    flow = HypernetworkFlow(6, 16, layers=4, bins=7, components=components)
    with torch.no_grad():
        flow.head.weight.normal_(std=0.05)
        context = torch.randn(30, 16)
        numbers = BaseSamples.of(np.arange(30), 300, flow.n_base, 1)
        fast = flow.sample(numbers, flow.prepare(context))
        flow = flow.double()
        slow = flow.sample(numbers, flow.prepare(context.double()))
    difference = (fast - slow).abs()
    assert difference.max() < 2e-3
    assert difference.median() < 1e-5


def test_normals_of_the_kernel():
    points = BaseSamples.of(np.arange(3), 4096, 2, seed=5)
    out = np.empty((2, 4096), np.float32)
    for g in range(3):
        normals(points.points, points.shifts[g], out)
        expected = points.normals()[g].T.numpy()
        # Shifts of 1e-8 near the ends of the unit interval move the outermost by 1e-2.
        np.testing.assert_allclose(out, expected, atol=2e-2)
        assert np.median(np.abs(out - expected)) < 1e-6


def make_random_estimator(index=None, components=1):
    torch.manual_seed(4)
    spec = config.FlowSettings(layers=2, bins=5, width=32, blocks=1, components=components)
    estimator = build_estimator(spec, FeatureLayout(1, False, False), 2, index).double()
    with torch.no_grad():
        estimator.density.head.weight.normal_(std=0.1)
        estimator.density.head.bias.normal_(std=0.3)
    return estimator


@pytest.mark.parametrize(("index", "components"), [(None, 1), (1, 1), (1, 3)])
def test_density_integrates_to_one_and_matches_draws(index, components):
    estimator = make_random_estimator(index, components)
    features = torch.randn(1, 6, generator=torch.Generator().manual_seed(5)).double()
    condition = Condition(features, torch.tensor([[0.7, 0.3]], dtype=torch.float64))
    edges = np.linspace(-12, 12, 801)
    centres = 0.5 * (edges[1:] + edges[:-1])
    grid = np.stack(np.meshgrid(centres, centres, indexing="ij"), -1).reshape(1, -1, 2)
    with torch.no_grad():
        log_prob = estimator.log_prob(torch.from_numpy(grid), condition)
        samples = BaseSamples.of(np.array([6]), 20_000, estimator.n_base, 6)
        draws = estimator.sample(samples, condition)[0].numpy()
    density = log_prob.exp().numpy().reshape(800, 800)
    step = edges[1] - edges[0]
    assert density.sum() * step**2 == pytest.approx(1, abs=2e-3)
    for axis in (0, 1):
        cdf = np.concatenate([[0], np.cumsum(density.sum(1 - axis)) * step**2])
        pit = np.interp(draws[:, axis], edges, cdf)
        # 2 tests at 1e-4: false alarm once in 5,000 seeds.
        assert stats.kstest(pit, "uniform").pvalue > 1e-4


class PlainLayout:
    """Features that are no photometry: three numbers."""

    size = 3


def gaussian_problem(n, rng):
    """Return y ~ N(0, I) seen through a known matrix with unit noise, and its posterior."""
    matrix = np.array([[2.0, 0.5], [-1.0, 1.5], [0.3, 0.2]])
    y = rng.standard_normal((n, 2))
    x = y @ matrix.T + rng.standard_normal((n, 3))
    covariance = np.linalg.inv(np.eye(2) + matrix.T @ matrix)
    return y, x, x @ matrix @ covariance, covariance


def learn(estimator, draw, steps, learning_rate=5e-3):
    """Train an estimator on fresh draws of (y, features); no averaging."""
    optimiser = torch.optim.Adam(estimator.parameters(), lr=learning_rate)
    for i in range(steps):
        y, x = (torch.from_numpy(a).float() for a in draw(512))
        optimiser.param_groups[0]["lr"] = learning_rate * schedule(i / steps, 0.05)
        optimiser.zero_grad()
        estimator.loss(y, Condition.without_redshift(x)).mean().backward()
        optimiser.step()


def draws_of(estimator, x, draws=2048):
    samples = BaseSamples.of(np.arange(len(x)), draws, estimator.n_base, 1)
    with torch.no_grad():
        condition = Condition.without_redshift(torch.from_numpy(x).float())
        return estimator.sample(samples, condition).numpy()


def test_learned_posterior_is_the_analytic_one():
    """Linear-Gaussian: means within 0.1 of the posterior width, widths within 7%."""
    torch.manual_seed(7)
    rng = np.random.default_rng(7)
    spec = config.FlowSettings(layers=2, bins=4, width=32, blocks=1, components=1)
    estimator = build_estimator(spec, PlainLayout(), 2, None)
    learn(estimator, lambda n: gaussian_problem(n, rng)[:2], 700)
    _, x, mean, covariance = gaussian_problem(200, rng)
    draws = draws_of(estimator, x)
    width = np.sqrt(np.diag(covariance))
    bias = (draws.mean(1) - mean) / width
    assert np.sqrt((bias**2).mean()) < 0.1
    np.testing.assert_allclose(np.median(draws.std(1), axis=0), width, rtol=0.07)
    correlation = np.median([np.corrcoef(d.T)[0, 1] for d in draws])
    expected = covariance[0, 1] / width.prod()
    assert correlation == pytest.approx(expected, abs=0.06)


def test_posteriors_of_two_peaks_are_learned():
    """x = |y| with little noise: the sign stays unknown, and nothing lies between the peaks."""
    torch.manual_seed(9)
    rng = np.random.default_rng(9)
    spec = config.FlowSettings(layers=2, bins=8, width=64, blocks=1, components=4)
    estimator = build_estimator(spec, PlainLayout(), 2, None)

    def draw(n):
        y = rng.standard_normal((n, 2))
        seen = np.abs(y[:, 0]) + 0.1 * rng.standard_normal(n)
        return y, np.stack([seen, y[:, 1], np.zeros(n)], axis=1)

    learn(estimator, draw, 700)
    draws = draws_of(estimator, np.array([[1.0, 0.0, 0.0], [2.0, 0.5, 0.0]]))[..., 0]
    assert np.abs((draws < 0).mean(axis=1) - 0.5).max() < 0.1
    assert (np.abs(draws) < 0.5).mean(axis=1).max() < 0.05
    np.testing.assert_allclose(np.median(np.abs(draws), axis=1), [0.99, 1.98], atol=0.06)


# --- draws -----------------------------------------------------------------------------------


def test_numbers_depend_on_seed_and_key_alone():
    keys = np.array([5, 900, -3])
    draws = BaseSamples.of(keys, 100, 4, seed=1).normals()
    assert torch.equal(BaseSamples.of(keys[1:2], 100, 4, seed=1).normals(), draws[1:2])
    assert not torch.equal(BaseSamples.of(keys, 100, 4, seed=2).normals(), draws)
    assert torch.isfinite(draws).all()


def test_numbers_are_normal_and_independent_between_galaxies():
    draws = BaseSamples.of(np.arange(400), 64, 3, seed=1).normals().numpy()
    assert abs(draws.mean()) < 0.01
    assert draws.std() == pytest.approx(1, abs=0.01)
    first = draws[:, 0, 0]
    # KS and serial correlation at 1e-4.
    assert stats.kstest(first, "norm").pvalue > 1e-4
    assert stats.pearsonr(first[1:], first[:-1]).pvalue > 1e-4


def test_hash_is_uniform():
    u = hashed_uniforms(np.arange(20_000), 3, seed=9)
    for column in u.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4


# --- training --------------------------------------------------------------------------------


def observe(run, model, n, seed=11):
    rng = np.random.default_rng(seed)
    noise = NoiseModel(run.band_names(), run.noise)
    theta = model.prior.sample(4 * n, rng)
    seen = noise.observe(model.photometry(theta), rng)
    good = np.flatnonzero(noise.selected(seen))[:n]
    return theta[good], seen[good]


def test_training_learns(small_run, small_model, small_posterior):
    losses = small_posterior.history["losses"]
    assert losses[-1] < losses[0]
    theta, seen = observe(small_run, small_model, 300)
    learned = small_posterior.log_prob_latent(seen, theta)
    latent = small_posterior.prior.to_latent(theta)
    prior = stats.norm.logpdf(latent).sum(1)
    assert (learned - prior).mean() > 0.5


def test_log_prob_is_the_density_of_the_parameters(small_run, small_model, small_posterior):
    theta, seen = observe(small_run, small_model, 20)
    prior, step = small_posterior.prior, 1e-5
    latent = prior.to_latent(theta)
    free = [prior.names.index(name) for name in prior.free]
    moved = [
        (prior.from_latent(latent + step * unit) - prior.from_latent(latent - step * unit))[:, free]
        for unit in np.eye(prior.dimension)
    ]
    # d theta / d latent, by finite differences.
    _, log_volume = np.linalg.slogdet(np.stack(moved, axis=-1) / (2 * step))
    expected = small_posterior.log_prob_latent(seen, theta) - log_volume
    np.testing.assert_allclose(small_posterior.log_prob(seen, theta), expected, atol=2e-3)
    outside = theta.copy()
    outside[:, 0] = 3.0
    assert (small_posterior.log_prob(seen, outside) == -np.inf).all()
    several = small_posterior.log_prob(seen, np.stack([theta, theta], axis=1))
    np.testing.assert_allclose(several[:, 1], small_posterior.log_prob(seen, theta), atol=1e-4)


def test_draws_stay_in_the_prior_and_do_not_depend_on_the_batch(
    small_run, small_model, small_posterior
):
    _, seen = observe(small_run, small_model, 20)
    draws = small_posterior.sample(seen, 128, seed=2)
    assert draws.shape == (20, 128, len(small_posterior.names))
    flat = draws.reshape(-1, draws.shape[2])
    assert np.isfinite(small_posterior.prior.log_density(flat)).all()
    alone = small_posterior.sample(seen[7:8], 128, seed=2, keys=np.array([7]))
    np.testing.assert_array_equal(alone[0], draws[7])


def test_draws_do_not_depend_on_the_number_of_threads(small_run, small_model, small_posterior):
    _, seen = observe(small_run, small_model, 600)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = small_posterior.sample(seen, 32)
        torch.set_num_threads(2)
        np.testing.assert_array_equal(small_posterior.sample(seen, 32), one)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    streamed = np.concatenate([d for _, d in small_posterior.stream(seen, 32)])
    np.testing.assert_array_equal(streamed, one)


def test_given_redshift_pins_the_posterior(small_run, small_model, small_posterior):
    theta, seen = observe(small_run, small_model, 50)
    given = seen.with_redshift(theta[:, 0], 0.001)
    z = small_posterior.sample(given, 256)[..., 0]
    assert np.median(np.abs(np.median(z, axis=1) - theta[:, 0])) < 0.01
    free = small_posterior.sample(seen, 256)[..., 0]
    assert np.median(z.std(axis=1)) < 0.2 * np.median(free.std(axis=1))


def test_latent_redshift_follows_the_given_redshift(small_run):
    prior = prior_of(small_run.model, small_run.priors)
    unknown = np.full(4, np.nan)
    blank = np.ones((4, 3))
    seen = Photometry(blank, blank, blank > 0, unknown, unknown)
    np.testing.assert_array_equal(latent_redshift(prior, seen), [[0, 1]] * 4)
    latent = latent_redshift(
        prior, seen.with_redshift(np.array([0.525, np.nan, 0.01, 99.0]), 0.001)
    )
    assert latent[0, 0] == pytest.approx(0, abs=1e-6)
    # sigma_z = 0.001525 of a uniform prior 0.95 wide, times dy/du = sqrt(2 pi) at the middle.
    assert latent[0, 1] == pytest.approx(0.001525 / 0.95 * np.sqrt(2 * np.pi), rel=1e-3)
    assert latent[1].tolist() == [0, 1]
    assert np.isfinite(latent).all()
    assert (latent[:, 1] > 0).all()


class Killed(BaseException):
    pass


def test_resumed_training_equals_uninterrupted(
    tmp_path, monkeypatch, small_run, small_library, small_posterior
):
    library = Library.read(small_library)
    path = tmp_path / "checkpoint"
    genuine = training._run_round
    rounds = []

    def dying(*args):
        if len(rounds) == 2:
            raise Killed
        rounds.append(1)
        return genuine(*args)

    monkeypatch.setattr(training, "_run_round", dying)
    with pytest.raises(Killed):
        training.train(small_run, library, checkpoint=path)
    monkeypatch.undo()
    resumed = training.train(small_run, library, checkpoint=path)
    assert resumed.history == small_posterior.history
    other = small_posterior.estimator.state_dict()
    for name, value in resumed.estimator.state_dict().items():
        assert torch.equal(value, other[name]), name


def test_foreign_and_damaged_checkpoints(tmp_path, small_run, small_library):
    library = Library.read(small_library)
    path = tmp_path / "checkpoint"
    path.write_bytes(b"nonsense")
    with pytest.raises(SedumError, match="damaged"):
        training.train(small_run, library, checkpoint=path)
    path.unlink()
    short = parse_run(run_settings(training={"steps": 20}))
    training.train(short, library, checkpoint=path)
    with pytest.raises(SedumError, match="another run file"):
        training.train(small_run, library, checkpoint=path)


def test_library_of_other_bands_is_refused(small_library):
    bands = ["sdss_r0", "sdss_g0", "sdss_i0"]
    run = parse_run(run_settings(filters=bands))
    with pytest.raises(SedumError, match="not those of the run file"):
        training.train(run, Library.read(small_library))


def test_selection_that_leaves_nothing(small_library):
    strict = parse_run(run_settings(noise={"selection": {"band": "sdss_r0", "snr": 1e9}}))
    with pytest.raises(SedumError, match=r"pass noise\.selection"):
        training.train(strict, Library.read(small_library))


def test_diverging_loss_stops_with_a_message(monkeypatch, small_run, small_library):
    def broken(self, y, condition):
        return condition.features.sum(1) * float("nan")

    monkeypatch.setattr(Estimator, "loss", broken)
    with pytest.raises(SedumError, match="not finite at step 0"):
        training.train(small_run, Library.read(small_library))


def test_diverging_later_keeps_the_best_weights(tmp_path, monkeypatch, small_run, small_library):
    genuine, steps = Estimator.loss, []

    def breaking(self, y, condition):
        steps.append(1)
        found = genuine(self, y, condition)
        return found * float("nan") if len(steps) > 45 else found

    monkeypatch.setattr(Estimator, "loss", breaking)
    path = tmp_path / "small.safetensors"
    with pytest.raises(SedumError, match=r"not finite .*; the best of \d rounds before is in"):
        training.train_to_file(small_run, small_library, path)
    assert not path.exists()
    kept = Posterior.read(tmp_path / "small.last-good.safetensors")
    assert len(kept.history["losses"]) >= 1


def test_unknown_device(small_library):
    run = parse_run(run_settings(training={"device": "cuda:99"}))
    with pytest.raises(SedumError, match="cuda:99"):
        training.train(run, Library.read(small_library))


# --- storing ---------------------------------------------------------------------------------


def test_stored_estimator_is_the_same(tmp_path, small_run, small_model, small_posterior):
    path = tmp_path / "estimator.safetensors"
    small_posterior.write(path)
    again = Posterior.read(path)
    _, seen = observe(small_run, small_model, 10)
    np.testing.assert_array_equal(again.sample(seen, 32), small_posterior.sample(seen, 32))
    assert again.run == small_run
    right = training_fingerprint(small_model.fingerprint(), small_run)
    again.require(right)
    with pytest.raises(SedumError, match="its grid differs"):
        again.require({**right, "grid": "x"})


def test_damaged_estimators_are_named(tmp_path, small_posterior):
    from safetensors.torch import save_file

    path = tmp_path / "bad.safetensors"
    small_posterior.write(path)
    whole = path.read_bytes()
    for content in (whole[:-100], whole[:50], b"", b"nonsense" * 9):
        path.write_bytes(content)
        with pytest.raises(SedumError, match=r"bad\.safetensors"):
            Posterior.read(path)
    save_file({"x": torch.zeros(1)}, str(path))
    with pytest.raises(SedumError, match="not a sedum estimator"):
        Posterior.read(path)
    with pytest.raises(SedumError, match="does not exist"):
        Posterior.read(tmp_path / "absent")


def test_existing_estimator_of_another_run_is_refused(tmp_path, small_run, small_library):
    path = tmp_path / "estimator.safetensors"
    short = parse_run(run_settings(training={"steps": 20}))
    first = training.train_to_file(short, small_library, path)
    again = training.train_to_file(short, small_library, path)
    assert again.history == first.history
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(SedumError, match="made with another run file"):
        training.train_to_file(small_run, small_library, path)


def test_ranks_are_uniform_for_the_prior(rng):
    truth = rng.standard_normal((4000, 1))
    draws = rng.standard_normal((4000, 99, 1))
    assert stats.kstest(ranks(draws, truth)[:, 0], "uniform").pvalue > 1e-4
