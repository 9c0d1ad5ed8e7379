"""The reasons why a row cannot be fitted: the text of its status, what it means, and the remedy.

The column ``status``, the report, the explorer and the documentation all take them from here.
"""

from __future__ import annotations

import re
from enum import Enum

__all__ = ["OK", "Reason"]

#: The status of a row that can be fitted.
OK = "ok"


class Reason(Enum):
    """Why a row cannot be fitted.

    Each value is the text of the status, in which ``{name}`` stands for a band, a column, a
    model or a number; what it means; and what can be done about it.

    Examples
    --------
    >>> Reason.FLUX_NOT_FINITE.text("jwst_f444w")
    'flux not finite in jwst_f444w'
    >>> Reason.of("flux not finite in jwst_f444w").remedy
    'List such values in catalogue.missing.'
    """

    NO_IDENTIFIER = (
        "no identifier",
        "The column of identifiers holds whole numbers, and none in this row. Its id is -1.",
        "Number the rows, or map another column: the draws of a galaxy depend on its identifier.",
    )
    NO_BAND_OBSERVED = (
        "no band observed",
        "Every band is missing.",
        "If there are many such rows, check the columns, catalogue.missing and missing_beyond.",
    )
    FLUX_NOT_FINITE = (
        "flux not finite in {name}",
        "The value is infinite, or a magnitude so large that no flux can be computed.",
        "List such values in catalogue.missing.",
    )
    UPPER_LIMIT_NOT_POSITIVE = (
        "upper limit not positive in {name}",
        "The upper limit is zero or negative.",
        "Correct the column, or mark the limit as missing.",
    )
    ERROR_NOT_FINITE = (
        "error not finite in {name}",
        "A flux was measured, but its error is NaN or infinite.",
        "Give an error, or mark the flux as missing.",
    )
    ERROR_NOT_POSITIVE = (
        "error not positive in {name}",
        "A flux was measured, but its error is zero or negative.",
        "Give an error, or mark the flux as missing. If negative errors mark upper limits, set "
        "catalogue.limits: {convention: negative_error}.",
    )
    CORRECTION_NOT_KNOWN = (
        "aperture or extinction correction not known",
        "A column that the correction needs is missing in this row, or gives no factor.",
        "Fill the columns of catalogue.aperture or catalogue.extinction, or leave the correction "
        "out.",
    )
    FLAGGED = (
        "flagged by {name}",
        "The value of the column is not among those of catalogue.require.",
        "None, if the row was to be left out.",
    )
    REDSHIFT_ERROR_NOT_POSITIVE = (
        "redshift error not positive",
        "The redshift is given to the estimator, and its error is not a positive number.",
        "Correct the column, or remove catalogue.redshift_error.",
    )
    LIMIT_NOT_TRAINED = (
        "upper limit in {name}, but the run file has no noise.limits",
        "The estimator was trained without upper limits.",
        "Set noise: {limits: {sigma: 3}} and train again.",
    )
    SELECTION_BAND_MISSING = (
        "selection band {name} not observed",
        "The band by which the survey selects galaxies is missing.",
        "Train without noise.selection, or select by another band.",
    )
    BELOW_SELECTION = (
        "below the selection in {name}",
        "The signal-to-noise is below noise.selection.snr: such galaxies were not trained on.",
        "Lower noise.selection.snr and train again.",
    )
    REDSHIFT_OUTSIDE_PRIOR = (
        "given redshift outside the prior",
        "The known redshift lies outside the prior of the redshift.",
        "Widen priors.redshift and train again, or set catalogue.use_redshift: false.",
    )
    FLUX_OUTSIDE_TRAINING = (
        "flux outside the training range in {name}",
        "The galaxy is brighter, or its flux more negative, than any in training.",
        "Check the unit and the zero-point first; otherwise widen the priors and train again.",
    )
    ERROR_OUTSIDE_TRAINING = (
        "error outside the training range in {name}",
        "The error is larger than any in training. Smaller ones are raised to the smallest.",
        "Check depths and unit. 'sedum noise fit' learns the errors of the catalogue; train with "
        "them.",
    )
    REDSHIFT_ERROR_OUTSIDE_TRAINING = (
        "redshift error outside the training range",
        "The error of the known redshift is larger than noise.redshift_error allows. Smaller "
        "ones are raised to the smallest.",
        "Give a range there, such as [0.0005, 0.05], and train again.",
    )
    DRAWS_NOT_FINITE = (
        "the network gives no finite draws",
        "The estimator computes NaN, infinite or all the same numbers for this row.",
        "If there are many such rows, train the estimator again; a single row may be extreme.",
    )
    FEW_EFFECTIVE_DRAWS = (
        "fewer than {name} effective draws of the prior",
        "Too few draws lie where the other priors have their mass.",
        "Increase output.draws, or train with those priors.",
    )
    LONG_TAIL_OF_WEIGHTS = (
        "weights of the prior have too long a tail (Pareto k)",
        "A few draws carry most of the weight of the other priors.",
        "Increase output.draws, or train with those priors.",
    )
    NOT_DRAWN = (
        "not among the rows drawn",
        "Only some of the rows were compared, drawn at random.",
        "Compare more rows.",
    )
    EVIDENCE_NOT_VERIFIED = (
        "evidence of {name} not verified",
        "The importance weights of this model cannot be trusted.",
        "Use more draws and rounds, train longer, or sample such rows with nested sampling.",
    )
    NO_REDSHIFT = (
        "no redshift",
        "Apparent magnitudes need a redshift to become absolute ones.",
        "Give the redshift of the row.",
    )
    REDSHIFT_NOT_POSITIVE = (
        "redshift not positive",
        "A redshift of zero or less gives no distance.",
        "Correct the redshift.",
    )
    NO_BAND_WELL_MEASURED = (
        "no band measured well enough",
        "No band reaches the signal-to-noise survey.min_snr.",
        "Lower survey.min_snr.",
    )
    FEATURE_MISSING = (
        "a feature that is needed is not measured",
        "The regressor was trained on galaxies with all bands.",
        "Set regression: {missing: true} and train again.",
    )
    NOT_USABLE_BY_REST_FIT = (
        "not usable by survey.rest_fit",
        "The fit of rest-frame magnitudes cannot use the row.",
        "See how the run file of that fit reads the catalogue.",
    )
    REDSHIFT_OUTSIDE_REST_FIT = (
        "redshift outside survey.rest_fit",
        "The redshift lies outside the prior of the fit of rest-frame magnitudes.",
        "Widen that prior and train its estimator again.",
    )

    def __init__(self, template: str, meaning: str, remedy: str):
        self.template, self.meaning, self.remedy = template, meaning, remedy

    def text(self, name: object = "") -> str:
        """Return the status, with the name of a band, column or model where it has one."""
        return self.template.replace("{name}", str(name))

    @classmethod
    def of(cls, status: str) -> Reason | None:
        """Return the reason behind the status of a row; None for ``ok`` and unknown texts.

        In a comparison of models, a status may begin with the name of a model and a colon.
        """
        for reason in cls:
            pattern = re.escape(reason.template).replace(re.escape("{name}"), ".+")
            if re.fullmatch(f"(?:[^:]+: )?{pattern}", status):
                return reason
        return None
