"""S-SAM: SVD-based tuning of SAM, with label names as prompts (Paranjape et al., MICCAI 2024, arXiv 2408.06447)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn

from monai_samadapt.adapters import Adapters, SVDConfig, inject
from monai_samadapt.adapters.report import freeze_except
from monai_samadapt.adapters.svd import dead_fraction
from monai_samadapt.adapters.svd_factors import factorise_all
from monai_samadapt.backbones import build_sam
from monai_samadapt.backbones.download import cache_folder
from monai_samadapt.labels import Labels, LabelSpec
from monai_samadapt.networks.label_embeddings import EMBEDDING_DIM, OWN_EMBEDDINGS, label_embeddings
from monai_samadapt.networks.prompted import PromptedSam
from monai_samadapt.networks.text_affine import TextAffineLayer
from monai_samadapt.networks.trained import named


class SSam(PromptedSam):
    """SAM with trained singular values and one prompt token per label.

    Trained are the scale and shift of the singular values of every encoder block's ``qkv``, ``proj``, ``lin1`` and
    ``lin2`` and of the neck's convolutions, the encoder's layer norms, the absolute position embedding and the text
    affine layer. The image is encoded once; all labels are decoded in one call.

    Args:
        variant: SAM variant.
        image_size: side S of the input in pixels.
        labels: see :meth:`monai_samadapt.labels.LabelSpec.parse`.
        overlapping: the labels may overlap: C = K independent channels; else C = K + 1 with a constant zero logit for
            the background, so that argmax is background where every probability is below one half.
        checkpoint: base weights: path, registry name, ``random``, or None when a state dict will be loaded.
        embeddings: ``fixed``, ``learned`` or a file of label embeddings.
        text_norm: ``layer``, or the paper's ``batch``.
        train_position_embedding: train the absolute positions (at 1024 pixels 3.1 million parameters), unless
            ``adapt_from_block`` freezes what follows them.
        train_neck_norms: train the neck's two norms as well.
        adapt_from_block: leave the encoder's blocks before this one, and what comes before them, as they are.
        activation_checkpointing: recompute the encoder's blocks in the backward pass.
        compile_blocks: compile the encoder's blocks.
        seed: of a random base and of the text affine layer.
    """

    method = "s_sam"
    label_embeddings: Tensor

    def __init__(
        self,
        variant: str,
        image_size: int,
        labels: Labels,
        overlapping: bool = False,
        checkpoint: str | None = None,
        embeddings: str = "fixed",
        text_norm: str = "layer",
        train_position_embedding: bool = True,
        train_neck_norms: bool = False,
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
            "embeddings": embeddings,
            "text_norm": text_norm,
            "train_position_embedding": train_position_embedding,
            "train_neck_norms": train_neck_norms,
            "adapt_from_block": adapt_from_block,
            "seed": seed,
        }
        self.train_position_embedding, self.train_neck_norms = train_position_embedding, train_neck_norms
        self.sam = build_sam(variant, image_size, checkpoint, seed)
        self.adapt_from(adapt_from_block)
        self.adapters = _inject_svd(self.sam, adapt_from_block)
        self._add_labels(embeddings, text_norm, checkpoint is None, seed)
        freeze_except(self, self.trainable_parameters())
        self.set_execution(activation_checkpointing, compile_blocks)
        self.weights_loaded = checkpoint is not None

    @classmethod
    def rebuild(cls, settings: dict[str, Any], checkpoint: str) -> SSam:
        """Build from settings and base weights; the adapter state brings label embeddings, so no file is read."""
        source = settings["embeddings"]
        stand_in = source if source in OWN_EMBEDDINGS else "fixed"
        network = cls(**{**settings, "embeddings": stand_in}, checkpoint=checkpoint)
        network.settings["embeddings"] = source
        return network

    def _add_labels(self, embeddings: str, text_norm: str, to_be_loaded: bool, seed: int) -> None:
        names = self.label_spec.names
        from_file = embeddings not in OWN_EMBEDDINGS
        empty = to_be_loaded and from_file
        table = torch.zeros(len(names), EMBEDDING_DIM) if empty else label_embeddings(embeddings, names)
        table = table.to(torch.get_default_device())
        if embeddings == "learned":
            self.register_parameter("label_embeddings", nn.Parameter(table))
        else:
            self.register_buffer("label_embeddings", table)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            dim = self.sam.mask_decoder.transformer_dim
            self.text_affine = TextAffineLayer(EMBEDDING_DIM, dim, len(names), text_norm)

    def label_tokens(self) -> Tensor:
        """The prompt token of each label, (K, C)."""
        return self.text_affine(self.label_embeddings)

    def trainable_parts(self) -> dict[str, dict[str, nn.Parameter]]:
        """The explicit list of S-SAM: singular values, norms, positions, text affine layer."""
        encoder = self.sam.image_encoder
        norms = {}
        for index in range(encoder.adapt_from_block, len(encoder.blocks)):
            for norm in ("norm1", "norm2"):
                norms.update(named(f"sam.image_encoder.blocks.{index}.{norm}", getattr(encoder.blocks[index], norm)))
        if self.train_neck_norms:
            norms.update(named("sam.image_encoder.neck.1", encoder.neck[1]))
            norms.update(named("sam.image_encoder.neck.3", encoder.neck[3]))
        singular = {f"sam.{name}": value for name, value in self.adapters.parameters().items()}
        parts = {"singular values": singular, "layer norms": norms}
        if self.train_position_embedding and encoder.adapt_from_block == 0:
            parts["positions"] = {"sam.image_encoder.pos_embed": encoder.pos_embed}
        parts["text affine layer"] = named("text_affine", self.text_affine)
        if isinstance(self.label_embeddings, nn.Parameter):
            parts["label embeddings"] = {"label_embeddings": self.label_embeddings}
        return parts

    def figures(self) -> dict[str, float]:
        """``dead_fraction``: the share of the singular values at zero, which get no gradient any more."""
        return {"dead_fraction": dead_fraction(self.adapters.layers)}

    def method_buffers(self) -> dict[str, Tensor]:
        """The label embeddings where they are not trained, and the running statistics of a BatchNorm."""
        buffers = {f"text_affine.{name}": value for name, value in self.text_affine.named_buffers()}
        if not isinstance(self.label_embeddings, nn.Parameter):
            buffers["label_embeddings"] = self.label_embeddings
        return buffers


def svd_targets(sam: Sam, first_block: int = 0) -> tuple[str, ...]:
    """The layers S-SAM adapts: four linears of every block from the first on, two convolutions of the neck."""
    linears = ("attn.qkv", "attn.proj", "mlp.lin1", "mlp.lin2")
    blocks = range(first_block, len(sam.image_encoder.blocks))
    names = [f"image_encoder.blocks.{index}.{linear}" for index in blocks for linear in linears]
    return (*names, "image_encoder.neck.0", "image_encoder.neck.2")


def _inject_svd(sam: Sam, first_block: int) -> Adapters:
    config, base = SVDConfig(svd_targets(sam, first_block)), sam.base_weights
    if base is None:
        return inject(sam, config)
    weights = {name: sam.get_submodule(name).weight for name in config.targets}
    cache: Path | None = None if base.checkpoint == "random" else cache_folder()
    return inject(sam, config, factorise_all(weights, base.sha256, cache))
