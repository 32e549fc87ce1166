"""What stands in a run for a long value that had to move out: its beginning and its checksum."""

from __future__ import annotations

import re
from hashlib import blake2b

KEPT = 200
_MARK = re.compile(r".{200}\x00[0-9a-f]{32}", re.DOTALL)


def mark(value: str) -> str:
    """Return what stands for a long value in the document of its run."""
    digest = blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{value[:KEPT]}\0{digest}"


def may_move(value: str) -> bool:
    """Whether `value` is long and no mark itself."""
    return len(value) > KEPT and not _MARK.fullmatch(value)


def forms(value: str) -> list[str]:
    """Return the forms in which `value` may stand in a run."""
    return [value, mark(value)] if len(value) > KEPT else [value]
