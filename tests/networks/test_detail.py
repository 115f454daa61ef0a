"""CDEN: parameters by part, nothing added at step 0, one image at a time, places of its features."""

from __future__ import annotations

import torch
from torch import nn

from monai_samadapt.networks.detail import DetailNetwork, SeparableConv

PARTS = {
    "stem": 1_856,
    "stages.0": 45_248,
    "stages.1": 172_416,
    "stages.2": 206_592,
    "fuse_quarter": 32_768,
    "fuse_eighth": 65_536,
    "fusion": 68_608,
    "inject_quarter": 4_128,
    "inject_eighth": 16_448,
}


def trained(network: DetailNetwork) -> DetailNetwork:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(torch.randn(value.shape, generator=generator) * 0.05)
    return network


def image(batch: int = 2, size: int = 64) -> torch.Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_parameters_by_part() -> None:
    network = DetailNetwork(256)
    found = {name: sum(value.numel() for value in network.get_submodule(name).parameters()) for name in PARTS}
    assert found == PARTS
    assert sum(value.numel() for value in network.parameters()) == 613_600 == sum(PARTS.values())


def test_nothing_is_added_at_step_0() -> None:
    features = DetailNetwork(32)(image())
    assert features.boundary is None
    for name, shape in (("embedding", (2, 32, 4, 4)), ("eighth", (2, 8, 8, 8)), ("quarter", (2, 4, 16, 16))):
        assert torch.equal(getattr(features, name), torch.zeros(shape)), name


def test_an_image_alone_gives_what_it_gives_in_a_batch_in_training_too() -> None:
    network, batch = trained(DetailNetwork(32)).train(), image() * torch.tensor([1.0, 9.0])[:, None, None, None]
    together, alone = network(batch), network(batch[:1])
    assert torch.allclose(together.embedding[:1], alone.embedding, atol=1e-5)
    assert alone.embedding.std() > 1e-3
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_fusion_is_the_sum_of_the_projected_scales() -> None:
    """The 1 x 1 convolutions first and the means after, as the method states it."""
    network, seen = trained(DetailNetwork(32)), []
    network.fusion.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    network(image())
    quarter = network.stages[0](network.stem(image()))
    eighth = network.stages[1](quarter)
    pool = nn.functional.avg_pool2d
    expected = network.stages[2](eighth) + pool(network.fuse_quarter(quarter), 4) + pool(network.fuse_eighth(eighth), 2)
    assert torch.allclose(seen[0], expected, atol=1e-5)


def test_separable_convolution_is_residual_where_the_shape_stays() -> None:
    for channels, out, stride, residual in ((16, 16, 1, 1.0), (16, 16, 2, 0.0), (16, 32, 1, 0.0)):
        block = SeparableConv(channels, out, stride)
        assert isinstance(block.layers[4], nn.GroupNorm)
        nn.init.zeros_(block.layers[4].weight)
        x = torch.randn(2, channels, 8, 8)
        expected = x if residual else torch.zeros(2, out, 8 // stride, 8 // stride)
        assert torch.equal(block(x), expected)


def test_an_edge_is_seen_where_it_is() -> None:
    """A change in one corner changes the features there and, beyond the norms' statistics, nowhere else."""
    network = trained(DetailNetwork(32)).eval()
    for module in network.modules():
        if isinstance(module, nn.GroupNorm):
            module.forward = lambda x: x  # type: ignore[method-assign]
    first, second = image(1, 128), image(1, 128)
    second[..., :8, :8] += 1
    change = (network(first).quarter - network(second).quarter).abs().amax(1)[0]
    assert change[:3, :3].max() > 1e-6
    assert change[14:].max() == 0 and change[:, 14:].max() == 0


def test_boundary_head_is_for_training() -> None:
    network = DetailNetwork(32, boundaries=3)
    assert network.train()(image()).boundary.shape == (2, 3, 16, 16)
    assert network.eval()(image()).boundary is None
