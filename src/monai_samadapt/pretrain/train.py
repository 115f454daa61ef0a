"""The pretraining loop: images made on the fly, gradients of several shards in parallel, resumable."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.pretrain.config import PretrainConfig
from monai_samadapt.pretrain.rounds import training_loss
from monai_samadapt.pretrain.scenes import Scenes
from monai_samadapt.pretrain.state import RunState

Source = Callable[[int, int, int], Scenes]  # (side, images, seed) -> scenes
SHARDS = 64  # of a step at most: seeds are 64 times the step's, plus the shard
Shard = tuple[Sequence[Tensor], dict[str, Tensor]]


@dataclass(frozen=True)
class Runtime:
    """How and where a run is carried out; does not change what is learnt, apart from the shards' random numbers.

    Attributes:
        output: folder of ``checkpoint.pt`` and ``log.jsonl``.
        device: for the model.
        threads: shards of a batch computed at the same time, each by one thread.
        stop: when set, the run saves a checkpoint and ends after the current step.
        save_seconds: time between checkpoints.
        log_steps: steps a line of the log averages over.
    """

    output: Path
    device: torch.device
    threads: int = 1
    stop: Event = field(default_factory=Event)
    save_seconds: float = 180.0
    log_steps: int = 20


def train(config: PretrainConfig, runtime: Runtime, source: Source) -> RunState:
    """Train from the last checkpoint, or from the start, to the end of the run.

    Raises:
        SamAdaptError: when the loss is not finite.
    """
    state, checkpoint = RunState(config, runtime.device), runtime.output / "checkpoint.pt"
    if checkpoint.is_file():
        state.restore(checkpoint)
    start, saved = time.monotonic() - state.elapsed, time.monotonic()
    lines: list[dict[str, float]] = []
    with ThreadPoolExecutor(runtime.threads) as pool, _attention(runtime.device):
        while (progress := config.progress(state.step, state.elapsed)) < 1 and not runtime.stop.is_set():
            state.enter(config.phase(progress))
            lines.append(_step(state, progress, runtime.threads, pool, source))
            state.elapsed = time.monotonic() - start
            if len(lines) == runtime.log_steps:
                _log(runtime.output / "log.jsonl", state, lines)
                lines = []
            if time.monotonic() - saved > runtime.save_seconds:
                state.save(checkpoint)
                saved = time.monotonic()
    state.save(checkpoint)
    return state


def _attention(device: torch.device) -> AbstractContextManager[None]:
    """On a CPU, plain attention: the fused kernel's backward pass in bfloat16 is slower there."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()


def _step(state: RunState, progress: float, threads: int, pool: ThreadPoolExecutor, source: Source) -> dict[str, float]:
    config, began = state.config, time.monotonic()
    parameters = [value for value in state.sam.parameters() if value.requires_grad]
    shards: list[Shard] = list(
        pool.map(lambda index: _shard(state, parameters, index, threads, source), range(threads))
    )
    for position, value in enumerate(parameters):
        value.grad = torch.stack([gradients[position] for gradients, _ in shards]).mean(0)
    norm = float(torch.nn.utils.clip_grad_norm_(parameters, config.clip))
    if not math.isfinite(norm):
        raise SamAdaptError("learning_rate", config.learning_rate, f"gradients of step {state.step} are not finite",
                            "go on from the checkpoint with a lower one")  # fmt: skip
    rate = config.rate(state.step, progress)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.step()
    state.update_average()
    state.step += 1
    line = {name: float(sum(figures[name] for _, figures in shards)) / threads for name in shards[0][1]}
    images = config.batch_sizes[state.phase]
    return {**line, "gradient_norm": norm, "rate": rate, "images_per_second": images / (time.monotonic() - began)}


def _shard(state: RunState, parameters: list[Tensor], index: int, shards: int, source: Source) -> Shard:
    """Compute the gradients of one shard of a step's images; random numbers depend on seed, step and shard alone."""
    config = state.config
    seed = (config.seed * 1_000_003 + state.step) * SHARDS + index
    generator = torch.Generator(state.device).manual_seed(seed)
    scenes = source(config.sizes[state.phase], config.batch_sizes[state.phase] // shards, seed)
    corrections = 1 + int(torch.randint(config.corrections, (), generator=generator, device=state.device))
    loss, figures = training_loss(state.sam, scenes, config.prompts, corrections, generator, config.amp)
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return gradients, {"loss": loss.detach(), **figures}


def _log(path: Path, state: RunState, lines: list[dict[str, float]]) -> None:
    means: dict[str, Any] = {name: round(sum(line[name] for line in lines) / len(lines), 5) for name in lines[0]}
    size = state.config.sizes[state.phase]
    with path.open("a") as stream:
        stream.write(json.dumps({"step": state.step, "elapsed": round(state.elapsed, 1), "size": size, **means}) + "\n")
