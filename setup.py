"""Build step: copies bundles/ into the wheel as monai_samadapt/bundles. Everything else is in setup.cfg."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# What a bundle ships; runs, data and evaluation results of a working copy stay out.
BUNDLE_PARTS = ("configs", "docs", "models", "LICENSE")


class BuildWithBundles(build_py):
    """``build_py`` that adds the bundles; an editable installation reads them from the working copy instead."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            copy_bundles(Path("bundles"), Path(self.build_lib, "monai_samadapt", "bundles"))


def copy_bundles(source: Path, target: Path) -> None:
    """Copy the shipped parts of every bundle below ``source`` to ``target``, which is made anew."""
    shutil.rmtree(target, ignore_errors=True)
    for part in sorted(part for name in BUNDLE_PARTS for part in source.glob(f"*/{name}")):
        place = target / part.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        if part.is_dir():
            shutil.copytree(part, place, ignore=shutil.ignore_patterns("__pycache__", "*.part"))
        else:
            shutil.copy2(part, place)


setup(cmdclass={"build_py": BuildWithBundles})
