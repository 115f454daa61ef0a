"""SAM's image encoder with activation checkpointing."""

from __future__ import annotations

import torch
from segment_anything.modeling import ImageEncoderViT
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from monai_samadapt.errors import SamAdaptError


class FusedImageEncoder(ImageEncoderViT):  # type: ignore[misc]
    """SAM's ViT with fused blocks.

    Attributes:
        activation_checkpointing: recompute each block in the backward pass instead of keeping its activations.
    """

    activation_checkpointing: bool = False

    def forward(self, x: Tensor) -> Tensor:
        """Encode normalised images (B, 3, S, S) to embeddings (B, C, S/16, S/16).

        Raises:
            SamAdaptError: when the images do not have the side the positions were built for.
        """
        if not torch.jit.is_tracing() and tuple(x.shape[-2:]) != (self.img_size, self.img_size):
            problem = f"the network was built for {self.img_size} x {self.img_size} pixels"
            raise SamAdaptError("image", tuple(x.shape), problem, "set image_size to the side of the padded images")
        x = self.patch_embed(x) + self.pos_embed
        recompute = self.activation_checkpointing and torch.is_grad_enabled()
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if recompute else block(x)
        return self.neck(x.permute(0, 3, 1, 2))
