"""Networks of transformers that make one text of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

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

    def generate(self, sources: Tensor) -> Tensor:
        """The likeliest text of each source, by beams where there are several."""
        network: Any = hugging(self.model)
        most = getattr(network.config, "max_position_embeddings", None) or self.max_new_tokens
        with torch.no_grad():
            made: Tensor = network.generate(
                input_ids=sources,
                attention_mask=sources.ne(self.pad_id).long(),
                max_new_tokens=min(self.max_new_tokens, most),
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

    def forward(self, pairs: Tensor) -> Tensor:
        inside = pairs.ne(self.pad_id)
        # Both were filled up to the longer of the two.
        source, target = (max(1, length) for length in inside.sum(dim=2).amax(dim=0).tolist())
        sources, targets = pairs[:, 0, :source], pairs[:, 1, :target]
        begin = targets.new_full((len(targets), 1), self._begin())
        outputs = self.network(
            input_ids=sources,
            attention_mask=inside[:, 0, :source].long(),
            decoder_input_ids=torch.cat([begin, targets[:, :-1]], dim=1),
            use_cache=False,
        )
        logits: Tensor = outputs.logits
        return logits

    def _begin(self) -> int:
        network: Any = self.network
        found = getattr(network.config, "decoder_start_token_id", None)
        return self.pad_id if found is None else int(found)
