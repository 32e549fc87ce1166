"""Networks of transformers as models: a class for each text or word, and text that is continued."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from framework_plugins_nlp.checkpoints import Checkpoint
from framework_plugins_nlp.language_model import LanguageModel
from framework_plugins_nlp.model import BaseNLPModel
from framework_plugins_nlp.transformers_networks import SIZES, Lora, built


class Chosen:
    """Which network, out of the settings.

    Args:
        settings: Those of a model of transformers.
    """

    def __init__(
        self,
        *,
        architecture: str,
        sizes: Mapping[str, Any],
        checkpoint: str | None,
        revision: str | None,
        trust_remote_code: bool,
        pretrained: bool,
        lora_rank: int | None,
        lora_alpha: int,
        lora_drop_rate: float,
        lora_targets: tuple[str, ...],
        **usual: Any,
    ) -> None:
        self.architecture = architecture
        self.sizes = {**{name: usual.pop(name) for name in SIZES}, **sizes}
        self.checkpoint = None if checkpoint is None else Checkpoint(checkpoint, revision, trust_remote_code)
        self.pretrained = pretrained
        self.lora = None if lora_rank is None else Lora(lora_rank, lora_alpha, lora_drop_rate, tuple(lora_targets))
        self.rest = usual

    def built(self, auto: str, data: Any, **wanted: Any) -> nn.Module:
        """The network."""
        return built(
            auto,
            data,
            architecture=self.architecture,
            sizes=self.sizes,
            checkpoint=self.checkpoint,
            pretrained=self.pretrained,
            lora=self.lora,
            **wanted,
        )


def wishes(checkpoint: str | None, revision: str | None, positions: int | None) -> dict[str, Any]:
    """The checkpoint's own tokenizer, and as many tokens as can be read."""
    if checkpoint is None:
        return {"tokenizer": "wordpiece", "max_length": positions}
    where = checkpoint if revision is None or Path(checkpoint).expanduser().is_dir() else f"{checkpoint}@{revision}"
    return {"tokenizer": where, "max_length": positions}


class TransformerClassifier(BaseNLPModel):
    """Any architecture of transformers that tells classes apart, https://huggingface.co/docs/transformers.

    ``AutoModelForSequenceClassification``, with random weights and sizes of one's own, or from a checkpoint, whose
    tokenizer the data then takes.

    Args:
        label_smoothing: The share of a label that is spread over all classes.
        class_weights: ``balanced`` lets every class count as much as any other in the loss.
        data: What the model is trained on.
        **chosen: The other settings: ``architecture``, ``checkpoint``, ``width``, ``lora_rank`` ...
    """

    def __init__(
        self, *, label_smoothing: float = 0.0, class_weights: str = "none", data: Any = None, **chosen: Any
    ) -> None:
        super().__init__(label_smoothing=label_smoothing, class_weights=class_weights, data=data)
        self.chosen = Chosen(**chosen)

    @classmethod
    def input_settings(cls, **settings: Any) -> Mapping[str, Any]:
        """The checkpoint's own tokenizer, and as many tokens as can be read."""
        return wishes(settings.get("checkpoint"), settings.get("revision"), settings.get("positions"))

    def enable_gradient_checkpointing(self) -> None:
        """Compute activations again in the backward pass, as the architecture does it."""
        compute_again(hugging(self.model))

    def _build_model(self) -> nn.Module:
        network = self.chosen.built("AutoModelForSequenceClassification", self.data, num_labels=self.data.num_classes)
        return _Logits(network, self.pad_id)


class TransformerTagger(TransformerClassifier):
    """Any architecture of transformers that gives each word a class, https://huggingface.co/docs/transformers.

    ``AutoModelForTokenClassification``, with random weights and sizes of one's own, or from a checkpoint, whose
    tokenizer the data then takes. The class of a word is read off at its first token.

    Args:
        label_smoothing: The share of a label that is spread over all classes.
        class_weights: ``balanced`` lets every class count as much as any other in the loss.
        data: What the model is trained on.
        **chosen: The other settings: ``architecture``, ``checkpoint``, ``width``, ``lora_rank`` ...
    """

    tasks: ClassVar[tuple[str, ...]] = ("token-classification",)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens ``(batch, length)`` to ``(batch, classes, length)``."""
        logits: Tensor = self.model(x)
        return logits.transpose(1, 2)

    def _build_model(self) -> nn.Module:
        network = self.chosen.built("AutoModelForTokenClassification", self.data, num_labels=self.data.num_classes)
        return _Logits(network, self.pad_id)


class TransformerLM(LanguageModel):
    """Any architecture of transformers that continues text, https://huggingface.co/docs/transformers.

    ``AutoModelForCausalLM``, with random weights and sizes of one's own, or from a checkpoint, whose tokenizer the data
    then takes. Documents in one block see each other.

    Args:
        max_new_tokens: How many tokens ``fw predict`` adds to a text.
        temperature: How daring they are: 0 takes the likeliest each time.
        top_k: Among how many of the likeliest one is drawn; ``None`` draws among all.
        data: What the model is trained on.
        **chosen: The other settings: ``architecture``, ``checkpoint``, ``width``, ``lora_rank`` ...
    """

    def __init__(
        self,
        *,
        max_new_tokens: int = 200,
        temperature: float = 0.8,
        top_k: int | None = None,
        data: Any = None,
        **chosen: Any,
    ) -> None:
        super().__init__(max_new_tokens=max_new_tokens, temperature=temperature, top_k=top_k, data=data)
        self.chosen = Chosen(**chosen)

    @classmethod
    def input_settings(cls, **settings: Any) -> Mapping[str, Any]:
        """The checkpoint's own tokenizer."""
        if settings.get("checkpoint") is None:
            return {}
        return {"tokenizer": wishes(settings["checkpoint"], settings.get("revision"), None)["tokenizer"]}

    def enable_gradient_checkpointing(self) -> None:
        """Compute activations again in the backward pass, as the architecture does it."""
        compute_again(hugging(self.model))

    def _build_model(self) -> nn.Module:
        return _Logits(self.chosen.built("AutoModelForCausalLM", self.data), None)

    def steps(self, tokens: Tensor) -> Generator[Tensor, Tensor, None]:
        """The next token by what the network keeps of those before; where there is no room left, half is forgotten."""
        network: Any = hugging(self.model)
        room = getattr(network.config, "max_position_embeddings", None) or self.data.input_shape[0]
        while True:
            tokens = tokens[-room:]
            out = network(input_ids=tokens[None], use_cache=True)
            while True:
                token = yield out.logits[0, -1]
                tokens = torch.cat([tokens, token])
                if len(tokens) > room:
                    tokens = tokens[-max(1, room // 2) :]
                    break
                # What is kept was called past_key_values once.
                name = "cache" if hasattr(out, "cache") else "past_key_values"
                kept = getattr(out, name, None)
                new = token[None] if kept is not None else tokens[None]
                out = network(input_ids=new, use_cache=True, **{name: kept})


class _Logits(nn.Module):
    """Tokens to the logits of a network of transformers.

    Args:
        network: The network.
        pad_id: The token that fills up, where there is any.
    """

    def __init__(self, network: nn.Module, pad_id: int | None) -> None:
        super().__init__()
        self.network = network
        self.pad_id = pad_id

    def forward(self, tokens: Tensor) -> Tensor:
        mask = {} if self.pad_id is None else {"attention_mask": tokens.ne(self.pad_id).long()}
        outputs: Tensor = self.network(input_ids=tokens, **mask).logits
        return outputs


def hugging(model: nn.Module) -> Any:
    """The network of transformers in a model."""
    return model.network


def compute_again(network: Any) -> None:
    """Let a network of transformers compute activations again in the backward pass."""
    # What it was called before.
    enable = getattr(network, "activation_checkpointing_enable", None) or network.gradient_checkpointing_enable
    enable()
