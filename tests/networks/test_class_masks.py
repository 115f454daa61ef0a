"""Class tokens: what they begin with, and that images and classes do not mix."""

from __future__ import annotations

import pytest
import torch

from monai_samadapt.backbones import build_sam
from monai_samadapt.networks.class_masks import decode_classes, set_class_tokens
from monai_samadapt.networks.detail import DetailFeatures


def embedding(batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 128, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("background", [True, False])
@torch.no_grad()
def test_all_classes_begin_as_the_single_mask_and_the_background_as_its_negative(background: bool) -> None:
    sam, stock = build_sam("vit_nano", 64, "random"), build_sam("vit_nano", 64, "random")
    set_class_tokens(sam.mask_decoder, 3, background)
    classes = 3 + background
    masks = decode_classes(sam, embedding(), classes)
    assert masks.shape == (2, classes, 16, 16)
    labels = masks[:, int(background) :]
    assert torch.allclose(labels, labels[:, :1].expand_as(labels), atol=1e-6) and labels.std() > 1e-3
    if background:
        assert torch.allclose(masks[:, 0], -masks[:, 1], atol=1e-6)
    tokens, single = sam.mask_decoder.mask_tokens.weight, stock.mask_decoder.mask_tokens.weight[0]
    assert torch.equal(tokens, single.expand(classes, -1))
    own = {id(value) for mlp in sam.mask_decoder.output_hypernetworks_mlps for value in mlp.parameters()}
    assert len(own) == classes * 6  # nothing is shared


@torch.no_grad()
def test_each_class_has_its_own_token_and_hypernetwork() -> None:
    sam = build_sam("vit_nano", 64, "random")
    set_class_tokens(sam.mask_decoder, 3, background=True)
    before = decode_classes(sam, embedding(), 4)
    sam.mask_decoder.output_hypernetworks_mlps[2].layers[-1].bias.add_(1.0)
    changed = (decode_classes(sam, embedding(), 4) - before).abs().amax((0, 2, 3))
    assert changed[2] > 1e-3 and changed[[0, 1, 3]].max() == 0


@torch.no_grad()
def test_details_are_added_to_embedding_and_upscaling() -> None:
    """Each feature by its hook: what the modules of the decoder see is upstream's plus the feature."""
    sam, seen = build_sam("vit_nano", 64, "random"), {}
    first, norm, _, second, last = sam.mask_decoder.output_upscaling
    for name, module in (("norm", norm), ("last", last)):
        module.register_forward_pre_hook(lambda module, args, name=name: seen.update({name: args[0]}))
    for name, module in (("first", first), ("second", second)):
        module.register_forward_hook(lambda module, args, out, name=name: seen.update({name: out}))
    generator = torch.Generator().manual_seed(1)
    shapes = ((2, 128, 4, 4), (2, 32, 8, 8), (2, 16, 16, 16))
    features = [torch.randn(shape, generator=generator) for shape in shapes]
    with_features = decode_classes(sam, embedding(), 1, DetailFeatures(*features, None))
    assert torch.allclose(seen["norm"] - seen["first"], features[1], atol=1e-5)
    assert torch.allclose(seen["last"] - seen["second"], features[2], atol=1e-5)
    zeros = [torch.zeros_like(feature) for feature in features[1:]]
    by_embedding = decode_classes(sam, embedding(), 1, DetailFeatures(features[0], *zeros, None))
    assert torch.allclose(by_embedding, decode_classes(sam, embedding() + features[0], 1), atol=1e-6)
    assert (with_features - by_embedding).abs().max() > 1e-3
