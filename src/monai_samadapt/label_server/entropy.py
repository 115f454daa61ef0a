"""Active learning: the image whose prediction is least certain comes first."""

from __future__ import annotations

import logging
import math
import os
import random
from collections.abc import Mapping
from typing import Any

import torch
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.tasks.infer.basic_infer import CallBackTypes
from torch import Tensor

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.label_server.datastore import is_volume
from monai_samadapt.label_server.known import automatic_model

logger = logging.getLogger(__name__)
ENTROPY = "entropy"


def mean_entropy(logits: Tensor, activation: str, exclusive: bool) -> float:
    """The mean entropy of a prediction over its pixels, from 0 (certain) to 1.

    ``sigmoid``: ``-p log2 p - (1 - p) log2 (1 - p)`` of each label, averaged over labels. ``softmax``:
    ``-sum_c p_c log p_c / log C`` over background and labels.

    Args:
        logits: (C, …).
        activation: of the network.
        exclusive: whether the first channel is the background, which the sigmoid does not count.
    """
    if activation == "softmax":
        log_p = torch.log_softmax(logits.float(), dim=0)
        return float(-(log_p.exp() * log_p).sum(0).mean()) / math.log(len(logits))
    labels = logits[1:] if exclusive else logits
    return float(torch.special.entr(torch.stack([labels.sigmoid(), (-labels).sigmoid()])).sum(0).mean()) / math.log(2)


class EntropyScoring(ScoringMethod):
    """Gives each image without a label the mean entropy of its prediction, as ``entropy`` in its info.

    Images scored with the present weights are left out, and so are those that the model cannot read.

    Args:
        tasks: inference tasks by model; a request may name the ``model``, by default it is the first.
    """

    def __init__(self, tasks: Mapping[str, Any]) -> None:
        super().__init__("Mean entropy of the prediction")
        self.tasks = tasks

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Score, and return the number of images."""
        model = automatic_model(request, self.tasks)
        task = self.tasks[model]
        stamp = os.stat(task.get_path()).st_mtime
        images = [image for image in unlabelled(datastore, task) if _entry(datastore, image, model).get("ts") != stamp]
        for image in images:
            try:
                score: float | None = self._score(task, datastore.get_image_uri(image))
            except SamAdaptError as error:
                logger.warning("%s cannot be scored: %s", image, error)
                score = None
            known = datastore.get_image_info(image).get(ENTROPY, {})
            datastore.update_image_info(image, {ENTROPY: {**known, model: {"value": score, "ts": stamp}}})
        return {"model": model, "executed": len(images)}

    def _score(self, task: Any, image: str) -> float:
        found = {}

        def measure(data: dict[str, Any]) -> dict[str, Any]:
            network = task._get_network(data["device"], data)
            found["value"] = mean_entropy(data["pred"], network.activation, network.label_spec.exclusive)
            return data

        task({"image": image, "skip_writer": True, "logging": "ERROR"}, {CallBackTypes.INFERER: measure})
        return found["value"]


class HighestEntropy(Strategy):
    """Chooses the image without label whose prediction has the highest entropy; one at random while none is scored.

    Args:
        tasks: inference tasks by model; a request may name the ``model``, by default it is the first.
    """

    def __init__(self, tasks: Mapping[str, Any]) -> None:
        super().__init__("Highest mean entropy of the prediction first")
        self.tasks = tasks

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any] | None:
        """Return the image's ``id`` and its entropy as ``weight``."""
        model = automatic_model(request, self.tasks)
        images = unlabelled(datastore, self.tasks[model])
        scores = {image: _entry(datastore, image, model).get("value") for image in images}
        known = {image: score for image, score in scores.items() if score is not None}
        if known:
            best = max(known, key=lambda image: known[image])
            return {"id": best, "weight": known[best]}
        return {"id": random.choice(images), "weight": None} if images else None


def unlabelled(datastore: Datastore, task: Any) -> list[str]:
    """The images without label of the kind that a model takes."""
    return [
        image
        for image in datastore.get_unlabeled_images()
        if is_volume(datastore.get_image_uri(image)) == (task.dimension == 3)
    ]


def _entry(datastore: Datastore, image: str, model: str) -> dict[str, Any]:
    entry: dict[str, Any] = datastore.get_image_info(image).get(ENTROPY, {}).get(model, {})
    return entry
