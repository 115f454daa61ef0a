"""Encoders, training steps and adapters against segment_anything and sam2 with the same weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from sides import Case, Step, precision
from torch import Tensor, nn

from monai_samadapt.adapters.svd import SVDLinear
from monai_samadapt.backbones import build_sam, build_sam2
from monai_samadapt.backbones.sam import FUSED_CLASSES
from monai_samadapt.backbones.sam2_encoder import Sam2Features, encode_still
from monai_samadapt.losses import CEDiceLoss, CompositeLoss, FocalDiceLoss
from monai_samadapt.networks import BALRSam, Sam2LoRA, SegmentationNetwork, SSam

LABELS = ["One"]


def images(batch: int, size: int, device: str) -> Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)


def upstream(module: nn.Module) -> nn.Module:
    """A module that runs segment_anything's own eager forward, in place."""
    plain = {fused: original for original, fused in FUSED_CLASSES.items()}
    for part in module.modules():
        part.__class__ = plain.get(type(part), type(part))
    return module


class ComposedLinear(SVDLinear):
    """S-SAM's layer as its authors compute it: W' is built in every forward pass."""

    def adapted_forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.compose_weight(), self.bias)


def upstream_still(sam: Any, image: Tensor) -> Sam2Features:
    """sam2's own features of a still image, as its predictor takes them."""
    levels = sam.forward_image(image)["backbone_fpn"]
    return Sam2Features(levels[2] + sam.no_mem_embed[0, 0][:, None, None], (levels[0], levels[1]))


def encoder(variant: str, size: int, batch: int, ours: bool, device: str) -> Step:
    image = images(batch, size, device)
    if variant.startswith("hiera"):
        sam2 = build_sam2(variant, size, "random").to(device)
        encode: Callable[[Tensor], Any] = partial(encode_still if ours else upstream_still, sam2)
        take = lambda features: features.embedding  # noqa: E731
    else:
        sam = build_sam(variant, size, "random").to(device)
        encode, take = (sam if ours else upstream(sam)).image_encoder, lambda embedding: embedding

    def step() -> Tensor:
        with torch.no_grad(), precision(device):
            found: Tensor = take(encode(image))
        return found

    return step


def network_of(method: str, variant: str, size: int, **settings: Any) -> tuple[SegmentationNetwork, nn.Module]:
    kinds: dict[str, tuple[Any, Any]] = {
        "s_sam": (SSam, FocalDiceLoss),
        "balr_sam": (BALRSam, CEDiceLoss),
        "sam2_lora": (partial(Sam2LoRA, dropout=0.0), CompositeLoss),
    }
    network, loss = kinds[method]
    return network(variant, size, LABELS, checkpoint="random", **settings), loss(LABELS)


def other_way(network: SegmentationNetwork) -> None:
    """Let a network compute as upstream's modules do, with the same weights."""
    if isinstance(network, Sam2LoRA):
        network.encode = partial(upstream_still, network.sam)  # type: ignore[method-assign]
        return
    upstream(network)
    for part in network.modules():
        if type(part) is SVDLinear:
            part.__class__ = ComposedLinear


def step_of(network: SegmentationNetwork, loss: nn.Module, image: Tensor, device: str) -> Step:
    """Forward, loss and backward; returns the logits."""
    target = torch.zeros(len(image), 1, *image.shape[2:], device=device)
    target[..., : image.shape[-1] // 2] = 1

    def step() -> Tensor:
        network.zero_grad()
        with precision(device):
            logits: Tensor = network(image)
            value = loss(logits, target)
        value.backward()
        return logits.detach()

    return step


def training(method: str, variant: str, size: int, batch: int, ours: bool, device: str) -> Step:
    """A training step; on CUDA this project's encoder blocks are compiled, upstream's are eager."""
    network, loss = network_of(method, variant, size, compile_blocks=ours and device.startswith("cuda"))
    if not ours:
        other_way(network)
    return step_of(network.to(device).train(), loss, images(batch, size, device), device)


def against_frozen(variant: str, size: int, batch: int, ours: bool, device: str) -> Step:
    """S-SAM's factors against linears with one frozen weight, all else alike."""
    network, loss = network_of("s_sam", variant, size)
    network.to(device).train()
    if not ours:
        network.merge()
    return step_of(network, loss, images(batch, size, device), device)


def labels_step(variant: str, size: int, count: int, ours: bool, device: str) -> Step:
    """All labels from one encoded image, or the image encoded for each."""
    network = SSam(variant, size, [f"Label {index}" for index in range(count)], checkpoint="random").to(device)
    groups = [torch.arange(count)] if ours else [torch.tensor([index]) for index in range(count)]
    image = images(1, size, device)

    def step() -> Tensor:
        network.zero_grad()
        parts = []
        for group in groups:
            with precision(device):
                logits = network(image, label_ids=group.to(device))[:, 1:]
            logits.square().mean().backward()
            parts.append(logits.detach())
        return torch.cat(parts, dim=1)

    return step


def inference(method: str, variant: str, size: int, merged: bool, ours: bool, device: str) -> Step:
    """A method's encoder, merged or not, against plain SAM's or SAM2's with the same base."""
    network, _ = network_of(method, variant, size)
    network.to(device).eval()
    if not ours:
        base = build_sam2 if variant.startswith("hiera") else build_sam
        network.sam = base(variant, size, "random").to(device)
    elif merged:
        network.merge()
    image = images(1, size, device)
    encode = partial(encode_still, network.sam) if variant.startswith("hiera") else network.sam.image_encoder

    def step() -> Tensor:
        with torch.no_grad(), precision(device):
            features = encode(image)
        return features.embedding if isinstance(features, Sam2Features) else features

    return step


def prefix(variant: str, size: int, batch: int, block: int, ours: bool, device: str) -> Step:
    """A training step from kept tokens of the frozen blocks against one from the image."""
    network, loss = network_of("s_sam", variant, size, adapt_from_block=block)
    network.to(device).train()
    image = images(batch, size, device)
    plain = step_of(network, loss, image, device)
    if not ours:
        return plain
    with torch.no_grad():
        kept = network.encoder.prefix(image)

    def step() -> Any:
        network.encoder.given = kept
        return plain()

    return step


def start_up(variant: str, path: str, ours: bool, device: str) -> Step:
    """A network from a file of weights."""
    from segment_anything import sam_model_registry

    def step() -> Tensor:
        sam = build_sam(variant, 1024, path) if ours else sam_model_registry[variant](checkpoint=path)
        return copy.copy(sam.to(device).image_encoder.pos_embed.detach())

    return step


def cases(sam: str, hiera: str, sizes: list[int], weights: str | None) -> list[Case]:
    """All rows of this file, for a SAM, a SAM2 and sides in pixels."""
    rows = [
        Case(f"encoder forward, {variant}, {size} px", partial(encoder, variant, size, 1), other)
        for variant, other in ((sam, "segment_anything"), (hiera, "sam2"))
        for size in sizes
    ]
    targets = {256: 1.7, 1024: 1.25}
    for size in sizes:
        batch, step = max(1, 512 // size), "training step,"
        at = f"{size} px x {batch}"
        composed = "segment_anything, eager, W' composed in every step"
        make = partial(training, "s_sam", sam, size, batch)
        rows += [Case(f"{step} s_sam {sam}, {at}", make, composed, 1e-2, True, targets.get(size))]
        make = partial(training, "balr_sam", sam, size, batch)
        rows += [Case(f"{step} balr_sam {sam}, {at}", make, "segment_anything, eager", 1e-2, True)]
        make = partial(training, "sam2_lora", hiera, size, batch)
        rows += [Case(f"{step} sam2_lora {hiera}, {at}", make, "sam2", 1e-2, True)]
    size, batch = sizes[0], max(1, 512 // sizes[0])
    frozen = partial(against_frozen, sam, size, batch)
    rows += [Case(f"{step} s_sam {sam}, {size} px x {batch}", frozen, "frozen plain linears", 1e-2, target=0.74)]
    rows += [
        Case(f"8 labels, s_sam {sam}, {size} px", partial(labels_step, sam, size, 8), "one encoding a label", 1e-2)
    ]
    for method, variant in (("s_sam", sam), ("balr_sam", sam), ("sam2_lora", hiera)):
        for merged in (False, True):
            name = f"encoder forward, {method} {'merged' if merged else 'unmerged'}, {variant}, {size} px"
            rows += [Case(name, partial(inference, method, variant, size, merged), "the base without adapters", 1e-2)]
    block = 6 if sam != "vit_nano" else 4
    late = partial(prefix, sam, size, batch, block)
    rows += [
        Case(f"training step, s_sam {sam} from block {block}, tokens kept", late, "the same, from the image", 1e-3)
    ]
    if weights is not None:
        rows += [Case(f"start-up from a file, {sam}", partial(start_up, sam, weights), "segment_anything", 1e-6)]
    return rows
