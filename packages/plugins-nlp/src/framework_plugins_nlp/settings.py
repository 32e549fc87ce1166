"""The settings of this package's models. Read without torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from framework_core.contracts import ComponentConfig

Rate = Annotated[float, Field(ge=0, lt=1)]


class ClassifierConfig(ComponentConfig):
    """What every classifier of text takes."""

    label_smoothing: Rate = 0.0
    """The share of a label that is spread over all classes."""

    class_weights: Literal["none", "balanced"] = "none"
    """``balanced`` lets every class count as much as any other in the loss, however few texts it has."""


class FastTextConfig(ClassifierConfig):
    """A bag of words and of their sequences."""

    width: PositiveInt = 64
    """The length of an embedding."""

    ngrams: Annotated[int, Field(ge=1, le=5)] = 2
    """Up to how many tokens make one n-gram; 1 takes tokens alone."""

    buckets: PositiveInt = 50_000
    """How many embeddings n-grams share."""

    drop_rate: Rate = 0.0
    """Dropout of the mean."""


class TextCNNConfig(ClassifierConfig):
    """Convolutions over words."""

    width: PositiveInt = 300
    """The length of an embedding."""

    kernel_sizes: tuple[PositiveInt, ...] = Field(default=(3, 4, 5), min_length=1)
    """How many tokens each convolution sees."""

    filters: PositiveInt = 100
    """How many there are of each."""

    drop_rate: Rate = 0.5
    """Dropout before the last layer."""

    max_norm: Annotated[float, Field(gt=0)] | None = 3.0
    """How long a row of the last layer may be; empty lets it be."""


class RecurrentConfig(ClassifierConfig):
    """A recurrent network."""

    width: PositiveInt = 128
    """The length of an embedding."""

    hidden: PositiveInt = 128
    """The length of the state of each direction."""

    depth: PositiveInt = 1
    """How many layers."""

    bidirectional: bool = True
    """Whether the text is read from its end too."""

    drop_rate: Rate = 0.3
    """Dropout of embeddings, between layers and before the last one."""


class EncoderConfig(ComponentConfig):
    """The sizes of a small transformer encoder."""

    width: PositiveInt = 128
    """The length of a token's vector."""

    depth: PositiveInt = 2
    """How many layers."""

    heads: PositiveInt = 2
    """How many attention heads."""

    feed_forward: PositiveInt | None = None
    """The length of the hidden dense layer; empty takes four widths."""

    positions: PositiveInt = 512
    """How many tokens of a text it can read."""

    drop_rate: Rate = 0.1
    """Dropout of embeddings, attention and dense layers."""

    @model_validator(mode="after")
    def _whole_heads(self) -> EncoderConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class SmallBertConfig(EncoderConfig, ClassifierConfig):
    """A small transformer encoder that tells classes apart."""

    checkpoint: str | None = None
    """The folder of a run of small_bert_mlm, whose weights and tokenizer it begins with."""

    pretrained: bool = True
    """Whether the weights of the checkpoint are taken."""


class SmallBertMLMConfig(EncoderConfig):
    """A small transformer encoder that fills in masked tokens."""


class SmallBertQAConfig(ComponentConfig):
    """A small transformer encoder that finds answers in a text."""

    width: PositiveInt = 128
    """The length of a token's vector."""

    depth: PositiveInt = 2
    """How many layers."""

    heads: PositiveInt = 2
    """How many attention heads."""

    feed_forward: PositiveInt | None = None
    """The length of the hidden dense layer; empty takes four widths."""

    positions: Annotated[int, Field(ge=16)] = 384
    """How many tokens of a question and its context it can read at once."""

    drop_rate: Rate = 0.1
    """Dropout of embeddings, attention and dense layers."""

    @model_validator(mode="after")
    def _whole_heads(self) -> SmallBertQAConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class LanguageModelConfig(ComponentConfig):
    """What every language model takes."""

    max_new_tokens: PositiveInt = 200
    """How many tokens are added to a text that is to be continued."""

    temperature: Annotated[float, Field(ge=0)] = 0.8
    """How daring they are: 0 takes the likeliest each time."""

    top_k: PositiveInt | None = None
    """Among how many of the likeliest tokens one is drawn; empty draws among all."""

    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Among the likeliest tokens that together have this probability one is drawn; 1 draws among all."""

    across_documents: bool = False
    """Whether a token sees the documents before its own in a block."""


class SmallGPTConfig(LanguageModelConfig):
    """A small transformer decoder."""

    width: PositiveInt = 128
    """The length of a token's vector."""

    depth: PositiveInt = 4
    """How many layers."""

    heads: PositiveInt = 4
    """How many attention heads."""

    feed_forward: PositiveInt | None = None
    """The length of the hidden dense layer; empty takes four widths."""

    drop_rate: Rate = 0.0
    """Dropout of embeddings, attention and dense layers."""

    @model_validator(mode="after")
    def _whole_heads(self) -> SmallGPTConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class TransformerConfig(ComponentConfig):
    """A network of transformers: an architecture with sizes of your own, or a checkpoint."""

    architecture: str = "bert"
    """The architecture, by transformers' name for it, with random weights; a checkpoint has its own."""

    width: PositiveInt = 128
    """The length of a token's vector, without a checkpoint."""

    depth: PositiveInt = 2
    """How many layers, without a checkpoint."""

    heads: PositiveInt = 2
    """How many attention heads, without a checkpoint."""

    feed_forward: PositiveInt | None = 512
    """The length of the hidden dense layer, without a checkpoint; empty takes the architecture's."""

    positions: PositiveInt = 512
    """How many tokens of a text it can read."""

    sizes: dict[str, Any] = Field(default_factory=dict)
    """Whatever else the architecture's configuration takes, by its own names: ``num_key_value_heads: 1``."""

    checkpoint: str | None = None
    """A folder with config.json, model.safetensors and tokenizer.json, the folder of a run, or a name on the hub."""

    revision: str | None = None
    """The commit, branch or tag on the hub."""

    pretrained: bool = True
    """Whether a checkpoint's weights are taken, and not its architecture alone."""

    trust_remote_code: bool = False
    """Whether Python code that comes with a checkpoint is run; on the hub, of a revision that is a whole commit."""

    lora_rank: PositiveInt | None = None
    """The rank of low-rank changes, which with the last layer are all that is learned then; empty learns everything."""

    lora_alpha: PositiveInt = 16
    """How much they count: the change is multiplied by alpha / rank."""

    lora_drop_rate: Rate = 0.0
    """Dropout before them."""

    lora_targets: tuple[str, ...] = ()
    """The layers that are changed, by the ends of their names; empty takes every linear layer but the last."""

    @model_validator(mode="after")
    def _whole_heads(self) -> TransformerConfig:
        if self.checkpoint is None and self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self

    @model_validator(mode="after")
    def _pinned_code(self) -> TransformerConfig:
        if not self.trust_remote_code or self.checkpoint is None or Path(self.checkpoint).expanduser().is_dir():
            return self
        if self.revision is None or re.fullmatch("[0-9a-f]{40}", self.revision) is None:
            raise ValueError(
                "trust_remote_code runs code from the hub, so model.revision has to be a whole commit of 40 digits: "
                "a branch or a tag can be moved to other code"
            )
        return self


class TransformerClassifierConfig(TransformerConfig, ClassifierConfig):
    """Any architecture of transformers that tells classes apart."""


class TransformerMLMConfig(TransformerConfig):
    """Any architecture of transformers that fills in masked tokens."""


class TransformerTaggerConfig(TransformerConfig, ClassifierConfig):
    """Any architecture of transformers that gives each word a class."""


class TransformerQAConfig(TransformerConfig):
    """Any architecture of transformers that finds answers in a text."""


class TransformerSeq2SeqConfig(TransformerConfig):
    """Any architecture of transformers that makes one text of another."""

    architecture: str = "t5"
    """The architecture, by transformers' name for it, with random weights; a checkpoint has its own."""

    max_new_tokens: PositiveInt = 128
    """How many tokens a text that is made has at most; never more than the architecture has positions for."""

    beams: PositiveInt = 1
    """How many beginnings of a text are followed at once; 1 takes the likeliest token each time."""

    label_smoothing: Rate = 0.0
    """The share of a label that is spread over all tokens."""


class TransformerLMConfig(TransformerConfig, LanguageModelConfig):
    """Any architecture of transformers that continues text."""

    architecture: str = "gpt2"
    """The architecture, by transformers' name for it, with random weights; a checkpoint has its own."""
