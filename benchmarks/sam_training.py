"""Training steps of SAM ViT-B and S-SAM against upstream's modules: time and peak memory, as ratios of one run.

    python benchmarks/sam_training.py [--threads 2] [--repeats 5] [--device cpu] [--output benchmarks/results]

Both sides have the same random weights and input, float32, and train the norms and positions of the encoder ("norms and
positions" rows); their outputs are compared first. Repeats alternate between the sides, and the ratio of medians is
printed. Peak memory is that of a process of its own for each side: on a CPU its largest resident set less what it held
before the step, on CUDA the largest allocation.
"""

from __future__ import annotations

import argparse
import copy
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from segment_anything.modeling import Sam
from torch import nn

from monai_samadapt.backbones import build_sam
from monai_samadapt.backbones.sam import FUSED_CLASSES
from monai_samadapt.networks import SSam

Step = Callable[[], torch.Tensor]


def upstream(sam: Sam) -> Sam:
    """A copy that runs segment_anything's own forward."""
    plain = {fused: original for original, fused in FUSED_CLASSES.items()}
    twin = copy.deepcopy(sam)
    for module in twin.modules():
        module.__class__ = plain.get(type(module), type(module))
    return twin


def train_norms_and_positions(sam: Sam) -> None:
    """Freeze everything but the encoder's norms and its absolute positions."""
    sam.requires_grad_(False)
    sam.image_encoder.pos_embed.requires_grad_(True)
    for module in sam.image_encoder.modules():
        if isinstance(module, nn.LayerNorm):
            module.requires_grad_(True)


def encoder_step(ours: bool, size: int, batch: int, device: str) -> Step:
    """Forward and backward of the encoder."""
    sam = build_sam("vit_b", size, "random")
    sam = (sam if ours else upstream(sam)).to(device)
    train_norms_and_positions(sam)
    image = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)

    def step() -> torch.Tensor:
        sam.zero_grad()
        embedding = sam.image_encoder(image)
        embedding.square().mean().backward()
        return embedding.detach()

    return step


def label_step(once: bool, labels: int, size: int, device: str) -> Step:
    """A training step of S-SAM with all labels from one encoded image, or encoding it for each label."""
    network = SSam("vit_b", size, [f"Label {index}" for index in range(labels)], checkpoint="random").to(device)
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    groups = [torch.arange(labels)] if once else [torch.tensor([index]) for index in range(labels)]

    def step() -> torch.Tensor:
        network.zero_grad()
        parts = []
        for group in groups:
            logits = network(image, label_ids=group.to(device))[:, 1:]
            logits.square().mean().backward()
            parts.append(logits.detach())
        return torch.cat(parts, dim=1)

    return step


CASES: dict[str, tuple[Callable[[bool, str], Step], float, float | None]] = {
    "encoder, norms and positions, 256 px, batch 4": (lambda ours, dev: encoder_step(ours, 256, 4, dev), 1.5, None),
    "encoder, norms and positions, 1024 px, batch 1": (lambda ours, dev: encoder_step(ours, 1024, 1, dev), 1.1, 0.6),
    "S-SAM, 8 labels, 256 px, one encoding": (lambda ours, dev: label_step(ours, 8, 256, dev), 4.0, None),
}


def timed(step: Step, device: str) -> float:
    start = time.perf_counter()
    step()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_bytes(name: str, ours: bool, threads: int, device: str, queue: multiprocessing.Queue[int]) -> None:
    """In a process of its own: the memory two steps need beyond the model."""
    torch.set_num_threads(threads)
    step = CASES[name][0](ours, device)
    if device.startswith("cuda"):
        step()
        queue.put(torch.cuda.max_memory_allocated())
        return
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of building the model
    before = memory("VmRSS")
    step()
    queue.put(memory("VmHWM") - before)


def memory(field: str) -> int:
    """``VmRSS`` (now) or ``VmHWM`` (largest) of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def measure_peak(name: str, ours: bool, threads: int, device: str) -> int:
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[int] = context.Queue()
    process = context.Process(target=peak_bytes, args=(name, ours, threads, device, queue))
    process.start()
    peak = queue.get()
    process.join()
    return peak


def measure(name: str, repeats: int, threads: int, device: str) -> dict[str, object]:
    """One row: medians, their ratio, peaks and their ratio, beside the targets."""
    make, speed_target, memory_target = CASES[name]
    ours, theirs = make(True, device), make(False, device)
    difference = float((ours() - theirs()).abs().max())
    times = [(timed(ours, device), timed(theirs, device)) for _ in range(repeats)]
    mine, other = (statistics.median(column) for column in zip(*times, strict=True))
    del ours, theirs
    peaks = [measure_peak(name, side, threads, device) for side in (True, False)]
    return {
        "case": name,
        "ours_s": round(mine, 3),
        "other_s": round(other, 3),
        "speed_ratio": round(other / mine, 2),
        "speed_target": speed_target,
        "ours_peak_gib": round(peaks[0] / 2**30, 2),
        "other_peak_gib": round(peaks[1] / 2**30, 2),
        "memory_ratio": round(peaks[0] / peaks[1], 2),
        "memory_target": memory_target,
        "largest_difference": difference,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cases", default="", help="only the cases whose name has this text")
    parser.add_argument("--output", type=Path, help="folder for sam_training.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.device}, {options.threads} threads, float32, {options.repeats} repeats")
    rows = [measure(name, options.repeats, options.threads, options.device) for name in CASES if options.cases in name]
    for row in rows:
        print(
            f"{row['case']}: {row['speed_ratio']}x faster (target {row['speed_target']}; {row['ours_s']} s against "
            f"{row['other_s']} s), {row['memory_ratio']}x the peak memory (target {row['memory_target']}; "
            f"{row['ours_peak_gib']} against {row['other_peak_gib']} GiB), difference {row['largest_difference']:.1e}"
        )
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "sam_training.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
