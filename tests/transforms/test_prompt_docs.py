"""docs/prompts.md: its files can be read and its table has every mode."""

from __future__ import annotations

import json
import re
from pathlib import Path

from monai_samadapt.labels import LabelSpec
from monai_samadapt.prompts import BOTTOM_RIGHT, MODES, PADDING, POSITIVE, TOP_LEFT
from monai_samadapt.transforms.prompt_file import parse_prompts
from monai_samadapt.transforms.prompts import FILE_MODE

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")
PICTURE, VOLUME = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))


def test_the_picture_of_the_page_has_a_point_and_a_box() -> None:
    points, labels = parse_prompts(PICTURE["images/eye.png"], LabelSpec.parse(["Disc"]), (1024, 1024), "eye.png")
    assert points[0].tolist() == [[812, 540], [700, 430], [930, 660]]
    assert labels[0].tolist() == [POSITIVE, TOP_LEFT, BOTTOM_RIGHT]


def test_the_volume_of_the_page_has_a_box_for_one_label_and_a_point_for_the_other() -> None:
    spec = LabelSpec.parse(["Liver", "Spleen"])
    points, labels = parse_prompts(VOLUME["images/ct.nii.gz"], spec, (512, 512, 60), "ct.nii.gz")
    assert points[0].tolist() == [[120, 80, 31], [260, 210, 44]] and labels[0].tolist() == [TOP_LEFT, BOTTOM_RIGHT]
    assert points[1, 0].tolist() == [300, 150, 38] and labels[1].tolist() == [POSITIVE, PADDING]


def test_the_table_of_the_page_has_every_mode() -> None:
    table = "".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))
    assert re.findall(r"`(\w+)`", table) == [*MODES, FILE_MODE]
