"""``samadapt merge``: turn an adapter and its base into stock SAM or SAM2 weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from monai_samadapt.backbones import family_of
from monai_samadapt.engines.artefacts import network_from_adapter, write_model
from monai_samadapt.files import atomic_path
from monai_samadapt.networks import SegmentationNetwork
from monai_samadapt.networks.export import merged_sam_state, why_not_stock
from monai_samadapt.networks.torchscript import traced

MERGED = {"sam": "sam_merged.pth", "sam2": "sam2_merged.pt"}
TOKENS = "label_tokens.safetensors"
TORCHSCRIPT = "model.ts"


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("merge", help=__doc__)
    parser.add_argument("output_dir", type=Path, help="folder of a training run, with adapter.safetensors")
    parser.add_argument("--checkpoint", help="where the base weights are here, if not where the run had them")
    parser.add_argument("--to", type=Path, help="folder to write to; by default the run's own")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write the merged weights as upstream loads them strictly, with the label tokens beside them; else ``model.pt``.

    A network with modules of its own, which no other package could build, is written as TorchScript as well.
    """
    network = network_from_adapter(options.output_dir, options.checkpoint)
    folder = options.to or options.output_dir
    reason = why_not_stock(network)
    if reason is not None:
        write_model(folder, network)
        print(f"no stock checkpoint: {reason}\nwrote {folder / 'model.pt'}, which this package loads as model_file")
        if network.added_modules:
            with atomic_path(folder / TORCHSCRIPT) as temporary:
                torch.jit.save(traced(network), temporary)
            print(f"wrote {folder / TORCHSCRIPT}, which runs without this package, on any device")
        return
    write_stock(folder, network)


def write_stock(folder: Path, network: SegmentationNetwork) -> None:
    """Write the merged weights as upstream's files hold them, and the label tokens where there are any."""
    family = family_of(network.variant)
    state = merged_sam_state(network)
    with atomic_path(folder / MERGED[family]) as temporary:
        torch.save({"model": state} if family == "sam2" else state, temporary)
    print(f"wrote {folder / MERGED[family]}")
    tokens = {name: value.detach().clone() for name, value in network.prompt_tokens().items()}
    if tokens:
        with atomic_path(folder / TOKENS) as temporary:
            save_file(tokens, temporary)
        print(f"wrote {folder / TOKENS} (one sparse prompt token for each of {', '.join(tokens)})")
