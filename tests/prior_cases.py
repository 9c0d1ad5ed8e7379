"""One prior of every kind."""

import numpy as np

from sedum import config


def universe_age(z):
    return 13.8 / (1 + np.asarray(z)) ** 1.5


SPECS = {
    "redshift": config.UniformPrior(kind="uniform", low=0.1, high=6.0),
    "log_mass": config.NormalPrior(kind="normal", mean=9.0, sigma=1.0, low=7.0, high=12.0),
    "log_z": config.MassMetallicityPrior(kind="mass_metallicity"),
    "av": config.LogUniformPrior(kind="log_uniform", low=1e-3, high=5.0),
    "log_ssfr": config.MainSequencePrior(kind="main_sequence"),
    "quantiles": config.DirichletPrior(kind="dirichlet", concentration=2.5),
    "age": config.UniverseAgePrior(kind="universe_age"),
    "log_tau": config.StudentTPrior(kind="student_t", sigma=0.5, dof=2.0),
    "log_u": config.TabulatedPrior(kind="tabulated", x=[-4, -3, -2, -1], density=[0, 2, 1, 0.5]),
    "free": config.NormalPrior(kind="normal", mean=1.0, sigma=2.0),
    "known": config.FixedPrior(kind="fixed", value=0.5),
}
