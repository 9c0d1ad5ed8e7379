"""The estimator: exact densities, analytic posteriors, resuming, storing."""

import numpy as np
import pytest
import torch
from scipy import stats

from conftest import run_settings
from sedum import config
from sedum.check.recovery import ranks
from sedum.config import parse_run
from sedum.errors import SedumError
from sedum.galaxies.parameters import prior_of
from sedum.infer import train as training
from sedum.infer.estimator import Estimator
from sedum.infer.flow import FlowShape
from sedum.infer.posterior import (
    Posterior,
    anchor_of,
    base_draws,
    hashed_uniforms,
    training_fingerprint,
)
from sedum.library.store import Library
from sedum.observe.noise import NoiseModel
from sedum.photometry.observed import Photometry


def random_transform(n=6, d=4, scale=0.5, draws=False, seed=0):
    shape = FlowShape(d, layers=3, bins=6)
    generator = torch.Generator().manual_seed(seed)
    parameters = scale * torch.randn(n, shape.size, generator=generator, dtype=torch.float64)
    return shape.transform(parameters, draws=draws)


def test_zero_parameters_are_the_identity():
    shape = FlowShape(3, layers=2, bins=5)
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    y, ladj = shape.transform(torch.zeros(5, shape.size)).call_and_ladj(x)
    torch.testing.assert_close(y, x)
    torch.testing.assert_close(ladj, torch.zeros(5), atol=1e-5, rtol=0)


def test_flow_inverts_and_its_determinant_is_right():
    transform = random_transform()
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    y, ladj = transform.call_and_ladj(x)
    torch.testing.assert_close(transform.inv(y), x, atol=1e-8, rtol=0)
    for i in range(6):
        one = random_transform()  # the Jacobian of galaxy i, by autograd

        def call(v, i=i, one=one):
            return one(x.index_put((torch.tensor(i),), v))[i]

        jacobian = torch.autograd.functional.jacobian(call, x[i])
        expected = torch.linalg.slogdet(jacobian)[1]
        torch.testing.assert_close(ladj[i], expected, atol=1e-8, rtol=0)


def test_many_draws_equal_one_at_a_time():
    x = torch.randn(6, 7, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    together, ladj = random_transform(draws=True).call_and_ladj(x)
    for j in range(7):
        alone, single = random_transform().call_and_ladj(x[:, j])
        torch.testing.assert_close(together[:, j], alone)
        torch.testing.assert_close(ladj[:, j], single)
    back = random_transform(draws=True).inv(together)
    torch.testing.assert_close(back, x, atol=1e-8, rtol=0)


def make_random_estimator(anchored=None):
    torch.manual_seed(4)
    spec = config.Estimator(layers=2, bins=5, width=32, blocks=1)
    estimator = Estimator(5, 2, spec, anchored).double()
    with torch.no_grad():
        estimator.network[-1].weight.normal_(std=0.1)
        estimator.network[-1].bias.normal_(std=0.1)
    return estimator


@pytest.mark.parametrize("anchored", [None, 1])
def test_density_integrates_to_one_and_matches_draws(anchored):
    estimator = make_random_estimator(anchored)
    features = torch.randn(1, 5, generator=torch.Generator().manual_seed(5)).double()
    anchor = torch.tensor([[0.7, 0.3]], dtype=torch.float64)
    edges = np.linspace(-12, 12, 801)
    centres = 0.5 * (edges[1:] + edges[:-1])
    grid = np.stack(np.meshgrid(centres, centres, indexing="ij"), -1).reshape(1, -1, 2)
    with torch.no_grad():
        log_prob = estimator.log_prob(torch.from_numpy(grid), features, anchor)
        base = torch.from_numpy(np.random.default_rng(6).standard_normal((1, 20_000, 2)))
        draws = estimator.sample(base, features, anchor)[0].numpy()
    density = log_prob.exp().numpy().reshape(800, 800)
    step = edges[1] - edges[0]
    assert density.sum() * step**2 == pytest.approx(1, abs=2e-3)
    for axis in (0, 1):
        cdf = np.concatenate([[0], np.cumsum(density.sum(1 - axis)) * step**2])
        pit = np.interp(draws[:, axis], edges, cdf)
        # 2 tests at 1e-4: false alarm once in 5,000 seeds.
        assert stats.kstest(pit, "uniform").pvalue > 1e-4


def gaussian_problem(n, rng):
    """Return y ~ N(0, I) seen through a known matrix with unit noise, and its posterior."""
    matrix = np.array([[2.0, 0.5], [-1.0, 1.5], [0.3, 0.2]])
    y = rng.standard_normal((n, 2))
    x = y @ matrix.T + rng.standard_normal((n, 3))
    covariance = np.linalg.inv(np.eye(2) + matrix.T @ matrix)
    return y, x, x @ matrix @ covariance, covariance


def test_learned_posterior_is_the_analytic_one():
    """Linear-Gaussian: means within 0.1 of the posterior width, widths within 7%."""
    torch.manual_seed(7)
    rng = np.random.default_rng(7)
    spec = config.Estimator(layers=2, bins=4, width=32, blocks=1)
    estimator = Estimator(3, 2, spec, None)
    optimiser = torch.optim.Adam(estimator.parameters(), lr=5e-3)
    steps = 700
    anchor = torch.tensor([[0.0, 1.0]])
    for i in range(steps):
        y, x, _, _ = gaussian_problem(512, rng)
        optimiser.param_groups[0]["lr"] = 5e-3 * training.schedule(i / steps, 0.05)
        loss = -estimator.log_prob(
            torch.from_numpy(y).float(), torch.from_numpy(x).float(), anchor.expand(512, 2)
        ).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    _, x, mean, covariance = gaussian_problem(200, rng)
    base = torch.from_numpy(base_draws(np.arange(200), 2048, 2, 1))
    with torch.no_grad():
        draws = estimator.sample(base, torch.from_numpy(x).float(), anchor.expand(200, 2)).numpy()
    width = np.sqrt(np.diag(covariance))
    bias = (draws.mean(1) - mean) / width
    assert np.sqrt((bias**2).mean()) < 0.1
    np.testing.assert_allclose(np.median(draws.std(1), axis=0), width, rtol=0.07)
    correlation = np.median([np.corrcoef(d.T)[0, 1] for d in draws])
    expected = covariance[0, 1] / width.prod()
    assert correlation == pytest.approx(expected, abs=0.06)


# --- draws -----------------------------------------------------------------------------------


def test_base_draws_depend_on_seed_and_key_alone():
    keys = np.array([5, 900, -3])
    draws = base_draws(keys, 100, 4, seed=1)
    np.testing.assert_array_equal(base_draws(keys[1:2], 100, 4, seed=1), draws[1:2])
    assert not np.array_equal(base_draws(keys, 100, 4, seed=2), draws)
    assert np.isfinite(draws).all()


def test_base_draws_are_normal_and_independent_between_galaxies():
    draws = base_draws(np.arange(400), 64, 3, seed=1)
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
    learned = small_posterior.log_prob(seen, theta)
    latent = small_posterior.prior.to_latent(theta)
    prior = stats.norm.logpdf(latent).sum(1)
    assert (learned - prior).mean() > 0.5


def test_draws_stay_in_the_prior_and_do_not_depend_on_the_batch(
    small_run, small_model, small_posterior
):
    _, seen = observe(small_run, small_model, 20)
    draws = small_posterior.sample(seen, 128, seed=2)
    assert draws.shape == (20, 128, len(small_posterior.names))
    flat = draws.reshape(-1, draws.shape[2])
    assert np.isfinite(small_posterior.prior.log_density(flat)).all()
    alone = small_posterior.sample(seen[7:8], 128, seed=2, keys=np.array([7]))
    np.testing.assert_allclose(alone[0], draws[7], rtol=1e-3, atol=1e-4)


def test_given_redshift_pins_the_posterior(small_run, small_model, small_posterior):
    theta, seen = observe(small_run, small_model, 50)
    given = seen.with_redshift(theta[:, 0], 0.001)
    z = small_posterior.sample(given, 256)[..., 0]
    assert np.median(np.abs(np.median(z, axis=1) - theta[:, 0])) < 0.01
    free = small_posterior.sample(seen, 256)[..., 0]
    assert np.median(z.std(axis=1)) < 0.2 * np.median(free.std(axis=1))


def test_anchor_follows_the_given_redshift(small_run):
    prior = prior_of(small_run.model, small_run.priors)
    unknown = np.full(4, np.nan)
    blank = np.ones((4, 3))
    seen = Photometry(blank, blank, blank > 0, unknown, unknown)
    np.testing.assert_array_equal(anchor_of(prior, seen), [[0, 1]] * 4)
    anchor = anchor_of(prior, seen.with_redshift(np.array([0.525, np.nan, 0.01, 99.0]), 0.001))
    assert anchor[0, 0] == pytest.approx(0, abs=1e-6)
    # sigma_z = 0.001525 of a uniform prior 0.95 wide, times dy/du = sqrt(2 pi) at the middle.
    assert anchor[0, 1] == pytest.approx(0.001525 / 0.95 * np.sqrt(2 * np.pi), rel=1e-3)
    assert anchor[1].tolist() == [0, 1]
    assert np.isfinite(anchor).all()
    assert (anchor[:, 1] > 0).all()


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
        genuine(*args)

    monkeypatch.setattr(training, "_run_round", dying)
    with pytest.raises(Killed):
        training.train(small_run, library, checkpoint=path, show_progress=False)
    monkeypatch.undo()
    resumed = training.train(small_run, library, checkpoint=path, show_progress=False)
    assert resumed.history == small_posterior.history
    other = small_posterior.estimator.state_dict()
    for name, value in resumed.estimator.state_dict().items():
        assert torch.equal(value, other[name]), name


def test_foreign_and_damaged_checkpoints(tmp_path, small_run, small_library):
    library = Library.read(small_library)
    path = tmp_path / "checkpoint"
    path.write_bytes(b"nonsense")
    with pytest.raises(SedumError, match="damaged"):
        training.train(small_run, library, checkpoint=path, show_progress=False)
    path.unlink()
    short = parse_run(run_settings(training={"steps": 20}))
    training.train(short, library, checkpoint=path, show_progress=False)
    with pytest.raises(SedumError, match="another run file"):
        training.train(small_run, library, checkpoint=path, show_progress=False)


def test_library_of_other_bands_is_refused(small_library):
    bands = ["sdss_r0", "sdss_g0", "sdss_i0"]
    run = parse_run(run_settings(filters=bands))
    with pytest.raises(SedumError, match="not those of the run file"):
        training.train(run, Library.read(small_library), show_progress=False)


def test_selection_that_leaves_nothing(small_library):
    strict = parse_run(run_settings(noise={"selection": {"band": "sdss_r0", "snr": 1e9}}))
    with pytest.raises(SedumError, match=r"pass noise\.selection"):
        training.train(strict, Library.read(small_library), show_progress=False)


def test_diverging_loss_stops_with_a_message(monkeypatch, small_run, small_library):
    def broken(self, y, features, anchor):
        return features.sum(1) * float("nan")

    monkeypatch.setattr(Estimator, "log_prob", broken)
    with pytest.raises(SedumError, match="not finite at step 0"):
        training.train(small_run, Library.read(small_library), show_progress=False)


def test_unknown_device(small_library):
    run = parse_run(run_settings(training={"device": "cuda:99"}))
    with pytest.raises(SedumError, match="cuda:99"):
        training.train(run, Library.read(small_library), show_progress=False)


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
    first = training.train_to_file(short, small_library, path, show_progress=False)
    again = training.train_to_file(short, small_library, path, show_progress=False)
    assert again.history == first.history
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(SedumError, match="made with another run file"):
        training.train_to_file(small_run, small_library, path, show_progress=False)


def test_ranks_are_uniform_for_the_prior(rng):
    truth = rng.standard_normal((4000, 1))
    draws = rng.standard_normal((4000, 99, 1))
    assert stats.kstest(ranks(draws, truth)[:, 0], "uniform").pvalue > 1e-4
