"""How a network of transformers is told that several documents stand in a block.

Architectures differ in what they take: some make the mask from positions that begin anew, some want the mask, some want
it as numbers, and some have no way at all. It is not believed but tried, once, before training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from framework_core.errors import ContractError
from framework_plugins_nlp.packing import documents, seen

LOW = -1e9
"""What is added where a token may not be looked at."""

NEAR = 1e-4
"""How far an answer may be from that of a document alone, by the largest of it."""

Inputs = Mapping[str, Tensor]


def _by_places(places: Tensor, document: Tensor) -> Inputs:
    return {"position_ids": places}


def _by_mask(places: Tensor, document: Tensor) -> Inputs:
    return {"position_ids": places, "attention_mask": seen(document)}


def _by_numbers(places: Tensor, document: Tensor) -> Inputs:
    return {"position_ids": places, "attention_mask": torch.where(seen(document), 0.0, LOW)}


WAYS: tuple[Callable[[Tensor, Tensor], Inputs], ...] = (_by_places, _by_mask, _by_numbers)
"""What can be said, the way that keeps an architecture's own mask (a sliding window) first."""


class Packing:
    """Says to a network where documents begin.

    Args:
        network: The network.
        separator: The token that each document begins with.

    Raises:
        ContractError: The network sees across documents whatever it is told.
    """

    def __init__(self, network: nn.Module, separator: int) -> None:
        self.separator = separator
        before = network.training
        network.eval()
        try:
            found = next((way for way in WAYS if self._keeps_apart(network, way)), None)
        finally:
            network.train(before)
        if found is None:
            kind: Any = network
            raise ContractError(
                f"{kind.config.model_type} cannot keep documents apart",
                ["the data has several in a block, and it sees those before whatever it is told"],
                next_step="Let it see them: model.across_documents=true",
            )
        self.way = found

    def inputs(self, tokens: Tensor) -> dict[str, Any]:
        """What the network is given beside the tokens ``(B, T)``."""
        return {"use_cache": False, **self.way(*documents(tokens, self.separator))}

    def _keeps_apart(self, network: nn.Module, way: Callable[[Tensor, Tensor], Inputs]) -> bool:
        """Whether a document behind another one gets the answer that it gets alone."""
        other = 1 if self.separator == 0 else 0
        alone = torch.tensor([[self.separator, other, other, other]])
        both = torch.cat([alone[:, :3], alone], dim=1)
        with torch.no_grad():
            expected = network(input_ids=alone, use_cache=False).logits
            try:
                found = network(input_ids=both, use_cache=False, **way(*documents(both, self.separator))).logits
            except (TypeError, ValueError, RuntimeError, IndexError):  # it does not take this
                return False
        return bool((found[:, 3:] - expected).abs().max() <= NEAR * expected.abs().max())
