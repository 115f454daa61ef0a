"""The batched decoder equals upstream's, image by image."""

from __future__ import annotations

import pytest
import torch

from monai_samadapt.backbones import build_sam
from monai_samadapt.pretrain.decoding import decode_all, embed_mask_prompts


@pytest.mark.parametrize("with_masks", [False, True])
def test_decoder_equals_upstream(with_masks: bool) -> None:
    sam, generator = build_sam("vit_nano", 64, "random"), torch.Generator().manual_seed(0)
    embedding = torch.randn(2, 128, 4, 4, generator=generator)
    sparse = torch.randn(2, 3, 2, 128, generator=generator)
    previous = torch.randn(2, 3, 16, 16, generator=generator)
    used = torch.tensor([[True, True, False], [True, False, True]])
    dense = embed_mask_prompts(sam, previous, used) if with_masks else None
    logits, quality = decode_all(sam, embedding, sparse, dense)
    assert logits.shape == (2, 3, 4, 16, 16) and quality.shape == (2, 3, 4)
    absent = sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(3, -1, 4, 4)
    for image in range(2):
        masks = sam.prompt_encoder(None, None, previous[image].unsqueeze(1))[1]
        upstream_dense = torch.where(used[image][:, None, None, None], masks, absent) if with_masks else absent
        expected, expected_quality = sam.mask_decoder.predict_masks(
            embedding[image : image + 1], sam.prompt_encoder.get_dense_pe(), sparse[image], upstream_dense
        )
        torch.testing.assert_close(logits[image], expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(quality[image], expected_quality, atol=1e-5, rtol=0)
