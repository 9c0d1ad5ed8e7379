"""Labels of quantities in plain text with units, without mathematical notation."""

from __future__ import annotations

import re

from sedum.results.posterior_table import describe_column

__all__ = ["column_label", "plain_label", "plain_unit", "short_label"]

_LABELS = {
    "redshift": "redshift",
    "redshift_catalogue": "catalogue redshift",
    "log_mass": "log₁₀ mass formed / M☉",
    "log_mass_surviving": "log₁₀ M★ / M☉",
    "log_z": "log₁₀ metallicity",
    "av": "A_V [mag]",
    "log_ssfr": "log₁₀ sSFR · yr",
    "log_u": "log₁₀ U",
    "log_tau": "log₁₀ τ / Gyr",
    "mass_weighted_age": "mass-weighted age [Gyr]",
    "uv_slope": "UV slope β",
    "m_uv": "M_UV [mag]",
    "n_bands": "bands measured",
    "n_limits": "bands with limits",
    "n_errors_raised": "errors raised",
    "ess": "effective sample size",
    "k_hat": "Pareto k",
    "log_evidence": "ln evidence",
    "log_evidence_error": "error of ln evidence",
    "ppp": "posterior-predictive p",
    "worst_sigma": "worst residual [σ]",
    "typicality": "typicality p",
}
#: Labels for little space.
_SHORT = {
    "log_mass": "log M / M☉",
    "log_z": "log Z",
    "log_ssfr": "log sSFR·yr",
}
_UNITS = (("solMass", "M☉"), ("solLum", "L☉"), ("Angstrom", "Å"), (" / ", "/"), ("1/yr", "1/yr"))


def plain_unit(unit: str) -> str:
    """Return a readable unit; for ``dex(solMass)``, that of the argument of the logarithm."""
    for long, short in _UNITS:
        unit = unit.replace(long, short)
    return re.sub(r"^dex\((.*)\)$", r"\1", unit)


def plain_label(name: str) -> str:
    """Return the label of a parameter, derived quantity or column, with its unit."""
    if name in _LABELS:
        return _LABELS[name]
    if re.fullmatch(r"t\d+", name):
        return f"{name} / t_Universe"
    windowed = re.fullmatch(r"log_s?sfr_([\d.]+)", name)
    if windowed:
        rate, unit = ("sSFR", "· yr") if name.startswith("log_ss") else ("SFR", "/ (M☉/yr)")
        return f"log₁₀ {rate}({windowed[1]} Myr) {unit}"
    unit = plain_unit(describe_column(name)[0])
    return f"{name.replace('_', ' ')} [{unit}]" if unit else name.replace("_", " ")


def column_label(name: str) -> str:
    """Return the label of a column; that of a median is the label of its quantity."""
    for ending in ("_mean", "_mode"):
        if name.endswith(ending):
            return f"{plain_label(name.removesuffix(ending))} ({ending[1:]})"
    return plain_label(name.removesuffix("_p50"))


def short_label(name: str) -> str:
    """Return the shortest label with the unit."""
    if re.fullmatch(r"t\d+", name):
        return f"{name} / t_U"
    return _SHORT.get(name) or plain_label(name).replace("log₁₀ ", "log ")
