"""What the bundles' engines need beside MONAI's own parts."""

from monai_samadapt.engines.artefacts import load_model
from monai_samadapt.engines.cases import own_cases
from monai_samadapt.engines.clip import ClipGradients
from monai_samadapt.engines.distributed import SharedCacheDataset, distribute
from monai_samadapt.engines.execute import execute
from monai_samadapt.engines.finite import NonFiniteLoss
from monai_samadapt.engines.kept_split import evaluation_items, save_split
from monai_samadapt.engines.optim import adamw, amp_dtype, warmup_polynomial
from monai_samadapt.engines.prefix import fixed_copies, with_prefix
from monai_samadapt.engines.preflight import (
    data_spec,
    items,
    preflight_inference,
    preflight_training,
    source_folders,
)
from monai_samadapt.engines.prepare import keep_on_host, prepare_batch
from monai_samadapt.engines.prompt_items import per_mode, prompted
from monai_samadapt.engines.prompting import PromptedBatch, prompted_batch
from monai_samadapt.engines.run import TrainingRun
from monai_samadapt.engines.seeds import set_seed
from monai_samadapt.engines.start import PublishWeights, load_start
from monai_samadapt.processes import default_device, join_processes, leave_processes

__all__ = [
    "ClipGradients",
    "NonFiniteLoss",
    "PromptedBatch",
    "PublishWeights",
    "SharedCacheDataset",
    "TrainingRun",
    "adamw",
    "amp_dtype",
    "data_spec",
    "default_device",
    "distribute",
    "evaluation_items",
    "execute",
    "fixed_copies",
    "items",
    "join_processes",
    "keep_on_host",
    "leave_processes",
    "load_model",
    "load_start",
    "own_cases",
    "per_mode",
    "preflight_inference",
    "preflight_training",
    "prepare_batch",
    "prompted",
    "prompted_batch",
    "save_split",
    "set_seed",
    "source_folders",
    "warmup_polynomial",
    "with_prefix",
]
