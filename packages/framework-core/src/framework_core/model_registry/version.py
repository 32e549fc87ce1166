"""A version of a registered model, and how it is named."""

from __future__ import annotations

import re
from dataclasses import dataclass

from framework_core.errors import RegistryError

_REFERENCE = re.compile(r"([^/@:]+)(?:@([^/@:]+)|/([0-9]+))")


_NAME = re.compile(r"[^/@:'\"\s]+(?: [^/@:'\"\s]+)*")


def check_name(name: str) -> None:
    """See that a registered model can be called so, and be named with a stage.

    Raises:
        RegistryError: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise RegistryError(
            f"A registered model cannot be called {name!r}.",
            possible="A name is text without / : @ and quotation marks.",
            next_step="Choose another: fw registry register RUN NAME",
        )


@dataclass(frozen=True)
class Version:
    """A version of a registered model.

    Attributes:
        name: The model.
        version: Its number.
        stages: The stages that it stands in.
        run_id: The run that made it; empty where the store does not say.
        source: Where the store has it from.
        registered: When it was registered, seconds since 1970.
        tracking_uri: The store.
    """

    name: str
    version: int
    stages: tuple[str, ...]
    run_id: str
    source: str
    registered: float
    tracking_uri: str

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


def read_reference(reference: str) -> tuple[str, str] | None:
    """The name of a model and which version is meant, of ``NAME@production``, ``NAME@3`` or ``NAME/3``.

    Returns:
        Name, and a stage, an alias or a number; nothing where it is no reference.
    """
    found = _REFERENCE.fullmatch(reference)
    return (found[1], found[2] or found[3]) if found else None
