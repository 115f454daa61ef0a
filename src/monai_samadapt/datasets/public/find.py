"""Files of a download: where they lie, and which are missing or too many."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from monai_samadapt.errors import SamAdaptError

DEPTH = 3
UNPACKED = "give the folder of the unpacked download"


def find_root(source: Path, *parts: str) -> Path:
    """Return the folder that holds all of ``parts``: ``source``, or the first of up to three levels below it.

    Args:
        source: where the user unpacked the download.
        parts: paths relative to the folder looked for; ``*`` stands for anything.

    Raises:
        SamAdaptError: when there is none.
    """
    for folder in _folders(source, DEPTH):
        if all(any(folder.glob(part)) for part in parts):
            return folder
    raise SamAdaptError("source", str(source), f"holds no {' and '.join(parts)}", UNPACKED)


def first_folder(root: Path, *names: str) -> Path:
    """Return the first of some sub-folders that is there.

    Raises:
        SamAdaptError: when none is.
    """
    found = next((root / name for name in names if (root / name).is_dir()), None)
    if found is None:
        raise SamAdaptError("source", str(root), f"holds no folder {' or '.join(names)}", UNPACKED)
    return found


def is_hidden(path: Path) -> bool:
    """Whether a name is one that a system gives to what it adds, as ``.git`` or ``__MACOSX``."""
    return path.name.startswith((".", "__"))


def folders_below(root: Path, pattern: str) -> list[Path]:
    """Folders at any depth below ``root`` whose name fits a pattern of a shell, sorted; none in a hidden folder."""
    found = sorted(path for path in root.rglob(pattern) if path.is_dir())
    return [path for path in found if not any(map(is_hidden, [path, *path.relative_to(root).parents]))]


def matching(files: Iterable[Path], pattern: str) -> dict[str, Path]:
    """Files whose whole name matches a pattern, whatever its case, by the pattern's first group, sorted.

    Raises:
        SamAdaptError: when two files have the same key.
    """
    compiled = re.compile(pattern, re.IGNORECASE)
    found: dict[str, Path] = {}
    for path in sorted(files):
        match = compiled.fullmatch(path.name)
        if match is None or path.name.startswith("."):
            continue
        if match[1] in found:
            problem = f"is there twice, also as {found[match[1]]}"
            raise SamAdaptError("file", str(path), problem, "remove one of the two")
        found[match[1]] = path
    return dict(sorted(found.items()))


def in_folder(folder: Path, pattern: str, suffixes: Iterable[str] = ()) -> dict[str, Path]:
    """Files directly in a folder as `matching` gives them.

    Args:
        folder: the folder.
        pattern: of their names.
        suffixes: a further file with one of these suffixes is refused; none is by default.

    Raises:
        SamAdaptError: when the folder is missing, no file matches, or there is an extra one.
    """
    if not folder.is_dir():
        raise SamAdaptError("source", str(folder), "no such folder", UNPACKED)
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    found = matching(files, pattern)
    extra = [path for path in sorted(set(files) - set(found.values())) if path.suffix.lower() in set(suffixes)]
    if extra:
        raise SamAdaptError("file", str(extra[0]), "is no file of this data set", "move it elsewhere")
    return _some(found, folder, pattern)


def below(root: Path, pattern: str) -> dict[str, Path]:
    """Files at any depth below a folder as `matching` gives them.

    Raises:
        SamAdaptError: when no file matches.
    """
    return _some(matching((path for path in root.rglob("*") if path.is_file()), pattern), root, pattern)


def pairs(images: dict[str, Path], labels: dict[str, Path], kind: str = "label") -> list[tuple[str, Path, Path]]:
    """Pair images with files of the same key.

    Raises:
        SamAdaptError: naming an image without such a file, or such a file without an image.
    """
    for key, path in images.items():
        if key not in labels:
            like = next(iter(labels.values()), None)
            remedy = f"add it beside {like}" if like else "complete the download"
            raise SamAdaptError("image", str(path), f"has no {kind}", remedy)
    for key, path in labels.items():
        if key not in images:
            raise SamAdaptError(kind, str(path), "has no image of its name", "add its image, or move it elsewhere")
    return [(key, images[key], labels[key]) for key in images]


def _some(found: dict[str, Path], folder: Path, pattern: str) -> dict[str, Path]:
    if not found:
        raise SamAdaptError("source", str(folder), f"holds no files named {pattern}", UNPACKED)
    return found


def _folders(source: Path, depth: int) -> Iterator[Path]:
    """The folder itself, then those below it, level by level."""
    level = [source]
    for _ in range(depth + 1):
        yield from level
        children = [child for folder in level for child in sorted(folder.iterdir())]
        level = [child for child in children if child.is_dir() and not is_hidden(child)]
