"""Names of weights without what wrappers put into them."""

from __future__ import annotations

from collections.abc import Iterable

from framework_core.errors import CheckpointError
from framework_core.training.layers import unwrapped

WHOLE = "module."
"""What DataParallel and DeepSpeed call it; a model may have a part of that name too, so it goes only from all names."""


def clean(names: Iterable[str], path: object) -> dict[str, str]:
    """The clean name of each.

    Args:
        names: As they are in a checkpoint.
        path: The checkpoint, for the message.

    Raises:
        CheckpointError: Two names would be one.
    """
    found = {name: unwrapped(name) for name in names}
    while found and all(each.startswith(WHOLE) for each in found.values()):
        found = {name: each.removeprefix(WHOLE) for name, each in found.items()}
    seen: dict[str, str] = {}
    for name, each in found.items():
        if other := seen.get(each):
            raise CheckpointError(str(path), f"has two weights that would be {each}: {other} and {name}")
        seen[each] = name
    return found
