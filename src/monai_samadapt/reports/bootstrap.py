"""Percentile bootstrap over cases."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def bootstrap_weights(cases: int, resamples: int, seed: int) -> Values:
    """Return how often each case is drawn in each resample, (resamples, cases): one draw for all labels and metrics."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(cases, np.full(cases, 1 / cases), size=resamples).astype(np.float64)


def resampled_means(values: Values, weights: Values) -> Values:
    """Return the mean of each label in each resample, (resamples, labels), over the cases with a value.

    Args:
        values: (cases, labels); NaN where a case has no value.
        weights: (resamples, cases), from `bootstrap_weights`.
    """
    defined = np.isfinite(values)
    counts = weights @ defined
    with np.errstate(invalid="ignore"):
        means: Values = weights @ np.where(defined, values, 0.0) / counts
    return means


def percentile_interval(means: Values) -> list[float]:
    """Return the 2.5 and 97.5 percentiles of resampled means (Efron and Tibshirani 1993, section 13.3)."""
    low, high = np.nanpercentile(means, [2.5, 97.5])
    return [float(low), float(high)]


def mean_of_defined(values: Values, axis: int) -> Values:
    """Return the mean over an axis of the values that are not NaN, NaN where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        means: Values = np.nanmean(values, axis=axis)
    return means
