"""Inference and training of a packed bundle by MONAI Label."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monailabel.config import settings
from monailabel.interfaces.datastore import Datastore
from monailabel.tasks.infer.bundle import BundleInferTask
from monailabel.tasks.train.bundle import BundleTrainTask

from monai_samadapt.inferers.clicked import features_of
from monai_samadapt.tracking.location import OFF


class SamAdaptInfer(BundleInferTask):
    """MONAI Label's task with weights that must fit, and labels numbered as in the results.

    The answer's ``encoded`` tells how many slices the encoder ran on for clicks: 0 where it had seen them.
    """

    def __init__(self, path: str, conf: dict[str, str], **kwargs: Any) -> None:
        super().__init__(path, conf, load_strict=True, **kwargs)
        names = json.loads((Path(path) / "models" / "adapter.json").read_text())["labels"]
        self.labels = {name.lower(): value for value, name in enumerate(names, start=1)}

    def run_inferer(self, data: dict[str, Any], convert_to_batch: bool = True, device: str = "cuda") -> Any:
        """Run the network."""
        cache = features_of(self._get_network(device, data))
        before = cache.passes
        data = super().run_inferer(data, convert_to_batch, device)
        data[self.output_json_key] = {**data.get(self.output_json_key, {}), "encoded": cache.passes - before}
        return data


class SamAdaptTraining(BundleTrainTask):
    """MONAI Label's task, logged by the bundle's own MLflow handler and not by MONAI's beside it."""

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> Any:
        """Train on the labels of the datastore."""
        self.request = request
        return super().__call__(request, datastore)

    def _update_overrides(self, overrides: dict[str, Any]) -> dict[str, Any]:
        for key in (self.const.key_tracking(), self.const.key_experiment_name(), self.const.key_run_name()):
            overrides.pop(key, None)
        tracking = self.request.get("tracking") or "mlflow"
        tracking = tracking[0] if isinstance(tracking, list) else tracking
        uri = self.request.get("tracking_uri") or settings.MONAI_LABEL_TRACKING_URI or None
        overrides["tracking_uri"] = OFF if tracking.lower() == "none" else uri
        overrides["experiment"] = self.request.get("tracking_experiment_name") or self.request["model"]
        return overrides
