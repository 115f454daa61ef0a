"""Low-rank tensor attention of BALR-SAM's mask decoder (Liu et al., arXiv 2509.24204); the form is ours."""

from __future__ import annotations

import torch
from segment_anything.modeling import MaskDecoder
from torch import Tensor, nn

from monai_samadapt.backbones.attention import FusedDecoderAttention
from monai_samadapt.networks.decode import attention_names

HEADS = 2


def decoder_attentions(decoder: MaskDecoder) -> dict[str, FusedDecoderAttention]:
    """The seven attentions of SAM's mask decoder by their names in it."""
    names = [f"transformer.{name}" for name in attention_names(decoder.transformer)]
    return {name: decoder.get_submodule(name) for name in names}


def truncate_attentions(decoder: MaskDecoder, heads: int = HEADS) -> dict[str, float]:
    """Replace every attention of a mask decoder by one of fewer heads, in place.

    Returns:
        The relative error of each attention; see :func:`truncated`. Empty on the meta device.
    """
    errors = {}
    for name, attention in decoder_attentions(decoder).items():
        parent, _, child = name.rpartition(".")
        smaller, error = truncated(attention, heads)
        setattr(decoder.get_submodule(parent), child, smaller)
        if not error.is_meta:
            errors[name] = float(error)
    return errors


@torch.no_grad()
def truncated(attention: FusedDecoderAttention, heads: int = HEADS) -> tuple[FusedDecoderAttention, Tensor]:
    r"""Approximate an attention of H heads by one of ``heads``, whose size stays.

    The projections of queries, keys and values are one tensor (H, 3, c, C) for head size c and C input channels. Its
    Tucker-1 decomposition along the heads, by higher-order SVD (De Lathauwer et al., SIAM J. Matrix Anal. Appl. 2000),

    .. math:: W^{q,k,v}_h \approx \sum_k A_{hk} G^{q,k,v}_k, \qquad G_k = \sum_h A_{hk} W_h, \qquad A^T A = 1

    has one A for all three, so that query, key and value k belong to one head. The output projection becomes
    :math:`\sum_h A_{hk} W^o_h`. Head h sees the logits of head k weighted by :math:`A_{hk}^2`; head k has their mean
    with the same weights, so that G of queries and keys are scaled by :math:`(\sum_h A_{hk}^4)^{1/2}` each. H equal
    heads are reproduced exactly. The factors are multiplied out: the result is a plain attention.

    Returns:
        The attention with ``heads`` heads, and the relative Frobenius error of its tensor,
        :math:`\|W - A A^T W\| / \|W\|` (0 for a tensor of zeros).
    """
    full = attention.num_heads
    projections = [attention.q_proj, attention.k_proj, attention.v_proj]
    tensor = torch.stack([layer.weight.unflatten(0, (full, -1)) for layer in projections], dim=1).double()
    energies, vectors = torch.linalg.eigh(tensor.flatten(1) @ tensor.flatten(1).T)
    mixing = vectors[:, -heads:].flip(1)
    error = (energies[:-heads].clamp(min=0).sum() / energies.sum().clamp(min=1e-30)).sqrt()
    smaller = _smaller(attention, heads)
    sharpness = mixing.pow(4).sum(0).sqrt()
    for name, scale in (("q_proj", sharpness), ("k_proj", sharpness), ("v_proj", torch.ones_like(sharpness))):
        _reduce_input(getattr(attention, name), getattr(smaller, name), mixing * scale)
    weight = attention.out_proj.weight.double().unflatten(1, (full, -1))
    smaller.out_proj.weight.copy_(torch.einsum("hk,ohc->okc", mixing, weight).flatten(1))
    smaller.out_proj.bias.copy_(attention.out_proj.bias)
    return smaller, error


def _smaller(attention: FusedDecoderAttention, heads: int) -> FusedDecoderAttention:
    rate = attention.embedding_dim * attention.num_heads // (attention.internal_dim * heads)
    with torch.device("meta"):
        smaller = FusedDecoderAttention(attention.embedding_dim, heads, rate)
    return smaller.to_empty(device=attention.q_proj.weight.device).train(attention.training)


def _reduce_input(old: nn.Linear, new: nn.Linear, mixing: Tensor) -> None:
    """Mix the heads of a projection's weight and bias."""
    heads = mixing.shape[0]
    weight, bias = old.weight.double().unflatten(0, (heads, -1)), old.bias.double().unflatten(0, (heads, -1))
    new.weight.copy_(torch.einsum("hk,hci->kci", mixing, weight).flatten(0, 1))
    new.bias.copy_(torch.einsum("hk,hc->kc", mixing, bias).flatten())
