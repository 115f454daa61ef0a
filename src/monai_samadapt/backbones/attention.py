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
        return self.proj(self.attend(self.qkv(x)))

    def attend(self, qkv: Tensor) -> Tensor:
        """Attend given the joint projection (B, H, W, 3 C); returns (B, H, W, C) before the output projection."""
        b, h, w, _ = qkv.shape
        # (3, B, heads, H*W, C/heads)
        q, k, v = qkv.reshape(b, h * w, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        head_dim = q.shape[-1]
        if self.use_rel_pos:
            q, k = self._augment(q, k, h, w)
            v = F.pad(v, (0, h + w))
        else:
            q = q * self.scale
        out = F.scaled_dot_product_attention(q, k, v, scale=1.0)[..., :head_dim]
        return out.transpose(1, 2).reshape(b, h, w, -1)

    def _augment(self, q: Tensor, k: Tensor, h: int, w: int) -> tuple[Tensor, Tensor]:
        b, heads, tokens, dim = q.shape
        grid = q.reshape(b, heads, h, w, dim)
        rows = torch.einsum("bnhwc,hkc->bnhwk", grid, _relative(self.rel_pos_h, h).to(q.dtype))
        columns = torch.einsum("bnhwc,wkc->bnhwk", grid, _relative(self.rel_pos_w, w).to(q.dtype))
        row_of = torch.eye(h, dtype=q.dtype, device=q.device).repeat_interleave(w, dim=0)
        column_of = torch.eye(w, dtype=q.dtype, device=q.device).repeat(h, 1)
        position = torch.cat([row_of, column_of], dim=1).expand(b, heads, tokens, h + w)
        queries = torch.cat([q * self.scale, rows.flatten(2, 3), columns.flatten(2, 3)], dim=-1)
        return queries, torch.cat([k, position], dim=-1)


def _relative(table: Tensor, size: int) -> Tensor:
    """Entry (i, j) of the result (size, size, c) is the embedding of the distance i - j; table is (2 size - 1, c)."""
    place = torch.arange(size, device=table.device)
    return table[place[:, None] - place[None, :] + size - 1]


class FusedBlock(Block):  # type: ignore[misc]
    """A ViT block whose windows are padded after the qkv projection rather than before it.

    Upstream pads the normalised tokens with zeros to whole windows. The projection of a zero token is the bias, so
    projecting the real tokens only and filling in the bias gives the same windows with fewer multiplications.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, H, W, C) to (B, H, W, C)."""
        attention = self.attn.attend(self.attn.qkv(self.norm1(x))) if self.window_size == 0 else self._windows(x)
        x = x + self.attn.proj(attention)
        return x + self.mlp(self.norm2(x))

    def _windows(self, x: Tensor) -> Tensor:
        b, h, w, _ = x.shape
        size = self.window_size
        qkv = self.attn.qkv(self.norm1(x))
        bias = self.attn.qkv.bias.to(qkv.dtype)
        qkv = _fill(_fill(qkv, bias, 2, -w % size), bias, 1, -h % size)
        rows, columns = qkv.shape[1] // size, qkv.shape[2] // size
        # (B, rows, size, columns, size, 3C) -> (B * rows * columns, size, size, 3C)
        windows = qkv.reshape(b, rows, size, columns, size, -1).transpose(2, 3).reshape(-1, size, size, qkv.shape[-1])
        out = self.attn.attend(windows).reshape(b, rows, columns, size, size, -1).transpose(2, 3)
        return out.reshape(b, rows * size, columns * size, -1)[:, :h, :w]


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
