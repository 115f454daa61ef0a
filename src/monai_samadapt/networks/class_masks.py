"""SAM's mask decoder without prompts: one mask token for each class."""

from __future__ import annotations

import copy

import torch
from segment_anything.modeling import MaskDecoder, Sam
from torch import Tensor, nn

from monai_samadapt.networks.decode import dense_positions, output_tokens, upscale
from monai_samadapt.networks.detail import DetailFeatures


@torch.no_grad()
def set_class_tokens(decoder: MaskDecoder, labels: int, background: bool) -> None:
    """Give a mask decoder one mask token and one hypernetwork for each class, in place of SAM's four.

    All begin as those of SAM's single mask. The background's hypernetwork begins with the opposite sign, so that at
    step 0 its logits are SAM's, negated.

    Args:
        decoder: SAM's mask decoder.
        labels: K.
        background: whether a background class comes first.
    """
    classes = labels + int(background)
    single, hypernetwork = decoder.mask_tokens.weight[:1], decoder.output_hypernetworks_mlps[0]
    decoder.mask_tokens = nn.Embedding.from_pretrained(single.repeat(classes, 1), freeze=False)
    decoder.output_hypernetworks_mlps = nn.ModuleList(copy.deepcopy(hypernetwork) for _ in range(classes))
    decoder.num_mask_tokens = classes
    if background:
        for value in decoder.output_hypernetworks_mlps[0].layers[-1].parameters():
            value.neg_()


def decode_classes(sam: Sam, image_embedding: Tensor, masks: int, details: DetailFeatures | None = None) -> Tensor:
    """Decode the masks of the first mask tokens for a batch of images, without prompts.

    This is upstream's ``MaskDecoder.predict_masks`` for no sparse prompt and the no-mask embedding, with several images
    in one batch, the features of CDEN added, and nothing computed for other mask tokens' masks and for the quality.

    Args:
        sam: gives the mask decoder, the dense position encoding and the no-mask embedding.
        image_embedding: (B, C, h, w).
        masks: number of masks.
        details: added to the embedding and, as in SAM 2, to both steps of the upscaling.

    Returns:
        low_res_logits (B, masks, 4 h, 4 w).
    """
    decoder, batch = sam.mask_decoder, image_embedding.shape[0]
    own, first = output_tokens(decoder)
    source = image_embedding + sam.prompt_encoder.no_mask_embed.weight[..., None, None]
    source = source if details is None else source + details.embedding
    position = dense_positions(sam.prompt_encoder).to(source.dtype)
    hidden, source = decoder.transformer(source, position.expand(batch, -1, -1, -1), own.expand(batch, -1, -1))
    source = source.transpose(1, 2).unflatten(2, image_embedding.shape[-2:])
    fine = None if details is None else (details.quarter, details.eighth)
    upscaled = upscale(decoder.output_upscaling, source, fine)
    hypernetworks = list(decoder.output_hypernetworks_mlps)[:masks]
    weights = torch.stack([mlp(hidden[:, first + 1 + index]) for index, mlp in enumerate(hypernetworks)], dim=1)
    return torch.einsum("nkc,nchw->nkhw", weights, upscaled)
