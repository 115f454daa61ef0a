"""BALR-SAM's mask decoder attention against SAM's, and the whole network's time and memory apart.

    python benchmarks/balr_decoder.py [--variant vit_b] [--image_size 256] [--repeats 7] [--output benchmarks/results]

First the attention modules of the decoder alone (all seven, one image, no prompt), float32: bytes of queries, keys and
values, of the attention maps (which fused kernels never write out: what a plain softmax(q k^T) v holds), and of the
weights, counted from the shapes in one forward pass. Then the time of the decoder's forward pass: both sides decode
the same embedding in turn, and medians are compared. Last the whole network, trained adapters unmerged as they are in
training: time of a forward pass, and the peak of the resident memory of a process of its own, beyond what it held
before the pass and altogether. Random weights, CPU.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monai_samadapt.networks import BALRSam
from monai_samadapt.networks.class_masks import decode_classes
from monai_samadapt.networks.detail import DetailFeatures
from monai_samadapt.networks.tensor_attention import decoder_attentions

LARGEST_RATIO = 0.26
PARTS = ("queries, keys, values", "attention maps", "weights")


def build(ours: bool, variant: str, image_size: int) -> BALRSam:
    """BALR-SAM for one label with everything; or SAM, which is BALR-SAM without its parts."""
    off = ("detail", "attention_lora", "feature_adapter", "tensor_attention")
    switches = {} if ours else dict.fromkeys(off, False)
    return BALRSam(variant, image_size, ["Label"], checkpoint="random", **switches).eval()


def attention_bytes(network: BALRSam, embedding: torch.Tensor) -> dict[str, int]:
    """Bytes of all decoder attentions in one forward pass of one image."""
    total = dict.fromkeys(PARTS, 0)

    def count(module: nn.Module, inputs: tuple[Any, ...], keywords: dict[str, Any], output: torch.Tensor) -> None:
        q, k, v = keywords["q"], keywords["k"], keywords["v"]
        projected = [layer(x) for layer, x in ((module.q_proj, q), (module.k_proj, k), (module.v_proj, v))]
        total["queries, keys, values"] += sum(x.numel() for x in projected) * 4
        total["attention maps"] += module.num_heads * math.prod(q.shape[:2]) * k.shape[1] * 4
        total["weights"] += sum(value.numel() for value in module.parameters()) * 4

    modules = decoder_attentions(network.sam.mask_decoder).values()
    handles = [module.register_forward_hook(count, with_kwargs=True) for module in modules]
    decode_classes(network.sam, embedding, 1)
    for handle in handles:
        handle.remove()
    return total


def alternate(first: Callable[[], Any], second: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Median seconds of both, measured in turn after one pass each."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats + 1):
        for function, column in zip((first, second), times, strict=True):
            start = time.perf_counter()
            function()
            column.append(time.perf_counter() - start)
    return statistics.median(times[0][1:]), statistics.median(times[1][1:])


def memory(field: str) -> int:
    """``VmRSS`` (now) or ``VmHWM`` (largest) of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def peak(ours: bool, variant: str, image_size: int, queue: multiprocessing.Queue[tuple[int, int]]) -> None:
    """In a process of its own: resident memory beyond the network in a forward pass, and altogether."""
    network, image = build(ours, variant, image_size), torch.randn(1, 3, image_size, image_size)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of building the network
    before = memory("VmRSS")
    with torch.no_grad():
        network(image)
    queue.put((memory("VmHWM") - before, memory("VmHWM")))


def measure_peak(ours: bool, variant: str, image_size: int) -> tuple[int, int]:
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[tuple[int, int]] = context.Queue()
    process = context.Process(target=peak, args=(ours, variant, image_size, queue))
    process.start()
    result = queue.get()
    process.join()
    return result


def row(name: str, ours: float, theirs: float, unit: str, factor: float) -> dict[str, Any]:
    """One line of the table, printed."""
    ratio = ours / theirs
    print(f"{name:<42}{ours / factor:>12.3f}{theirs / factor:>12.3f} {unit:<5}{ratio:>8.3f}")
    return {"name": name, "ours": ours, "sam": theirs, "ratio": round(ratio, 4)}


@torch.no_grad()
def measure(variant: str, image_size: int, repeats: int) -> list[dict[str, Any]]:
    """The lines that need both networks."""
    ours, theirs = (build(side, variant, image_size) for side in (True, False))
    image = torch.randn(1, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    embedding, details = theirs.sam.image_encoder(image), ours.detail(image) if ours.detail is not None else None
    counts = [attention_bytes(network, embedding) for network in (ours, theirs)]
    rows = [row(f"decoder attention: {part}", counts[0][part], counts[1][part], "MiB", 2**20) for part in PARTS]
    assert all(item["ratio"] <= LARGEST_RATIO for item in rows)

    def decode(network: BALRSam, features: DetailFeatures | None = None) -> torch.Tensor:
        return decode_classes(network.sam, embedding, 1, features)

    passes = {
        "decoder: forward pass": (partial(decode, ours), partial(decode, theirs)),
        "decoder with detail features: forward pass": (partial(decode, ours, details), partial(decode, theirs)),
        "whole network: forward pass": (partial(ours, image), partial(theirs, image)),
    }
    return rows + [row(name, *alternate(*pair, repeats), "ms", 1e-3) for name, pair in passes.items()]


def measure_peaks(variant: str, image_size: int) -> list[dict[str, Any]]:
    """The lines that need a process for each network."""
    peaks = [measure_peak(side, variant, image_size) for side in (True, False)]
    names = ("whole network: peak beyond its weights", "whole network: peak of the process")
    return [row(name, peaks[0][index], peaks[1][index], "MiB", 2**20) for index, name in enumerate(names)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", default="vit_b")
    parser.add_argument("--image_size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, help="folder for balr_decoder.json")
    options = parser.parse_args()
    print(f"{options.variant}, {options.image_size} px, batch 1, float32, {torch.get_num_threads()} threads, ", end="")
    print(f"torch {torch.__version__}, medians of {options.repeats}")
    print(f"{'':<42}{'BALR-SAM':>12}{'SAM':>12}{'ratio':>14}")
    rows = measure(options.variant, options.image_size, options.repeats)
    rows += measure_peaks(options.variant, options.image_size)
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "balr_decoder.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
