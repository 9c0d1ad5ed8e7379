"""The gradient of training: equal to torch's own, and the same on any number of threads."""

import copy

import pytest
import torch

from sedum import config
from sedum.infer.condition import Condition
from sedum.infer.densities.flow_gradient import flow_loss
from sedum.infer.densities.hypernetwork_flow import FlowShape, HypernetworkFlow, MixtureBase
from sedum.infer.embedding import ResidualNetwork
from sedum.infer.estimator import Estimator
from sedum.infer.training.gradients import batch_gradient
from sedum.infer.training.precision import has_16_bit_products, matrix_precision
from sedum.infer.training.training_state import TrainingState


def reference(parameters, y, shape, base):
    """Return the loss and its gradient by torch in double precision."""
    parameters = parameters.double().requires_grad_()
    flow, rest = parameters.split([shape.size, base.size], -1)
    x, log_slope = shape.forward(flow, y.double())
    loss = -(log_slope + base.at(rest, x)(None))
    loss.sum().backward()
    return loss.detach(), parameters.grad


@pytest.mark.parametrize(
    ("d", "layers", "bins", "components"),
    [(9, 4, 8, 16), (3, 2, 4, 1), (2, 0, 4, 3), (1, 1, 2, 2)],
)
def test_the_kernel_has_the_loss_and_gradient_of_torch(d, layers, bins, components):
    shape, base = FlowShape(d, layers, bins), MixtureBase(d, components)
    generator = torch.Generator().manual_seed(d)
    parameters = 0.5 * torch.randn(300, shape.size + base.size, generator=generator)
    y = 3 * torch.randn(300, d, generator=generator)  # some beyond the ends of the splines
    own = parameters.clone().requires_grad_()
    loss = flow_loss(own, y, layers, bins, components)
    weights = torch.rand(300, generator=generator)
    (weights * loss).sum().backward()
    expected, gradient = reference(parameters, y, shape, base)
    torch.testing.assert_close(loss.detach().double(), expected, rtol=2e-4, atol=2e-4)
    gradient = weights[:, None] * gradient
    # Single precision loses digits where a galaxy's gradients are large: compared galaxy by galaxy.
    error = (own.grad - gradient).norm(dim=1) / gradient.norm(dim=1)
    assert error.max() < 1e-2
    assert error.median() < 1e-5


def test_the_kernel_keeps_values_that_are_not_finite():
    parameters = torch.zeros(3, FlowShape(2, 2, 4).size)
    parameters[1, 7] = torch.nan
    loss = flow_loss(parameters, torch.zeros(3, 2), 2, 4, 1)
    assert loss.isfinite().tolist() == [True, False, True]


def small_estimator():
    torch.manual_seed(3)
    return Estimator(ResidualNetwork(5, 32, 2), HypernetworkFlow(3, 32, 2, 4, 2), 0)


def batch(n):
    generator = torch.Generator().manual_seed(4)
    condition = Condition.without_redshift(torch.randn(n, 5, generator=generator))
    return torch.randn(n, 3, generator=generator), condition


@pytest.mark.parametrize("n", [1, 256, 700])
def test_the_gradient_of_a_batch_is_that_of_the_mean_loss(n):
    estimator, (y, condition) = small_estimator(), batch(n)
    loss = batch_gradient(estimator, y, condition)
    gradients = [p.grad.clone() for p in estimator.parameters()]
    mean = estimator.loss(y, condition).mean()
    torch.testing.assert_close(loss, mean.detach())
    whole = torch.autograd.grad(mean, list(estimator.parameters()))
    for own, expected in zip(gradients, whole, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-3, atol=1e-6)


def test_training_is_the_same_on_any_number_of_threads():
    y, condition = batch(700)
    weights = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            state = TrainingState(small_estimator(), config.TrainingSettings())
            for step in range(5):
                batch_gradient(state.estimator, y, condition)
                state.update(step)
            weights.append(copy.deepcopy(state.estimator.state_dict()))
    finally:
        torch.set_num_threads(before)
    for other in weights[1:]:
        assert all(torch.equal(value, other[name]) for name, value in weights[0].items())


def test_products_of_16_bits_only_where_the_device_has_them(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr("torch.ops.mkldnn._is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    for native in (True, False):  # oneDNN says yes on any processor with AVX-512
        name = "_is_avx512_bf16_supported"
        monkeypatch.setattr(torch.cpu, name, lambda n=native: n, raising=False)
        assert has_16_bit_products(cpu) is native
        with matrix_precision("fast", cpu):
            assert (torch.get_float32_matmul_precision() == "medium") is native
    with matrix_precision("full", cpu):
        assert torch.get_float32_matmul_precision() == "highest"
