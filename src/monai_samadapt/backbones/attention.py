"""SAM's attention layers on fused scaled-dot-product kernels, equal to upstream's to rounding.

The classes subclass upstream's and change only ``forward``, so that they take over existing modules, parameters and
state-dict keys (see :func:`monai_samadapt.backbones.sam.fuse`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from segment_anything.modeling.image_encoder import Attention, Block
from segment_anything.modeling.transformer import Attention as DecoderAttention
from torch import Tensor

LITTLE = 0.25  # share of padding that is computed with


class FusedAttention(Attention):  # type: ignore[misc]
    r"""Multi-head attention with decomposed relative positions, without the (N, N) bias.

    SAM adds :math:`q \cdot R_h + q \cdot R_w` to the logits (MViTv2, eq. 4, there for query and key positions). That
    is a dot product with one-hot rows and columns, so the sum is plain attention over longer vectors:

    .. math:: q' = [s\,q,\; q R_h^T,\; q R_w^T], \qquad k' = [k,\; \text{onehot(row)},\; \text{onehot(column)}]

    with scale 1. ``v`` is padded with zeros to the same length, as flash kernels need equal lengths.

    Upstream pads the normalised tokens of a cut window with zeros, so that all its padding has the same key and value,
    the bias, and differs in position only. Over a rectangle of padding the softmax's sum is then a product, and the
    rectangle is one key, whose logit is :math:`s\,q \cdot k + \log\sum_r e^{q R_h} + \log\sum_c e^{q R_w}`.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Attend within ``x`` of shape (B, H, W, C); returns the same shape."""
        q, k, v = self.project(x).unbind(3)
        return self.proj(self.attend(q, k, v, x.shape[1:3]))

    def project(self, x: Tensor) -> Tensor:
        """Queries, keys and values of tokens (B, H, W, C): (B, H, W, 3, heads, C / heads)."""
        return self.qkv(x).unflatten(-1, (3, self.num_heads, -1))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, size: Sequence[int]) -> Tensor:
        """Attend before the output projection.

        Args:
            q, k, v: (B, h, w, heads, c).
            size: rows and columns of the grid these tokens are the upper left part of; the rest is padding.

        Returns:
            (B, h, w, heads * c).
        """
        b, h, w, heads, dim = q.shape
        queries, keys = [q * self.scale], [k]
        if self.use_rel_pos:
            by_row = torch.einsum("bijnc,ick->bijnk", q, _relative(self.rel_pos_h.to(q.dtype), h, size[0]))
            by_column = torch.einsum("bijnc,jck->bijnk", q, _relative(self.rel_pos_w.to(q.dtype), w, size[1]))
            queries += [by_row[..., -h:], by_column[..., -w:]]
            keys += [place.expand(b, h, w, heads, -1) for place in _places(h, w, q)]
            of_padding = _padding_logits(by_row, by_column, h, w)
        else:
            of_padding = _padding_counts(q, size)
        # (B, heads, tokens, c)
        q, k = (_by_head(torch.cat(parts, dim=-1)) for parts in (queries + of_padding, keys))
        v = _by_head(v)
        if of_padding:
            k, v = self._with_padding(F.pad(k, (0, len(of_padding))), v, len(of_padding))
        v = F.pad(v, (0, q.shape[-1] - dim))
        out = F.scaled_dot_product_attention(q, k, v, scale=1.0)[..., :dim]
        return out.transpose(1, 2).reshape(b, h, w, heads * dim)

    def _with_padding(self, k: Tensor, v: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Add one key and value for each rectangle of padding to keys and values (B, heads, tokens, c)."""
        dim = v.shape[-1]
        bias = self.qkv.bias.to(v.dtype).unflatten(0, (3, self.num_heads, dim))
        own = torch.eye(count, dtype=k.dtype, device=k.device).expand(self.num_heads, -1, -1)
        key = F.pad(bias[1, :, None], (0, k.shape[-1] - dim - count)).expand(-1, count, -1)
        key = torch.cat([key, own], dim=-1).expand(k.shape[0], -1, -1, -1)
        value = bias[2, :, None].expand(v.shape[0], -1, count, -1)
        return torch.cat([k, key], dim=2), torch.cat([v, value], dim=2)


def _relative(table: Tensor, queries: int, keys: int) -> Tensor:
    """Entry (i, :, k) of (queries, c, keys) is the embedding of query i's distance to key j = keys - 1 - k: a view.

    Row d + keys - 1 of the table (2 keys - 1, c) is that of the distance d = i - j, so the entry is its row i + k.
    """
    return table.unfold(0, keys, 1)[:queries]


def _places(h: int, w: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """One-hot rows (h, 1, 1, h) and columns (w, 1, w), the last first."""
    row, column = (torch.eye(count, dtype=like.dtype, device=like.device).flip(0) for count in (h, w))
    return row[:, None, None], column[:, None]


def _padding_logits(by_row: Tensor, by_column: Tensor, h: int, w: int) -> list[Tensor]:
    """Position logits (B, h, w, heads, 1) of the padding: all rows right of column w, then the rest below row h.

    Logits by row and by column are those of the last key first, so that padding comes before the h rows and w columns.
    """
    logits = []
    if w < by_column.shape[-1]:
        logits.append(_log_sum(by_row) + _log_sum(by_column[..., :-w]))
    if h < by_row.shape[-1]:
        logits.append(_log_sum(by_row[..., :-h]) + _log_sum(by_column[..., -w:]))
    return logits


def _padding_counts(q: Tensor, size: Sequence[int]) -> list[Tensor]:
    """Without relative positions all padding is the same: one logit, the logarithm of its count."""
    b, h, w, heads, _ = q.shape
    padding = size[0] * size[1] - h * w
    return [q.new_full((b, h, w, heads, 1), math.log(padding))] if padding else []


def _log_sum(logits: Tensor) -> Tensor:
    return torch.logsumexp(logits, dim=-1, keepdim=True).to(logits.dtype)


def _by_head(x: Tensor) -> Tensor:
    """(B, h, w, heads, c) -> (B, heads, h * w, c)."""
    return x.flatten(1, 2).transpose(1, 2)


class FusedBlock(Block):  # type: ignore[misc]
    """A ViT block that cuts its windows at the edge, see :class:`FusedAttention`, unless little padding fills them."""

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, H, W, C) to (B, H, W, C)."""
        height, width = x.shape[1:3]
        projected = self.attn.project(_filled(self.norm1(x), self.window_size))
        if self.window_size == 0:
            q, k, v = projected.unbind(3)
            attention = self.attn.attend(q, k, v, (height, width))
        else:
            attention = self._windows(projected)[:, :height, :width]
        x = x + self.attn.proj(attention)
        return x + self.mlp(self.norm2(x))

    def _windows(self, projected: Tensor) -> Tensor:
        rows = [torch.cat([self._tile(tile) for tile in row], dim=2) for row in _tiles(projected, self.window_size)]
        return torch.cat(rows, dim=1)

    def _tile(self, projected: Tensor) -> Tensor:
        """Attend in the windows of one tile (B, rows, columns, 3, heads, c), which all have the same real tokens."""
        size = self.window_size
        height, width = (min(count, size) for count in projected.shape[1:3])
        count = (projected.shape[1] // height, projected.shape[2] // width)
        q, k, v = _partition(projected, height, width).unbind(3)
        out = self.attn.attend(q, k, v, (size, size)).unflatten(0, (-1, *count))
        # (B, window rows, window columns, height, width, C) -> (B, rows, columns, C)
        return out.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _filled(x: Tensor, size: int) -> Tensor:
    """Pad tokens (B, H, W, C) to whole windows where at most a quarter is added: four kinds of windows become one."""
    height, width = x.shape[1:3]
    if size == 0:
        return x
    below, right = -height % size, -width % size
    little = (height + below) * (width + right) <= (1 + LITTLE) * height * width
    return F.pad(x, (0, 0, 0, right, 0, below)) if little else x


def _tiles(x: Tensor, size: int) -> list[list[Tensor]]:
    """Split tokens (B, H, W, …) into the whole windows and those cut at the lower and right edge.

    Splitting, unlike slicing, has a cheap backward pass.
    """
    heights, widths = ([part for part in (n - n % size, n % size) if part] for n in x.shape[1:3])
    return [list(band.split(widths, dim=2)) for band in x.split(heights, dim=1)]


def _partition(x: Tensor, height: int, width: int) -> Tensor:
    """Cut (B, H, W, …) into windows (B * windows, height, width, …)."""
    x = x.unflatten(2, (-1, width)).unflatten(1, (-1, height))
    return x.transpose(2, 3).flatten(0, 2)


class FusedDecoderAttention(DecoderAttention):  # type: ignore[misc]
    """The mask decoder's attention on a fused kernel: softmax(q k^T / sqrt(c)) v per head."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from ``q`` (B, N, C) to ``k``, ``v`` (B, M, C); returns (B, N, C)."""
        q = self._separate_heads(self.q_proj(q), self.num_heads)
        k = self._separate_heads(self.k_proj(k), self.num_heads)
        v = self._separate_heads(self.v_proj(v), self.num_heads)
        return self.out_proj(self._recombine_heads(F.scaled_dot_product_attention(q, k, v)))
