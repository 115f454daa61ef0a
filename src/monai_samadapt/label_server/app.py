"""A MONAI Label app for packed bundles.

It does what MONAI's own ``monaibundle`` app does with them, and adds: errors that name their cause instead of a bare
500, refused uploads that cannot be read, weights that must fit, training in MLflow as everywhere else, and the entropy
of the prediction for active learning.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from fastapi import HTTPException
from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore
from monailabel.tasks.activelearning.first import First
from monailabel.tasks.activelearning.random import Random
from monailabel.utils.async_tasks.task import AsyncTask
from monailabel.utils.others.generic import get_bundle_models

import monai_samadapt
from monai_samadapt.errors import OneLineExit, find_error
from monai_samadapt.label_server.datastore import CheckedDatastore
from monai_samadapt.label_server.entropy import ENTROPY, EntropyScoring, HighestEntropy
from monai_samadapt.label_server.folder import DEEPGROW
from monai_samadapt.label_server.known import automatic_model, check_images, check_model
from monai_samadapt.label_server.tasks import SamAdaptBatch, SamAdaptInfer, SamAdaptTraining

logger = logging.getLogger(__name__)
WRONG, FAILED = 422, 500


class SamAdaptApp(MONAILabelApp):
    """Serves the bundles linked in the app's folder ``model`` that the setting ``models`` names."""

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self.models: dict[str, str] = get_bundle_models(app_dir, conf)
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name="monai_samadapt",
            description="SAM and SAM2 adapted to your labels",
            version=monai_samadapt.__version__,
        )

    def init_datastore(self) -> Datastore:
        """A folder whose uploads are checked; what MONAI Label has for DICOMweb and others."""
        if self.studies.startswith(("http://", "https://")):
            return super().init_datastore()
        lower = [*settings.MONAI_LABEL_DATASTORE_FILE_EXT, "*.jpeg", "*.tiff", "*.mha"]
        extensions = list(dict.fromkeys([*lower, *map(str.upper, lower)]))
        return CheckedDatastore(
            self.studies,
            extensions=extensions,
            auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD,
            read_only=settings.MONAI_LABEL_DATASTORE_READ_ONLY,
        )

    def init_infers(self) -> dict[str, Any]:
        """A task for each link."""
        return {name: SamAdaptInfer(path, self.conf) for name, path in self.models.items()}

    def init_trainers(self) -> dict[str, Any]:
        """A task for each bundle: its links share the weights."""
        bundles = {name: path for name, path in self.models.items() if DEEPGROW not in name} or self.models
        return {name: SamAdaptTraining(path, self.conf, enable_tracking=True) for name, path in bundles.items()}

    def init_batch_infer(self) -> Any:
        """Many images at once."""
        return SamAdaptBatch(self.models)

    def init_strategies(self) -> dict[str, Any]:
        """Which image to label next."""
        return {"random": Random(), "first": First(), ENTROPY: HighestEntropy(self.automatic)}

    def init_scoring_methods(self) -> dict[str, Any]:
        """What the strategies rest on."""
        return {ENTROPY: EntropyScoring(self.automatic)}

    @property
    def automatic(self) -> dict[str, Any]:
        """The tasks that need no clicks."""
        return {name: task for name, task in self._infers.items() if DEEPGROW not in name}

    def next_sample(self, request: dict[str, Any]) -> Any:
        """Choose an image; scores that are missing or older than the weights are made in the background.

        Raises:
            HTTPException: 404 for an unknown model.
        """
        if request.get("strategy") == ENTROPY:
            model = automatic_model(request, self.automatic)
            if self._server_mode:
                AsyncTask.run("scoring", request={"method": ENTROPY, "model": model})
        return super().next_sample(request)

    def infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> Any:
        """Segment; what is wrong with a request is answered with its cause.

        Raises:
            HTTPException: 404 for an unknown model or image, 422 for an image, click or weights that cannot be used,
                500 for what nobody thought of.
        """
        check_model(request.get("model"), self._infers)
        image = request.get("image")
        known = datastore or self.datastore()
        if isinstance(image, str) and not os.path.exists(image):
            check_images([image], known)
        try:
            return super().infer(request, datastore)
        except (Exception, OneLineExit) as error:
            if found := find_error(error):
                raise HTTPException(WRONG, str(found)) from error
            logger.exception("Inference failed")
            raise HTTPException(FAILED, f"{type(error).__name__}: {' '.join(str(error).split())}") from error
