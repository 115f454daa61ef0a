"""Thin singular value decomposition of frozen weights, once per base."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from monai_samadapt.files import atomic_path

SMALLEST_RATIO = 1e-5


class Factors(NamedTuple):
    """W = U diag(S) Vt with W (m, n), r = min(m, n): U (m, r), S (r,) descending, Vt (r, n), float32."""

    U: Tensor
    S: Tensor
    Vt: Tensor


def factorise(weight: Tensor) -> Factors:
    """Decompose a matrix (m, n).

    The eigenvectors of the smaller Gram matrix in float64 give one side and the singular values; the other side is
    the projected weight divided by them. That squares the condition number, so a matrix whose smallest singular value
    is below 1e-5 of the largest goes through a full decomposition instead.
    """
    matrix = weight.detach().double()
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    eigenvalues, right = torch.linalg.eigh(tall.T @ tall)
    singular, right = eigenvalues.clamp(min=0).sqrt().flip(0), right.flip(1)
    if singular[-1] <= SMALLEST_RATIO * singular[0]:
        u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
        return Factors(u.float().contiguous(), s.float(), vt.float().contiguous())
    left = (tall @ right) / singular
    u, v = (left, right) if tall.shape == matrix.shape else (right, left)
    return Factors(u.float().contiguous(), singular.float(), v.T.float().contiguous())


def factorise_all(weights: dict[str, Tensor], base_sha256: str | None, cache: Path | None) -> dict[str, Factors]:
    """Decompose the named weights, read from the cache where this base's factors are there.

    Args:
        weights: matrix (m, n) or convolution kernel (out, in, k, k), flattened to (out, in * k * k), by module name.
        base_sha256: hash of the base weights; None switches the cache off.
        cache: folder of the cached factors.
    """
    if base_sha256 is None or cache is None:
        return {name: factorise(weight.flatten(1)) for name, weight in weights.items()}
    names = hashlib.sha256("\n".join(weights).encode()).hexdigest()[:12]
    path = cache / "svd" / f"{base_sha256}-{names}.safetensors"
    if not path.is_file():
        factors = {name: factorise(weight.flatten(1)) for name, weight in weights.items()}
        flat = {f"{name}.{part}": value for name, item in factors.items() for part, value in item._asdict().items()}
        with suppress(OSError), atomic_path(path) as temporary:  # a cache may be full, or shared and read-only
            save_file(flat, temporary)
        return factors
    state = load_file(path)
    return {name: Factors(*(state[f"{name}.{part}"] for part in Factors._fields)) for name in weights}
