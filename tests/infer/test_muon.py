"""The optimiser of hidden layers: steps are orthogonal, and training with it resumes exactly."""

import pytest
import torch
from torch import nn

from sedum import config
from sedum.infer.embedding import ResidualNetwork
from sedum.infer.training.muon import Muon, hidden_matrices
from sedum.infer.training.training_state import TrainingState


def stepped(matrix, gradient, **settings):
    """Return by how much one step changes a matrix."""
    parameter = nn.Parameter(matrix.clone())
    parameter.grad = gradient.clone()
    Muon([parameter], lr=1.0, **settings).step()
    return parameter.detach() - matrix


@pytest.mark.parametrize("shape", [(24, 24), (40, 24), (24, 40)])
def test_a_step_has_the_directions_of_the_gradient_and_equal_sizes(shape):
    torch.manual_seed(1)
    gradient = torch.randn(shape)
    change = -stepped(torch.randn(shape), gradient)
    sizes = torch.linalg.svdvals(change) / (0.2 * max(shape) ** 0.5)
    # Five iterations bring singular values to between 0.7 and 1.2, whatever they were.
    assert sizes.min() > 0.5
    assert sizes.max() < 1.3
    left, _, right = torch.linalg.svd(gradient, full_matrices=False)
    turned = left.mT @ change @ right.mT
    assert (turned - torch.diag(turned.diag())).abs().max() < 1e-3 * turned.diag().min()


def test_steps_do_not_depend_on_the_scale_of_gradients():
    torch.manual_seed(2)
    matrix, gradient = torch.randn(16, 16), torch.randn(16, 16)
    assert torch.allclose(stepped(matrix, gradient), stepped(matrix, 1e-3 * gradient), atol=1e-4)


def test_a_zero_gradient_changes_nothing():
    assert torch.equal(stepped(torch.eye(8), torch.zeros(8, 8)), torch.zeros(8, 8))


def test_weights_decay_apart_from_the_step():
    change = stepped(torch.eye(8), torch.zeros(8, 8), weight_decay=0.1)
    assert torch.allclose(change, -0.1 * torch.eye(8))


def test_only_hidden_layers_are_chosen():
    network = ResidualNetwork(10, 16, 2)
    assert len(hidden_matrices(network)) == 4
    assert all(m.shape == (16, 16) for m in hidden_matrices(network))


@pytest.mark.parametrize("optimiser", ["muon", "adam"])
def test_every_parameter_is_trained_once(optimiser):
    network = ResidualNetwork(10, 16, 2)
    state = TrainingState(network, config.TrainingSettings(optimiser=optimiser))
    chosen = [p for o, _ in state.optimisers for g in o.param_groups for p in g["params"]]
    assert sorted(map(id, chosen)) == sorted(map(id, network.parameters()))
    before = [p.detach().clone() for p in network.parameters()]
    state.step(network(torch.randn(5, 10)).square().mean(), 0)
    # Weights that follow a layer which starts at zero have no gradient yet, but decay.
    moved = [not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True)]
    assert sum(moved) >= len(moved) - 8
