"""Axis labels: symbol and unit of every parameter and derived quantity."""

from __future__ import annotations

import re

from sedum.config import PARAMETERS

__all__ = ["LABELS", "bin_label", "label"]

#: Labels of parameters with fixed names; for the others see :func:`label`.
LABELS = {
    "redshift": "redshift",
    "log_mass": r"$\log_{10}\,M_{\rm formed}/{\rm M}_\odot$",
    "log_z": r"$\log_{10}\,Z$ (mass fraction)",
    "log_z_spread": r"spread of $\log_{10}\,Z$ [dex]",
    "av": r"$A_V$ [mag]",
    "eta": r"$A_V$ of birth clouds / diffuse",
    "dust_slope": r"dust slope $n$ ($A\propto\lambda^{-n}$)",
    "dust_slope_birth": r"dust slope $n$ of birth clouds",
    "dust_delta": r"dust slope $\delta$ to Calzetti",
    "dust_bump": r"2175 Å bump strength $B$",
    "qpah": r"$q_{\rm PAH}$ [%]",
    "umin": r"$U_{\rm min}$ [solar neighbourhood]",
    "gamma": r"dust at $U>U_{\rm min}$, $\gamma$",
    "dust_temperature": r"$T_{\rm dust}$ [K]",
    "dust_beta": r"dust emissivity $\beta_{\rm dust}$",
    "log_ssfr": r"$\log_{10}\,{\rm sSFR}\cdot{\rm yr}$",
    "quantiles": r"$t_X\,/\,t_{\rm Universe}$",
    "sfr_fractions": "fraction of SFR in bins of time",
    "log_sfr_ratios": r"$\log_{10}\,{\rm SFR}_i/{\rm SFR}_{i+1}$",
    "log_sfr_ratio_young": r"$\log_{10}\,{\rm SFR}$ ratio, youngest bins",
    "log_sfr_ratio_old": r"$\log_{10}\,{\rm SFR}$ ratio, oldest bins",
    "age": "age [Gyr]",
    "log_tau": r"$\log_{10}\,\tau/{\rm Gyr}$",
    "quiet_fraction": "quiescent fraction of the age",
    "t_peak": r"$t_{\rm peak}$ since Big Bang [Gyr]",
    "fwhm": "FWHM of the SFH [Gyr]",
    "alpha": r"exponent $\alpha$ of the decline",
    "beta": r"exponent $\beta$ of the rise",
    "t_turn": r"$t_{\rm turn}$ since Big Bang [Gyr]",
    "fraction": "fraction of the mass formed",
    "log_z_gas": r"$\log_{10}\,Z_{\rm gas}$ (mass fraction)",
    "log_u": r"$\log_{10}\,U$",
    "f_esc": r"$f_{\rm esc}$",
    "neutral_fraction": r"$x_{\rm HI}$",
    "agn_fraction": r"$L_{\rm AGN}/L_\star$",
    "agn_torus": r"torus fraction of $L_{\rm AGN}$",
    "agn_slope": r"slope of the AGN's disc",
    "agn_av": r"$A_V$ of the AGN [mag]",
    "ebv_mw": r"$E(B-V)$, Milky Way [mag]",
    "log_mass_surviving": r"$\log_{10}\,M_\star/{\rm M}_\odot$",
    "mass_weighted_age": "mass-weighted age [Gyr]",
    "light_weighted_age": "light-weighted age [Gyr]",
    "m_uv": r"$M_{\rm UV}$ [AB mag]",
    "uv_slope": r"UV slope $\beta$",
    "d4000": r"$D_n(4000)$",
    "balmer_break": r"Balmer break ($f_\nu$ ratio)",
    "log_q_ion": r"$\log_{10}\,Q_{\rm ion}/{\rm s}^{-1}$",
    "log_xi_ion": r"$\log_{10}\,\xi_{\rm ion}/({\rm Hz\,erg}^{-1})$",
    "log_l_ir": r"$\log_{10}\,L_{\rm IR}/{\rm L}_\odot$",
}

#: Families of names, whose parts stand in the label.
_FAMILIES = [
    (r"t(\d+)", r"$t_{{{0}}}\,/\,t_{{\rm Universe}}$"),
    (r"log_sfr_ratio_(\d+)", r"$\log_{{10}}\,{{\rm SFR}}$ ratio {0}"),
    (r"sfr_fraction_(\d+)", "fraction of SFR in the {0} youngest bins"),
    (
        r"log_sfr_([\d.]+)",
        r"$\log_{{10}}\,{{\rm SFR}}_{{{0}}}/({{\rm M}}_\odot\,{{\rm yr}}^{{-1}})$",
    ),
    (r"log_ssfr_([\d.]+)", r"$\log_{{10}}\,{{\rm sSFR}}_{{{0}}}\cdot{{\rm yr}}$"),
    (r"lookback_t(\d+)", r"lookback time $t_{{{0}}}$ [Gyr]"),
    (r"absmag_(\w+)", "absolute magnitude, {0} [AB mag]"),
    (r"colour_(\w+)_minus_(\w+)", "{0} − {1} at rest [AB mag]"),
    (
        r"log_lum_(\w+)",
        r"$\log_{{10}}\,L$({0})$/({{\rm erg\,s}}^{{-1}})$",
    ),
    (
        r"log_flux_(\w+)",
        r"$\log_{{10}}\,F$({0})$/({{\rm erg\,s}}^{{-1}}\,{{\rm cm}}^{{-2}})$",
    ),
    (r"ew_(\w+)", "EW({0}) at rest [Å]"),
]


def label(name: str, unit: str = "") -> str:
    """Return the axis label of a parameter or derived quantity, with its unit.

    Parameters
    ----------
    name
        Such as ``log_mass`` or ``burst_age``: components added to a history have a prefix.
    unit
        What a file says of the unit, for quantities of other people's simulators.
    """
    if name in LABELS:
        return LABELS[name]
    for pattern, text in _FAMILIES:
        if match := re.fullmatch(pattern, name):
            return text.format(*match.groups())
    for known in sorted(PARAMETERS, key=len, reverse=True):
        if name.endswith(f"_{known}"):
            return f"{name.removesuffix(f'_{known}').replace('_', ' ')}: {LABELS[known]}"
    # A dollar sign would begin a formula.
    plain = name.replace("$", r"\$")
    return f"{plain} [{unit}]" if unit else plain


def bin_label(text: str) -> str:
    """Return the label of a bin without the number that it is sorted by.

    Examples
    --------
    >>> bin_label("2: 10 to 20")
    '10 to 20'
    """
    head, separator, rest = text.partition(": ")
    return rest if separator and head.isdigit() else text
