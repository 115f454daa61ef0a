"""The mean of the weights of several runs: ``python -m monai_samadapt.pretrain.mean OUTPUT FILE FILE…``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.files import atomic_path, sha256


def mean_of(files: Sequence[Path], output: Path) -> str:
    r"""Write :math:`\theta = \frac{1}{n} \sum_i \theta_i` of n exported files.

    After stochastic weight averaging (Izmailov et al. 2018, sec. 3) and model soups (Wortsman et al. 2022). Meant for
    runs of which one began with the weights of another: their mean lies in the same basin, with less of the noise of
    either end. Computed in float64, written in the files' own precision.

    Args:
        files: as :func:`~monai_samadapt.pretrain.export.export` writes them.
        output: safetensors; the metadata holds the recipes of all.

    Returns:
        The SHA-256 of the output.

    Raises:
        SamAdaptError: when the files' tensors differ in name or shape.
    """
    states = [load_file(path) for path in files]
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    for path, shape in zip(files, shapes, strict=True):
        if shape != shapes[0]:
            raise SamAdaptError("files", path, f"has other tensors than {files[0]}", "give files of one variant")
    means = {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(value.dtype)
        for name, value in states[0].items()
    }
    metadata = [_metadata(path) for path in files]
    recipes = json.dumps([recipe for each in metadata for recipe in _recipes(each)])
    with atomic_path(output) as temporary:
        save_file(means, temporary, {**metadata[0], "recipe": recipes})
    return sha256(output)


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        return dict(file.metadata() or {})


def _recipes(metadata: dict[str, str]) -> list[Any]:
    """The recipe of a run, or those of a mean."""
    found = json.loads(metadata.get("recipe", "null"))
    return found if isinstance(found, list) else [found]


def main(arguments: list[str] | None = None) -> None:
    """Write the mean and print its SHA-256."""
    parser = argparse.ArgumentParser(prog="python -m monai_samadapt.pretrain.mean", description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    print(mean_of(options.files, options.output))


if __name__ == "__main__":
    main()
