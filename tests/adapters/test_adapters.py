"""One behaviour suite for every kind of adapter layer."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from segment_anything.modeling.common import MLPBlock
from torch import nn

from monai_samadapt.adapters import BottleneckConfig, LoRAConfig, SVDConfig, inject
from monai_samadapt.adapters.inject import Adapters
from monai_samadapt.adapters.svd_factors import factorise
from monai_samadapt.errors import SamAdaptError

KINDS = {
    "svd linear": (SVDConfig, {}),
    "svd conv": (SVDConfig, {}),
    "svd conv3": (SVDConfig, {}),
    "lora": (LoRAConfig, {"rank": 3, "alpha": 6.0}),
    "lora q v": (LoRAConfig, {"rank": 2, "parts": (0, 2), "num_parts": 3, "init": "gaussian"}),
    "bottleneck": (BottleneckConfig, {"width": 3, "scale": 0.5}),
}


def make(kind: str) -> tuple[nn.Sequential, torch.Tensor]:
    torch.manual_seed(0)
    if kind == "svd conv":
        return nn.Sequential(nn.Conv2d(5, 4, 1, bias=False)), torch.randn(2, 5, 6, 6)
    if kind == "svd conv3":
        return nn.Sequential(nn.Conv2d(3, 40, 3, padding=1, stride=2)), torch.randn(2, 3, 6, 6)
    if kind == "bottleneck":
        return nn.Sequential(MLPBlock(7, 12)), torch.randn(2, 5, 7)
    return nn.Sequential(nn.Linear(7, 12)), torch.randn(2, 5, 7)


def adapt(kind: str, train: bool = True) -> tuple[nn.Sequential, nn.Sequential, torch.Tensor, Adapters]:
    model, x = make(kind)
    plain = copy.deepcopy(model)
    config_type, options = KINDS[kind]
    factors = {"0": factorise(model[0].weight.flatten(1))} if config_type is SVDConfig else None
    adapters = inject(model, config_type(("0",), **options), factors)
    if train:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for value in adapters.parameters().values():
                value.add_(torch.randn(value.shape, generator=generator) * 0.3)
    return model, plain, x, adapters


@pytest.mark.parametrize("kind", KINDS)
class TestBehaviour:
    def test_identity_at_step_0(self, kind: str) -> None:
        model, plain, x, _ = adapt(kind, train=False)
        assert torch.allclose(model(x), plain(x), atol=1e-5)

    def test_a_trained_adapter_changes_the_output(self, kind: str) -> None:
        model, plain, x, _ = adapt(kind)
        assert (model(x) - plain(x)).abs().max() > 0.05

    def test_merged_equals_unmerged_and_unmerging_is_exact(self, kind: str) -> None:
        model, _, x, adapters = adapt(kind)
        before = model(x)
        for _ in range(2):
            adapters.merge()
        assert torch.allclose(model(x), before, atol=1e-5) and not torch.equal(model(x), before * 0)
        for _ in range(2):
            adapters.unmerge()
        assert torch.equal(model(x), before)

    def test_gradients_reach_exactly_the_adapter(self, kind: str) -> None:
        model, _, x, adapters = adapt(kind)
        for value in model.parameters():
            value.requires_grad_(False)
        for value in adapters.parameters().values():
            value.requires_grad_(True)
        model(x).square().sum().backward()
        with_gradient = {name for name, value in model.named_parameters() if value.grad is not None}
        assert with_gradient == set(adapters.parameters())
        assert all(value.grad.abs().sum() > 0 for value in adapters.parameters().values())

    def test_state_round_trip(self, kind: str) -> None:
        model, _, x, adapters = adapt(kind)
        other, _, _, fresh = adapt(kind, train=False)
        fresh.load_state(adapters.state())
        assert torch.equal(other(x), model(x))

    def test_deep_copy_is_independent(self, kind: str) -> None:
        model, _, x, _ = adapt(kind)
        twin = copy.deepcopy(model)
        before = model(x)
        with torch.no_grad():
            for value in twin.parameters():
                value.add_(1)
        assert torch.equal(model(x), before)

    def test_half_precision_and_double(self, kind: str) -> None:
        model, _, x, _ = adapt(kind)
        exact = model(x)
        assert torch.allclose(model.double()(x.double()).float(), exact, atol=1e-5)
        assert torch.allclose(model.bfloat16()(x.bfloat16()).float(), exact, atol=0.2)

    def test_merged_state_dict_is_the_unmerged_one(self, kind: str) -> None:
        model, _, _, adapters = adapt(kind)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        adapters.merge()
        after = model.state_dict()
        assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("kind", KINDS.keys() - {"bottleneck"})
def test_merged_weight_in_a_plain_layer(kind: str) -> None:
    model, plain, x, adapters = adapt(kind)
    with torch.no_grad():
        plain[0].weight.copy_(adapters.layers["0"].compose_weight())
    assert torch.allclose(plain(x), model(x), atol=1e-5)


def test_svd_gradient_is_the_closed_form() -> None:
    """dL/dA_i = sigma_i u_i^T (dL/dW') v_i where A_i sigma_i + B_i > 0, else 0; dL/dB_i the same without sigma_i."""
    model, _, x, adapters = adapt("svd linear", train=False)
    layer: Any = adapters.layers["0"]
    with torch.no_grad():
        layer.B[2] = -2 * layer.S[2]
        layer.A.mul_(0.9)
    weight = layer.compose_weight().detach().requires_grad_()
    torch.nn.functional.linear(x, weight, layer.bias).pow(3).sum().backward()
    model(x).pow(3).sum().backward()
    alive = ((layer.A * layer.S + layer.B) > 0).float()
    projected = torch.einsum("or,oi,ri->r", layer.U, weight.grad, layer.Vt) * alive
    assert alive.sum() == 6
    assert torch.allclose(layer.A.grad, projected * layer.S, rtol=1e-3, atol=1e-3)
    assert torch.allclose(layer.B.grad, projected, rtol=1e-3, atol=1e-3)
    assert float(layer.dead_fraction()) == pytest.approx(1 / 7)


def test_svd_values_by_hand() -> None:
    """W = diag(3, 2): A = (2, 1), B = (0, -5) gives W' = diag(6, 0)."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.diag(torch.tensor([3.0, 2.0])))
    adapters = inject(model, SVDConfig(("0",)), {"0": factorise(model[0].weight)})
    layer: Any = adapters.layers["0"]
    with torch.no_grad():
        layer.A.copy_(torch.tensor([2.0, 1.0]))
        layer.B.copy_(torch.tensor([0.0, -5.0]))
    assert torch.allclose(model(torch.tensor([[1.0, 1.0]])), torch.tensor([[6.0, 0.0]]), atol=1e-5)


def test_lora_values_by_hand() -> None:
    """y = W x + alpha / r B A x for q and v only: k stays."""
    linear = nn.Linear(2, 6, bias=False)
    model = nn.Sequential(linear)
    adapters = inject(model, LoRAConfig(("0",), rank=1, alpha=2.0, parts=(0, 2), num_parts=3))
    layer: Any = adapters.layers["0"]
    with torch.no_grad():
        linear.weight.zero_()
        layer.lora_A.copy_(torch.tensor([[[1.0, 2.0]], [[3.0, 0.0]]]))
        layer.lora_B.copy_(torch.tensor([[[1.0], [-1.0]], [[0.5], [2.0]]]))
    expected = torch.tensor([[6.0, -6.0, 0.0, 0.0, 3.0, 12.0]])
    assert torch.allclose(model(torch.tensor([[1.0, 1.0]])), expected)
    assert sum(value.numel() for value in adapters.parameters().values()) == 2 * (2 + 2)


def test_bottleneck_values_by_hand() -> None:
    """x = 2, D = 1, U = 3, s = 0.5 beside an MLP of zeros: 0.5 * 3 * GELU(2), with GELU(2) = 2 * 0.97725."""
    model = nn.Sequential(MLPBlock(1, 4))
    layer: Any = inject(model, BottleneckConfig(("0",), width=1)).layers["0"]
    with torch.no_grad():
        for value in model.parameters():
            value.zero_()
        layer.down.weight.fill_(1)
        layer.up.weight.fill_(3)
        layer.up.bias.fill_(0.2)
    assert model(torch.tensor([[2.0]])).item() == pytest.approx(1.5 * 2 * 0.977250 + 0.1, abs=1e-5)
    assert sum(value.numel() for value in layer.adapter_parameters().values()) == 1 + 1 + 1 + 1


def test_merged_bottleneck_is_one_wider_mlp() -> None:
    model, _, x, adapters = adapt("bottleneck")
    layer: Any = adapters.layers["0"]
    wide = MLPBlock(7, 12 + 3)
    wide.load_state_dict(
        {
            "lin1.weight": layer.compose_weight(),
            "lin1.bias": torch.cat([layer.lin1.bias, layer.down.bias]),
            "lin2.weight": layer.compose_output(),
            "lin2.bias": layer.lin2.bias + 0.5 * layer.up.bias,
        }
    )
    assert torch.allclose(wide(x), model(x), atol=1e-5)


def test_lora_gaussian_has_variance_one_over_rank() -> None:
    model = nn.Sequential(nn.Linear(4000, 8))
    layer: Any = inject(model, LoRAConfig(("0",), rank=16, init="gaussian")).layers["0"]
    assert layer.lora_A.detach().var().item() == pytest.approx(1 / 16, rel=0.05)


@pytest.mark.parametrize("shape", [(30, 12), (12, 30), (16, 16)])
def test_factors_reconstruct_and_are_orthonormal(shape: tuple[int, int]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, s, vt = factorise(weight)
    assert torch.allclose((u * s) @ vt, weight, atol=1e-5)
    assert torch.allclose(u.T @ u, torch.eye(min(shape)), atol=1e-5)
    assert torch.allclose(s, torch.linalg.svdvals(weight), atol=1e-4)


def test_factors_of_a_rank_deficient_matrix() -> None:
    left, right = torch.randn(20, 3), torch.randn(3, 10)
    u, s, vt = factorise(left @ right)
    assert torch.allclose((u * s) @ vt, left @ right, atol=1e-4)
    assert torch.isfinite(u).all() and torch.allclose(vt @ vt.T, torch.eye(10), atol=1e-4)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (lambda: SVDConfig(()), "empty"),
        (lambda: SVDConfig(("0", "0")), "twice"),
        (lambda: LoRAConfig(("0",), rank=0), "rank=0"),
        (lambda: LoRAConfig(("0",), dropout=1.0), "dropout=1.0"),
        (lambda: LoRAConfig(("0",), init="zeros"), "init='zeros'"),
        (lambda: LoRAConfig(("0",), parts=(3,), num_parts=3), "parts"),
        (lambda: inject(make("lora")[0], SVDConfig(("1",))), "no such module"),
        (lambda: inject(nn.Sequential(nn.ReLU()), SVDConfig(("0",))), "ReLU cannot be adapted"),
        (lambda: BottleneckConfig(("0",), width=0), "width=0"),
        (lambda: inject(nn.Sequential(MLPBlock(2, 2, nn.ReLU)), BottleneckConfig(("0",))), "ReLU'.*no GELU"),
        (lambda: inject(make("lora")[0], LoRAConfig(("0",), num_parts=5)), "does not divide 12"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(config: Any, words: str) -> None:
    with pytest.raises(SamAdaptError, match=words) as caught:
        config()
    assert "\n" not in str(caught.value)


def test_a_foreign_state_is_refused() -> None:
    _, _, _, adapters = adapt("lora")
    with pytest.raises(SamAdaptError, match=r"0\.lora_B.*missing"):
        adapters.load_state({"0.lora_A": adapters.state()["0.lora_A"]})
    with pytest.raises(SamAdaptError, match="shape"):
        adapters.load_state({name: value[..., :1] for name, value in adapters.state().items()})
