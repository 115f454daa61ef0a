"""The page of a packed bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_samadapt.transforms import DataSpec

PAGE = """# {name}: {labels}

{task}. {state}
Made by `samadapt pack`; the method is described in `METHOD.md`. For research, not for diagnosis.

| label | value in a result |
|---|---:|
{rows}

Input: {modality}, {size} px{window}. Base: `{variant}`.

`B` is this folder; the package `monai_samadapt` must be installed.

```bash
python -m monai.bundle run --bundle_root $B --config_file $B/configs/inference.json --dataset_dir NEW --output_dir OUT
python -m monai.bundle run --bundle_root $B --config_file $B/configs/train.json --dataset_dir DATA
python -m monai.bundle run --bundle_root $B --config_file "['$B/configs/train.json','$B/configs/evaluate.json']" \\
    --dataset_dir DATA
samadapt serve --bundle $B --studies STUDIES
```

Training goes on from `models/model.pt` and replaces it, and the adapter files beside it, when it has ended. Label files
have the values of the table.
"""


def page(metadata: Mapping[str, Any], description: Mapping[str, Any], spec: DataSpec) -> str:
    """Markdown that says what the bundle segments and how it is run."""
    best = description["run"].get("best")
    state = f"Trained; best epoch: {best['epoch']}." if best else "Not trained: a base to begin with."
    names = spec.label_spec.names
    return PAGE.format(
        name=metadata["name"],
        labels=", ".join(names),
        task=metadata["task"],
        state=state,
        rows="\n".join(f"| {name} | {index} |" for index, name in enumerate(names, start=1)),
        modality=spec.modality,
        size=spec.image_size,
        window="" if spec.window is None else f", window {spec.window[0]:g} … {spec.window[1]:g} HU",
        variant=description["network"]["variant"],
    )
