"""Learning the noise of a survey from its catalogue."""

from __future__ import annotations

import numpy as np

from sedum.errors import SedumError, allowed
from sedum.observe.error_curves import ErrorCurves
from sedum.observe.noise_file import SurveySample
from sedum.photometry.catalogue import CatalogueRows

__all__ = ["MIN_MEASUREMENTS", "fit_noise", "nominal_noise"]

#: Minimum number of measurements from which the errors of a band are learned.
MIN_MEASUREMENTS = 20
#: Maximum number of nodes of an error curve.
_NODES = 16
#: Minimum spread of ln(error): errors that are equal in the catalogue still need a width.
_MIN_SPREAD = 0.02


def fit_noise(
    rows: CatalogueRows,
    bands: list[str],
    *,
    reference: str | None = None,
    n_galaxies: int = 20_000,
    seed: int = 1,
    source: str = "catalogue",
) -> SurveySample:
    """Learn errors against brightness, their correlations, and patterns of missing bands.

    Parameters
    ----------
    rows
        The catalogue. Only rows whose status is ``ok`` are used.
    bands
        Names of the bands, in the order of the photometry.
    reference
        Band in which brightness is compared. None selects the band that is measured most often;
        among several such bands, the one with the highest median signal-to-noise ratio.
    n_galaxies
        Maximum number of galaxies to store as examples; they are drawn at random.
    seed
        Seed of that draw.
    source
        Name of the catalogue in the result.

    Returns
    -------
    SurveySample
        Error curves, correlations and example galaxies. Write it to a file for ``noise.file`` of a
        run file, or pass it to :class:`NoiseModel`.

    Raises
    ------
    SedumError
        If a band has too few measurements to learn from, or the reference band is not in ``bands``.

    Examples
    --------
    >>> from sedum import FilterSet, fit_noise, read_catalogue
    >>> rows = read_catalogue(catalogue, run.catalogue, FilterSet.from_run(run))
    >>> sample = fit_noise(rows, run.band_names())
    >>> sample.write("noise.h5")
    """
    good = rows.row_status.ok
    seen = rows.photometry[good]
    few = [b for b, c in zip(bands, seen.measured.sum(axis=0), strict=True) if c < MIN_MEASUREMENTS]
    if few:
        raise SedumError(
            f"{source}: fewer than {MIN_MEASUREMENTS} rows measure {', '.join(few)}; leave these "
            "bands out of filters, or use noise of kind depths"
        )
    flux, error = np.where(seen.measured, seen.flux, np.nan), np.where(seen.observed, seen.error, 1)
    depth = np.array([_faint_error(flux[:, i], error[:, i]) for i in range(len(bands))])
    curves = [_curve(flux[:, i], error[:, i], depth[i]) for i in range(len(bands))]
    nodes, centre, spread = (np.stack(part) for part in zip(*curves, strict=True))
    kept = np.arange(len(seen))
    if len(seen) > n_galaxies:
        kept = np.sort(np.random.default_rng(seed).choice(len(seen), n_galaxies, replace=False))
    sample = SurveySample(
        bands=bands,
        reference=_reference(seen.flux / error, seen.measured, bands, reference),
        depth=depth,
        nodes=nodes,
        centre=centre,
        spread=spread,
        correlation=np.eye(len(bands)),
        flux=seen.flux[kept].astype(np.float32),
        error=error[kept].astype(np.float32),
        observed=seen.observed[kept],
        upper=seen.upper[kept],
        source=f"{source}, {len(seen)} of {len(rows)} rows",
    )
    latent = ErrorCurves(sample).latent_of(seen.flux, error)
    correlation = _correlation(np.clip(latent, -5, 5), seen.measured)
    return SurveySample(**{**vars(sample), "correlation": correlation})


def nominal_noise(sample: SurveySample) -> tuple[dict[str, float], float, float]:
    """Summarise the errors of a catalogue as noise of kind ``depths``.

    Returns
    -------
    depths : dict
        5-sigma depth of each band in AB magnitudes, from the median error of the fainter half.
    scatter, shared_scatter : float
        Scatter of the errors about the depths in dex: independent in each band, and common to a
        galaxy's bands. Both are half the interval between the 16th and 84th percentiles.

    Examples
    --------
    >>> from sedum import FilterSet, fit_noise, read_catalogue
    >>> rows = read_catalogue(catalogue, run.catalogue, FilterSet.from_run(run))
    >>> depths, scatter, shared_scatter = nominal_noise(fit_noise(rows, run.band_names()))
    >>> sorted(depths)
    ['sdss_g0', 'sdss_i0', 'sdss_r0']
    """
    depths = 23.9 - 2.5 * np.log10(5 * sample.depth)
    about = np.where(sample.measured, np.log10(sample.error / sample.depth), np.nan)
    about = about[sample.measured.any(axis=1)]
    about = about - np.nanmedian(about, axis=0)
    common = np.nanmean(about, axis=1, keepdims=True)
    shared, own = (np.diff(np.nanpercentile(a, [16, 84]))[0] / 2 for a in (common, about - common))
    return (
        {b: round(float(d), 2) for b, d in zip(sample.bands, depths, strict=True)},
        round(float(own), 3),
        round(float(shared), 3),
    )


def _faint_error(flux: np.ndarray, error: np.ndarray) -> float:
    """Return the median error of the fainter half, where the source adds little noise itself."""
    there = np.isfinite(flux)
    faint = there & (flux <= np.median(flux[there]))
    return float(np.median(error[faint]))


def _curve(
    flux: np.ndarray, error: np.ndarray, depth: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return nodes in brightness, and the median and spread of the log error at them, [nodes]."""
    there = np.isfinite(flux)
    magnitude = np.arcsinh(flux[there] / (2 * depth))
    log_error = np.log(error[there])
    bins = _bins(magnitude)
    nodes = np.array([np.median(magnitude[b]) for b in bins])
    centre = np.array([np.median(log_error[b]) for b in bins])
    # Within a bin the trend itself spreads the errors: it is removed first. It continues beyond
    # the last node.
    slope = np.diff(centre[-2:]) / np.diff(nodes[-2:]) if len(nodes) > 1 else 0.0
    beyond = np.maximum(magnitude - nodes[-1], 0) * slope
    about = log_error - np.interp(magnitude, nodes, centre) - beyond
    low, high = np.array([np.percentile(about[b], [16, 84]) for b in bins]).T
    spread = np.maximum((high - low) / 2, _MIN_SPREAD)
    if len(nodes) == 1:
        nodes, centre, spread = (
            np.r_[nodes, nodes + 1],
            np.r_[centre, centre],
            np.r_[spread, spread],
        )
    keep = np.concatenate([[True], np.diff(nodes) > 1e-9])
    nodes, centre, spread = nodes[keep], centre[keep], spread[keep]
    # All bands need the same number of nodes: short curves repeat their first value.
    short = _NODES - len(nodes)
    before = nodes[0] - 1e-3 * np.arange(short, 0, -1)
    return (
        np.r_[before, nodes],
        np.r_[np.full(short, centre[0]), centre],
        np.r_[np.full(short, spread[0]), spread],
    )


def _bins(magnitude: np.ndarray) -> list[np.ndarray]:
    """Split indices by brightness, in order: half by number and half by interval.

    By number alone, the few brightest sources, whose errors change most, would be in one bin.
    """
    order = np.argsort(magnitude, kind="stable")
    ranked = magnitude[order]
    extent = max(ranked[-1] - ranked[0], 1e-9)
    place = (np.arange(len(order)) / len(order) + (ranked - ranked[0]) / extent) / 2
    edges = np.searchsorted(place, np.arange(1, _NODES) / _NODES)
    kept = [0]
    for edge in edges:
        if edge - kept[-1] >= MIN_MEASUREMENTS and len(order) - edge >= MIN_MEASUREMENTS:
            kept.append(int(edge))
    return np.split(order, kept[1:])


def _reference(snr: np.ndarray, measured: np.ndarray, bands: list[str], name: str | None) -> int:
    if name is not None:
        if name not in bands:
            raise SedumError(
                f"reference band {name!r} is not among the filters{allowed(name, bands)}"
            )
        return bands.index(name)
    fraction = measured.mean(axis=0)
    median = np.array([np.median(snr[m, i]) for i, m in enumerate(measured.T)])
    return int(np.argmax(np.where(fraction >= fraction.max() - 0.01, median, -np.inf)))


def _correlation(latent: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Return the correlation of standardised errors, made positive definite."""
    bands = latent.shape[1]
    matrix = np.eye(bands)
    for i in range(bands):
        for j in range(i):
            both = measured[:, i] & measured[:, j]
            x, y = latent[both, i], latent[both, j]
            if both.sum() >= MIN_MEASUREMENTS and x.std() > 0 and y.std() > 0:
                matrix[i, j] = matrix[j, i] = np.corrcoef(x, y)[0, 1]
    values, vectors = np.linalg.eigh(matrix)
    positive = (vectors * np.maximum(values, 1e-6)) @ vectors.T
    size = np.sqrt(np.diag(positive))
    return positive / np.outer(size, size)
