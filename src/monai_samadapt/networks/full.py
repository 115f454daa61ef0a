"""Full fine-tuning of SAM and SAM2: what adapting a few parameters has to be compared with."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from monai_samadapt.adapters import Adapters
from monai_samadapt.adapters.report import freeze_except
from monai_samadapt.backbones import build_sam, build_sam2
from monai_samadapt.labels import Labels, LabelSpec
from monai_samadapt.networks.decode_sam2 import FIRST_OF_THREE
from monai_samadapt.networks.prompted import PromptedSam, PromptedSam2
from monai_samadapt.networks.trained import named


class FullSam(PromptedSam):
    """SAM with every parameter trained that its masks depend on, and one trained prompt token for each label.

    Frozen are only the parts that no gradient reaches: the quality head, the hypernetworks of the mask tokens that are
    not used, and the encoders of points, boxes and masks, as it is trained without prompts.

    Args:
        variant: SAM variant.
        image_size: side S of the input in pixels.
        labels, overlapping: see :meth:`monai_samadapt.labels.LabelSpec.parse`.
        checkpoint: base weights: path, registry name, ``random``, or None when a state dict will be loaded.
        activation_checkpointing: recompute the encoder's blocks in the backward pass.
        compile_blocks: compile the encoder's blocks.
        seed: of a random base and of the label tokens.
    """

    method = "full_sam"

    def __init__(
        self,
        variant: str,
        image_size: int,
        labels: Labels,
        overlapping: bool = False,
        checkpoint: str | None = None,
        activation_checkpointing: bool = False,
        compile_blocks: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(LabelSpec.parse(labels, overlapping), image_size)
        self.variant = variant
        self.settings = _settings(variant, image_size, labels, overlapping, seed)
        self.adapters = Adapters(None, {})
        self.sam = build_sam(variant, image_size, checkpoint, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            width = self.sam.mask_decoder.transformer_dim
            self.tokens = nn.Parameter(torch.randn(self.label_spec.num_labels, width))
        freeze_except(self, self.trainable_parameters())
        self.set_execution(activation_checkpointing, compile_blocks)
        self.weights_loaded = checkpoint is not None

    def label_tokens(self) -> Tensor:
        """The prompt token of each label, (K, C)."""
        return self.tokens

    def trainable_parts(self) -> dict[str, dict[str, nn.Parameter]]:
        """All that the masks depend on."""
        decoder = _of_masks("sam.mask_decoder", self.sam.mask_decoder, 0)
        decoder |= named("sam.prompt_encoder.no_mask_embed", self.sam.prompt_encoder.no_mask_embed)
        encoder = named("sam.image_encoder", self.sam.image_encoder)
        return {"image encoder": encoder, "mask decoder": decoder, "label tokens": {"tokens": self.tokens}}


class FullSam2(PromptedSam2):
    """SAM2 with every parameter trained that its masks and their predicted quality depend on, and label tokens.

    Frozen are the memory, which a still does not use, the object score, the encoder of masks, and the hypernetworks of
    the mask tokens that are not used. Prompts in training are those of `Sam2LoRA`.

    Args:
        variant: SAM2 variant.
        image_size: side S of the input in pixels, divisible by 32.
        labels, overlapping, checkpoint, activation_checkpointing, compile_blocks, seed: as in `FullSam`.
        sam2_version: ``2.0`` or ``2.1``.
    """

    method = "full_sam2"

    def __init__(
        self,
        variant: str,
        image_size: int,
        labels: Labels,
        overlapping: bool = False,
        checkpoint: str | None = None,
        sam2_version: str = "2.1",
        activation_checkpointing: bool = False,
        compile_blocks: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(LabelSpec.parse(labels, overlapping), image_size)
        self.variant = variant
        sam2_version = str(sam2_version)  # a command line gives a number
        self.settings = _settings(variant, image_size, labels, overlapping, seed) | {"sam2_version": sam2_version}
        self.adapters = Adapters(None, {})
        self.sam = build_sam2(variant, image_size, checkpoint, sam2_version, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.label_tokens = self.draw_label_tokens()
        freeze_except(self, self.trainable_parameters())
        self.set_execution(activation_checkpointing, compile_blocks)
        self.weights_loaded = checkpoint is not None

    def trainable_parts(self) -> dict[str, dict[str, nn.Parameter]]:
        """All that the masks and their predicted quality depend on."""
        encoder = named("sam.image_encoder", self.sam.image_encoder)
        if self.sam.directly_add_no_mem_embed:
            encoder["sam.no_mem_embed"] = self.sam.no_mem_embed
        prompts = self.sam.sam_prompt_encoder
        decoder = _of_masks("sam.sam_mask_decoder", self.sam.sam_mask_decoder, FIRST_OF_THREE)
        for name in ("iou_prediction_head", "conv_s0", "conv_s1", "obj_score_token"):
            decoder |= named(f"sam.sam_mask_decoder.{name}", getattr(self.sam.sam_mask_decoder, name))
        for name in ("point_embeddings", "not_a_point_embed", "no_mask_embed"):
            decoder |= named(f"sam.sam_prompt_encoder.{name}", getattr(prompts, name))
        tokens = {} if self.label_tokens is None else {"label_tokens": self.label_tokens}
        return {"image encoder": encoder, "mask decoder": decoder, "label tokens": tokens}


def _settings(variant: str, image_size: int, labels: Labels, overlapping: bool, seed: int) -> dict[str, Any]:
    return {"variant": variant, "image_size": image_size, "labels": labels, "overlapping": overlapping, "seed": seed}


def _of_masks(prefix: str, decoder: Any, mask_token: int) -> dict[str, nn.Parameter]:
    """The parameters of SAM's or SAM2's mask decoder that the mask of one token depends on."""
    names = ("transformer", "iou_token", "mask_tokens", "output_upscaling", f"output_hypernetworks_mlps.{mask_token}")
    return {
        key: value for name in names for key, value in named(f"{prefix}.{name}", decoder.get_submodule(name)).items()
    }
