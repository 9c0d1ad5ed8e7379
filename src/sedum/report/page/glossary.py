"""The glossary of the report: what each number is, its formula, and where that comes from."""

from __future__ import annotations

from dataclasses import dataclass

from sedum.config import RunFile
from sedum.results.posterior_catalogue import PosteriorCatalogue
from sedum.results.posterior_table import describe_column

__all__ = ["DEFINITIONS", "Definition", "define", "quantity", "readable_unit"]


@dataclass(frozen=True)
class Definition:
    """What a number is.

    Attributes
    ----------
    title, text
        Its name and meaning.
    formula, reference
        As text, empty where there is none.
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
        "What stands against a row: “ok” for those that were fitted, or the first reason why a "
        "row was not. Shares are of all rows.",
    ),
    "fitted": Definition(
        "Fitted rows",
        "Rows with status “ok”; all distributions, relations and shares of galaxies "
        "are of these, unless said otherwise.",
        "fitted share = rows with status ok / all rows",
    ),
    "n_bands": Definition(
        "Bands measured",
        "The number of bands in which a galaxy has a flux with an error, upper limits and missing "
        "bands not counted (column n_bands).",
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
        "The width of a rectangle as high as the greatest transmission and of the same area.",
        "∫ T dλ / max T",
    ),
    "depth": Definition(
        "Depth",
        "The AB magnitude whose flux is five times the error that galaxies of the simulations are "
        "observed with.",
        "m_AB = 23.9 − 2.5 log10(5 σ / µJy)",
        "Oke & Gunn (1983), ApJ 266, 713, doi:10.1086/160817",
    ),
    "setting": Definition(
        "Setting of the run file",
        "A value that the analysis was made with. The complete run file is folded in the page, "
        "and repeats the analysis.",
    ),
    "loss": Definition(
        "Held-out loss",
        "Minus the mean log posterior density of the true parameters, of simulated galaxies that "
        "were kept from training; smaller is better. In nat per galaxy, in the latent coordinates.",
        "−⟨ln q(y_true | observation)⟩",
        "Papamakarios & Murray (2016), arXiv:1605.06376",
    ),
    "steps": Definition("Training steps", "Updates of the network's weights, of one batch each."),
    "version": Definition("Version", "Of the software that the catalogue was fitted with."),
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
        "84th percentiles over galaxies: the spread of the population and of errors together.",
    ),
    "half_width": Definition(
        "Half-width",
        "Half the central 68% interval of a galaxy's posterior, the error bar of a single galaxy; "
        "the median over galaxies is given.",
        "σ68 = (p84 − p16) / 2",
    ),
    "no_value": Definition(
        "Without a value", "Fitted rows whose percentiles of the quantity are not finite."
    ),
    "cell": Definition(
        "Galaxies per cell",
        "Fitted rows whose posterior medians lie within a cell of the figure; all are counted.",
    ),
    "sequence": Definition(
        "Star-forming sequence",
        "The dashed line is the relation of star-formation rate and stellar mass of Speagle et "
        "al., at the median redshift of the panel: a point of reference, with its own initial "
        "mass function (Kroupa), not a fit.",
        "log SFR = (0.84 − 0.026 t) log M⋆ − (6.51 − 0.11 t), t the age of the Universe in Gyr",
        "Speagle et al. (2014), ApJS 214, 15, doi:10.1088/0067-0049/214/2/15",
    ),
    "sampled": Definition(
        "Sample of rows",
        "Medians and percentiles over galaxies are of all fitted rows where a catalogue has up to "
        "100,000 rows, and of about so many drawn at random from a larger one. Counts, shares and "
        "densities are always of all rows. Of galaxies with known redshifts at most 50,000, drawn "
        "at random, are kept for medians.",
    ),
    # --- redshifts ------------------------------------------------------------------------
    "known": Definition(
        "Known redshift",
        "The redshift in the catalogue, taken for the truth (column redshift_catalogue), of "
        "fitted rows. The fit did not see it, unless the page says that it was given.",
    ),
    "dz": Definition(
        "Redshift error",
        "The difference of the posterior median to the known redshift.",
        "Δz / (1 + z) = (z_p50 − z_known) / (1 + z_known)",
        _ILBERT,
    ),
    "nmad": Definition(
        "NMAD",
        "Normalised median absolute deviation of the redshift error: the standard deviation of a "
        "normal distribution, and insensitive to outliers. Errors by resampling galaxies.",
        "1.4826 × median |Δz/(1+z) − median(Δz/(1+z))|",
        "Brammer et al. (2008), ApJ 686, 1503, doi:10.1086/591786; " + _ILBERT,
    ),
    "outliers": Definition(
        "Outlier fraction",
        "The share of galaxies whose redshift error is beyond 0.15, with its Wilson error.",
        "N(|Δz| / (1 + z) > 0.15) / N",
        "Hildebrandt et al. (2010), A&A 523, A31, doi:10.1051/0004-6361/201014885",
    ),
    "bias": Definition(
        "Bias of redshifts",
        "The median redshift error; positive where posteriors lie too high. Error by resampling.",
        "median(Δz / (1 + z))",
    ),
    "coverage_z": Definition(
        "Coverage of the 68% interval",
        "The share of galaxies whose known redshift lies between the 16th and 84th percentiles of "
        "their posterior: 68% if posteriors are calibrated, less if they are too narrow. With its "
        "Wilson error.",
        "N(p16 ≤ z_known ≤ p84) / N",
    ),
    "wilson": Definition(
        "Wilson error of a share",
        "Half the width of Wilson's score interval of one sigma: a binomial error that is not zero "
        "where a share is 0 or 1.",
        "√(p(1−p)/n + 1/(4n²)) / (1 + 1/n)",
        "Wilson (1927), JASA 22, 209, doi:10.1080/01621459.1927.10502953",
    ),
    # --- calibration ----------------------------------------------------------------------
    "mocks": Definition(
        "Mock galaxies",
        "Simulated galaxies that were not trained on, observed with the noise of the survey, whose "
        "true parameters are known (sedum validate).",
    ),
    "r2": Definition(
        "R²",
        "The share of the variance of true values that posterior medians account for.",
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
        "The share of mock galaxies whose residual is more than three NMAD from the bias.",
    ),
    "coverage": Definition(
        "Coverage",
        "The share of true values within the central 68% or 95% interval of their posterior. "
        "Below the nominal value posteriors are too narrow (over-confident), above it too wide.",
        "N(2 |PIT − ½| ≤ level) / N",
        _SBC,
    ),
    "pit": Definition(
        "PIT and its KS test",
        "The probability integral transform is the share of a posterior below the truth: uniform "
        "between 0 and 1 if posteriors are calibrated. KS is the greatest distance of its "
        "distribution from uniform, and p the probability of as large a distance by chance.",
        "PIT = ∫_{−∞}^{truth} q(θ | observation) dθ",
        "Dawid (1984), doi:10.2307/2981683; " + _SBC,
    ),
    "information": Definition(
        "Information",
        "How much more probable the posterior holds the truth than the prior does, in nat, "
        "averaged over mock galaxies.",
        "⟨ln q(θ_true | observation) − ln p(θ_true)⟩",
    ),
    "tarp": Definition(
        "TARP",
        "A test of all parameters together: how often the truth lies nearer to a random point than "
        "draws do. The greatest deviation from uniform and its p-value.",
        "",
        "Lemos et al. (2023), arXiv:2302.03026",
    ),
    "lc2st": Definition(
        "L-C2ST",
        "A test of the joint posteriors of single galaxies by classifiers that try to tell true "
        "parameters from draws; p is the probability of as good a distinction by chance.",
        "",
        "Linhart et al. (2023), arXiv:2306.03580",
    ),
    "pull": Definition(
        "Deviation in sigma",
        "Coverage minus its nominal value, over the binomial standard error at the nominal value: "
        "beyond ±4 it is a fault.",
        "(coverage − 0.68) / √(0.68 × 0.32 / N)",
    ),
    "log_density": Definition(
        "ln p(z)",
        "The mean log density of the posterior at the known redshift; greater is better.",
    ),
    "offset": Definition(
        "Offset from another estimate",
        "The median of posterior median minus another code's estimate of the same galaxy, and the "
        "NMAD of the difference: neither is an error, since both codes may be wrong.",
    ),
    # --- trust ----------------------------------------------------------------------------
    "verified": Definition(
        "Verified",
        "Fitted galaxies whose importance weights against the exact likelihood can be trusted: "
        "Pareto k̂ below 0.7, at least 100 effective draws, and these at least 2% of the "
        "likelihoods computed; or that a nested sampler sampled. For the others percentiles are "
        "those of the estimator alone.",
        "w = L(data | θ) p(θ) / q(θ | data)",
        _PSIS,
    ),
    "method": Definition(
        "Method",
        "Where a galaxy's draws come from: weighted draws of the estimator (weighted), of a "
        "proposal refined for the galaxy (refined), the estimator alone (flow), or a nested "
        "sampler (nested).",
    ),
    "ess": Definition(
        "Effective sample size",
        "As many independent draws would estimate a mean as well as the weighted ones do.",
        "ESS = (Σ w)² / Σ w²",
        "Kish (1965), Survey Sampling",
    ),
    "k_hat": Definition(
        "Pareto k̂",
        "The shape of the tail of the importance weights; above 0.7 weighted estimates cannot be "
        "trusted, however many draws there are.",
        "",
        _PSIS,
    ),
    "ppp": Definition(
        "Posterior-predictive p",
        "The tail probability of χ² averaged over draws: near zero where no draw explains the "
        "photometry. It ranks galaxies; values of good fits pile up about one half, and it has no "
        "fixed level of false alarms.",
        "⟨P(χ²_bands > χ²(data, θ))⟩ over draws θ",
        "Gelman, Meng & Stern (1996), Statistica Sinica 6, 733",
    ),
    "worst_band": Definition(
        "Worst band",
        "The band that lies farthest from the models of a galaxy's draws, in sigma, positive where "
        "the observed flux is higher. Counted for galaxies with a posterior-predictive p below "
        "0.01.",
    ),
    "typicality": Definition(
        "Typicality",
        "The share of simulated galaxies of like signal-to-noise and bands that are less like "
        "the simulations than this one: a p-value, uniform between 0 and 1 for galaxies as "
        "simulated.",
    ),
    "in_distribution": Definition(
        "In distribution",
        "Fitted galaxies whose typicality is above the run file's level (output.typicality.level), "
        "which is the expected share of false alarms.",
    ),
    "at_edge": Definition(
        "At an edge of the prior",
        "At least a fifth of a galaxy's draws lie in the outermost hundredth of the prior's "
        "probability at one end: the answer may lie beyond the prior.",
    ),
    "flags": Definition(
        "Flags",
        "What may be wrong with a row: not fitted; redshift outlier (error beyond 0.15 against a "
        "known redshift); not verified; poor fit (posterior-predictive p below 0.01); not like the "
        "simulations (not in distribution); at an edge of the prior; no value (percentiles that "
        "are not finite).",
    ),
    "row": Definition("Row number", "In the posterior catalogue and in the catalogue, from 0."),
    # --- models ---------------------------------------------------------------------------
    "evidence": Definition(
        "Evidence",
        "Probability of a galaxy's data under a model, averaged over its prior, given that the "
        "survey selected it. It depends on the priors as much as on the physics.",
        "ln Z = ln ∫ p(data | θ) p(θ) dθ",
    ),
    "bayes": Definition(
        "ln Bayes factor",
        "Difference of the log evidence of two models; summed over galaxies it compares “all are "
        "of this model” with “all are of the first”.",
        "ln B = ln Z − ln Z_first",
        "Kass & Raftery (1995), JASA 90, 773, doi:10.1080/01621459.1995.10476572",
    ),
    "model_share": Definition(
        "Share of the population",
        "The share of the galaxies that a model describes, with all galaxies' evidence taken "
        "together: posterior mean and standard deviation, under a uniform prior on the shares.",
    ),
    "preferred": Definition(
        "Galaxies preferring a model",
        "The share of compared galaxies whose evidence, with the prior odds, is greatest for the "
        "model.",
    ),
    "compared": Definition("Compared galaxies", "Those whose evidence is known under every model."),
    "shift": Definition(
        "Shift between models",
        "Median over galaxies of the difference of posterior medians to the first model, and half "
        "its central 68%; also in units of the first model's half-width σ68.",
    ),
}

_PRIORS = {
    "fixed": "A value that is taken as known.",
    "uniform": "Flat between two limits.",
    "log_uniform": "Flat in the logarithm between two limits.",
    "normal": "Normal, truncated where limits are given.",
    "student_t": "Student's t with so many degrees of freedom, truncated where limits are given.",
    "tabulated": "A density given at points, linear between them.",
    "dirichlet": "Dirichlet distribution of the parts, of the given concentration.",
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
    """Return a unit as people write it: ``dex(solMass / yr)`` is dex(M☉ yr⁻¹)."""
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
