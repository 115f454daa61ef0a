"""Label names through a real CLIP text encoder: a small one with random weights, in CLIP's own files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from monai_samadapt.cli import main
from monai_samadapt.networks.label_embeddings import read_embeddings

transformers = pytest.importorskip("transformers", reason="needs the extra clip")


def clip_folder(folder: Path, width: int = 512) -> Path:
    """A CLIP text model with a vocabulary of single letters."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer.save_pretrained(folder)
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        projection_dim=width,
        bos_token_id=len(tokens) - 2,
        eos_token_id=len(tokens) - 1,
        pad_token_id=len(tokens) - 1,
    )
    torch.manual_seed(0)
    transformers.CLIPTextModelWithProjection(config).save_pretrained(folder)
    return folder


def test_names_become_clip_s_projected_features(tmp_path: Path) -> None:
    model, output = clip_folder(tmp_path / "clip"), tmp_path / "labels.safetensors"
    assert main(["embed-labels", "liver", "tumor", "--output", str(output), "--model", str(model)]) == 0
    encoder = transformers.CLIPTextModelWithProjection.from_pretrained(model).eval()
    tokenizer = transformers.CLIPTokenizerFast.from_pretrained(model)
    with torch.no_grad():
        expected = torch.cat([encoder(**tokenizer([n], return_tensors="pt")).text_embeds for n in ("tumor", "liver")])
    found = read_embeddings(output, ["tumor", "liver"])
    assert torch.allclose(found, expected, atol=1e-5)
    assert (found[0] - found[1]).abs().max() > 1e-3


def test_what_cannot_be_embedded_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    narrow = clip_folder(tmp_path / "narrow", width=8)
    output = str(tmp_path / "labels.safetensors")
    for model, words in ((narrow, "gives 8 values"), (tmp_path, "cannot be loaded")):
        assert main(["embed-labels", "liver", "--output", output, "--model", str(model)]) == 1
        error = capsys.readouterr().err.strip().splitlines()
        assert words in error[-1]
    assert not Path(output).exists()
