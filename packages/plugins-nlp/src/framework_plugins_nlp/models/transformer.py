"""Networks of transformers as models: a class for each text or word, masked tokens, and text that is continued."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from framework_core.errors import ContractError
from framework_plugins_nlp.checkpoints import Checkpoint, positions_of
from framework_plugins_nlp.language_model import LanguageModel
from framework_plugins_nlp.masked_language_model import MaskedLanguageModel
from framework_plugins_nlp.model import BaseNLPModel
from framework_plugins_nlp.transformers_networks import SIZES, Lora, built
from framework_plugins_nlp.transformers_packing import Packing


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
    found = Checkpoint(checkpoint, revision)
    if positions is not None and (most := found.positions()) is not None:
        positions = min(positions, most)
    where = checkpoint if revision is None or found.folder is not None else f"{checkpoint}@{revision}"
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


class TransformerMLM(MaskedLanguageModel):
    """Any architecture of transformers that fills in masked tokens, https://huggingface.co/docs/transformers.

    ``AutoModelForMaskedLM``, with random weights and sizes of one's own, or from a checkpoint, whose tokenizer the data
    then takes. ``transformer_classifier`` can begin with what a run of it learned.

    Args:
        data: What the model is trained on.
        **chosen: The other settings: ``architecture``, ``checkpoint``, ``width``, ``lora_rank`` ...
    """

    def __init__(self, *, data: Any = None, **chosen: Any) -> None:
        super().__init__(data=data)
        self.chosen = Chosen(**chosen)

    @classmethod
    def input_settings(cls, **settings: Any) -> Mapping[str, Any]:
        """Masked tokens, by the checkpoint's own tokenizer or by WordPiece."""
        found = wishes(settings.get("checkpoint"), settings.get("revision"), None)
        return {"task": "fill-mask", "tokenizer": found["tokenizer"]}

    def enable_gradient_checkpointing(self) -> None:
        """Compute activations again in the backward pass, as the architecture does it."""
        compute_again(hugging(self.model))

    def _build_model(self) -> nn.Module:
        network = self.chosen.built("AutoModelForMaskedLM", self.data)
        self.check_positions(positions_of(network.config))
        return _Logits(network, self.pad_id)

    def outputs_of(self, inputs: Tensor, asked: Tensor) -> Tensor:
        """The last layer of some tokens alone: it is handed no other."""
        last = hugging(self.model).get_output_embeddings()
        if last is None:
            return super().outputs_of(inputs, asked)
        hook = last.register_forward_pre_hook(lambda module, given: (given[0][asked],))
        try:
            found: Tensor = self.model(inputs)
        finally:
            hook.remove()
        return found


class TransformerLM(LanguageModel):
    """Any architecture of transformers that continues text, https://huggingface.co/docs/transformers.

    ``AutoModelForCausalLM``, with random weights and sizes of one's own, or from a checkpoint, whose tokenizer the data
    then takes. Where documents stand in one block, each sees itself alone and its positions begin anew.

    Args:
        max_new_tokens: How many tokens ``fw predict`` adds to a text.
        temperature: How daring they are: 0 takes the likeliest each time.
        top_k: Among how many of the likeliest one is drawn; ``None`` draws among all.
        top_p: Among the likeliest that together have so much probability one is drawn.
        across_documents: Whether a token sees the documents before its own in a block.
        data: What the model is trained on.
        **chosen: The other settings: ``architecture``, ``checkpoint``, ``width``, ``lora_rank`` ...
    """

    def __init__(
        self,
        *,
        max_new_tokens: int = 200,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float = 1.0,
        across_documents: bool = False,
        data: Any = None,
        **chosen: Any,
    ) -> None:
        drawing: dict[str, Any] = {"max_new_tokens": max_new_tokens, "temperature": temperature, "top_k": top_k}
        super().__init__(**drawing, top_p=top_p, across_documents=across_documents, data=data)
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
        # An encoder as BERT would see the token that it is asked for.
        network = self.chosen.built("AutoModelForCausalLM", self.data, is_decoder=True)
        self._check_positions(positions_of(network.config))
        packing = None if self.packed_by is None else Packing(network, self.packed_by)
        return _Logits(network, None, packing)

    def _check_positions(self, positions: int | None) -> None:
        block = self.data.input_shape[0]
        if positions is not None and block > positions:
            raise ContractError(
                "TransformerLM and this data do not fit",
                [f"blocks have {block:,} tokens, and it reads {positions:,}"],
                next_step=f"Take smaller ones: dataset.block_size={positions}",
            )

    @property
    def room(self) -> int:
        """As many tokens as there are positions; where the architecture has none, those of a block."""
        return positions_of(hugging(self.model).config) or self.data.input_shape[0]

    def steps(self, tokens: Tensor) -> Generator[Tensor, Tensor, None]:
        """The next token by what the network keeps of those before; where there is no room left, half is forgotten."""
        network: Any = hugging(self.model)
        room = self.room
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
        packing: How it is told where documents begin, where several stand in a block.
    """

    def __init__(self, network: nn.Module, pad_id: int | None, packing: Packing | None = None) -> None:
        super().__init__()
        self.network = network
        self.pad_id = pad_id
        self.packing = packing

    def forward(self, tokens: Tensor) -> Tensor:
        more: dict[str, Any] = {} if self.pad_id is None else {"attention_mask": tokens.ne(self.pad_id).long()}
        if self.packing is not None:
            more = self.packing.inputs(tokens)
        outputs: Tensor = self.network(input_ids=tokens, **more).logits
        return outputs


def hugging(model: nn.Module) -> Any:
    """The network of transformers in a model."""
    return model.network


def compute_again(network: Any) -> None:
    """Let a network of transformers compute activations again in the backward pass."""
    # What it was called before.
    enable = getattr(network, "activation_checkpointing_enable", None) or network.gradient_checkpointing_enable
    enable()
