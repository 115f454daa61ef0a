"""``samadapt merge``: turn an adapter and its base into stock SAM weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from monai_samadapt.engines.artefacts import network_from_adapter, write_model
from monai_samadapt.files import atomic_path
from monai_samadapt.networks.export import merged_sam_state, why_not_stock

MERGED = "sam_merged.pth"
TOKENS = "label_tokens.safetensors"


def register(commands: Any) -> None:
    """Add the arguments."""
    parser = commands.add_parser("merge", help=__doc__)
    parser.add_argument("output_dir", type=Path, help="folder of a training run, with adapter.safetensors")
    parser.add_argument("--checkpoint", help="where the base weights are here, if not where the run had them")
    parser.add_argument("--to", type=Path, help="folder to write to; by default the run's own")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Write ``sam_merged.pth``, which upstream loads strictly, with the label tokens beside it; else ``model.pt``."""
    network = network_from_adapter(options.output_dir, options.checkpoint)
    folder = options.to or options.output_dir
    reason = why_not_stock(network)
    if reason is not None:
        write_model(folder, network)
        print(f"no stock checkpoint: {reason}\nwrote {folder / 'model.pt'}")
        return
    with atomic_path(folder / MERGED) as temporary:
        torch.save(merged_sam_state(network), temporary)
    tokens = {name: value.detach().clone() for name, value in network.prompt_tokens().items()}
    with atomic_path(folder / TOKENS) as temporary:
        save_file(tokens, temporary)
    print(f"wrote {folder / MERGED} and {folder / TOKENS} (one sparse prompt token for each of {', '.join(tokens)})")
