"""Which known name was meant: the names that are the fewest slips of a finger away, the likeliest slip first."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

MISSED = 0.8
SWAPPED = 0.8
ADDED = 0.9
NEIGHBOUR = 0.9
REPLACED = 1.0
LOOKALIKE = 0.25
LONGER = 0.05
"""What each slip costs: a letter that was missed, two swapped, one too many, a key beside the right one, another
letter, one that looks the same; and a letter of what follows a name that was only begun."""

_SAME_LOOK = ("o0", "il1", "-_", "s5", "b8", "z2")
_ROWS = ("1234567890-", "qwertyuiop", "asdfghjkl;", "zxcvbnm,./")


SPREAD = 2.0
"""How much dearer than the best a suggestion may be."""


def near_names(name: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """The known names that are spelt most like ``name``, best first."""
    wanted = name.lower()
    limit = _limit(len(wanted))
    ranked: list[tuple[float, int, str]] = []
    for fewest, candidate in sorted((_fewest_slips(wanted, each.lower(), limit), each) for each in known):
        if fewest > limit:
            break
        cost = min(_begun(wanted, candidate.lower()), slips(wanted, candidate.lower(), limit))
        if cost <= limit:
            ranked.append((cost, -_shared_beginning(wanted, candidate.lower()), candidate))
            limit = min(limit, cost + SPREAD)
    best = sorted(set(ranked))[:most]
    return [candidate for cost, _, candidate in best if cost <= best[0][0] + SPREAD]


def _limit(length: int) -> float:
    """How many slips a word of a length may hold and still be taken for another."""
    return 1.0 if length <= 3 else 2.0 if length <= 6 else (length + 2) // 3


def _begun(typed: str, meant: str) -> float:
    """What it costs to have typed only the beginning."""
    return MISSED + LONGER * (len(meant) - len(typed)) if len(typed) >= 3 and meant.startswith(typed) else inf


def _fewest_slips(typed: str, meant: str, limit: float) -> float:
    """What the letters alone, in any order, cost at least; quick to find."""
    longer = len(meant) - len(typed)
    if meant.startswith(typed):
        return min(longer * MISSED, _begun(typed, meant))
    if abs(longer) * MISSED > limit:
        return inf
    rest = meant.translate(_LOOKS)
    for letter in typed.translate(_LOOKS):
        rest = rest.replace(letter, "", 1)
    # What is left over was missed or replaced; as many more letters as the lengths differ by were too many.
    return max(len(rest), len(rest) - longer) * MISSED


def slips(typed: str, meant: str, limit: float = inf) -> float:
    """What it costs to get from what was meant to what was typed: the optimal string alignment, weighted.

    Args:
        typed: What was typed.
        meant: What may have been meant.
        limit: Beyond it the exact cost does not matter.
    """
    before: list[float] = []
    last = [MISSED * column for column in range(len(meant) + 1)]
    for row, letter in enumerate(typed):
        now = [ADDED * (row + 1)]
        for column, other in enumerate(meant):
            cost = last[column]
            if letter != other:
                cost = min(cost + _replacement(letter, other), last[column + 1] + ADDED, now[column] + MISSED)
                if row and column and typed[row - 1] == other and letter == meant[column - 1]:
                    cost = min(cost, before[column - 1] + SWAPPED)
            now.append(cost)
        if min(now) > limit and min(last) > limit:
            return inf
        before, last = last, now
    return last[-1]


def _replacement(typed: str, meant: str) -> float:
    return _REPLACEMENTS.get((typed, meant), REPLACED)


def _shared_beginning(one: str, other: str) -> int:
    return next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _replacements() -> dict[tuple[str, str], float]:
    """The pairs of letters that are taken for one another more easily than others."""
    found = {}
    for row, keys in enumerate(_ROWS):
        for column, key in enumerate(keys):
            beside = [
                keys[column + 1 : column + 2],
                *(_ROWS[row + 1][column - 1 : column + 1] if row < 3 and column else ""),
            ]
            for other in beside:
                if other:
                    found[key, other] = found[other, key] = NEIGHBOUR
    for group in _SAME_LOOK:
        found |= {(one, other): LOOKALIKE for one in group for other in group if one != other}
    return found


_REPLACEMENTS = _replacements()
_LOOKS = str.maketrans({letter: group[0] for group in _SAME_LOOK for letter in group})
