"""``samadapt embed-labels``: embed label names by CLIP once, into a file the bundle reads."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.networks.label_embeddings import EMBEDDING_DIM, write_embeddings

CLIP = "openai/clip-vit-base-patch32"


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("embed-labels", help=__doc__)
    parser.add_argument("names", nargs="+", help="label names as in the id labels")
    parser.add_argument("--output", type=Path, required=True, help="file to write, e.g. labels.safetensors")
    parser.add_argument("--model", default=CLIP, help="folder of CLIP ViT-B/32, or its name in the hub's cache")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Embed the names and write them."""
    write_embeddings(options.output, options.names, embed(options.names, options.model), options.model)
    print(f"wrote {options.output}; use it by --label_embeddings {options.output}")


def embed(names: list[str], model: str) -> Tensor:
    """The projected text features of bare names, (K, 512), not normalised, as S-SAM takes them.

    Raises:
        SamAdaptError: when transformers is not installed, or the model is not there or has another width.
    """
    try:
        from transformers import AutoTokenizer, CLIPTextModelWithProjection
    except ImportError as error:
        raise SamAdaptError("model", model, "transformers is missing", "pip install monai_samadapt[clip]") from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        encoder = CLIPTextModelWithProjection.from_pretrained(model).eval()
    except (OSError, ValueError) as error:
        remedy = f"give a folder that holds {CLIP} (config.json, tokenizer files, model.safetensors)"
        raise SamAdaptError("model", model, "cannot be loaded", remedy) from error
    with torch.no_grad():
        embeddings = encoder(**tokenizer(names, padding=True, return_tensors="pt")).text_embeds
    if embeddings.shape[1] != EMBEDDING_DIM:
        problem = f"gives {embeddings.shape[1]} values a name, S-SAM takes {EMBEDDING_DIM}"
        raise SamAdaptError("model", model, problem, f"use {CLIP}")
    return embeddings
