"""Networks as TorchScript that runs on any device."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch

from monai_samadapt.networks.base import SegmentationNetwork


def traced(network: SegmentationNetwork) -> torch.jit.ScriptModule:
    """Merge and trace a network: images (B, 3, S, S) to logits (B, C, S, S), on the device that the module is on later.

    A trace keeps the device it was made on wherever a forward makes a tensor, as ``torch.arange(n, device=x.device)``
    does. Each of these constants becomes the device of what the module is given, so that ``map_location`` and ``.to``
    work.
    """
    network.eval().merge()
    device = next(network.parameters()).device
    image = torch.zeros(1, 3, network.image_size, network.image_size, device=device)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        module = torch.jit.trace(network, image)
    for graph in graphs(module):
        if constants := device_constants(graph):
            given = _device_of_inputs(graph)
            for constant in constants:
                constant.output().replaceAllUsesWith(given)
    return module


def graphs(module: Any) -> Iterator[Any]:
    """The graphs of a scripted module and of all modules in it."""
    for part in module.modules():
        if part._c._has_method("forward"):
            yield part._c._get_method("forward").graph


def device_constants(graph: Any) -> list[Any]:
    """The nodes of a graph that are a device and are used."""
    nodes = graph.findAllNodes("prim::Constant")
    return [node for node in nodes if node.output().type().kind() == "DeviceObjType" and node.output().uses()]


def _device_of_inputs(graph: Any) -> Any:
    """Ask at the start of a graph for the device of its first tensor: an input or, without one, a weight."""
    module, *inputs = graph.inputs()
    tensor = next((value for value in inputs if _is_tensor(value)), None)
    node = graph.create("prim::device", [_weight(graph, module) if tensor is None else tensor])
    node.output().setType(torch._C.DeviceObjType.get())
    if tensor is None:
        node.insertAfter(next(iter(graph.nodes())))
    else:
        graph.prependNode(node)
    return node.output()


def _weight(graph: Any, module: Any) -> Any:
    """Get, as the first node of a graph, a weight that it uses anyhow."""
    used = next(node for node in graph.findAllNodes("prim::GetAttr") if _is_tensor(node.output()))
    node = graph.create("prim::GetAttr", [module]).s_("name", used.s("name"))
    node.output().setType(used.output().type())
    return graph.prependNode(node).output()


def _is_tensor(value: Any) -> bool:
    return bool(value.type().kind() == "TensorType")
