"""BALR-SAM: boundary-aware low-rank adaptation of SAM without prompts (Liu et al., arXiv 2509.24204).

The paper's abstract names the components; their sizes, initial values and places here are our own design.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from monai_samadapt.adapters.report import freeze_except
from monai_samadapt.backbones import build_sam
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.labels import Labels, LabelSpec
from monai_samadapt.networks.balr_sam_parts import (
    change_decoder,
    decoder_parts,
    inject_attention_lora,
    inject_feature_adapter,
)
from monai_samadapt.networks.base import SegmentationNetwork, with_background
from monai_samadapt.networks.class_masks import decode_classes
from monai_samadapt.networks.decode import upsample
from monai_samadapt.networks.detail import DetailNetwork
from monai_samadapt.networks.tensor_attention import HEADS
from monai_samadapt.networks.trained import named


class BALRSam(SegmentationNetwork):
    """SAM with low-rank adapters in its encoder, a detail network beside it and a smaller decoder attention.

    No prompt at any time. One label is one mask, with a constant zero background channel where labels are exclusive, so
    that argmax is foreground where its probability is above one half. Several exclusive labels have a trained
    background and are decided by softmax; several overlapping ones have a mask each, decided by sigmoid.

    The decoder is trained as a whole. No gradient reaches its quality head, nor with one label the hypernetworks of
    the three mask tokens that are not used: the masks do not depend on them.

    Args:
        variant: SAM variant.
        image_size: side S of the input in pixels.
        labels, overlapping: see :meth:`monai_samadapt.labels.LabelSpec.parse`.
        checkpoint: base weights: path, registry name, ``random``, or None when a state dict will be loaded.
        rank: r of the attention LoRA.
        adapter_width: hidden units of the feature adapter.
        detail: add the detail network (CDEN).
        attention_lora: adapt queries and values of every encoder block.
        feature_adapter: put a bottleneck beside the MLP of every encoder block.
        tensor_attention: cut the decoder's attentions to a quarter of their heads.
        train_decoder: train the decoder; else only what was cut, and class tokens where there are several classes.
        boundary_head: in training, give K more channels, logits of the labels' boundaries; needs ``detail``.
        adapt_from_block: leave the encoder's blocks before this one, and what comes before them, as they are.
        activation_checkpointing: recompute the encoder's blocks in the backward pass.
        compile_blocks: compile the encoder's blocks.
        seed: of a random base and of the initial values of the new layers.

    Attributes:
        truncation_errors: relative error of each cut attention's weights; empty for a network built to be loaded.

    Raises:
        SamAdaptError: for a boundary head without a detail network, or when nothing would be trained.
    """

    method = "balr_sam"
    added_modules = "a detail network, bottlenecks beside the MLPs, smaller decoder attentions"

    def __init__(
        self,
        variant: str,
        image_size: int,
        labels: Labels,
        overlapping: bool = False,
        checkpoint: str | None = None,
        rank: int = 16,
        adapter_width: int = 64,
        detail: bool = True,
        attention_lora: bool = True,
        feature_adapter: bool = True,
        tensor_attention: bool = True,
        train_decoder: bool = True,
        boundary_head: bool = False,
        adapt_from_block: int = 0,
        activation_checkpointing: bool = False,
        compile_blocks: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(LabelSpec.parse(labels, overlapping), image_size)
        self.variant = variant
        self.settings = {
            "variant": variant,
            "image_size": image_size,
            "labels": labels,
            "overlapping": overlapping,
            "rank": rank,
            "adapter_width": adapter_width,
            "detail": detail,
            "attention_lora": attention_lora,
            "feature_adapter": feature_adapter,
            "tensor_attention": tensor_attention,
            "train_decoder": train_decoder,
            "boundary_head": boundary_head,
            "adapt_from_block": adapt_from_block,
            "seed": seed,
        }
        if boundary_head and not detail:
            raise SamAdaptError("boundary_head", True, "reads the detail network, which is off", "set detail True")
        self.tensor_attention, self.train_decoder = tensor_attention, train_decoder
        self.sam = build_sam(variant, image_size, checkpoint, seed)
        self.adapt_from(adapt_from_block)
        self.single = self.label_spec.num_labels == 1
        self.activation = "softmax" if self.label_spec.exclusive else "sigmoid"
        errors = change_decoder(self.sam.mask_decoder, self.label_spec, tensor_attention)
        self.truncation_errors = {} if checkpoint is None else errors
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            first = adapt_from_block
            self.lora = inject_attention_lora(self.sam, rank, first) if attention_lora else None
            self.bottlenecks = inject_feature_adapter(self.sam, adapter_width, first) if feature_adapter else None
            boundaries = self.label_spec.num_labels if boundary_head else 0
            self.detail = DetailNetwork(self.sam.mask_decoder.transformer_dim, boundaries) if detail else None
        if not self.trainable_parameters():
            raise SamAdaptError("detail", detail, "every part is off, nothing is trained", "leave at least one part on")
        freeze_except(self, self.trainable_parameters())
        self.set_execution(activation_checkpointing, compile_blocks)
        self.weights_loaded = checkpoint is not None

    def segment(
        self,
        image: Tensor,
        points: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        label_ids: Tensor | None = None,
    ) -> Tensor:
        """Segment images (B, 3, S, S).

        Returns:
            Logits (B, C, S, S) of all labels, or of those of ``label_ids`` after the background; in training with a
            boundary head, K boundary logits follow.

        Raises:
            SamAdaptError: when points or boxes are given.
        """
        for key, prompt in (("points", points), ("point_labels", point_labels), ("boxes", boxes)):
            if prompt is not None:
                remedy = "leave prompts and prompt_modes out, or use another method"
                raise SamAdaptError(key, tuple(prompt.shape), "BALR-SAM takes no prompts", remedy)
        details = None if self.detail is None else self.detail(image)
        masks = 1 if self.single else self.label_spec.num_channels
        logits = decode_classes(self.sam, self.sam.image_encoder(image), masks, details)
        logits = with_background(logits, self.label_spec) if self.single else logits
        if label_ids is not None:
            kept = label_ids + 1
            logits = logits[:, torch.cat([kept.new_zeros(1), kept]) if self.label_spec.exclusive else label_ids]
        if details is not None and details.boundary is not None:
            logits = torch.cat([logits, details.boundary.to(logits.dtype)], dim=1)
        return upsample(logits, self.image_size)

    def trainable_parts(self) -> dict[str, dict[str, nn.Parameter]]:
        """The explicit list of BALR-SAM: adapters, decoder, detail network."""
        parts: dict[str, dict[str, nn.Parameter]] = {}
        for name, adapters in (("attention LoRA", self.lora), ("feature adapter", self.bottlenecks)):
            if adapters is not None:
                parts[name] = {f"sam.{key}": value for key, value in adapters.parameters().items()}
        parts |= decoder_parts(self.sam.mask_decoder, self.label_spec, self.tensor_attention, self.train_decoder)
        if self.detail is not None:
            parts["detail network"] = named("detail", self.detail)
        return parts

    def unreached_parameters(self) -> set[str]:
        """The quality head, and with one label the hypernetworks of SAM's three other masks: 552,036 values."""
        decoder, prefix = self.sam.mask_decoder, "sam.mask_decoder"
        names = set(named(f"{prefix}.iou_prediction_head", decoder.iou_prediction_head))
        if self.single:
            for index, hypernetwork in enumerate(decoder.output_hypernetworks_mlps[1:], start=1):
                names |= set(named(f"{prefix}.output_hypernetworks_mlps.{index}", hypernetwork))
        return names & set(self.trainable_parameters())

    def start_report(self) -> str:
        """What is trained, and how far the cut attentions are from SAM's."""
        errors = ", ".join(f"{name.removeprefix('transformer.')} {e:.3f}" for name, e in self.truncation_errors.items())
        lines = [super().start_report(), f"decoder attention cut to {HEADS} heads, relative error of weights: {errors}"]
        return "\n".join(lines if errors else lines[:1])

    def merge(self) -> None:
        """Compute with merged weights, for inference."""
        for adapters in (self.lora, self.bottlenecks):
            if adapters is not None:
                adapters.merge()

    def unmerge(self) -> None:
        """Go back to separate adapters."""
        for adapters in (self.lora, self.bottlenecks):
            if adapters is not None:
                adapters.unmerge()
