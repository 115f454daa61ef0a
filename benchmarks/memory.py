"""Peak memory of a training step on the CPU: as predicted, and as a process of its own has it.

    python benchmarks/memory.py [--output benchmarks/results] [--only TEXT]

Measured is the largest resident set of two steps (forward, loss, backward, AdamW) less what the process had with the
network built, after a step of a tiny network that loads the libraries' code (about 100 MiB); predicted the same by
`monai_samadapt.engines.memory_trace`. Weights are random. glibc keeps freed blocks of up to 32 MiB, which would count
as used; ``MALLOC_MMAP_THRESHOLD_=131072`` makes it give them back, unless ``--as_is``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from monai_samadapt.engines import adamw
from monai_samadapt.engines.memory_trace import step_memory
from monai_samadapt.losses import CEDiceLoss, CompositeLoss, FocalDiceLoss
from monai_samadapt.networks import METHODS

LOSSES = {"s_sam": FocalDiceLoss, "balr_sam": CEDiceLoss, "sam2_lora": CompositeLoss}
LABELS = ["One", "Two"]
# method, variant, side, batch, checkpointing, half
CASES = [
    ("s_sam", "vit_b", 256, 8, False, False),
    ("sam2_lora", "hiera_t", 512, 1, False, False),
    ("balr_sam", "vit_b", 256, 4, False, False),
    ("s_sam", "vit_b", 512, 2, True, False),
    ("s_sam", "vit_b", 512, 1, False, True),
    ("sam2_lora", "hiera_t", 512, 2, True, False),
    ("s_sam", "vit_b", 512, 1, False, False),
    ("balr_sam", "vit_b", 512, 1, True, True),
    ("sam2_lora", "hiera_t", 256, 4, False, True),
    ("s_sam", "vit_nano", 256, 8, False, False),
    ("sam2_lora", "hiera_nano", 256, 8, False, False),
]


def make(method: str, variant: str, size: int, checkpointing: bool, checkpoint: str | None) -> tuple[Any, Any]:
    network = METHODS[method](variant, size, LABELS, checkpoint=checkpoint, activation_checkpointing=checkpointing)
    return network, LOSSES[method](LABELS)


def memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def train(case: tuple[Any, ...], steps: int) -> int:
    """Take steps; returns their peak in bytes."""
    method, variant, size, batch, checkpointing, half = case
    network, loss = make(method, variant, size, checkpointing, None)
    with torch.no_grad():
        for value in (*network.parameters(), *network.buffers()):
            value.normal_(std=0.02) if value.is_floating_point() else value
    network.train()
    optimizer = adamw(network, 1e-4)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of building
    before = memory("VmRSS")
    for _ in range(steps):
        image = torch.randn(batch, 3, size, size)
        target = torch.randint(0, 3, (batch, 1, size, size), dtype=torch.uint8)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
            value = loss(network(image), target)
        value.backward()
        optimizer.step()
    return memory("VmHWM") - before


def measured(case: tuple[Any, ...], queue: Any) -> None:
    torch.set_num_threads(1)
    tiny = "hiera_nano" if case[0] == "sam2_lora" else "vit_nano"
    train((case[0], tiny, 64, 1, *case[4:]), 1)
    queue.put(train(case, 2))


def row(case: tuple[Any, ...]) -> dict[str, Any]:
    method, variant, size, batch, checkpointing, half = case
    predicted = step_memory(lambda: make(method, variant, size, checkpointing, None), size, batch, half)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=measured, args=(case, queue))
    process.start()
    found = queue.get()
    process.join()
    said = predicted.peak + predicted.training
    names = ("method", "variant", "size", "batch", "checkpointing", "half")
    figures = {"predicted_mib": said >> 20, "measured_mib": found >> 20, "ratio": round(said / found, 3)}
    return dict(zip(names, case, strict=True)) | figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--as_is", action="store_true", help="leave glibc's allocator as it is")
    options = parser.parse_args()
    if not options.as_is:
        os.environ["MALLOC_MMAP_THRESHOLD_"] = "131072"
    rows = []
    for case in CASES:
        if options.only in " ".join(map(str, case)):
            rows.append(row(case))
            print(rows[-1], flush=True)
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        (options.output / "memory.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
