"""SAM2's Hiera with activation checkpointing.

Importing ``sam2`` initialises Hydra's global state; this module is imported only where a SAM2 is built.
"""

from __future__ import annotations

import torch
from sam2.modeling.backbones.hieradet import Hiera
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from monai_samadapt.errors import SamAdaptError


class CheckpointedHiera(Hiera):  # type: ignore[misc]
    """SAM2's Hiera, whose attention is fused already.

    Attributes:
        activation_checkpointing: recompute each block in the backward pass instead of keeping its activations.
        img_size: side of the images in pixels.
        adapt_from_block: blocks before this one, and what comes before them, are frozen.
        given: what :meth:`prefix` gave for the images of the next call, which then begins there.
    """

    activation_checkpointing: bool = False
    adapt_from_block: int = 0
    given: list[Tensor] | None = None
    img_size: int

    def forward(self, x: Tensor) -> list[Tensor]:
        """Encode normalised images (B, 3, S, S) to four levels (B, c, h, h) of stride 4, 8, 16, 32.

        Raises:
            SamAdaptError: when the images do not have the side the network was built for.
        """
        if not torch.jit.is_tracing() and tuple(x.shape[-2:]) != (self.img_size, self.img_size):
            problem = f"the network was built for {self.img_size} x {self.img_size} pixels"
            raise SamAdaptError("image", tuple(x.shape), problem, "set image_size to the side of the padded images")
        given, self.given = self.given, None
        x, *levels = self.prefix(x) if given is None else given
        for index in range(self.adapt_from_block, len(self.blocks)):
            x = self._block(index, x, levels)
        return levels

    def prefix(self, x: Tensor) -> list[Tensor]:
        """The tokens that come to the first adapted block, and the levels that end before it."""
        x = self.patch_embed(x)
        x = x + self._get_pos_embed(x.shape[1:3])
        levels: list[Tensor] = []
        for index in range(self.adapt_from_block):
            x = self._block(index, x, levels)
        return [x, *levels]

    def _block(self, index: int, x: Tensor, levels: list[Tensor]) -> Tensor:
        """Apply a block, and add what it gives to ``levels`` where a stage ends."""
        block, recompute = self.blocks[index], self.activation_checkpointing and torch.is_grad_enabled()
        x = checkpoint(block, x, use_reentrant=False) if recompute else block(x)
        if index in self.stage_ends:
            levels.append(x.permute(0, 3, 1, 2))
        return x
