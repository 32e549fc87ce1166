"""Networks of transformers: an architecture with random weights and sizes of one's own, or a checkpoint; with LoRA."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from framework_core import DataSpec
from framework_core.errors import ConfigError, ConfigProblem, ContractError, MissingPackageError, near_names
from framework_plugins_nlp.checkpoints import OFFSET, Checkpoint, quiet

SIZES = {
    "width": "hidden_size",
    "depth": "num_hidden_layers",
    "heads": "num_attention_heads",
    "feed_forward": "intermediate_size",
    "positions": "max_position_embeddings",
}
"""The settings of this package, and what most architectures call them."""

OF_PAIRS = {
    "depth": ("encoder_layers", "decoder_layers", "num_encoder_layers", "num_decoder_layers"),
    "heads": ("decoder_attention_heads", "num_decoder_attention_heads"),
    "feed_forward": ("encoder_ffn_dim", "decoder_ffn_dim", "d_ff"),
}
"""What architectures with an encoder and a decoder call them beside."""

LORA_TASKS = {
    "AutoModelForSequenceClassification": "SEQ_CLS",
    "AutoModelForTokenClassification": "TOKEN_CLS",
    "AutoModelForCausalLM": "CAUSAL_LM",
    "AutoModelForSeq2SeqLM": "SEQ_2_SEQ_LM",
    "AutoModelForQuestionAnswering": "QUESTION_ANS",
}
"""What peft calls the tasks of the Auto classes; masked tokens have no name there."""

LAST_LAYERS = {
    "AutoModelForTokenClassification": ["classifier", "score"],
    "AutoModelForQuestionAnswering": ["qa_outputs"],
}
"""Layers that are learned as a whole, where peft does not leave them out by itself."""


@dataclass(frozen=True)
class Lora:
    """Low-rank changes of a network that stays as it is, Hu et al., https://arxiv.org/abs/2106.09685.

    Attributes:
        rank: Their rank.
        alpha: How much they count: the change is multiplied by alpha / rank.
        drop_rate: Dropout before them.
        targets: The layers that are changed; empty takes every linear layer but the last.
    """

    rank: int
    alpha: int
    drop_rate: float
    targets: tuple[str, ...] = ()


def built(
    auto: str,
    data: DataSpec,
    *,
    architecture: str,
    sizes: Mapping[str, Any],
    checkpoint: Checkpoint | None,
    pretrained: bool,
    lora: Lora | None,
    **wanted: Any,
) -> nn.Module:
    """A network of one of transformers' Auto classes.

    Args:
        auto: The class: ``AutoModelForSequenceClassification``.
        data: What it is trained on.
        architecture: The architecture, where there is no checkpoint.
        sizes: Its sizes, by the names of this package or its own.
        checkpoint: The checkpoint, where there is one.
        pretrained: Whether its weights are taken, and not its architecture alone.
        lora: How it is changed, where only low-rank changes are learned.
        **wanted: What the network is to have, where its architecture knows of it: ``num_labels``.

    Raises:
        ConfigError: There is no such architecture, or it has no such size.
        ContractError: The data's tokens are not those of the checkpoint.
        DataError: The checkpoint cannot be read.
        MissingPackageError: LoRA needs the package ``peft``.
    """
    import transformers

    auto_class = getattr(transformers, auto)
    with quiet():
        if checkpoint is None:
            config = _config(auto_class, architecture, sizes, data)
            _adjust(config, data, wanted)
            network: nn.Module = auto_class.from_config(config)
        else:
            network = _from_checkpoint(auto_class, checkpoint, data, pretrained=pretrained, wanted=wanted)
    return network if lora is None else _with_lora(network, lora, auto)


def _config(auto_class: Any, architecture: str, sizes: Mapping[str, Any], data: DataSpec) -> Any:
    from transformers import CONFIG_MAPPING

    known = sorted({each.model_type for each in auto_class._model_mapping})
    if architecture not in known:
        near = near_names(architecture, known)
        what = f"transformers has no such architecture for this; it has {len(known)}"
        raise ConfigError([ConfigProblem("model.architecture", what, value=architecture, near=near)])
    config_class = CONFIG_MAPPING[architecture]
    if config_class.sub_configs:
        what = "it is made of several networks, whose sizes cannot be set here; a checkpoint of it can be used"
        raise ConfigError([ConfigProblem("model.architecture", what, value=architecture)])
    usual = config_class()
    found: dict[str, Any] = {"vocab_size": data.facts["vocabulary_size"]}
    for name, value in sizes.items():
        own = SIZES.get(name, name)
        known_to_it = _names_of_size(usual, own, OF_PAIRS.get(name, ()))
        if not known_to_it:
            if name in SIZES:
                continue  # a size that this architecture does not have, as ALiBi has no positions
            names = [each for each in usual.to_dict() if not each.startswith("_")]
            what = f"{architecture} has no such setting"
            raise ConfigError([ConfigProblem(f"model.sizes.{name}", what, near=near_names(name, names))])
        if value is not None:
            found |= dict.fromkeys(known_to_it, value + OFFSET if name == "positions" else value)
    if hasattr(usual, "d_kv") and "d_kv" not in found and {"width", "heads"} <= set(sizes):
        found["d_kv"] = sizes["width"] // sizes["heads"]  # T5 and its kin would keep theirs
    try:
        return config_class(**found)
    except ValueError as error:
        raise ConfigError([ConfigProblem("model.sizes", str(error).strip().partition("\n")[0])]) from error


def _names_of_size(usual: Any, own: str, of_pairs: tuple[str, ...]) -> list[str]:
    """What an architecture calls a size; one with encoder and decoder may have two names, and a third for both."""
    fields = usual.to_dict()
    separate = [each for each in of_pairs if each in fields]
    both = usual.attribute_map.get(own, own)
    return sorted({*separate, *([both] if both in fields else [])})


def _adjust(config: Any, data: DataSpec, wanted: Mapping[str, Any]) -> None:
    """Tokens as the data has them; those of the architecture's first checkpoint may be beyond its vocabulary."""
    # Nothing is filled up in blocks, and the embedding of what is padding would never be learned.
    config.pad_token_id = None if data.task == "text-generation" else data.facts["pad_id"]
    config.bos_token_id = config.eos_token_id = data.facts.get("separator_id")
    _wish(config, wanted)


def _wish(config: Any, wanted: Mapping[str, Any]) -> None:
    """What the network is to have, as far as its architecture knows of it."""
    for name, value in wanted.items():
        if hasattr(config, name):
            setattr(config, name, value)


def _from_checkpoint(
    auto_class: Any, checkpoint: Checkpoint, data: DataSpec, *, pretrained: bool, wanted: Mapping[str, Any]
) -> nn.Module:
    from transformers import AutoConfig

    with checkpoint.understood():
        config = AutoConfig.from_pretrained(checkpoint.location, **checkpoint.arguments())
    _check_vocabulary(config, checkpoint, data)
    _wish(config, wanted)
    if config.pad_token_id is None and data.task != "text-generation":
        config.pad_token_id = data.facts["pad_id"]
    with checkpoint.understood():
        if not pretrained:
            code = {"trust_remote_code": checkpoint.trust_remote_code}
            network: nn.Module = auto_class.from_config(config, **code)
        else:
            # Weights as safetensors alone: others are pickles, which can run code.
            more = {"use_safetensors": True, "ignore_mismatched_sizes": True, **checkpoint.arguments()}
            network = auto_class.from_pretrained(checkpoint.location, config=config, dtype="float32", **more)
    return network


def _check_vocabulary(config: Any, checkpoint: Checkpoint, data: DataSpec) -> None:
    kind, size = data.facts.get("tokenizer_kind"), data.facts["vocabulary_size"]
    if kind != checkpoint.name and kind != f"{checkpoint.name}@{checkpoint.revision}":
        wrong = f"the data's tokens are those of {kind!r}, and numbers would mean other words"
    elif isinstance(size, int) and size > config.vocab_size:
        wrong = f"its tokenizer has {size:,} tokens, and the network {config.vocab_size:,}"
    else:
        return
    raise ContractError(
        f"The checkpoint {checkpoint.name} and this tokenizer do not fit",
        [wrong],
        next_step="Leave dataset.tokenizer out: the checkpoint's own is taken.",
    )


def _with_lora(network: nn.Module, lora: Lora, auto: str) -> nn.Module:
    try:
        import peft
    except ImportError as error:
        raise MissingPackageError(
            "peft", needed_for="model.lora_rank", requirement="framework-plugins-nlp[lora]"
        ) from error
    config = peft.LoraConfig(
        task_type=LORA_TASKS.get(auto),
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.drop_rate,
        target_modules=list(lora.targets) or "all-linear",
        exclude_modules=LAST_LAYERS.get(auto),
    )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            changed: nn.Module = peft.get_peft_model(network, config)
    except ValueError as error:
        message = str(error).strip().partition("\n")[0]
        raise ConfigError([ConfigProblem("model.lora_targets", message, value=list(lora.targets))]) from error
    return changed
