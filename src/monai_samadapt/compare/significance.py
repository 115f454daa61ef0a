"""Paired tests between methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import wilcoxon


@dataclass(frozen=True)
class PairedTest:
    """One comparison of two methods on the same subjects.

    Attributes:
        first, second: the methods.
        n: subjects that both have a value for.
        difference: median of first - second.
        p: two-sided, of the Wilcoxon signed rank test; 1 where all differences are zero, NaN for no pair.
        p_holm: corrected for all pairs of methods.
    """

    first: str
    second: str
    n: int
    difference: float
    p: float
    p_holm: float


def paired_tests(values: Mapping[str, Mapping[str, float]]) -> list[PairedTest]:
    """Compare each pair of methods.

    Wilcoxon's signed rank test, two-sided; zero differences are dropped; exact up to 50 pairs without ties, else by
    the normal approximation (SciPy's ``method="auto"``). Of n pairs the smallest possible p is 2 / 2^n.

    Args:
        values: method → subject → value; a value that is NaN counts as missing.
    """
    found = []
    for first, second in combinations(values, 2):
        differences = _differences(values[first], values[second])
        middle = float(np.median(differences)) if differences.size else float("nan")
        found.append((first, second, int(differences.size), middle, _p_value(differences)))
    corrected = holm([p for *_, p in found])
    return [PairedTest(*test, p_holm) for test, p_holm in zip(found, corrected, strict=True)]


def holm(p_values: Sequence[float]) -> list[float]:
    r"""Holm's step-down correction (Scandinavian Journal of Statistics 1979).

    For the sorted p of m tests, :math:`\tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) p_{(j)})`, which keeps the
    probability of any false rejection below the level. A NaN stays one and is no test.
    """
    order = [index for index in np.argsort(p_values) if not np.isnan(p_values[index])]
    corrected, highest = [float("nan")] * len(p_values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - place) * p_values[index]))
        corrected[index] = highest
    return corrected


def _differences(first: Mapping[str, float], second: Mapping[str, float]) -> np.ndarray:
    both = np.array([first[key] - second[key] for key in first if key in second], np.float64)
    kept: np.ndarray = both[np.isfinite(both)]
    return kept


def _p_value(differences: np.ndarray) -> float:
    if not differences.size:
        return float("nan")
    return float(wilcoxon(differences).pvalue) if differences.any() else 1.0
