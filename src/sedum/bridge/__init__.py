"""Regressors trained on galaxies of simulations and carried to surveys.

load, parse        Read the run file of a bridge.
simulate           Read or draw the simulated galaxies.
train              Train a bridge: regressor, correction, errors.
validate           Judge it within, across and beyond the simulations.
apply              Predict the properties of every row of a catalogue.
Bridge             A trained bridge.
SimulatedGalaxies  Magnitudes and true properties of simulated galaxies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sedum._lazy import attach

if TYPE_CHECKING:
    from sedum.bridge.apply_bridge import apply as apply
    from sedum.bridge.simulations.simulate import simulate as simulate
    from sedum.bridge.simulations.simulated_galaxies import SimulatedGalaxies as SimulatedGalaxies
    from sedum.bridge.train_bridge import train as train
    from sedum.bridge.trained_bridge import Bridge as Bridge
    from sedum.bridge.validate_bridge import validate as validate
    from sedum.config.bridge_file import load as load
    from sedum.config.bridge_file import parse as parse

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "load": "sedum.config.bridge_file",
        "parse": "sedum.config.bridge_file",
        "simulate": "sedum.bridge.simulations.simulate",
        "train": "sedum.bridge.train_bridge",
        "validate": "sedum.bridge.validate_bridge",
        "apply": "sedum.bridge.apply_bridge",
        "Bridge": "sedum.bridge.trained_bridge",
        "SimulatedGalaxies": "sedum.bridge.simulations.simulated_galaxies",
    },
)
