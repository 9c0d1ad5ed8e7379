"""The definitions of the report: each number with its formula and reference."""

from __future__ import annotations

from dataclasses import dataclass

from sedum.config import RunFile
from sedum.results.posterior_catalogue import PosteriorCatalogue
from sedum.results.posterior_table import describe_column

__all__ = ["DEFINITIONS", "Definition", "define", "quantity", "readable_unit"]


@dataclass(frozen=True)
class Definition:
    """The definition of a number.

    Attributes
    ----------
    title, text
        The name and meaning of the number.
    formula, reference
        As text; empty if there is none.
    """

    title: str
    text: str
    formula: str = ""
    reference: str = ""


_ILBERT = "Ilbert et al. (2006), A&A 457, 841, doi:10.1051/0004-6361:20065138"
_SBC = (
    "Cook, Gelman & Rubin (2006), doi:10.1198/106186006X136976; Talts et al. (2018), "
    "arXiv:1804.06788"
)
_PSIS = "Vehtari et al. (2024), JMLR 25(72), 1; arXiv:1507.02646"

#: By key. Quantities and priors have keys of their own kind; see :func:`define`.
DEFINITIONS: dict[str, Definition] = {
    # --- rows -----------------------------------------------------------------------------
    "rows": Definition(
        "Rows", "Rows of the posterior catalogue, one for each row of the catalogue."
    ),
    "status": Definition(
        "Status",
        "“ok” for rows that were fitted, or the first reason why a row was not. Fractions are of "
        "all rows.",
    ),
    "fitted": Definition(
        "Fitted rows",
        "Rows with status “ok”. All distributions, relations and fractions of galaxies are of "
        "these, unless stated otherwise.",
        "fitted fraction = rows with status ok / all rows",
    ),
    "n_bands": Definition(
        "Bands measured",
        "The number of bands in which a galaxy has a flux with an error, not counting upper "
        "limits and missing bands (column n_bands).",
    ),
    "pivot": Definition(
        "Pivot wavelength",
        "The wavelength at which flux densities per unit frequency and per unit wavelength are "
        "related as for monochromatic light.",
        "λ_p = √(∫ T λ dλ / ∫ T dλ/λ), T the photon transmission",
        "Bessell & Murphy (2012), PASP 124, 140, doi:10.1086/664083",
    ),
    "width": Definition(
        "Filter width",
        "The width of a rectangle of the same area whose height is the maximum transmission.",
        "∫ T dλ / max T",
    ),
    "depth": Definition(
        "Depth",
        "The AB magnitude whose flux is five times the error with which simulated galaxies are "
        "observed.",
        "m_AB = 23.9 − 2.5 log10(5 σ / µJy)",
        "Oke & Gunn (1983), ApJ 266, 713, doi:10.1086/160817",
    ),
    "setting": Definition(
        "Setting of the run file",
        "A setting of the analysis. The complete run file is in the page, folded; it reproduces "
        "the analysis.",
    ),
    "loss": Definition(
        "Held-out loss",
        "Minus the mean log posterior density of the true parameters of simulated galaxies that "
        "were not used in training, in nat per galaxy and in the latent coordinates. Smaller is "
        "better.",
        "−⟨ln q(y_true | observation)⟩",
        "Papamakarios & Murray (2016), arXiv:1605.06376",
    ),
    "steps": Definition("Training steps", "Updates of the network weights, one for each batch."),
    "version": Definition("Version", "The version of the software that fitted the catalogue."),
    "fingerprint": Definition(
        "Fingerprint",
        "SHA-256 of what the estimator was trained on; the first twelve digits are shown. Equal "
        "fingerprints mean equal filter curves, grids, model, priors and noise.",
    ),
    "date": Definition(
        "Date of the results", "When the file of the results was last written, in UTC."
    ),
    # --- distributions --------------------------------------------------------------------
    "percentile": Definition(
        "Posterior percentiles",
        "The 16th, 50th (median) and 84th percentiles of the draws from a galaxy's posterior: the "
        "central interval between the outer two holds 68% of the probability.",
    ),
    "median": Definition(
        "Median and spread of medians",
        "The median over galaxies of their posterior medians, with the distances to the 16th and "
        "84th percentiles over galaxies. This spread includes that of the population and errors.",
    ),
    "half_width": Definition(
        "Half-width",
        "Half the central 68% interval of the posterior of a galaxy: its error bar. The median "
        "over galaxies is given.",
        "σ68 = (p84 − p16) / 2",
    ),
    "no_value": Definition(
        "Without a value", "Fitted rows whose percentiles of the quantity are not finite."
    ),
    "cell": Definition(
        "Galaxies per cell",
        "The number of fitted rows whose posterior medians lie within a cell of the figure.",
    ),
    "sequence": Definition(
        "Star-forming sequence",
        "The dashed line is the relation of star-formation rate and stellar mass of Speagle et "
        "al. at the median redshift of the panel. It is a reference with its own initial mass "
        "function (Kroupa), not a fit.",
        "log SFR = (0.84 − 0.026 t) log M⋆ − (6.51 − 0.11 t), t the age of the Universe in Gyr",
        "Speagle et al. (2014), ApJS 214, 15, doi:10.1088/0067-0049/214/2/15",
    ),
    "sampled": Definition(
        "Sample of rows",
        "Medians and percentiles over galaxies are of all fitted rows if the catalogue has up to "
        "100,000 rows, and otherwise of about 100,000 random rows. Counts, fractions and densities "
        "are always of all rows. Medians of redshift errors are of at most 50,000 random galaxies "
        "with known redshifts.",
    ),
    # --- redshifts ------------------------------------------------------------------------
    "known": Definition(
        "Known redshift",
        "The redshift in the catalogue (column redshift_catalogue) of a fitted row, which is taken "
        "as the truth. The fit did not use it, unless the page says that redshifts were given.",
    ),
    "dz": Definition(
        "Redshift error",
        "The posterior median minus the known redshift, relative to 1 + z.",
        "Δz / (1 + z) = (z_p50 − z_known) / (1 + z_known)",
        _ILBERT,
    ),
    "nmad": Definition(
        "NMAD",
        "Normalised median absolute deviation of the redshift error. It equals the standard "
        "deviation for a normal distribution and is insensitive to outliers. Errors are by "
        "resampling galaxies.",
        "1.4826 × median |Δz/(1+z) − median(Δz/(1+z))|",
        "Brammer et al. (2008), ApJ 686, 1503, doi:10.1086/591786; " + _ILBERT,
    ),
    "outliers": Definition(
        "Outlier fraction",
        "The fraction of galaxies whose redshift error exceeds 0.15, with its Wilson error.",
        "N(|Δz| / (1 + z) > 0.15) / N",
        "Hildebrandt et al. (2010), A&A 523, A31, doi:10.1051/0004-6361/201014885",
    ),
    "bias": Definition(
        "Bias of redshifts",
        "The median redshift error; positive if posteriors are too high. The error is by "
        "resampling.",
        "median(Δz / (1 + z))",
    ),
    "coverage_z": Definition(
        "Coverage of the 68% interval",
        "The fraction of galaxies whose known redshift lies between the 16th and 84th percentiles "
        "of their posterior, with its Wilson error: 68% if posteriors are calibrated, less if they "
        "are too narrow.",
        "N(p16 ≤ z_known ≤ p84) / N",
    ),
    "wilson": Definition(
        "Wilson error of a fraction",
        "Half the width of the one-sigma Wilson score interval: a binomial error that is not zero "
        "for fractions of 0 and 1.",
        "√(p(1−p)/n + 1/(4n²)) / (1 + 1/n)",
        "Wilson (1927), JASA 22, 209, doi:10.1080/01621459.1927.10502953",
    ),
    # --- calibration ----------------------------------------------------------------------
    "mocks": Definition(
        "Mock galaxies",
        "Simulated galaxies that were not used in training, observed with the noise of the survey. "
        "Their true parameters are known (sedum validate).",
    ),
    "r2": Definition(
        "R²",
        "The fraction of the variance of true values that posterior medians explain.",
        "1 − Σ(median − truth)² / Σ(truth − mean truth)²",
    ),
    "bias_mock": Definition(
        "Bias",
        "The median over mock galaxies of posterior median minus truth, in the unit of the "
        "parameter, with its error by resampling.",
    ),
    "nmad_mock": Definition(
        "NMAD of a parameter",
        "Normalised median absolute deviation of posterior median minus truth, in the unit of the "
        "parameter.",
        "1.4826 × median |r − median r|, r = median − truth",
    ),
    "outliers_mock": Definition(
        "Outliers of a parameter",
        "The fraction of mock galaxies whose residual is more than three NMAD from the bias.",
    ),
    "coverage": Definition(
        "Coverage",
        "The fraction of true values within the central 68% or 95% interval of their posterior. "
        "Below the nominal value, posteriors are too narrow (over-confident); above it, too wide.",
        "N(2 |PIT − ½| ≤ level) / N",
        _SBC,
    ),
    "pit": Definition(
        "PIT and its KS test",
        "The probability integral transform is the posterior probability below the truth. It is "
        "uniform between 0 and 1 if posteriors are calibrated. KS is the maximum distance of its "
        "distribution from uniform, and p the probability of such a distance by chance.",
        "PIT = ∫_{−∞}^{truth} q(θ | observation) dθ",
        "Dawid (1984), doi:10.2307/2981683; " + _SBC,
    ),
    "information": Definition(
        "Information",
        "The log density of the posterior at the truth minus that of the prior, in nat, averaged "
        "over mock galaxies.",
        "⟨ln q(θ_true | observation) − ln p(θ_true)⟩",
    ),
    "tarp": Definition(
        "TARP",
        "A joint test of all parameters: how often the truth is nearer to a random point than "
        "draws are. The maximum deviation from uniform and its p-value are given.",
        "",
        "Lemos et al. (2023), arXiv:2302.03026",
    ),
    "lc2st": Definition(
        "L-C2ST",
        "A test of the joint posteriors of single galaxies by classifiers that try to distinguish "
        "true parameters from draws; p is the probability of such a distinction by chance.",
        "",
        "Linhart et al. (2023), arXiv:2306.03580",
    ),
    "pull": Definition(
        "Deviation in sigma",
        "Coverage minus its nominal value, divided by the binomial standard error at the nominal "
        "value. Beyond ±4 it is a fault.",
        "(coverage − 0.68) / √(0.68 × 0.32 / N)",
    ),
    "log_density": Definition(
        "ln p(z)",
        "The mean log density of the posterior at the known redshift; larger is better.",
    ),
    "offset": Definition(
        "Offset from another estimate",
        "The median of posterior median minus another code's estimate of the same galaxy, and the "
        "NMAD of the difference. Neither measures an error, since either code may be wrong.",
    ),
    # --- verification ----------------------------------------------------------------------------
    "verified": Definition(
        "Verified",
        "Fitted galaxies whose importance weights against the exact likelihood are reliable "
        "(Pareto k̂ below 0.7, at least 100 effective draws, and at least 2% of the computed "
        "likelihoods effective), or that were sampled by nested sampling. For the others, "
        "percentiles are those of the estimator alone.",
        "w = L(data | θ) p(θ) / q(θ | data)",
        _PSIS,
    ),
    "method": Definition(
        "Method",
        "The origin of a galaxy's draws: weighted draws of the estimator (weighted), of a proposal "
        "refined for the galaxy (refined), of the estimator alone (flow), or of a nested sampler "
        "(nested).",
    ),
    "ess": Definition(
        "Effective sample size",
        "The number of independent draws that estimate a mean as well as the weighted draws do.",
        "ESS = (Σ w)² / Σ w²",
        "Kish (1965), Survey Sampling",
    ),
    "k_hat": Definition(
        "Pareto k̂",
        "The shape of the tail of the importance weights. Above 0.7, weighted estimates are not "
        "reliable for any number of draws.",
        "",
        _PSIS,
    ),
    "ppp": Definition(
        "Posterior-predictive p",
        "The tail probability of χ² averaged over draws. It is near zero if no draw explains the "
        "photometry. It ranks galaxies: values of good fits gather about one half, and there is no "
        "fixed rate of false alarms.",
        "⟨P(χ²_bands > χ²(data, θ))⟩ over draws θ",
        "Gelman, Meng & Stern (1996), Statistica Sinica 6, 733",
    ),
    "worst_band": Definition(
        "Worst band",
        "The band that deviates most from the models of a galaxy's draws, in sigma; positive if "
        "the observed flux is higher. It is counted for galaxies with a posterior-predictive p "
        "below 0.01.",
    ),
    "typicality": Definition(
        "Typicality",
        "The fraction of simulated galaxies with similar signal-to-noise and bands that are less "
        "typical than this galaxy. It is a p-value: uniform between 0 and 1 for galaxies as "
        "simulated.",
    ),
    "in_distribution": Definition(
        "In distribution",
        "Fitted galaxies whose typicality is above the run file's level (output.typicality.level), "
        "which is the expected fraction of false alarms.",
    ),
    "at_edge": Definition(
        "At an edge of the prior",
        "At least a fifth of a galaxy's draws lie in the outermost hundredth of the prior "
        "probability at one end, so that the true value may be outside the prior.",
    ),
    "flags": Definition(
        "Flags",
        "Possible problems of a row: not fitted; redshift outlier (error beyond 0.15 against a "
        "known redshift); not verified; poor fit (posterior-predictive p below 0.01); unlike the "
        "simulations (not in distribution); at an edge of the prior; no value (percentiles that "
        "are not finite).",
    ),
    "row": Definition(
        "Row number", "The row in the catalogue and in the posterior catalogue, counted from 0."
    ),
    # --- models ---------------------------------------------------------------------------
    "evidence": Definition(
        "Evidence",
        "The probability of a galaxy's data under a model, averaged over its prior, given that the "
        "survey selected the galaxy. It depends on the priors as much as on the physics.",
        "ln Z = ln ∫ p(data | θ) p(θ) dθ",
    ),
    "bayes": Definition(
        "ln Bayes factor",
        "The difference of the log evidence of two models. Its sum over galaxies compares “all "
        "galaxies follow this model” with “all follow the first model”.",
        "ln B = ln Z − ln Z_first",
        "Kass & Raftery (1995), JASA 90, 773, doi:10.1080/01621459.1995.10476572",
    ),
    "model_fraction": Definition(
        "Fraction of the population",
        "The fraction of galaxies that a model describes, from the evidence of all galaxies "
        "together: posterior mean and standard deviation, for a uniform prior on the fractions.",
    ),
    "preferred": Definition(
        "Galaxies preferring a model",
        "The fraction of compared galaxies whose evidence times prior odds is largest for the "
        "model.",
    ),
    "compared": Definition(
        "Compared galaxies", "Galaxies whose evidence is known under every model."
    ),
    "shift": Definition(
        "Shift between models",
        "The median over galaxies of the posterior median minus that of the first model, half its "
        "central 68% range, and the shift in units of the first model's half-width σ68.",
    ),
}

_PRIORS = {
    "fixed": "A fixed value.",
    "uniform": "Flat between two limits.",
    "log_uniform": "Flat in the logarithm between two limits.",
    "normal": "Normal, truncated where limits are given.",
    "student_t": "Student's t with the given degrees of freedom, truncated where limits are given.",
    "tabulated": "A density given at points, with linear interpolation.",
    "dirichlet": "Dirichlet distribution of the fractions, with the given concentration.",
    "main_sequence": "Student's t about a star-forming sequence: centre = at_1e10 + slope × "
    "(log_mass − 10) + evolution × log10(1 + z).",
    "mass_metallicity": "Normal about a relation with mass: centre = at_1e10 + slope × "
    "(log_mass − 10).",
    "universe_age": "Flat between the lower limit and the smaller of the upper one and the age of "
    "the Universe at the galaxy's redshift.",
}


def quantity(name: str) -> str:
    """Return the key of the definition of a parameter or derived quantity."""
    return f"quantity {name}"


def readable_unit(unit: str) -> str:
    """Return a unit as in papers: ``dex(solMass / yr)`` is dex(M☉ yr⁻¹)."""
    for name, text in {
        "solMass": "M☉",
        "solLum": "L☉",
        "Angstrom": "Å",
        "percent": "%",
        "1 / s": "s⁻¹",
        "1 / yr": "yr⁻¹",
        " / yr": " yr⁻¹",
        "Hz / erg": "Hz erg⁻¹",
        "erg / (s cm2)": "erg s⁻¹ cm⁻²",
        "erg / s": "erg s⁻¹",
    }.items():
        unit = unit.replace(name, text)
    return unit


def define(key: str, results: PosteriorCatalogue) -> Definition:
    """Return the definition of a key.

    Raises
    ------
    KeyError
        If there is none: a number without a meaning is a defect.
    """
    if key in DEFINITIONS:
        return DEFINITIONS[key]
    kind, _, name = key.partition(" ")
    if kind == "prior":
        return Definition(f"Prior: {name.replace('_', ' ')}", _PRIORS[name])
    if kind != "quantity":
        raise KeyError(key)
    unit, text = describe_column(name)
    info = results.columns.get(f"{name}_p50")
    if text == name and info is not None:
        unit, text = info.unit, info.description.removesuffix(", 50th percentile")
    where = (
        "a parameter of the model"
        if name in _parameters(results.run)
        else (
            "computed from each draw by the forward model" if info else "a parameter of the model"
        )
    )
    in_unit = f", in {readable_unit(unit)}" if unit else ""
    return Definition(name, f"{text[:1].upper()}{text[1:]}{in_unit}; {where}.")


def _parameters(run: RunFile) -> list[str]:
    return list(run.model.parameters())
