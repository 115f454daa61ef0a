"""SAM2LoRA: low-rank adapters in SAM2's encoder and mask decoder (Mandal et al., ICMLA 2025, arXiv 2510.10288)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from monai_samadapt.adapters import LoRAConfig, inject
from monai_samadapt.adapters.report import freeze_except
from monai_samadapt.backbones import build_sam2, sam2_variant
from monai_samadapt.labels import Labels, LabelSpec
from monai_samadapt.networks.prompted import PromptedSam2
from monai_samadapt.networks.sam2_targets import decoder_targets, default_rank, encoder_targets


class Sam2LoRA(PromptedSam2):
    """SAM2 with low-rank adapters on the attention of its encoder and of its mask decoder; all else is frozen.

    ``y = W x + alpha / r B A x`` with A drawn from N(0, 1/r), B = 0, dropout on the input of A. One mask is decoded for
    each label: channel 0 of SAM2's three (``multimask_output=True``). One label needs no token of its own; of several,
    each has a learned token beside its prompts (256 parameters a label; our choice, the paper trains a model a label).
    Without a prompt, and for a label whose prompts are all padding, SAM2's own padding point stands in.

    Args:
        variant: SAM2 variant.
        image_size: side S of the input in pixels, divisible by 32.
        labels, overlapping: see :meth:`monai_samadapt.labels.LabelSpec.parse`. Exclusive labels give C = K + 1 with a
            constant zero logit for the background, overlapping ones C = K.
        checkpoint: base weights: path, registry name, ``random``, or None when a state dict will be loaded.
        rank: r; by default 64, or the largest that trains less than 5 % of the base.
        alpha: the change is scaled by alpha / r; by default alpha = 2 r.
        dropout: probability of dropping an input of A.
        encoder_layers: of each Hiera block: ``qkv``, ``proj``, ``mlp``.
        decoder_layers: of the mask decoder's transformer: ``attention`` (28 linears), ``mlp``.
        sam2_version: ``2.0`` or ``2.1``.
        adapt_from_block: leave the encoder's blocks before this one, and what comes before them, as they are.
        activation_checkpointing: recompute the encoder's blocks in the backward pass.
        compile_blocks: compile the encoder's blocks.
        seed: of a random base, of A and of the label tokens.
    """

    method = "sam2_lora"
    unstored = ("alpha",)

    def __init__(
        self,
        variant: str,
        image_size: int,
        labels: Labels,
        overlapping: bool = False,
        checkpoint: str | None = None,
        rank: int | None = None,
        alpha: float | None = None,
        dropout: float = 0.1,
        encoder_layers: Sequence[str] = ("qkv",),
        decoder_layers: Sequence[str] = ("attention",),
        sam2_version: str = "2.1",
        adapt_from_block: int = 0,
        activation_checkpointing: bool = False,
        compile_blocks: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(LabelSpec.parse(labels, overlapping), image_size)
        self.variant = variant
        sam2_version = str(sam2_version)  # a command line gives a number
        self.sam = build_sam2(variant, image_size, checkpoint, sam2_version, seed)
        self.adapt_from(adapt_from_block)
        of_encoder = encoder_targets(self.sam, encoder_layers, adapt_from_block)
        targets = (*of_encoder, *decoder_targets(self.sam, decoder_layers))
        rank = default_rank(self.sam, targets, sam2_variant(variant).parameters) if rank is None else rank
        alpha = 2.0 * rank if alpha is None else alpha
        self.settings = {
            "variant": variant,
            "image_size": image_size,
            "labels": labels,
            "overlapping": overlapping,
            "rank": rank,
            "alpha": alpha,
            "dropout": dropout,
            "encoder_layers": list(encoder_layers),
            "decoder_layers": list(decoder_layers),
            "sam2_version": sam2_version,
            "adapt_from_block": adapt_from_block,
            "seed": seed,
        }
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config = LoRAConfig(targets, rank=rank, alpha=alpha, dropout=dropout, init="gaussian")
            self.adapters = inject(self.sam, config)
            self.label_tokens = self.draw_label_tokens()
        freeze_except(self, self.trainable_parameters())
        self.set_execution(activation_checkpointing, compile_blocks)
        self.weights_loaded = checkpoint is not None

    def trainable_parts(self) -> dict[str, dict[str, nn.Parameter]]:
        """The explicit list of SAM2LoRA: A and B of every adapted linear, and the label tokens."""
        lora = {f"sam.{name}": value for name, value in self.adapters.parameters().items()}
        of_encoder = {name: value for name, value in lora.items() if name.startswith("sam.image_encoder.")}
        of_decoder = {name: value for name, value in lora.items() if name not in of_encoder}
        parts = {"encoder LoRA": of_encoder, "decoder LoRA": of_decoder}
        if self.label_tokens is not None:
            parts["label tokens"] = {"label_tokens": self.label_tokens}
        return parts
