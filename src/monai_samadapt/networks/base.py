"""What the networks of all methods share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from monai_samadapt.adapters import Adapters
from monai_samadapt.backbones.variants import encoder_depth
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.labels import LabelSpec
from monai_samadapt.networks.trained import TrainedParts


class SegmentationNetwork(TrainedParts):
    """A SAM adapted to a set of labels.

    ``forward`` takes images or volumes that are normalised, padded and upright (rows, columns), and gives logits at the
    input size.

    Attributes:
        family: ``sam`` or ``sam2``, which the method adapts; None for a network of its own.
        adapters: its adapter layers.
        label_spec: the labels of the output channels.
        settings: the arguments it was built with that its weights depend on, without the checkpoint.
        unstored: names of the settings that change the output and that its state dict does not tell.
        added_modules: what the method adds to SAM's own modules, in words; then upstream cannot load its weights.
        activation: from logits to probabilities: ``sigmoid`` of each, or ``softmax`` over background and labels.
        trainings: how often it was switched to training, after which features it gave before are out of date.
        weights_loaded: whether the weights are a base's or a state dict's; False for a network built to be loaded.
    """

    family: str | None = "sam"
    unstored: tuple[str, ...] = ()
    added_modules: str = ""
    activation: str = "sigmoid"
    settings: dict[str, Any]
    adapters: Adapters

    def __init__(self, label_spec: LabelSpec, image_size: int) -> None:
        super().__init__()
        self.label_spec, self.image_size = label_spec, image_size
        self.weights_loaded = False
        self.trainings = 0
        self.register_load_state_dict_pre_hook(_before_loading)
        self.register_load_state_dict_post_hook(_after_loading)

    @classmethod
    def rebuild(cls, settings: dict[str, Any], checkpoint: str) -> SegmentationNetwork:
        """Build from ``settings`` and base weights, for an adapter state to be loaded."""
        return cls(**settings, checkpoint=checkpoint)  # type: ignore[call-arg]

    def forward(
        self,
        image: Tensor,
        points: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        label_ids: Tensor | None = None,
    ) -> Tensor:
        """Segment.

        Args:
            image: (B, 3, S, S), or a volume (B, 3, S, S, D) whose slices are folded into the batch.
            points: (B, P, N, 2) as (column, row) in input pixels.
            point_labels: (B, P, N): 1 positive, 0 negative, -1 padding.
            boxes: (B, P, 4) as x0 y0 x1 y1 in input pixels.
            label_ids: (L,) indexes into the labels, without background.

        Returns:
            Logits (B, C, S, S[, D]); with prompts C = P.
        """
        if image.ndim == 4:
            return self.segment(image, points, point_labels, boxes, label_ids)
        depth = image.shape[-1]
        slices = image.movedim(-1, 1).flatten(0, 1)
        points, point_labels, boxes = (
            None if item is None else item.repeat_interleave(depth, 0) for item in (points, point_labels, boxes)
        )
        logits = self.segment(slices, points, point_labels, boxes, label_ids)
        return logits.unflatten(0, (-1, depth)).movedim(1, -1)

    def segment(
        self,
        image: Tensor,
        points: Tensor | None,
        point_labels: Tensor | None,
        boxes: Tensor | None,
        label_ids: Tensor | None,
    ) -> Tensor:
        """Segment images (B, 3, S, S); see :meth:`forward`."""
        return self.decode(self.encode(image), points, point_labels, boxes, label_ids)

    def encode(self, image: Tensor) -> Any:
        """Features of images (B, 3, S, S), for any number of calls of :meth:`decode`.

        Raises:
            NotImplementedError: for a network without prompts, which segments in one go.
        """
        raise NotImplementedError(f"{self.method} takes no prompts")

    def decode(
        self,
        features: Any,
        points: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        label_ids: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, C, S, S) from the features of B images; see :meth:`forward`."""
        raise NotImplementedError(f"{self.method} takes no prompts")

    @classmethod
    def takes_prompts(cls) -> bool:
        """Whether the method has :meth:`encode` and :meth:`decode`."""
        return cls.encode is not SegmentationNetwork.encode

    @property
    def promptable(self) -> bool:
        """See :meth:`takes_prompts`."""
        return self.takes_prompts()

    def prompt_tokens(self) -> dict[str, Tensor]:
        """The sparse prompt token (C,) of each label, where the method prompts SAM's decoder by label."""
        return {}

    def figures(self) -> dict[str, float]:
        """What to write down about the network after each epoch."""
        return {}

    def merge(self) -> None:
        """Compute with merged weights, for inference."""
        self.adapters.merge()

    def unmerge(self) -> None:
        """Go back to separate adapters."""
        self.adapters.unmerge()

    def train(self, mode: bool = True) -> SegmentationNetwork:
        """Switch to training, which unmerges, or to evaluation."""
        if mode:
            self.unmerge()
            self.trainings += 1
        return super().train(mode)

    def adapt_from(self, block: int) -> None:
        """Freeze the encoder before one of its blocks.

        Raises:
            SamAdaptError: when the encoder has no such block.
        """
        check_block(self.variant, block)
        self.encoder.adapt_from_block = block

    def set_execution(self, activation_checkpointing: bool, compile_blocks: bool) -> None:
        """Choose how the encoder's blocks run: recomputed in the backward pass, compiled, or both."""
        self.encoder.activation_checkpointing = activation_checkpointing
        if compile_blocks:
            for block in self.encoder.blocks:
                block.compile()

    @property
    def encoder(self) -> Any:
        """The part with ``blocks`` and ``activation_checkpointing``."""
        return self.sam.image_encoder


def check_block(variant: str, block: int) -> None:
    """Refuse a number that is no block of a variant's encoder.

    Raises:
        SamAdaptError: naming the last one.
    """
    count = encoder_depth(variant)
    if not isinstance(block, int) or not 0 <= block < count:
        problem = f"{variant} has blocks 0 to {count - 1}"
        raise SamAdaptError("adapt_from_block", block, problem, "give 0 to adapt all, or a later one")


def with_background(logits: Tensor, label_spec: LabelSpec) -> Tensor:
    """Put the constant zero channel of the background before the logits (B, K, S, S) of exclusive labels."""
    return torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1) if label_spec.exclusive else logits


def _before_loading(module: nn.Module, *args: Any) -> None:
    assert isinstance(module, SegmentationNetwork)
    module.unmerge()


def _after_loading(module: nn.Module, keys: Any) -> None:
    assert isinstance(module, SegmentationNetwork)
    module.weights_loaded = module.weights_loaded or not keys.missing_keys
