"""The batched decoder equals upstream's, image by image, for SAM and for SAM2 with its finer features."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from monai_samadapt.backbones import build_base
from monai_samadapt.pretrain.decoding import decode_all, embed_mask_prompts
from monai_samadapt.pretrain.promptable import Features, mask_decoder, prompt_encoder


def upstream(model: Any, features: Features, image: int, sparse: Tensor, dense: Tensor) -> tuple[Tensor, Tensor]:
    """The masks and quality of one image's prompts."""
    embedding, position = features.embedding[image : image + 1], prompt_encoder(model).get_dense_pe()
    if features.fine is None:
        return model.mask_decoder.predict_masks(embedding, position, sparse, dense)
    fine = [level[image : image + 1] for level in features.fine]
    return model.sam_mask_decoder.predict_masks(embedding, position, sparse, dense, True, fine)[:2]


@pytest.mark.parametrize("with_masks", [False, True])
@pytest.mark.parametrize("variant", ["vit_nano", "hiera_nano"])
def test_decoder_equals_upstream(variant: str, with_masks: bool) -> None:
    model, generator = build_base(variant, 64, "random"), torch.Generator().manual_seed(0)
    assert mask_decoder(model).transformer_dim == 128
    fine = (torch.randn(2, 16, 16, 16, generator=generator), torch.randn(2, 32, 8, 8, generator=generator))
    embedding = torch.randn(2, 128, 4, 4, generator=generator)
    features = Features(embedding, None if variant == "vit_nano" else fine)
    sparse = torch.randn(2, 3, 2, 128, generator=generator)
    previous = torch.randn(2, 3, 16, 16, generator=generator)
    used = torch.tensor([[True, True, False], [True, False, True]])
    dense = embed_mask_prompts(model, previous, used) if with_masks else None
    logits, quality = decode_all(model, features, sparse, dense)
    assert logits.shape == (2, 3, 4, 16, 16) and quality.shape == (2, 3, 4)
    absent = prompt_encoder(model).no_mask_embed.weight.reshape(1, -1, 1, 1).expand(3, -1, 4, 4)
    for image in range(2):
        masks = prompt_encoder(model)(None, None, previous[image].unsqueeze(1))[1]
        upstream_dense = torch.where(used[image][:, None, None, None], masks, absent) if with_masks else absent
        expected, expected_quality = upstream(model, features, image, sparse[image], upstream_dense)
        torch.testing.assert_close(logits[image], expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(quality[image], expected_quality, atol=1e-5, rtol=0)
