"""Where BALR-SAM changes SAM, and what is trained there."""

from __future__ import annotations

from segment_anything.modeling import MaskDecoder, Sam
from torch import nn

from monai_samadapt.adapters import Adapters, BottleneckConfig, LoRAConfig, inject
from monai_samadapt.labels import LabelSpec
from monai_samadapt.networks.class_masks import set_class_tokens
from monai_samadapt.networks.tensor_attention import decoder_attentions, truncate_attentions
from monai_samadapt.networks.trained import named


def inject_attention_lora(sam: Sam, rank: int, first_block: int = 0) -> Adapters:
    """LoRA of queries and values of every encoder block from the first on, alpha = rank."""
    targets = _in_blocks(sam, "attn.qkv", first_block)
    return inject(sam, LoRAConfig(targets, rank=rank, alpha=rank, parts=(0, 2), num_parts=3))


def inject_feature_adapter(sam: Sam, width: int, first_block: int = 0) -> Adapters:
    """A bottleneck beside the MLP of every encoder block from the first on."""
    return inject(sam, BottleneckConfig(_in_blocks(sam, "mlp", first_block), width=width))


def _in_blocks(sam: Sam, module: str, first: int) -> tuple[str, ...]:
    return tuple(f"image_encoder.blocks.{index}.{module}" for index in range(first, len(sam.image_encoder.blocks)))


def change_decoder(decoder: MaskDecoder, label_spec: LabelSpec, tensor_attention: bool) -> dict[str, float]:
    """Cut the attentions of SAM's mask decoder, and give it a mask token for each of several classes.

    Returns:
        Relative error of each cut attention's weights.
    """
    errors = truncate_attentions(decoder) if tensor_attention else {}
    if label_spec.num_labels > 1:
        set_class_tokens(decoder, label_spec.num_labels, background=label_spec.exclusive)
    return errors


def decoder_parts(
    decoder: MaskDecoder, label_spec: LabelSpec, tensor_attention: bool, train_decoder: bool
) -> dict[str, dict[str, nn.Parameter]]:
    """The trained parameters of the changed decoder by part: class tokens, attentions, rest of the decoder."""
    prefix, parts = "sam.mask_decoder", {}
    attention: dict[str, nn.Parameter] = {}
    for name, module in decoder_attentions(decoder).items():
        attention |= named(f"{prefix}.{name}", module)
    classes: dict[str, nn.Parameter] = {}
    if label_spec.num_labels > 1:
        classes |= named(f"{prefix}.mask_tokens", decoder.mask_tokens)
        classes |= named(f"{prefix}.output_hypernetworks_mlps", decoder.output_hypernetworks_mlps)
        parts["class tokens"] = classes
    if tensor_attention or train_decoder:
        parts["low-rank tensor attention" if tensor_attention else "decoder attention"] = attention
    if train_decoder:
        everything = named(prefix, decoder)
        rest = {key: value for key, value in everything.items() if key not in attention and key not in classes}
        parts["rest of the decoder"] = rest
    return parts
