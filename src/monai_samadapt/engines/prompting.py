"""Training batches with prompts drawn from their labels."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from monai_samadapt.engines.prepare import prepare_batch, prompt_keywords
from monai_samadapt.errors import SamAdaptError, exits_in_one_line
from monai_samadapt.labels import Labels, LabelSpec
from monai_samadapt.prompts import MODES, check_modes, draw_prompts


class PromptedBatch:
    """A trainer's ``prepare_batch`` that draws prompts from the labels of the batch; see `draw_prompts`.

    With probability ``dropout`` a batch has no prompts at all, so that the network also learns to do without, in just
    the way it has to at the end: padding would be tokens of its own. Each label has one prompt (P = K).

    Args:
        labels: see :meth:`monai_samadapt.labels.LabelSpec.parse`.
        overlapping: the labels may overlap.
        modes: names of `monai_samadapt.prompts.MODES`; each batch takes one of them at random.
        dropout: probability of a batch without prompts.
        with_quality: ask the network for its predicted IoU too.

    Raises:
        SamAdaptError: for an unknown mode, or a dropout that is no probability.
    """

    def __init__(
        self,
        labels: Labels,
        overlapping: bool = False,
        modes: Sequence[str] = ("5_points",),
        dropout: float = 0.5,
        with_quality: bool = True,
    ) -> None:
        self.label_spec = LabelSpec.parse(labels, overlapping)
        self.modes = [MODES[name] for name in check_modes(modes, "train_prompt_modes")]
        if not 0 <= dropout <= 1:
            raise SamAdaptError("prompt_dropout", dropout, "is no probability", "give a number from 0 to 1")
        self.dropout, self.with_quality = dropout, with_quality

    def __call__(
        self, batch: dict[str, Any], device: str | torch.device | None = None, non_blocking: bool = False, **kwargs: Any
    ) -> tuple[Tensor, Tensor, tuple[()], dict[str, Any]]:
        """Return image, label, no arguments, and the network's keywords."""
        image, label = prepare_batch(batch, device, non_blocking)
        mode = random.choice(self.modes)
        keywords: dict[str, Any] = {"with_quality": True} if self.with_quality else {}
        if mode != MODES["none"] and random.random() >= self.dropout:
            keywords |= prompt_keywords(*draw_prompts(self.label_spec.masks(label), mode, filled(image)[:, None]))
        return image, label, (), keywords


@exits_in_one_line
def prompted_batch(**settings: Any) -> PromptedBatch:
    """A `PromptedBatch`; ends the run in one line when a setting is wrong."""
    return PromptedBatch(**settings)


def filled(image: Tensor) -> Tensor:
    """Where the images (B, 3, H, W) have pixels, (B, H, W) bool: their padding at the lower right is 0."""
    given = (image != 0).any(1)
    return given.any(1, keepdim=True) & given.any(2, keepdim=True)
