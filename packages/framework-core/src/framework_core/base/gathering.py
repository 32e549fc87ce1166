"""What several processes have seen of the samples that they measured together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, TypeVar

from torch import distributed

Value = TypeVar("Value")

_NOTHING: Any = object()


def gather_samples(own: Sequence[Value], *, samples: int | None) -> list[Value]:
    """What was found of each sample of a validation or test, in the order of the data, in every process.

    Where several processes measure a model, samples go to them in turn: of four, the third is given samples 2, 6, 10
    and so on. What is no mean over samples, such as an answer that is put together from several, is computed from what
    all of them found. All processes have to call this, at the end of the validation or test.

    Args:
        own: What this process found, a value for each sample in the order in which it was given them. Tensors have to
            be on the processor.
        samples: How many samples the split has; ``None`` where nobody knows. Where there are fewer than processes,
            each has measured all.

    Returns:
        A value for each sample that was measured; of a process that is alone, its own. In a rehearsal (``fw launch
        --dry-run``) the others are not there, and its own stand for theirs.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return list(own)
    everyone: list[Any] = [()] * distributed.get_world_size()
    distributed.all_gather_object(everyone, own)
    if all(len(each) == samples for each in everyone):
        return list(own)
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*everyone, fillvalue=_NOTHING))
    return [value for value in in_turn if value is not _NOTHING][:samples]
