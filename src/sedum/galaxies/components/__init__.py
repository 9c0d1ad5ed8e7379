"""The components of the forward model: stars, gas, dust, AGN, intergalactic medium, Milky Way."""
