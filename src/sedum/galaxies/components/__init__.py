"""The parts of the forward model: stars, gas, dust, nucleus, intergalactic medium."""
