"""Command line: ``python -m monai_samadapt.pretrain --output FOLDER --time-limit SECONDS``."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from threading import Event

import torch

from monai_samadapt.errors import OneLineExit, SamAdaptError
from monai_samadapt.pretrain.config import PretrainConfig
from monai_samadapt.pretrain.export import export, weights_file
from monai_samadapt.pretrain.source import ProceduralScenes
from monai_samadapt.pretrain.train import Runtime, train


def main(arguments: list[str] | None = None) -> None:
    """Train and export; going on from ``checkpoint.pt`` in the output folder when there is one."""
    options = _parser().parse_args(arguments)
    settings = {field.name: getattr(options, field.name) for field in fields(PretrainConfig)}
    device = torch.device(options.device)
    torch.set_num_threads(1)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        runtime = Runtime(options.output, device, options.threads)
        with _stopping(runtime.stop):
            state = train(PretrainConfig(**settings), runtime, ProceduralScenes(device, options.ahead))
        if not runtime.stop.is_set():
            print(export(state, options.output / weights_file(state.config.variant)))
    except SamAdaptError as error:
        raise OneLineExit(error) from error


@contextmanager
def _stopping(event: Event) -> Iterator[None]:
    """Let an interrupt or a termination set ``event`` instead of ending the process at once."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: event.set()) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m monai_samadapt.pretrain", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder of checkpoint, log and weights")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="shards of a batch computed at the same time")
    parser.add_argument("--ahead", type=int, default=1, help="steps whose images are made together (on a GPU: 4)")
    parser.add_argument("--time-limit", dest="seconds", type=float, default=0.0, help="length of the run in seconds")
    defaults = {field.name: field.default for field in fields(PretrainConfig) if field.name != "seconds"}
    for name, value in defaults.items():
        option = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=value)
        elif isinstance(value, tuple):
            parser.add_argument(option, type=type(value[0]), nargs="+", action=_Tuple, default=value)
        else:
            parser.add_argument(option, type=type(value), default=value)
    return parser


class _Tuple(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):  # type: ignore[no-untyped-def]
        """Store a list as a tuple."""
        setattr(namespace, self.dest, tuple(values))


if __name__ == "__main__":
    main()
