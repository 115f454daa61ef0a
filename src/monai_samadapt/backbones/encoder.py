"""SAM's image encoder with activation checkpointing."""

from __future__ import annotations

import torch
from segment_anything.modeling import ImageEncoderViT
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from monai_samadapt.errors import SamAdaptError


class FusedImageEncoder(ImageEncoderViT):  # type: ignore[misc]
    """SAM's ViT with fused blocks.

    Attributes:
        activation_checkpointing: recompute each block in the backward pass instead of keeping its activations.
        adapt_from_block: blocks before this one, and what comes before them, are frozen.
        given: what :meth:`prefix` gave for the images of the next call, which then begins there.
    """

    activation_checkpointing: bool = False
    adapt_from_block: int = 0
    given: list[Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Encode normalised images (B, 3, S, S) to embeddings (B, C, S/16, S/16).

        Raises:
            SamAdaptError: when the images do not have the side the positions were built for.
        """
        if not torch.jit.is_tracing() and tuple(x.shape[-2:]) != (self.img_size, self.img_size):
            problem = f"the network was built for {self.img_size} x {self.img_size} pixels"
            raise SamAdaptError("image", tuple(x.shape), problem, "set image_size to the side of the padded images")
        given, self.given = self.given, None
        (x,) = self.prefix(x) if given is None else given
        for block in self.blocks[self.adapt_from_block :]:
            x = self._apply_block(block, x)
        return self.neck(x.permute(0, 3, 1, 2))

    def prefix(self, x: Tensor) -> list[Tensor]:
        """The tokens (B, S/16, S/16, C) that come to the first adapted block."""
        x = self.patch_embed(x) + self.pos_embed
        for block in self.blocks[: self.adapt_from_block]:
            x = self._apply_block(block, x)
        return [x]

    def _apply_block(self, block: nn.Module, x: Tensor) -> Tensor:
        recompute = self.activation_checkpointing and torch.is_grad_enabled()
        out: Tensor = checkpoint(block, x, use_reentrant=False) if recompute else block(x)
        return out
