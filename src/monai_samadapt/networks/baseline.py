"""A plain U-Net behind the same interface: what a method has to be worth."""

from __future__ import annotations

from typing import Any

import torch
from monai.networks.nets import UNet
from torch import Tensor, nn

from monai_samadapt.adapters import ParameterReport
from monai_samadapt.adapters.report import count
from monai_samadapt.labels import Labels, LabelSpec
from monai_samadapt.networks.base import SegmentationNetwork, with_background


class PlainUNet(SegmentationNetwork):
    """MONAI's residual U-Net, trained from random weights on the same data, loss, schedule and metrics.

    Args:
        image_size: side of the input in pixels, divisible by 16.
        labels, overlapping: see :meth:`monai_samadapt.labels.LabelSpec.parse`.
        seed: of the initial weights.
    """

    method = "unet"
    family = None

    def __init__(self, image_size: int, labels: Labels, overlapping: bool = False, seed: int = 0) -> None:
        super().__init__(LabelSpec.parse(labels, overlapping), image_size)
        self.settings = {"image_size": image_size, "labels": labels, "overlapping": overlapping, "seed": seed}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.unet = UNet(
                spatial_dims=2,
                in_channels=3,
                out_channels=self.label_spec.num_labels,
                channels=(16, 32, 64, 128, 256),
                strides=(2, 2, 2, 2),
                num_res_units=2,
            )
        self.weights_loaded = True

    @classmethod
    def rebuild(cls, settings: dict[str, Any], checkpoint: str) -> PlainUNet:
        """Build from settings; there are no base weights."""
        return cls(**settings)

    def segment(
        self,
        image: Tensor,
        points: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        label_ids: Tensor | None = None,
    ) -> Tensor:
        """Segment images (B, 3, S, S); prompts are not looked at."""
        logits: Tensor = self.unet(image)
        return with_background(logits, self.label_spec)

    def trainable_parts(self) -> dict[str, dict[str, nn.Parameter]]:
        """All parameters."""
        return {"U-Net": dict(self.named_parameters())}

    def parameter_report(self) -> ParameterReport:
        """All parameters, of themselves."""
        total = count(self.parameters())
        return ParameterReport({"U-Net": total}, total)

    @property
    def base_record(self) -> None:
        """It has no base weights."""
        return None

    @property
    def base_sha256(self) -> None:
        """It has no base weights."""
        return None

    def merge(self) -> None:
        """There is nothing to merge."""

    def unmerge(self) -> None:
        """There is nothing to unmerge."""
