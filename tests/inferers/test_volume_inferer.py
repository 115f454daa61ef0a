from __future__ import annotations

from typing import Any

import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from torch import Tensor, nn

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.inferers import VolumeInferer


class Network(nn.Module):
    """A small real network that counts its calls and keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
        self.weights_loaded = True
        self.calls: list[int] = []
        self.seen: list[dict[str, Any]] = []
        self.merged = 0
        self.dtypes: list[torch.dtype] = []

    def forward(self, image: Tensor, **prompts: Any) -> Tensor:
        self.calls.append(len(image))
        self.seen.append(prompts)
        logits: Tensor = self.conv(image)
        self.dtypes.append(logits.dtype)
        return logits

    def merge(self) -> None:
        self.merged += 1


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network().eval()


def loop(network: Network, volume: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.stack([network.conv(volume[..., place]) for place in range(volume.shape[-1])], dim=-1)


@pytest.mark.parametrize(("slice_batch", "calls"), [(1, [1] * 14), (3, [3, 3, 1] * 2), (7, [7, 7]), (50, [7, 7])])
def test_slices_go_through_in_batches(network, slice_batch, calls):
    volume = torch.randn(2, 3, 16, 16, 7)
    out = VolumeInferer(slice_batch)(volume, network)
    assert network.calls == calls and network.merged == 1
    assert out.shape == (2, 2, 16, 16, 7) and out.dtype == torch.float32 and not out.requires_grad
    torch.testing.assert_close(out, loop(network, volume), atol=1e-6, rtol=0)


def test_images_go_through_in_batches(network):
    images = torch.randn(5, 3, 16, 16)
    out = VolumeInferer(2)(inputs=images, network=network)
    assert network.calls == [2, 2, 1] and isinstance(VolumeInferer(), Inferer)
    torch.testing.assert_close(out, network.conv(images).detach(), atol=1e-6, rtol=0)


def test_the_network_never_sees_more_than_a_batch_of_slices(network):
    """Constant memory: only the output and one batch exist beside the input, and the output is written in place."""
    volume = torch.randn(1, 3, 16, 16, 40)
    addresses = []
    network.conv.register_forward_hook(
        lambda module, inputs, output: addresses.append(output.untyped_storage().nbytes())
    )
    out = VolumeInferer(4)(volume, network)
    assert set(addresses) == {4 * 2 * 16 * 16 * 4}
    assert out.untyped_storage().nbytes() == out.numel() * 4
    assert out.movedim(-1, 1).is_contiguous()  # slices first in memory


def test_meta_tensors_are_taken_and_plain_tensors_given(network):
    image = MetaTensor(torch.randn(1, 3, 8, 8, 3), meta={"filename_or_obj": ["a"]})
    out = VolumeInferer()(image, network)
    assert type(out) is Tensor and type(network.seen) is list
    torch.testing.assert_close(out, loop(network, image.as_tensor()), atol=1e-6, rtol=0)


def test_prompts_reach_every_call(network):
    points, labels = torch.arange(2 * 1 * 3 * 2.0).reshape(2, 1, 3, 2), torch.ones(2, 1, 3)
    ids = torch.tensor([1, 0])
    VolumeInferer(2)(torch.randn(2, 3, 8, 8, 3), network, points=points, point_labels=labels, label_ids=ids, boxes=None)
    assert network.calls == [2, 1, 2, 1]
    for seen, index, count in zip(network.seen, (0, 0, 1, 1), network.calls, strict=True):
        assert torch.equal(seen["points"], points[index].expand(count, 1, 3, 2))
        assert seen["point_labels"].shape == (count, 1, 3) and torch.equal(seen["label_ids"], ids)
        assert seen["boxes"] is None
    network.seen.clear()
    boxes = torch.rand(3, 1, 4)
    VolumeInferer(2)(torch.randn(3, 3, 8, 8), network, boxes=boxes)
    assert [seen["boxes"].tolist() for seen in network.seen] == [boxes[:2].tolist(), boxes[2:].tolist()]


@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (1, 3, 16, 16, 3)])
def test_mixed_precision_inside_float32_outside(network, shape):
    images = torch.randn(shape)
    out = VolumeInferer(amp=True, amp_dtype="bfloat16")(images, network)
    assert set(network.dtypes) == {torch.bfloat16} and out.dtype == torch.float32
    exact = VolumeInferer()(images, network)
    assert 0 < (out - exact).abs().max() < 0.05


def test_training_mode_keeps_gradients_and_does_not_merge(network):
    network.train()
    VolumeInferer(2)(torch.randn(3, 3, 8, 8), network).sum().backward()
    assert network.merged == 0 and network.conv.weight.grad is not None


def test_a_parallel_wrapper_is_taken_off(network):
    out = VolumeInferer()(torch.randn(1, 3, 8, 8), nn.DataParallel(network))
    assert out.shape == (1, 2, 8, 8) and network.merged == 1


def test_a_plain_function_is_a_network():
    image = torch.randn(1, 3, 8, 8, 5)
    assert torch.equal(VolumeInferer(2)(image, lambda part: part * 2), image * 2)


def test_a_progress_bar_counts_slices(network, capsys):
    VolumeInferer(4, progress=True)(torch.randn(1, 3, 8, 8, 9), network)
    assert "9/9" in capsys.readouterr().err
    VolumeInferer(4)(torch.randn(1, 3, 8, 8, 9), network)
    assert capsys.readouterr().err == ""


def test_unloaded_weights_wrong_shapes_and_settings_are_refused_in_one_line(network):
    image = torch.zeros(1, 3, 8, 8)
    for shape in ((1, 1, 8, 8), (3, 8, 8), (1, 1, 8, 8, 4)):
        with pytest.raises(SamAdaptError, match="neither"):
            VolumeInferer()(torch.zeros(shape), network)
    network.weights_loaded = False
    for wrapped in (network, nn.DataParallel(network)):
        with pytest.raises(SamAdaptError, match="network='Network': its weights were never loaded") as raised:
            VolumeInferer()(image, wrapped)
        assert "\n" not in str(raised.value) and not network.calls
    for settings, key in (({"slice_batch": 0}, "slice_batch=0"), ({"amp_dtype": "half"}, "amp_dtype='half'")):
        with pytest.raises(SamAdaptError, match=key):
            VolumeInferer(**settings)
