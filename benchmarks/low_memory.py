"""The table of docs/scale.md: memory of a training step with ``low_memory.json``, computed without data.

    python benchmarks/low_memory.py

One image, recomputed activations, bfloat16; weights, gradients and the optimiser's moments included; two labels. The
last column keeps all activations.
"""

from __future__ import annotations

from functools import partial

from memory import make

from monai_samadapt.engines.memory_trace import step_memory

VARIANTS = {"s_sam": ("vit_b", "vit_h"), "balr_sam": ("vit_b", "vit_h"), "sam2_lora": ("hiera_t", "hiera_l")}
STEPS = ((256, True), (512, True), (1024, True), (1024, False))  # side, checkpointing


def main() -> None:
    for method, variants in VARIANTS.items():
        for variant in variants:
            needs = [step_memory(partial(make, method, variant, *step, None), step[0], 1, True) for step in STEPS]
            cells = " | ".join(f"{need.total / 2**30:.2f}" for need in needs)
            print(f"| {method}, `{variant}` | {cells} |", flush=True)


if __name__ == "__main__":
    main()
