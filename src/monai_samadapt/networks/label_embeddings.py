"""Embeddings of label names: from a file made by CLIP once, fixed random directions, or learned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import atomic_path

EMBEDDING_DIM = 512
OWN_EMBEDDINGS = ("fixed", "learned")
FIXED_NORM = 10.0
FIXED_SEED = 20240814


def label_embeddings(source: str, names: Sequence[str]) -> Tensor:
    """Give one embedding per label.

    Args:
        source: ``fixed`` or ``learned``, which both start from :func:`fixed_embeddings`, or a file written by
            ``samadapt embed-labels``.
        names: the K label names.

    Returns:
        (K, 512) float32.

    Raises:
        SamAdaptError: when the file is missing or lacks a name.
    """
    if source in OWN_EMBEDDINGS:
        return fixed_embeddings(len(names))
    return read_embeddings(Path(source), names)


def fixed_embeddings(num_labels: int) -> Tensor:
    """Orthogonal vectors of norm 10, drawn from a fixed seed; the k-th does not depend on the number of labels.

    They tell labels apart and carry nothing about what the names mean: a name never trained on means nothing.

    Raises:
        SamAdaptError: for more labels than dimensions.
    """
    if num_labels > EMBEDDING_DIM:
        raise SamAdaptError("labels", num_labels, f"more than {EMBEDDING_DIM} fixed embeddings", "use learned ones")
    generator = torch.Generator().manual_seed(FIXED_SEED)
    gaussian = torch.randn(EMBEDDING_DIM, EMBEDDING_DIM, generator=generator, dtype=torch.float64)
    orthogonal, upper = torch.linalg.qr(gaussian)
    return (orthogonal * upper.diagonal().sign()).T[:num_labels].float() * FIXED_NORM


def read_embeddings(path: Path, names: Sequence[str]) -> Tensor:
    """Read the embeddings of the given names from a file of :func:`write_embeddings`."""
    if not path.is_file():
        remedy = 'make it by samadapt embed-labels, or choose "fixed" or "learned"'
        raise SamAdaptError("label_embeddings", str(path), "no such file", remedy)
    with safe_open(path, "pt") as stream:
        known = json.loads((stream.metadata() or {}).get("names", "[]"))
        table = stream.get_tensor("embeddings")
    if missing := [name for name in names if name not in known]:
        problem = f"has no embedding of {missing[0]!r}"
        raise SamAdaptError("label_embeddings", str(path), problem, "run samadapt embed-labels with all label names")
    return table[[known.index(name) for name in names]].float()


def write_embeddings(path: Path, names: Sequence[str], embeddings: Tensor, source: str) -> None:
    """Write embeddings (K, 512) with their names and the model they come from."""
    metadata = {"names": json.dumps(list(names)), "source": source}
    with atomic_path(path) as temporary:
        save_file({"embeddings": embeddings.float().contiguous()}, temporary, metadata)
