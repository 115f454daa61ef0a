"""Build SAM from upstream's own modules, for any image size, with fused attention."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.modeling.image_encoder import Attention, Block
from segment_anything.modeling.transformer import Attention as DecoderAttention
from torch import nn

from monai_samadapt.backbones.attention import FusedAttention, FusedBlock, FusedDecoderAttention
from monai_samadapt.backbones.base import LoadedBase, zeros_on
from monai_samadapt.backbones.encoder import FusedImageEncoder
from monai_samadapt.backbones.loading import load_sam_state, read_state, state_sha256
from monai_samadapt.backbones.resolve import resolve_checkpoint
from monai_samadapt.backbones.variants import SamVariant, sam_variant
from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import sha256

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
FUSED_CLASSES: dict[type[nn.Module], type[nn.Module]] = {
    ImageEncoderViT: FusedImageEncoder,
    Block: FusedBlock,
    Attention: FusedAttention,
    DecoderAttention: FusedDecoderAttention,
}


def build_sam(variant: str, image_size: int, checkpoint: str | None, seed: int = 0) -> Sam:
    """Build SAM with upstream's modules and state-dict keys.

    Args:
        variant: ``vit_b``, ``vit_l``, ``vit_h`` or ``vit_nano``.
        image_size: side of the square input in pixels, divisible by 16.
        checkpoint: a path, a name of the registry, ``random``, or None for a network whose weights come from a later
            ``load_state_dict`` (its parameters are zero; on the meta device they stay there).
        seed: of the initial state when ``checkpoint`` is ``random``; the caller's random state is left alone.

    Returns:
        ``Sam`` in evaluation mode, with an attribute ``base_weights`` (:class:`LoadedBase`, or None).

    Raises:
        SamAdaptError: for an unknown variant, a wrong image size, or weights that do not fit.
    """
    sizes = sam_variant(variant)
    if image_size < 32 or image_size % 16:
        raise SamAdaptError("image_size", image_size, "not a multiple of 16 of at least 32", "give e.g. 256 or 1024")
    if checkpoint == "random":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            sam = _assemble(sizes, image_size)
        return _finish(sam, LoadedBase(variant, image_size, "random", state_sha256(sam), seed))
    target = torch.get_default_device()
    with torch.device("meta"):
        sam = _assemble(sizes, image_size)
    if checkpoint is None:
        sam = sam if target.type == "meta" else zeros_on(sam, target)
        return _finish(sam, None)
    resolved = resolve_checkpoint(checkpoint, "sam", variant)
    assert resolved.path is not None
    load_sam_state(sam, read_state(resolved.path), variant, checkpoint)
    return _finish(sam, LoadedBase(variant, image_size, checkpoint, resolved.sha256 or sha256(resolved.path)))


def _assemble(sizes: SamVariant, image_size: int) -> Sam:
    grid = image_size // 16
    encoder = ImageEncoderViT(
        img_size=image_size,
        embed_dim=sizes.embed_dim,
        depth=sizes.depth,
        num_heads=sizes.num_heads,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        out_chans=sizes.decoder_dim,
        use_rel_pos=True,
        window_size=sizes.window_size,
        global_attn_indexes=sizes.global_blocks,
    )
    prompts = PromptEncoder(sizes.decoder_dim, (grid, grid), (image_size, image_size), mask_in_chans=16)
    transformer = TwoWayTransformer(2, sizes.decoder_dim, num_heads=8, mlp_dim=sizes.decoder_mlp_dim)
    decoder = MaskDecoder(
        transformer_dim=sizes.decoder_dim, transformer=transformer, iou_head_hidden_dim=sizes.iou_hidden_dim
    )
    return Sam(encoder, prompts, decoder, list(PIXEL_MEAN), list(PIXEL_STD))


def _finish(sam: Sam, base: LoadedBase | None) -> Sam:
    """Put back the buffers no checkpoint holds, fuse the attention and note where the weights came from."""
    device = sam.image_encoder.pos_embed.device
    sam.pixel_mean = torch.tensor(PIXEL_MEAN, device=device).view(-1, 1, 1)
    sam.pixel_std = torch.tensor(PIXEL_STD, device=device).view(-1, 1, 1)
    fuse(sam.modules())
    sam.base_weights = base
    return sam.eval()


def fuse(modules: Iterable[nn.Module]) -> None:
    """Give upstream's attention, block and encoder modules the fused ``forward``; parameters and keys stay."""
    for module in modules:
        if type(module) in FUSED_CLASSES:
            module.__class__ = FUSED_CLASSES[type(module)]
