"""Columns of posterior catalogues: their names, units and descriptions.

All code that writes a column takes its name and description from here. Units are those of astropy
in memory, and VOUnits (IVOA Recommendation 1.1) in files, in which the unit of a logarithm is
``log(solMass)``.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

from astropy import units

from sedum.config import parameter
from sedum.errors import SedumError
from sedum.galaxies.derived import describe_derived

__all__ = [
    "ENDINGS",
    "STANDARD",
    "describe_column",
    "describe_output",
    "from_vounit",
    "percentile_name",
    "split_unit",
    "vounit",
]

#: Descriptions of the columns that do not belong to a parameter.
STANDARD = {
    "id": "identifier, or row number, in the catalogue",
    "status": "ok, or why the row was not fitted",
    "n_bands": "number of bands measured",
    "n_limits": "number of bands with an upper limit only",
    "n_errors_raised": "number of errors that were raised to the smallest in training",
    "redshift_catalogue": "redshift in the catalogue",
    "redshift_mode": "redshift, peak of p(z)",
    "pz": "p(z) at the redshifts pz_grid of the metadata; its integral by the trapezoidal rule is "
    "the fraction of the posterior between them",
    "at_edge": "parameters whose posterior piles up at a bound of the prior",
    "verified": "whether the posterior agrees with the exact likelihood",
    "method": "origin of the draws: weighted, refined, flow (not verified) or nested",
    "ess": "effective sample size of the importance weights",
    "k_hat": "Pareto shape of the weights' tail; reliable below 0.7",
    "log_evidence": "ln p(observation) under model, priors and noise",
    "log_evidence_error": "standard error of log_evidence",
    "ppp": "posterior-predictive tail probability of chi squared: near zero where no draw fits",
    "worst_band": "the band that lies farthest from the models",
    "worst_sigma": "how far worst_band lies, in sigma; positive where the observed flux is higher",
    "typicality": "fraction of simulated galaxies that are less typical: a p-value",
    "in_distribution": "whether typicality is above the run file's level",
    "prior_ess": "effective draws under the other priors that were asked for",
    "prior_k_hat": "Pareto shape of the tail of their weights; reliable below 0.7",
    "prior_log_evidence_ratio": "ln evidence under the other priors / under those trained with",
    "prior_log_evidence_ratio_error": "standard error of prior_log_evidence_ratio",
}

#: Endings of the columns of a parameter or derived quantity, the text that follows its description,
#: and whether the column has its unit. The standard deviation of a logarithm has no unit (dex).
ENDINGS: list[tuple[str, str, bool]] = [
    (r"p(\d+(?:_\d+)?)", "{}th percentile", True),
    ("mean", "mean of the posterior", True),
    ("std", "standard deviation of the posterior", True),
    ("draws", "posterior draws", True),
    ("quantiles", "posterior quantiles at the probabilities of the metadata's quantiles", True),
]


def percentile_name(name: str, percentile: float) -> str:
    """Return the name of the column of a percentile.

    Examples
    --------
    >>> percentile_name("redshift", 50), percentile_name("redshift", 2.5)
    ('redshift_p50', 'redshift_p2_5')
    """
    return f"{name}_p{percentile:g}".replace(".", "_")


def describe_column(name: str) -> tuple[str, str]:
    """Return unit and description of a parameter or derived quantity.

    Examples
    --------
    >>> describe_column("redshift")
    ('', 'redshift')
    """
    try:  # first: mass_weighted_age is no parameter age of a component
        return describe_derived(name)
    except SedumError:
        pass
    try:
        known = parameter(name)
    except KeyError:  # a parameter of an external simulator
        return "", name
    return known.unit, known.description


def describe_output(name: str) -> tuple[str, str]:
    """Return unit (astropy's name) and description of a column of a posterior catalogue.

    Raises
    ------
    KeyError
        If a fit does not write such a column.

    Examples
    --------
    >>> describe_output("log_mass_p50")
    ('dex(solMass)', 'log10 stellar mass formed, 50th percentile')
    """
    if name in STANDARD:
        return "", STANDARD[name]
    for pattern, text, same_unit in ENDINGS:
        match = re.fullmatch(rf"(.+)_{pattern}", name)
        if not match:
            continue
        unit, quantity = describe_column(match[1])
        statistic = text.format(*(number.replace("_", ".") for number in match.groups()[1:]))
        if pattern == "std" and unit.startswith("dex"):
            return "", f"{quantity}, {statistic}, in dex"
        return unit if same_unit else "", f"{quantity}, {statistic}"
    raise KeyError(name)


def vounit(unit: Any) -> str:
    """Return a unit in the spelling of the VOUnit standard; empty without a unit.

    Parameters
    ----------
    unit
        A unit of astropy, its name, or None.

    Examples
    --------
    >>> vounit("dex(solMass)")
    'log(solMass)'
    """
    if unit is None or unit == "":
        return ""
    parsed = units.Unit(unit)
    logarithmic = isinstance(parsed, units.LogUnit)
    if logarithmic and parsed.function_unit != units.dex:
        raise ValueError(f"{unit} is a logarithmic unit other than dex")
    with warnings.catch_warnings():
        # Angstrom and erg are VOUnits that are discouraged; astronomy uses them.
        warnings.simplefilter("ignore", units.UnitsWarning)
        inner = parsed.physical_unit if logarithmic else parsed
        text = inner.to_string("vounit")
    return f"log({text or 1})" if logarithmic else text


def from_vounit(text: str) -> Any:
    """Return the unit of astropy for a VOUnit, or None if the text is empty; see :func:`vounit`.

    Raises
    ------
    ValueError
        If the text is not a VOUnit.
    """
    if not text:
        return None
    match = re.fullmatch(r"log\((.*)\)", text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", units.UnitsWarning)
        if match:
            inner = "" if match[1] == "1" else match[1]
            return units.dex(units.Unit(inner, format="vounit"))
        return units.Unit(text, format="vounit")


def split_unit(text: str) -> tuple[str, str]:
    """Return description and VOUnit of a FITS column whose description ends in ``[log(...)]``.

    The unit is empty if there is none; see :func:`sedum.results.posterior_table.fits_hdu`.
    """
    match = re.fullmatch(r"(.*) \[(log\(.*\))\]", text)
    return (match[1], match[2]) if match else (text, "")
