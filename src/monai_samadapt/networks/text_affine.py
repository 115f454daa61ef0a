"""S-SAM's Text Affine Layer: from a label's embedding to a prompt token (Paranjape et al., arXiv 2408.06447)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from monai_samadapt.errors import SamAdaptError


class TextAffineLayer(nn.Module):
    """norm(ReLU(W e + b)).

    The paper's BatchNorm over the labels gives its bias and no gradient when there is one label only; LayerNorm is the
    default.

    Args:
        embedding_dim: length of a label embedding, 512 for CLIP ViT-B/32.
        prompt_dim: length of a prompt token, 256 in SAM.
        num_labels: K, to refuse a BatchNorm over one label.
        norm: ``layer`` or ``batch``.

    Raises:
        SamAdaptError: for an unknown norm, or ``batch`` with one label.
    """

    def __init__(self, embedding_dim: int, prompt_dim: int, num_labels: int, norm: str = "layer") -> None:
        super().__init__()
        if norm not in ("layer", "batch"):
            raise SamAdaptError("text_norm", norm, "unknown normalisation", "choose layer or batch")
        if norm == "batch" and num_labels < 2:
            raise SamAdaptError("text_norm", norm, "trains nothing with a single label", "choose layer")
        self.linear = nn.Linear(embedding_dim, prompt_dim)
        self.norm = nn.LayerNorm(prompt_dim) if norm == "layer" else nn.BatchNorm1d(prompt_dim)

    def forward(self, label_embeddings: Tensor) -> Tensor:
        """Map label embeddings (K, embedding_dim) to prompt tokens (K, prompt_dim)."""
        return self.norm(F.relu(self.linear(label_embeddings)))
