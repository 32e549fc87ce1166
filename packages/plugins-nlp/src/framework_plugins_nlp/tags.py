"""How tags mark entities: the schemes, and which entities a row of tags has, by the rules of conlleval."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

OUTSIDE = "O"
"""The tag of a word that belongs to no entity."""

PLAIN = "none"
"""The scheme of tags that mark no entities, as parts of speech."""

SIGNS = {"bio": "BI", "iob1": "BI", "iobes": "BIES"}
"""The schemes, and what stands before a type: B begins an entity, I goes on with it, E ends it, S is one alone."""

FOLLOWS = {"iobes": {"B": "IE", "I": "IE"}, "bio": {"B": "BI", "I": "BI"}}
"""What a tag of the same type may be behind another, where that is not all the same."""

_SIGNED = re.compile(r"([BIESLUM])(?:-(.+))?")
_OTHER_NAMES = {"L": "E", "U": "S", "M": "I"}
"""What BILOU and BMES call the signs of IOBES."""


class Entity(NamedTuple):
    """Words that belong together: the first, and the one behind the last."""

    type: str
    start: int
    end: int


@lru_cache(maxsize=4096)
def parted(tag: str) -> tuple[str, str]:
    """The sign of a tag and its type; the type of a bare ``B`` is ``_``."""
    return tag[:1], tag[1:].partition("-")[2] or "_"


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities of a sentence, in whatever scheme its tags are.

    The rules are those of conlleval, which seqeval has too: an entity ends where its type does, and a tag that could
    not stand where it does begins one.
    """
    found: list[Entity] = []
    begun = 0
    before, kind = OUTSIDE, ""
    for index, tag in enumerate((*tags, OUTSIDE)):
        sign, name = parted(tag)
        same = name == kind
        if before != OUTSIDE and (before in "ES" or sign in "BSO" or not same):
            found.append(Entity(kind, begun, index))
        if sign != OUTSIDE and (sign in "BS" or before in "ESO" or not same):
            begun = index
        before, kind = sign, name
    return found


def told(sentences: Iterable[Sequence[str]]) -> str:
    """The scheme that tags are in, as they tell it.

    Returns:
        ``iobes`` where there are its signs; ``iob1`` where entities begin with I, and B only parts two of one type;
        ``bio`` otherwise; ``none`` where no tag has a sign and a type.
    """
    signs: set[str] = set()
    signed = opened_by_i = False
    parts_only = True
    for tags in sentences:
        for before, tag in _pairs(tags):
            found = _SIGNED.fullmatch(tag)
            if found is None:
                continue
            signs.add(sign := found[1])
            signed = signed or found[2] is not None
            follows = before != OUTSIDE and parted(before)[1] == parted(tag)[1]
            opened_by_i = opened_by_i or (sign == "I" and not follows)
            parts_only = parts_only and (sign != "B" or follows)
    if not signed:
        return PLAIN
    if signs & set("ESLUM"):
        return "iobes"
    return "iob1" if opened_by_i and parts_only else "bio"


def outside_scheme(tags: Sequence[str], scheme: str) -> int | None:
    """The first tag of a sentence that is none of the scheme, whatever stands before it."""
    if scheme == PLAIN:
        return None
    return next((index for index, tag in enumerate(tags) if tag != OUTSIDE and not _has_sign(tag, scheme)), None)


def out_of_order(tags: Sequence[str], scheme: str) -> int | None:
    """The first tag of a sentence that cannot stand where it does; its end is -1, where an entity is left open."""
    if scheme not in FOLLOWS:
        return None
    whole = scheme == "iobes"
    for index, (before, tag) in enumerate(_pairs((*tags, OUTSIDE) if whole else tags)):
        goes_on = before != OUTSIDE and before[0] in FOLLOWS[scheme] and parted(before)[1] == parted(tag)[1]
        inside = tag != OUTSIDE and tag[0] in "IE"
        left_open = whole and before != OUTSIDE and before[0] in "BI" and not (inside and goes_on)
        if (inside and not goes_on) or left_open:
            return index if index < len(tags) else -1
    return None


def as_learned(tags: Sequence[str], scheme: str) -> list[str]:
    """Tags as they are learned: IOB1 becomes BIO, and the signs of BILOU and BMES those of IOBES."""
    if scheme == "iob1":
        found = [OUTSIDE] * len(tags)
        for kind, start, end in entities(tags):
            suffix = "" if kind == "_" else f"-{kind}"
            found[start:end] = [f"B{suffix}", *[f"I{suffix}"] * (end - start - 1)]
        return found
    if scheme == "iobes":
        return [_OTHER_NAMES.get(tag[0], tag[0]) + tag[1:] for tag in tags]
    return list(tags)


def all_tags(used: Iterable[str], scheme: str) -> tuple[str, ...]:
    """Every tag that a type can have, so that one which happens to be in no training sentence is known."""
    if scheme == PLAIN:
        return tuple(sorted(set(used)))
    suffixes = sorted({tag[1:] for tag in used if tag != OUTSIDE})
    signs = "BI" if scheme == "iob1" else SIGNS[scheme]
    return (OUTSIDE, *(sign + suffix for suffix in suffixes for sign in signs))


def _has_sign(tag: str, scheme: str) -> bool:
    found = _SIGNED.fullmatch(tag)
    return found is not None and _OTHER_NAMES.get(found[1], found[1]) in SIGNS[scheme]


def _pairs(tags: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each tag behind the one before it."""
    return zip((OUTSIDE, *tags), tags, strict=False)
