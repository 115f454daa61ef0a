"""The label values that a packed bundle writes and reads again."""

from __future__ import annotations

from monai_samadapt.labels import Labels, LabelSpec


def painted_labels(labels: Labels, overlapping: bool) -> Labels:
    """Labels whose files are what the bundle itself writes, as corrected results come back to be trained on.

    In a result the k-th label has the value k, a later label painted over an earlier one. Where the given labels read
    such a map differently they are replaced: by their names when they exclude each other, else by values 1 … K, of
    which a label also has those of the labels inside it. Labels that overlap only in part, and those with a channel
    each, cannot be told from one map and stay as they are.
    """
    spec = LabelSpec.parse(labels, overlapping)
    if not spec.values:
        return labels
    groups = [set(group) for group in spec.values]
    inside = [[index for index, inner in enumerate(groups) if inner <= outer] for outer in groups]
    if _read_back(groups, inside) or not _can_be_painted(groups):
        return labels
    if spec.exclusive:
        return list(spec.names)
    return {name: [index + 1 for index in indexes] for name, indexes in zip(spec.names, inside, strict=True)}


def _read_back(groups: list[set[int]], inside: list[list[int]]) -> bool:
    """Whether value k + 1 is read as the k-th label and those around it, and as no other."""
    values = range(1, len(groups) + 1)
    return all(
        {value for value in values if value in group} == {index + 1 for index in indexes}
        for group, indexes in zip(groups, inside, strict=True)
    )


def _can_be_painted(groups: list[set[int]]) -> bool:
    """Whether each pair is disjoint or the later inside the earlier."""
    pairs = [(outer, inner) for index, outer in enumerate(groups) for inner in groups[index + 1 :]]
    return all(not outer & inner or inner <= outer for outer, inner in pairs)
