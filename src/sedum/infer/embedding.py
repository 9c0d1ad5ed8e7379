"""Networks that turn the features of an observation into the context of a density."""

from __future__ import annotations

import math

import torch
from torch import nn

from sedum.observe.features import FeatureLayout

__all__ = ["BandTransformer", "ResidualNetwork"]


class ResidualBlock(nn.Module):
    """x + f(x), where f is a layer normalisation followed by two linear maps."""

    def __init__(self, width: int):
        super().__init__()
        last = nn.Linear(width, width)
        # Blocks start as the identity, so that deep networks train well.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.inner = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x)


class ResidualNetwork(nn.Module):
    """A residual multilayer perceptron of all features.

    Parameters
    ----------
    features
        The number of features.
    width
        The size of the context.
    blocks
        The number of residual blocks.
    """

    def __init__(self, features: int, width: int, blocks: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, width),
            *(ResidualBlock(width) for _ in range(blocks)),
            nn.LayerNorm(width),
            nn.SiLU(),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the context, [n, width], of features [n, features]."""
        return self.layers(features)


class BandTransformer(nn.Module):
    """Self-attention over bands, each a token of flux, error, kind and wavelength.

    Missing bands are no tokens, and the order of bands has no effect. A network that was trained
    with many sets of bands can therefore read other bands by their wavelengths. One more token
    holds the known redshift, and its output is the context.

    Parameters
    ----------
    layout
        The layout of the features.
    width
        The size of tokens and context.
    blocks
        The number of attention layers.
    heads
        The number of heads of each layer.
    pivots
        Pivot wavelengths of the bands in Angstrom.
    """

    #: Periods in ln(wavelength) of the sines that encode wavelengths.
    _PERIODS = (16.0, 8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.125)
    pivots: torch.Tensor

    def __init__(
        self, layout: FeatureLayout, width: int, blocks: int, heads: int, pivots: torch.Tensor
    ):
        super().__init__()
        self.layout = layout
        self.register_buffer("pivots", pivots.float())
        values = 5 if layout.colours else 4
        self.band = nn.Linear(values + 2 * len(self._PERIODS), width)
        self.redshift = nn.Linear(3, width)
        layer = nn.TransformerEncoderLayer(
            width,
            heads,
            2 * width,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.attention = nn.TransformerEncoder(layer, blocks, enable_nested_tensor=False)
        self.last = nn.Sequential(nn.LayerNorm(width), nn.SiLU())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the context, [n, width], of features [n, features]."""
        bands, redshift = self.layout.by_band(features)
        missing = bands[..., 0] < 0.5
        phase = 2 * math.pi * self.pivots.log()[:, None] / torch.tensor(self._PERIODS).to(bands)
        waves = torch.cat([phase.sin(), phase.cos()], dim=-1).to(bands)
        tokens = self.band(torch.cat([bands, waves.expand(len(bands), -1, -1)], dim=-1))
        tokens = torch.cat([tokens, self.redshift(redshift)[:, None]], dim=1)
        ignored = torch.cat([missing, torch.zeros_like(missing[:, :1])], dim=1)
        return self.last(self.attention(tokens, src_key_padding_mask=ignored)[:, -1])
