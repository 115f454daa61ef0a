"""SAM and SAM2 with a prompt token for each label: what the methods that keep the decoder's prompts share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from monai_samadapt.backbones.sam2_encoder import Sam2Features, encode_still
from monai_samadapt.networks.base import SegmentationNetwork, with_background
from monai_samadapt.networks.decode import check_label_ids, decode_masks, encode_prompts, upsample
from monai_samadapt.networks.decode_sam2 import decode_masks_sam2, encode_prompts_sam2, no_prompt


class PromptedSam(SegmentationNetwork):
    """SAM that decodes one mask for each label's token, or for each prompt."""

    @abstractmethod
    def label_tokens(self) -> Tensor:
        """The prompt token of each label, (K, C)."""

    def encode(self, image: Tensor) -> Tensor:
        """The image embedding (B, C, S/16, S/16) of images (B, 3, S, S)."""
        embedding: Tensor = self.sam.image_encoder(image)
        return embedding

    def decode(
        self,
        features: Tensor,
        points: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        label_ids: Tensor | None = None,
    ) -> Tensor:
        """Segment from image embeddings.

        Without prompts every label (or those of ``label_ids``) gets a channel, after the background when labels are
        exclusive. With prompts every prompt gets one, and ``label_ids`` (P,) may name the label each is for.
        """
        if points is None and boxes is None:
            logits = self._decode(features, self.label_prompts(features.shape[0], label_ids))
            return with_background(logits, self.label_spec)
        sparse = encode_prompts(self.sam.prompt_encoder, points, point_labels, boxes)
        if label_ids is not None:
            check_label_ids(label_ids, sparse.shape[1])
            sparse = torch.cat([sparse, self.label_prompts(features.shape[0], label_ids)], dim=2)
        return self._decode(features, sparse)

    def _decode(self, image_embedding: Tensor, sparse_prompts: Tensor) -> Tensor:
        return upsample(decode_masks(self.sam, image_embedding, sparse_prompts), self.image_size)

    def label_prompts(self, batch: int, label_ids: Tensor | None = None) -> Tensor:
        """The labels' tokens as sparse prompts (B, L, 1, C)."""
        tokens = self.label_tokens()
        tokens = tokens if label_ids is None else tokens[label_ids]
        return tokens[None, :, None].expand(batch, -1, -1, -1)

    def prompt_tokens(self) -> dict[str, Tensor]:
        """The label tokens by label name."""
        return dict(zip(self.label_spec.names, self.label_tokens(), strict=True))


class PromptedSam2(SegmentationNetwork):
    """SAM2 that decodes one mask for each label or prompt.

    Of several labels each has a trained token, ``label_tokens``.
    Without a prompt, and for a label whose prompts are all padding, SAM2's own padding point stands in.
    """

    family = "sam2"
    label_tokens: nn.Parameter | None

    def draw_label_tokens(self) -> nn.Parameter | None:
        """(K, C), as large as SAM2's own prompt tokens; None for one label."""
        labels = self.label_spec.num_labels
        return nn.Parameter(torch.randn(labels, self.sam.hidden_dim)) if labels > 1 else None

    @property
    def encoder(self) -> Any:
        """The Hiera trunk."""
        return self.sam.image_encoder.trunk

    def forward(
        self,
        image: Tensor,
        points: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        label_ids: Tensor | None = None,
        with_quality: bool = False,
    ) -> Any:
        """Segment; ``with_quality`` gives (logits, predicted IoU (B, P)) for images (B, 3, S, S), for the loss."""
        if with_quality:
            return self._decode(self.encode(image), points, point_labels, boxes, label_ids)
        return super().forward(image, points, point_labels, boxes, label_ids)

    def encode(self, image: Tensor) -> Sam2Features:
        """The image embedding and the finer features of images (B, 3, S, S)."""
        return encode_still(self.sam, image)

    def decode(
        self,
        features: Sam2Features,
        points: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        label_ids: Tensor | None = None,
    ) -> Tensor:
        """Segment from features.

        Without prompts every label (or those of ``label_ids``) gets a channel, after the background when labels are
        exclusive. With prompts every prompt gets one, and ``label_ids`` (P,) may name the label each is for.
        """
        logits, _ = self._decode(features, points, point_labels, boxes, label_ids)
        return with_background(logits, self.label_spec) if points is None and boxes is None else logits

    def _decode(
        self,
        features: Sam2Features,
        points: Tensor | None,
        point_labels: Tensor | None,
        boxes: Tensor | None,
        label_ids: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, P, S, S) and predicted IoU (B, P)."""
        embedding = features.embedding
        if points is None and boxes is None:
            label_ids = self._all_labels(embedding.device) if label_ids is None else label_ids
            points, point_labels = no_prompt(embedding.shape[0], len(label_ids), embedding.device)
        sparse = encode_prompts_sam2(self.sam, points, point_labels, boxes)
        if label_ids is not None:
            check_label_ids(label_ids, sparse.shape[1])
            if self.label_tokens is not None:
                named = self.label_tokens[label_ids][None, :, None].expand(sparse.shape[0], -1, -1, -1)
                sparse = torch.cat([sparse, named], dim=2)
        low_res, quality = decode_masks_sam2(self.sam, features, sparse)
        return upsample(low_res, self.image_size), quality.float()

    def _all_labels(self, device: torch.device) -> Tensor:
        return torch.arange(self.label_spec.num_labels, device=device)

    def prompt_tokens(self) -> dict[str, Tensor]:
        """The label tokens by label name; none for one label."""
        if self.label_tokens is None:
            return {}
        return dict(zip(self.label_spec.names, self.label_tokens, strict=True))
