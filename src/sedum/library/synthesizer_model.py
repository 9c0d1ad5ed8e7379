"""Your own Synthesizer model as a forward model of sedum.

Synthesizer (Lovell et al. 2025) computes one galaxy at a time. All later steps, from the library to
the fitted catalogue, do not depend on the origin of the fluxes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from sedum import config
from sedum.errors import SedumError, allowed
from sedum.galaxies.model_parameters import prior_of
from sedum.photometry.filters import Filter, FilterSet
from sedum.storage import array_digest, digest

__all__ = ["SynthesizerModel"]


class SynthesizerModel:
    """Photometry, spectra and derived quantities of galaxies, computed by Synthesizer.

    Parameters
    ----------
    run
        A run file whose model is of ``kind: external``. It gives the parameters, which must include
        ``redshift``, their priors and the cosmology. Its ``filters`` must be those of the
        instrument, in the same order.
    galaxy
        Function that takes the parameters of one galaxy, by name, and returns a Synthesizer
        ``Galaxy`` with stars. Its redshift is set afterwards.
    emission_model
        Synthesizer emission model. Its label names the spectrum that is observed.
    filters
        Synthesizer ``FilterCollection``, or an instrument that has one.
    igm
        Class or object of Synthesizer for intergalactic absorption, or None.
    derived
        Functions by the name of a derived quantity. Each takes a galaxy with spectra and returns a
        number.

    Raises
    ------
    SedumError
        If Synthesizer is not installed, or the run file does not fit.

    Notes
    -----
    A run file has ``model: {kind: external, name: mine, parameter_names: [redshift, log_mass,
    duration]}`` and a prior for each parameter. Then::

        def galaxy(p):
            stars = Stars(
                grid.log10ages,
                grid.metallicities,
                sf_hist=SFH.Constant(max_age=p["duration"] * Myr),
                metal_dist=ZDist.DeltaConstant(metallicity=0.01),
                initial_mass=10 ** p["log_mass"] * Msun,
            )
            return Galaxy(stars=stars, redshift=p["redshift"])

        model = SynthesizerModel(run, galaxy, emission, filters, igm=Inoue14)
        library = sedum.simulate(run, "library.h5", model=model)
        posterior = sedum.train(run, library)
        table = sedum.fit(run, posterior, "in.fits", "out.fits", model=model)
    """

    def __init__(
        self,
        run: config.RunFile,
        galaxy: Callable[[dict[str, float]], Any],
        emission_model: Any,
        filters: Any,
        igm: Any = None,
        derived: Mapping[str, Callable[[Any], float]] | None = None,
    ):
        try:
            import synthesizer
        except ImportError:
            raise SedumError(
                "Synthesizer is not installed; run: pip install 'sedum[synthesizer]'"
            ) from None
        if not isinstance(run.model, config.ExternalModelSettings):
            raise SedumError("model: a Synthesizer model needs kind: external in the run file")
        self.prior = prior_of(run.model, run.priors)
        if "redshift" not in self.prior.names:
            raise SedumError("model.parameter_names: a Synthesizer model needs redshift")
        self._spec = run.model
        self._version = str(synthesizer.__version__)
        self._build, self._emission = galaxy, emission_model
        # Given a class, Synthesizer would create an object and read its tables for every galaxy.
        self._igm = igm() if isinstance(igm, type) else igm
        self._collection = collection_of(filters)
        self._derived = dict(derived or {})
        self.filters = filter_set(self._collection)
        self._limits = np.array([band.limits for band in self.filters])
        self._grid = grid_digest(emission_model)
        if self.filters.names != run.band_names():
            raise SedumError(
                f"filters: the run file has {', '.join(run.band_names())}; the instrument has "
                f"{', '.join(self.filters.names)}"
            )
        import astropy.cosmology

        self._cosmology = getattr(astropy.cosmology, run.model.cosmology)

    def fingerprint(self) -> dict[str, str]:
        """Return hashes of what fluxes depend on; your functions count by the name of the model."""
        parts = {
            "run": self._spec.model_dump(mode="json"),
            "emission": sorted(label for label, _ in self._emission.items()),
            "igm": type(self._igm).__name__,
        }
        return {
            "filters": self.filters.digest(),
            "grid": digest([self._version, self._grid]),
            "model": digest(parts),
            "priors": digest({k: v.model_dump(mode="json") for k, v in self.prior.specs.items()}),
        }

    def photometry(self, theta: np.ndarray) -> np.ndarray:
        """Return flux densities in µJy, float32, [n, bands].

        Parameters
        ----------
        theta
            Parameters, [n, d].

        Raises
        ------
        SedumError
            If a parameter is not finite, a band extends beyond the grid, or Synthesizer fails or
            returns fluxes that are not finite; the message names the row.
        """
        theta = self.check(theta)
        out = np.empty((len(theta), len(self.filters)), np.float32)
        for row, values in enumerate(theta):
            emission = self._observe(row, values)
            self._require_light(row, emission.obslam.to_value("angstrom"))
            with named(row):
                fluxes = emission.get_photo_fnu(self._collection, verbose=False)
            out[row] = [fluxes[name].to_value("uJy") for name in self.filters.names]
            if not np.isfinite(out[row]).all():
                band = self.filters.names[int(np.argmin(np.isfinite(out[row])))]
                raise SedumError(
                    f"parameters, row {row}: Synthesizer gives no finite flux in {band}; check "
                    "the galaxy that your function makes of this row"
                )
        return out

    def _require_light(self, row: int, wavelength: np.ndarray) -> None:
        """Refuse bands that extend beyond the grid, where Synthesizer assumes zero flux."""
        beyond = (self._limits[:, 0] < wavelength[0]) | (self._limits[:, 1] > wavelength[-1])
        if beyond.any():
            raise SedumError(
                f"parameters, row {row}: band {self.filters.names[int(beyond.argmax())]} sees "
                f"light beyond the grid, which covers {wavelength[0]:.0f} to "
                f"{wavelength[-1]:.0f} Å at this redshift; remove the band or narrow the prior "
                "of redshift"
            )

    def spectrum(self, theta: np.ndarray, wavelength: np.ndarray | None = None) -> np.ndarray:
        """Return observed spectra f_ν in µJy, [n, m].

        Parameters
        ----------
        theta
            Parameters, [n, d].
        wavelength
            Observed wavelengths in Angstrom, [m]; those of the grid, redshifted, where None.
        """
        theta = self.check(theta)
        rows = []
        for row, values in enumerate(theta):
            emission = self._observe(row, values)
            flux = emission.fnu.to_value("uJy")
            if wavelength is not None:
                seen = emission.obslam.to_value("angstrom")
                flux = np.interp(wavelength, seen, flux, left=np.nan, right=np.nan)
            rows.append(flux)
        return np.array(rows)

    def derived(self, theta: np.ndarray, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
        """Return your derived quantities by name, each [n].

        Parameters
        ----------
        theta
            Parameters, [n, d].
        names
            Names of the quantities; all if empty.

        Raises
        ------
        SedumError
            If there is no quantity of a name.
        """
        theta = self.check(theta)
        names = list(names or self._derived)
        for name in names:
            if name not in self._derived:
                known = list(self._derived)
                raise SedumError(f"output.derived: no quantity {name!r}{allowed(name, known)}")
        out = {name: np.empty(len(theta)) for name in names}
        for row, values in enumerate(theta if names else []):
            galaxy = self._galaxy(row, values)
            for name in names:
                with named(row, f"the derived quantity {name!r}"):
                    out[name][row] = float(self._derived[name](galaxy))
        return out

    def check(self, theta: np.ndarray) -> np.ndarray:
        """Return the parameters as float64, [n, d]; refuse invalid rows."""
        theta = np.atleast_2d(np.asarray(theta, float))
        names = self.prior.names
        if theta.shape[1] != len(names):
            raise SedumError(
                f"parameters have {theta.shape[1]} columns; the model has {len(names)}: "
                f"{', '.join(names)}"
            )
        bad = np.argwhere(~np.isfinite(theta))
        if len(bad):
            row, column = bad[0]
            raise SedumError(
                f"parameters, row {row}: {names[column]} = {theta[row, column]} is not finite"
            )
        redshift = theta[:, names.index("redshift")]
        if (redshift < 0).any():
            row = int((redshift < 0).argmax())
            raise SedumError(f"parameters, row {row}: redshift = {redshift[row]:g} is negative")
        return theta

    def _galaxy(self, row: int, values: np.ndarray) -> Any:
        """Return a galaxy with its spectra."""
        p = dict(zip(self.prior.names, values.tolist(), strict=True))
        with named(row):
            galaxy = self._build(p)
            galaxy.redshift = p["redshift"]
            galaxy.stars.get_spectra(self._emission)
        return galaxy

    def _observe(self, row: int, values: np.ndarray) -> Any:
        """Return the observed emission of a galaxy."""
        galaxy = self._galaxy(row, values)
        with named(row):
            emission = galaxy.stars.spectra[self._emission.label]
            emission.get_fnu(self._cosmology, galaxy.redshift, self._igm)
        return emission


@contextmanager
def named(row: int, what: str = "Synthesizer") -> Iterator[None]:
    """Turn any exception of the user's code or of Synthesizer into an error that names the row."""
    try:
        yield
    except SedumError:
        raise
    except Exception as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise SedumError(f"parameters, row {row}: {what} failed: {text}") from error


def grid_digest(emission_model: Any) -> str:
    """Return the SHA-256 hash of the spectra of all grids that an emission model reads."""
    # Parts that combine or attenuate others have no grid of their own.
    parts = [getattr(part, "grid", None) for _, part in emission_model.items()]
    grids = {id(grid): grid for grid in parts if grid is not None}
    digests = {
        array_digest(
            np.asarray(grid.log10ages),
            np.asarray(grid.metallicities),
            np.asarray(grid.lam),
            *(np.asarray(grid.spectra[name]) for name in sorted(grid.spectra)),
        )
        for grid in grids.values()
    }
    return digest(sorted(digests))


def collection_of(filters: Any) -> Any:
    """Return a ``FilterCollection``, taken from the instrument if one is given."""
    from synthesizer.instruments import FilterCollection

    own = getattr(filters, "filters", None)
    collection = filters if isinstance(filters, FilterCollection) else own
    if not isinstance(collection, FilterCollection):
        raise SedumError(
            f"filters: found {type(filters).__name__}; give a Synthesizer FilterCollection or a "
            "photometric instrument"
        )
    return collection


def filter_set(collection: Any) -> FilterSet:
    """Return the curves of a Synthesizer ``FilterCollection``."""
    bands = []
    for band in collection:
        wavelength = np.asarray(band.lam.to_value("angstrom"), float)
        transmission = np.asarray(band.t, float)
        open_at = np.flatnonzero(transmission > 0)
        if not len(open_at):
            raise SedumError(f"filters: {band.filter_code} has no transmission at any wavelength")
        keep = slice(max(open_at[0] - 1, 0), open_at[-1] + 2)
        bands.append(Filter(band.filter_code, wavelength[keep], transmission[keep]))
    return FilterSet(bands)
