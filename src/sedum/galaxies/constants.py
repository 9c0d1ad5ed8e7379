"""Physical constants of the forward model, in the units that it uses."""

__all__ = ["LIGHT_SPEED", "SOLAR_LUMINOSITY"]

#: Nominal solar luminosity (IAU 2015) in erg / s.
SOLAR_LUMINOSITY = 3.828e33
#: Speed of light in Å / s.
LIGHT_SPEED = 2.99792458e18
