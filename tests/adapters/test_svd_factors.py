"""Singular values of weights, by the short way and by the full decomposition, computed and from the cache."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from monai_samadapt.adapters.svd_factors import factorise, factorise_all


def matrix(shape: tuple[int, int], smallest: float) -> Tensor:
    """A matrix whose singular values fall from 1 to ``smallest``."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(side, min(shape), generator=generator).double())[0] for side in shape)
    values = torch.logspace(0, torch.log10(torch.tensor(smallest)).item(), min(shape), dtype=torch.float64)
    return ((left * values) @ right.T).float()


@pytest.mark.parametrize("shape", [(48, 16), (16, 48), (24, 24)])
@pytest.mark.parametrize("smallest", [1e-2, 1e-7])  # the second is decomposed in full
def test_factors_are_those_of_the_matrix_and_come_back_from_the_cache(
    shape: tuple[int, int], smallest: float, tmp_path: Path
) -> None:
    weight = matrix(shape, smallest)
    factors = factorise(weight)
    torch.testing.assert_close((factors.U * factors.S) @ factors.Vt, weight, atol=1e-6, rtol=0)
    torch.testing.assert_close(factors.S, torch.linalg.svdvals(weight.double()).float(), atol=1e-6, rtol=1e-3)
    torch.testing.assert_close(factors.U.T @ factors.U, torch.eye(min(shape)), atol=1e-5, rtol=0)
    torch.testing.assert_close(factors.Vt @ factors.Vt.T, torch.eye(min(shape)), atol=1e-5, rtol=0)
    for _ in range(2):  # written, then read
        cached = factorise_all({"layer": weight}, "base", tmp_path)["layer"]
        assert all(torch.equal(cached[k], factors[k]) for k in range(3))
    assert len(list((tmp_path / "svd").iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "svd").touch()  # where its folder would be
    found = factorise_all({"layer": matrix((6, 4), 0.1)}, "base", tmp_path)["layer"]
    assert torch.equal(found.U, factorise(matrix((6, 4), 0.1)).U)
