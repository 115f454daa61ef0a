"""Training that goes on from the weights of a packed bundle, and replaces them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import ignite.distributed as idist
from ignite.engine import Engine, Events

from monai_samadapt.backbones.base import LoadedBase
from monai_samadapt.engines.artefacts import load_model
from monai_samadapt.engines.kept_split import write_hashes
from monai_samadapt.files import atomic_path
from monai_samadapt.networks import SegmentationNetwork
from monai_samadapt.run_files import ADAPTER, DESCRIPTION, KEPT, MODEL


def load_start(network: SegmentationNetwork, model_file: str) -> None:
    """Load the weights to go on from, and remember the base they were trained on.

    Raises:
        SamAdaptError: when the file is missing, unreadable, or of another network.
    """
    load_model(network, model_file)
    description = Path(model_file).parent / DESCRIPTION
    base = json.loads(description.read_text())["base"] if description.is_file() else None
    if base is not None:
        network.sam.base_weights = LoadedBase(**base)


class PublishWeights:
    """Replaces the bundle's weights by the best of a training when it has ended, each file at once.

    ``model.pt`` comes last: MONAI Label loads it again when it changes. A training that fails or is killed changes
    nothing.

    Args:
        output_dir: folder of the training run.
        model_file: the bundle's ``model.pt``; the adapter files lie beside it.
    """

    def __init__(self, output_dir: str, model_file: str) -> None:
        self.output_dir, self.folder = Path(output_dir), Path(model_file).parent

    def attach(self, engine: Engine) -> None:
        """Follow a trainer."""
        engine.add_event_handler(Events.COMPLETED, self.publish)

    def publish(self, engine: Engine) -> None:
        """Copy the files, and note which images the weights have seen."""
        if idist.get_rank() != 0:
            return
        write_hashes(self.output_dir / KEPT, self.folder)
        for name in (ADAPTER, DESCRIPTION, MODEL):
            with atomic_path(self.folder / name) as temporary:
                shutil.copyfile(self.output_dir / name, temporary)
        print(f"replaced {self.folder / MODEL}", flush=True)
