"""SAM's attention layers on fused scaled-dot-product kernels, equal to upstream's to rounding.

The classes subclass upstream's and change only ``forward``, so that they take over existing modules, parameters and
state-dict keys (see :func:`monai_samadapt.backbones.sam.fuse`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from segment_anything.modeling.image_encoder import Attention, Block
from segment_anything.modeling.transformer import Attention as DecoderAttention
from torch import Tensor


class FusedAttention(Attention):  # type: ignore[misc]
    r"""Multi-head attention with decomposed relative positions, without the (N, N) bias.

    SAM adds :math:`q \cdot R_h + q \cdot R_w` to the logits (MViTv2, eq. 4, there for query and key positions). That
    is a dot product with one-hot rows and columns, so the sum is plain attention over longer vectors:

    .. math:: q' = [s\,q,\; q R_h^T,\; q R_w^T], \qquad k' = [k,\; \text{onehot(row)},\; \text{onehot(column)}]

    with scale 1. ``v`` is padded with zeros to the same length, as flash kernels need equal lengths.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Attend within ``x`` of shape (B, H, W, C); returns the same shape."""
        q, k, v = self.project(x).unbind(3)
        return self.proj(self.attend(q, k, v))

    def project(self, x: Tensor) -> Tensor:
        """Queries, keys and values of tokens (B, H, W, C): (B, H, W, 3, heads, C / heads)."""
        return self.qkv(x).unflatten(-1, (3, self.num_heads, -1))

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend before the output projection.

        Args:
            q: queries (B, h, w, heads, c): the first rows and columns of the grid of keys, or all of it.
            k, v: keys and values (B, H, W, heads, c).

        Returns:
            (B, h, w, heads * c).
        """
        b, h, w, heads, dim = q.shape
        q, k = self._augment(q, k) if self.use_rel_pos else (q * self.scale, k)
        v = F.pad(v, (0, k.shape[-1] - dim))
        # (B, heads, tokens, c)
        q, k, v = (item.flatten(1, 2).transpose(1, 2) for item in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v, scale=1.0)[..., :dim]
        return out.transpose(1, 2).reshape(b, h, w, heads * dim)

    def _augment(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        b, h, w, heads, _ = q.shape
        rows, columns = k.shape[1:3]
        by_row = torch.einsum("bijnc,ikc->bijnk", q, _relative(self.rel_pos_h, h, rows).to(q.dtype))
        by_column = torch.einsum("bijnc,jkc->bijnk", q, _relative(self.rel_pos_w, w, columns).to(q.dtype))
        row_of = torch.eye(rows, dtype=q.dtype, device=q.device)[:, None, None].expand(rows, columns, heads, rows)
        column_of = torch.eye(columns, dtype=q.dtype, device=q.device)[None, :, None].expand(
            rows, columns, heads, columns
        )
        position = torch.cat([row_of, column_of], dim=-1).expand(b, -1, -1, -1, -1)
        return torch.cat([q * self.scale, by_row, by_column], dim=-1), torch.cat([k, position], dim=-1)


def _relative(table: Tensor, queries: int, keys: int) -> Tensor:
    """Entry (i, j) of (queries, keys, c) is the embedding of the distance i - j; table is (2 keys - 1, c)."""
    place = torch.arange(keys, device=table.device)
    return table[place[:queries, None] - place[None, :] + keys - 1]


class FusedBlock(Block):  # type: ignore[misc]
    """A ViT block that computes nothing for the padding of its windows but what the real tokens see of it.

    Upstream pads the normalised tokens with zeros to whole windows. The projection of a zero token is the bias: the
    keys and values of padding are filled in from it, and its queries, whose outputs are cut off, are left out.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, H, W, C) to (B, H, W, C)."""
        projected = self.attn.project(self.norm1(x))
        attention = self.attn.attend(*projected.unbind(3)) if self.window_size == 0 else self._windows(projected)
        x = x + self.attn.proj(attention)
        return x + self.mlp(self.norm2(x))

    def _windows(self, projected: Tensor) -> Tensor:
        _, h, w, _, heads, _ = projected.shape
        size = self.window_size
        bias = self.attn.qkv.bias.to(projected.dtype).unflatten(0, (3, heads, -1))
        q, k, v = projected.unbind(3)
        k, v = (_fill(_fill(x, pad, 2, -w % size), pad, 1, -h % size) for x, pad in ((k, bias[1]), (v, bias[2])))
        tiles = zip(_tiles(q, h, w, size), _tiles(k, h, w, size), _tiles(v, h, w, size), strict=True)
        rows = [torch.cat([self._tile(*tile) for tile in zip(*row, strict=True)], dim=2) for row in tiles]
        return torch.cat(rows, dim=1)

    def _tile(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend in the windows of one tile: q has its real tokens (B, rows, columns, heads, c), k and v all tokens."""
        size = self.window_size
        count = (k.shape[1] // size, k.shape[2] // size)
        height, width = q.shape[1] // count[0], q.shape[2] // count[1]
        k, v = _partition(k, size, size), _partition(v, size, size)
        out = self.attn.attend(_partition(q, height, width), k, v).unflatten(0, (-1, *count))
        # (B, window rows, window columns, height, width, C) -> (B, rows, columns, C)
        return out.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _tiles(x: Tensor, h: int, w: int, size: int) -> list[list[Tensor]]:
    """Split tokens (B, h, w, …), padded or not, into the whole windows and those cut at the lower and right edge.

    Splitting, unlike slicing, has a cheap backward pass.
    """
    splits = [[n - n % size, length - n + n % size] for n, length in ((h, x.shape[1]), (w, x.shape[2]))]
    heights, widths = ([part for part in parts if part] for parts in splits)
    return [list(band.split(widths, dim=2)) for band in x.split(heights, dim=1)]


def _partition(x: Tensor, height: int, width: int) -> Tensor:
    """Cut (B, H, W, …) into windows (B * windows, height, width, …)."""
    x = x.unflatten(2, (-1, width)).unflatten(1, (-1, height))
    return x.transpose(2, 3).flatten(0, 2)


def _fill(x: Tensor, value: Tensor, dim: int, count: int) -> Tensor:
    if count == 0:
        return x
    shape = list(x.shape)
    shape[dim] = count
    return torch.cat([x, value.expand(shape)], dim=dim)


class FusedDecoderAttention(DecoderAttention):  # type: ignore[misc]
    """The mask decoder's attention on a fused kernel: softmax(q k^T / sqrt(c)) v per head."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend from ``q`` (B, N, C) to ``k``, ``v`` (B, M, C); returns (B, N, C)."""
        q = self._separate_heads(self.q_proj(q), self.num_heads)
        k = self._separate_heads(self.k_proj(k), self.num_heads)
        v = self._separate_heads(self.v_proj(v), self.num_heads)
        return self.out_proj(self._recombine_heads(F.scaled_dot_product_attention(q, k, v)))
