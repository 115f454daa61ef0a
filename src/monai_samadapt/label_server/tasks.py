"""Inference, training and batch inference of a packed bundle by MONAI Label."""

from __future__ import annotations

import json
import logging
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from fastapi import HTTPException
from monailabel.config import settings
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.batch_infer import BatchInferTask
from monailabel.tasks.infer.bundle import BundleInferTask
from monailabel.tasks.train.bundle import BundleTrainTask

from monai_samadapt.errors import SamAdaptError
from monai_samadapt.inferers.clicked import features_of
from monai_samadapt.label_server.datastore import is_volume
from monai_samadapt.label_server.known import check_images, check_model
from monai_samadapt.run_files import DESCRIPTION
from monai_samadapt.tracking.location import OFF
from monai_samadapt.transforms import DataSpec
from monai_samadapt.transforms.grid import shear_of
from monai_samadapt.transforms.save import SHEAR, nifti
from monai_samadapt.transforms.volumes import NIFTI

logger = logging.getLogger(__name__)
PRETRAINED = "pretrained"


def describe(bundle: str) -> dict[str, Any]:
    """What ``adapter.json`` says of a bundle's weights."""
    content: dict[str, Any] = json.loads((Path(bundle) / "models" / DESCRIPTION).read_text())
    return content


def takes_volumes(bundle: str) -> bool:
    """Whether a bundle is for volumes, not for pictures."""
    return DataSpec.from_dict(describe(bundle)["preprocessing"]).volumes


class SamAdaptInfer(BundleInferTask):
    """MONAI Label's task with weights that must fit, and labels numbered as in the results.

    The answer's ``encoded`` tells how many slices the encoder ran on for clicks: 0 where it had seen them. One request
    runs at a time, as all share the configuration, which each reads anew, and the network, which merges its adapter
    when it is first used; MONAI Label's batches and its pool have threads.
    """

    def __init__(self, path: str, conf: dict[str, str], **kwargs: Any) -> None:
        super().__init__(path, conf, load_strict=True, **kwargs)
        names = describe(path)["labels"]
        self.labels = {name.lower(): value for value, name in enumerate(names, start=1)}
        self.lock = threading.Lock()

    def __call__(self, request: Any, callbacks: Any = None) -> Any:
        """Segment."""
        with self.lock:
            return super().__call__(request, callbacks)

    def writer(self, data: dict[str, Any], extension: str | None = None, dtype: Any = None) -> tuple[Any, Any]:
        """Write the result; NIfTI of a sheared grid once more, as ITK makes its axes perpendicular."""
        path, said = super().writer(data, extension, dtype)
        affine = np.asarray(getattr(data[self.output_label_key], "affine", np.eye(4)), np.float64)
        if isinstance(path, str) and path.endswith(NIFTI) and len(affine) == 4 and shear_of(affine) > SHEAR:
            nib.save(nifti(np.array(nib.Nifti1Image.from_filename(path).dataobj), affine), path)
        return path, said

    def run_inferer(self, data: dict[str, Any], convert_to_batch: bool = True, device: str = "cuda") -> Any:
        """Run the network."""
        cache = features_of(self._get_network(device, data))
        before = cache.passes
        data = super().run_inferer(data, convert_to_batch, device)
        data[self.output_json_key] = {**data.get(self.output_json_key, {}), "encoded": cache.passes - before}
        return data


class SamAdaptTraining(BundleTrainTask):
    """MONAI Label's task, logged by the bundle's own MLflow handler and not by MONAI's beside it."""

    def config(self) -> dict[str, Any]:
        """The options that viewers offer: without ``pretrained``, as a training always goes on from the weights."""
        return {key: value for key, value in super().config().items() if key != PRETRAINED}

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> Any:
        """Train on the labels of the datastore; on one device where the bundle has no configuration for several.

        Raises:
            SamAdaptError: when asked not to go on from the bundle's weights.
        """
        if (pretrained := request.get(PRETRAINED, True)) is not True:
            problem = "a packed bundle goes on from its own weights"
            raise SamAdaptError(
                PRETRAINED, pretrained, problem, "leave it True; to start anew pack a base and serve it"
            )
        several = any((Path(self.bundle_path) / "configs" / name).is_file() for name in self.const.multi_gpu_configs())
        self.request = {**request, "multi_gpu": request.get("multi_gpu", True) and several}
        return super().__call__({**self.request, "tracking": ""}, datastore)

    def _run_command(self, cmd: list[str], env: Mapping[str, str]) -> None:
        """Train on several devices; a training that fails is a failure, which MONAI Label's own method only logs."""
        subprocess.run(cmd, env=dict(env), check=True)

    def _fetch_datalist(self, request: dict[str, Any], datastore: Datastore) -> list[dict[str, Any]]:
        """Images with a label, of the bundle's kind: a folder of studies may hold volumes and pictures."""
        items: list[dict[str, Any]] = super()._fetch_datalist(request, datastore)
        return [item for item in items if is_volume(item["image"]) == takes_volumes(self.bundle_path)]

    def _update_overrides(self, overrides: dict[str, Any]) -> dict[str, Any]:
        for key in (self.const.key_tracking(), self.const.key_experiment_name(), self.const.key_run_name()):
            overrides.pop(key, None)
        tracking = self.request.get("tracking") or "mlflow"
        tracking = tracking[0] if isinstance(tracking, list) else tracking
        uri = self.request.get("tracking_uri") or settings.MONAI_LABEL_TRACKING_URI or None
        overrides["tracking_uri"] = OFF if tracking.lower() == "none" else uri
        overrides["experiment"] = self.request.get("tracking_experiment_name") or self.request["model"]
        return overrides


class SamAdaptBatch(BatchInferTask):
    """MONAI Label's task for the images of the model's kind; one that fails does not end the others.

    Args:
        models: folders of the bundles by model.
    """

    def __init__(self, models: Mapping[str, str]) -> None:
        self.models = models

    def get_images(self, request: dict[str, Any], datastore: Datastore) -> list[str]:
        """The images asked for.

        Raises:
            HTTPException: 404 for an unknown model or image.
        """
        check_model(request.get("model"), self.models)
        volumes = takes_volumes(self.models[request["model"]])
        images: list[str] = super().get_images(request, datastore)
        check_images(images, datastore)
        return [image for image in images if is_volume(datastore.get_image_uri(image)) == volumes]

    def __call__(self, request: dict[str, Any], datastore: Datastore, infer: Callable[..., Any]) -> Any:
        """Segment, and give for each image the result, or the ``error``."""

        def infer_or_tell(one: dict[str, Any], store: Datastore) -> Any:
            try:
                return infer(one, store)
            except HTTPException as error:
                logger.error("%s: %s", one["image"], error.detail)
                return {"error": error.detail}

        several = request.get("multi_gpu", True) and torch.cuda.is_available()  # MONAI Label divides by their number
        return super().__call__({**request, "multi_gpu": several}, datastore, infer_or_tell)
