"""Networks of transformers that make one text of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from framework_core.contracts import Processing
from framework_plugins_nlp.models.transformer import Chosen, compute_again, hugging, wishes
from framework_plugins_nlp.seq2seq import Seq2SeqModel


class TransformerSeq2Seq(Seq2SeqModel):
    """Any architecture of transformers that makes one text of another, https://huggingface.co/docs/transformers.

    ``AutoModelForSeq2SeqLM``, with random weights and sizes of one's own, or from a checkpoint, whose tokenizer the
    data then takes.

    Args:
        max_new_tokens: How many tokens a text that is made has at most.
        beams: How many beginnings of a text are followed at once.
        label_smoothing: The share of a label that is spread over all tokens.
        data: What the model is trained on.
        **chosen: The other settings: ``architecture``, ``checkpoint``, ``width``, ``lora_rank`` ...
    """

    def __init__(
        self,
        *,
        max_new_tokens: int = 128,
        beams: int = 1,
        label_smoothing: float = 0.0,
        data: Any = None,
        **chosen: Any,
    ) -> None:
        super().__init__(label_smoothing=label_smoothing, data=data)
        self.max_new_tokens = max_new_tokens
        self.beams = beams
        self.chosen = Chosen(**chosen)

    @classmethod
    def input_settings(cls, **settings: Any) -> Mapping[str, Any]:
        """The checkpoint's own tokenizer, and as many tokens as can be read."""
        checkpoint, positions = settings.get("checkpoint"), settings.get("positions")
        found = wishes(checkpoint, settings.get("revision"), positions)
        tokenizer = {"tokenizer": found["tokenizer"]} if checkpoint is not None else {}
        return {**tokenizer, "max_length": positions, "max_target_length": positions}

    def enable_gradient_checkpointing(self) -> None:
        """Compute activations again in the backward pass, as the architecture does it."""
        compute_again(hugging(self.model))

    def outputs_of(self, inputs: Tensor) -> Tensor:
        """The outputs as far as a target has tokens: the rest is not computed."""
        found: Tensor = self.model(inputs, short=True)
        return found

    @property
    def longest(self) -> int:
        """How many tokens a text that is made has at most."""
        most = getattr(hugging(self.model).config, "max_position_embeddings", None) or self.max_new_tokens
        return min(self.max_new_tokens, most)

    def postprocessing(self) -> Processing | None:
        """How a text is made, token by token, without torch; nothing where the likeliest token is not simply taken."""
        network: Any = hugging(self.model)
        chosen = network.generation_config
        asked = {name for name, value in chosen.to_diff_dict().items() if value not in (None, False)}
        words = chosen.bad_words_ids or []
        if self.beams > 1 or asked - _PLAIN or any(len(word) != 1 for word in words):
            return None
        ends = self._tokens().get("eos_token_id", chosen.eos_token_id)
        ends = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
        settings = {
            "pad": self.pad_id,
            "begin": self.model.begin,
            "ends": ends,
            "never": sorted({word for word, *_ in words} - {*ends}),
            "once": chosen.no_repeat_ngram_size or 0,
            "first": chosen.forced_bos_token_id,
            "last": chosen.forced_eos_token_id,
            "most": self.longest,
        }
        return Processing(builder="framework_plugins_nlp.serving_made:Made", settings=settings)

    def generate(self, sources: Tensor) -> Tensor:
        """The likeliest text of each source, by beams where there are several."""
        network: Any = hugging(self.model)
        with torch.no_grad():
            made: Tensor = network.generate(
                input_ids=sources,
                attention_mask=sources.ne(self.pad_id).long(),
                max_new_tokens=self.longest,
                num_beams=self.beams,
                do_sample=False,
                **self._tokens(),
            )
        return made

    def _build_model(self) -> nn.Module:
        own = {} if self.chosen.checkpoint is not None else {**self._tokens(), **dict.fromkeys(_FORCED)}
        return _Pairs(self.chosen.built("AutoModelForSeq2SeqLM", self.data, **own), self.pad_id)

    def _tokens(self) -> dict[str, Any]:
        """What begins and ends a text where the tokenizer was learned; a checkpoint knows its own."""
        end = self.data.facts.get("end_id")
        return {} if end is None else {"eos_token_id": end, "decoder_start_token_id": self.pad_id}


_FORCED = ("forced_eos_token_id", "forced_bos_token_id")
"""Tokens of the architecture's first checkpoint that would be put into every text."""

_PLAIN = {
    *("transformers_version", "_from_model_config", "use_cache", "num_beams", "max_length", "early_stopping"),
    *("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", *_FORCED),
    *("output_attentions", "output_hidden_states", "length_penalty", "renormalize_logits"),
    *("bad_words_ids", "no_repeat_ngram_size"),
}
"""What a checkpoint says of generation that is followed without transformers, or means nothing without beams."""


class _Pairs(nn.Module):
    """Sources and targets ``(B, 2, T)`` to the logits of each token of the targets ``(B, T, V)``.

    Args:
        network: The network of transformers.
        pad_id: The token that fills up.
    """

    def __init__(self, network: nn.Module, pad_id: int) -> None:
        super().__init__()
        self.network = network
        self.pad_id = pad_id

    def forward(self, pairs: Tensor, *, short: bool = False) -> Tensor:
        """The logits.

        Args:
            pairs: Sources and targets.
            short: Whether what fills up all sources, or all targets, is left out, as far as each reaches.
        """
        sources, targets = pairs[:, 0], pairs[:, 1]
        if short:
            # Both were filled up to the longer of the two.
            source, target = (max(1, length) for length in pairs.ne(self.pad_id).sum(dim=2).amax(dim=0).tolist())
            sources, targets = sources[:, :source], targets[:, :target]
        begin = targets.new_full((targets.shape[0], 1), self.begin)
        outputs = self.network(
            input_ids=sources,
            attention_mask=sources.ne(self.pad_id).long(),
            decoder_input_ids=torch.cat([begin, targets[:, :-1]], dim=1),
            use_cache=False,
        )
        logits: Tensor = outputs.logits
        return logits

    @property
    def begin(self) -> int:
        """The token before each text that is made."""
        network: Any = self.network
        found = getattr(network.config, "decoder_start_token_id", None)
        return self.pad_id if found is None else int(found)
