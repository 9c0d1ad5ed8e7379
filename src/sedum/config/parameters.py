"""The parameters that a model can have: meaning, unit, range and default prior of each.

The defaults are those of Harvey et al. (2026) for the parameters that this work has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sedum.config.prior_section import (
    AnyPrior,
    DirichletPrior,
    FixedPrior,
    LogUniformPrior,
    StudentTPrior,
    UniformPrior,
    UniverseAgePrior,
)

__all__ = ["PARAMETERS", "Parameter", "parameter"]


@dataclass(frozen=True)
class Parameter:
    """Description, unit, range and default prior of a parameter.

    Attributes
    ----------
    description, unit
        Text and unit (in astropy notation) for tables and messages.
    prior
        The default prior.
    low, high
        Range in which the model is defined. The tables of a model may narrow it.

    Examples
    --------
    >>> PARAMETERS["av"].unit
    'mag'
    """

    description: str
    unit: str
    prior: AnyPrior
    low: float = -math.inf
    high: float = math.inf


def _flat(low: float, high: float) -> UniformPrior:
    return UniformPrior(kind="uniform", low=low, high=high)


def _log_flat(low: float, high: float) -> LogUniformPrior:
    return LogUniformPrior(kind="log_uniform", low=low, high=high)


def _fixed(value: float) -> FixedPrior:
    return FixedPrior(kind="fixed", value=value)


_RATIO = StudentTPrior(kind="student_t", mean=0.0, sigma=0.3, dof=2.0, low=-5.0, high=5.0)
_DIRICHLET = DirichletPrior(kind="dirichlet", concentration=1.0)

PARAMETERS: dict[str, Parameter] = {
    "redshift": Parameter("redshift", "", _flat(0.01, 14.0), 0.0, 20.0),
    "log_mass": Parameter(
        "log10 stellar mass formed", "dex(solMass)", _flat(4.0, 12.0), -10.0, 16.0
    ),
    "log_z": Parameter("log10 metallicity (mass fraction)", "", _flat(-4.0, -1.39)),
    "log_z_spread": Parameter(
        "standard deviation of log10 metallicity among the stars", "", _flat(0.05, 0.5), 0.01, 3.0
    ),
    "av": Parameter("dust attenuation in V", "mag", _log_flat(1e-3, 5.0), 0.0, 1e3),
    "eta": Parameter(
        "attenuation in V of young stars / that of older stars",
        "",
        _flat(1.0, 3.0),
        1.0,
        1e3,
    ),
    "dust_slope": Parameter(
        "exponent n of the diffuse attenuation, A proportional to wavelength^-n",
        "",
        _flat(0.3, 1.5),
        -1.0,
        5.0,
    ),
    "dust_slope_birth": Parameter(
        "exponent n of the attenuation in birth clouds", "", _fixed(1.3), -1.0, 5.0
    ),
    "dust_delta": Parameter(
        "slope of the attenuation relative to Calzetti", "", _flat(-1.2, 0.4), -3.0, 0.9
    ),
    "dust_bump": Parameter("strength of the 2175 Å bump", "", _flat(0.0, 4.0), 0.0, 50.0),
    "qpah": Parameter("percentage of PAHs in the mass of dust", "", _flat(0.1, 4.58), 0.1, 4.58),
    "umin": Parameter(
        "minimum intensity of the starlight on dust, in units of the solar neighbourhood",
        "",
        _log_flat(0.1, 25.0),
        0.1,
        25.0,
    ),
    "gamma": Parameter(
        "mass fraction of the dust in starlight stronger than umin",
        "",
        _log_flat(1e-3, 0.5),
        0.0,
        1.0,
    ),
    "dust_temperature": Parameter(
        "temperature of the dust emission", "K", _flat(20.0, 80.0), 5.0, 500.0
    ),
    "dust_beta": Parameter("emissivity exponent of the dust", "", _fixed(1.8), 0.0, 4.0),
    "log_ssfr": Parameter(
        "log10 star-formation rate now per stellar mass formed",
        "dex(1 / yr)",
        _flat(-12.0, -7.0),
        -30.0,
        0.0,
    ),
    "quantiles": Parameter(
        "times at which equal fractions of the mass had formed / age of the Universe",
        "",
        _DIRICHLET,
    ),
    "sfr_fractions": Parameter(
        "fractions of the star-formation rate in bins of lookback time", "", _DIRICHLET
    ),
    "log_sfr_ratios": Parameter(
        "log10 ratio of the star-formation rates of a bin and the next older one",
        "",
        _RATIO,
        -20.0,
        20.0,
    ),
    "log_sfr_ratio_young": Parameter(
        "log10 ratio of the star-formation rates of the youngest bin and the next",
        "",
        _RATIO,
        -20.0,
        20.0,
    ),
    "log_sfr_ratio_old": Parameter(
        "log10 ratio of the star-formation rates of the oldest bin and the one before",
        "",
        _RATIO,
        -20.0,
        20.0,
    ),
    "age": Parameter(
        "time since star formation began", "Gyr", UniverseAgePrior(kind="universe_age"), 1e-4, 14.0
    ),
    "log_tau": Parameter(
        "log10 e-folding time of the star-formation rate", "dex(Gyr)", _flat(-2.0, 1.3), -4.0, 4.0
    ),
    "quiet_fraction": Parameter(
        "fraction of the age since star formation ended", "", _fixed(0.0), 0.0, 0.999
    ),
    "t_peak": Parameter(
        "time of the maximum star-formation rate, since the Big Bang",
        "Gyr",
        _log_flat(0.1, 15.0),
        1e-3,
        1e3,
    ),
    "fwhm": Parameter(
        "full width at half maximum of the star-formation rate",
        "Gyr",
        _log_flat(0.1, 20.0),
        1e-3,
        1e3,
    ),
    "alpha": Parameter("exponent of the decline", "", _log_flat(0.1, 1e3), 1e-2, 1e3),
    "beta": Parameter("exponent of the rise", "", _log_flat(0.1, 1e3), 1e-2, 1e3),
    "t_turn": Parameter(
        "time of the turn from rise to decline, since the Big Bang",
        "Gyr",
        _flat(0.1, 15.0),
        1e-3,
        1e3,
    ),
    "fraction": Parameter(
        "fraction of the mass formed by this component, of all components so far",
        "",
        _log_flat(1e-3, 0.9),
        0.0,
        1.0,
    ),
    "log_z_gas": Parameter("log10 metallicity of the gas (mass fraction)", "", _flat(-4.0, -1.39)),
    "log_u": Parameter("log10 ionisation parameter", "", _flat(-4.0, -1.0)),
    "f_esc": Parameter(
        "fraction of young stars seen without gas and dust", "", _flat(0.0, 1.0), 0.0, 1.0
    ),
    "neutral_fraction": Parameter(
        "neutral fraction of the intergalactic medium", "", _flat(0.0, 1.0), 0.0, 1.0
    ),
    "agn_fraction": Parameter(
        "luminosity of the AGN / that of the stars, both before dust",
        "",
        _log_flat(1e-3, 10.0),
        0.0,
        1e4,
    ),
    "agn_torus": Parameter(
        "fraction of the AGN's luminosity that its torus emits", "", _flat(0.1, 0.9), 0.0, 1.0
    ),
    "agn_slope": Parameter(
        "exponent of L_lambda of the AGN's disc below 5000 Å", "", _fixed(-1.54), -4.0, 2.0
    ),
    "agn_av": Parameter(
        "attenuation of the AGN's disc in V (SMC law)", "mag", _fixed(0.0), 0.0, 1e2
    ),
    "ebv_mw": Parameter("reddening E(B-V) by the Milky Way", "mag", _flat(0.0, 0.3), 0.0, 10.0),
}


def parameter(name: str) -> Parameter:
    """Return the description of a parameter, or of a prior entry that stands for several.

    Parameters
    ----------
    name
        Name of the parameter. Components added to a history have a prefix, as in ``burst_age``.

    Returns
    -------
    Parameter
        Its description, unit, range and default prior.

    Raises
    ------
    KeyError
        If there is no such parameter.

    Examples
    --------
    >>> parameter("burst_age").unit
    'Gyr'
    >>> parameter("t25").description
    'time when 25% of the mass had formed / age of the Universe'
    """
    if name in PARAMETERS:
        return PARAMETERS[name]
    for known in sorted(PARAMETERS, key=len, reverse=True):
        if name.endswith("_" + known):
            return PARAMETERS[known]
    if name[:1] == "t" and name[1:].isdigit():
        text = f"time when {name[1:]}% of the mass had formed / age of the Universe"
        return Parameter(text, "", _DIRICHLET, 0.0, 1.0)
    stem, _, number = name.rpartition("_")
    if number.isdigit() and stem.endswith("log_sfr_ratio"):
        return PARAMETERS["log_sfr_ratios"]
    if number.isdigit() and stem.endswith("sfr_fraction"):
        text = f"fraction of the star-formation rate in the {number} youngest bins of lookback time"
        return Parameter(text, "", _DIRICHLET, 0.0, 1.0)
    raise KeyError(name)
