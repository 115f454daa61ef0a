"""SAM2's image encoder for stills: only the features the mask decoder takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from sam2.modeling.backbones.image_encoder import FpnNeck
    from sam2.modeling.sam2_base import SAM2Base


@dataclass
class Sam2Features:
    """What the mask decoder takes of an image of side S.

    Attributes:
        embedding: (B, C, S/16, S/16).
        fine: (B, C/8, S/4, S/4) and (B, C/4, S/8, S/8), added in the decoder's two upscaling steps.
    """

    embedding: Tensor
    fine: tuple[Tensor, Tensor]

    def __getitem__(self, index: Tensor) -> Sam2Features:
        """The features of some of the images."""
        return Sam2Features(self.embedding[index], (self.fine[0][index], self.fine[1][index]))


def encode_still(sam: SAM2Base, image: Tensor) -> Sam2Features:
    """Encode images (B, 3, S, S), with the no-memory embedding that official SAM2.1 adds for a still.

    The two finest levels are only ever seen through two 1 x 1 convolutions in a row, the neck's and the decoder's:
    their product is applied, which is the same map without the wide one between.
    """
    neck, decoder = sam.image_encoder.neck, sam.sam_mask_decoder
    levels = sam.image_encoder.trunk(image)
    lowest = _lateral(neck, levels, 3)
    # nearest interpolation by two, as the neck's top-down path does
    embedding = _lateral(neck, levels, 2) + F.interpolate(lowest.float(), scale_factor=2.0, mode="nearest")
    if sam.directly_add_no_mem_embed:
        embedding = embedding + sam.no_mem_embed[0, 0][:, None, None]
    convolutions = (decoder.conv_s0, decoder.conv_s1)
    fine = [_composed(neck.convs[3 - level].conv, conv, levels[level]) for level, conv in enumerate(convolutions)]
    return Sam2Features(embedding, (fine[0], fine[1]))


def _lateral(neck: FpnNeck, levels: list[Tensor], level: int) -> Tensor:
    out: Tensor = neck.convs[len(levels) - 1 - level](levels[level])
    return out


def _composed(first: nn.Conv2d, second: nn.Conv2d, x: Tensor) -> Tensor:
    """second(first(x)) for two 1 x 1 convolutions, as one."""
    assert first.bias is not None
    outer = second.weight[..., 0, 0]
    weight = outer @ first.weight[..., 0, 0]
    bias = outer @ first.bias + (0 if second.bias is None else second.bias)
    return F.conv2d(x, weight[..., None, None], bias)
