"""Settings of a pretraining run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from monai_samadapt.errors import SamAdaptError


@dataclass(frozen=True)
class PretrainConfig:
    """What decides the weights that come out, apart from the machine's arithmetic.

    Attributes:
        variant: SAM or SAM2 variant to train.
        initial: weights to begin with: ``random``, a registry name or a path.
        decoder_from: weights of SAM or SAM2 whose prompt encoder and mask decoder are taken over where shapes agree: a
            registry name or a path; empty for none.
        sizes: side of the images of each phase in pixels.
        shares: of the run that end each phase, the last one 1.
        batch_sizes: images a step of each phase.
        prompts: prompts an image in the first round, a multiple of 8.
        corrections: most rounds of one correction click each; 1 to this many are drawn for each step.
        learning_rate: peak; reached after ``warmup`` steps, then a cosine down to 1 % of it.
        warmup: steps.
        weight_decay: of matrices; vectors and embeddings have none.
        clip: largest gradient norm.
        ema_decay: of the exported moving average of the weights.
        steps: length of the run in steps, or 0 to go by ``seconds`` alone.
        seconds: length of the run by the clock, or 0 to go by ``steps`` alone.
        amp: encoder and decoder in bfloat16.
        seed: of weights, images and prompts.
    """

    variant: str = "vit_nano"
    initial: str = "random"
    decoder_from: str = ""
    sizes: tuple[int, ...] = (64, 128, 256)
    shares: tuple[float, ...] = (0.15, 0.6, 1.0)
    batch_sizes: tuple[int, ...] = (16, 8, 4)
    prompts: int = 16
    corrections: int = 2
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 0.05
    clip: float = 1.0
    ema_decay: float = 0.999
    steps: int = 0
    seconds: float = 0.0
    amp: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.steps and not self.seconds:
            raise SamAdaptError("steps", self.steps, "the run has no end", "give --steps or --time-limit")
        if not len(self.sizes) == len(self.shares) == len(self.batch_sizes) or self.shares[-1] != 1:
            problem = f"does not match sizes {self.sizes} and batch sizes {self.batch_sizes}"
            raise SamAdaptError("shares", self.shares, problem, "give one a phase, the last one 1")
        if self.prompts % 8:
            raise SamAdaptError("prompts", self.prompts, "not a multiple of 8", "give e.g. 16")

    def progress(self, step: int, elapsed: float) -> float:
        """Share of the run that is over, by steps or by the clock, whichever is further."""
        by_steps = step / self.steps if self.steps else 0.0
        by_clock = elapsed / self.seconds if self.seconds else 0.0
        return min(1.0, max(by_steps, by_clock))

    def phase(self, progress: float) -> int:
        """Index of the phase at ``progress``."""
        return next(index for index, end in enumerate(self.shares) if progress < end or end == self.shares[-1])

    def rate(self, step: int, progress: float) -> float:
        """Learning rate: linear warm-up by steps, then a cosine over the run's progress down to 1 % of the peak."""
        cosine = 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2
        return self.learning_rate * min(1.0, (step + 1) / self.warmup) * cosine
