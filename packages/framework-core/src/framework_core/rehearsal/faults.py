"""What is wrong with a training of many processes, found by holding against each other what its ranks tell."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from framework_core.rehearsal.told import Call, Told

MOST_NAMES = 4
"""Parameters that are named."""


@dataclass(frozen=True)
class Fault:
    """Something that is wrong.

    Attributes:
        kind: ``error``, ``settings``, ``parameters``, ``seed``, ``samples``, ``batch``, ``batches``, ``unused``
            or ``collectives``.
        ranks: The ranks that are not as the others, or all.
        what: What is wrong, and what would come of it.
        remedy: What to do.
    """

    kind: str
    ranks: tuple[int, ...]
    what: str
    remedy: str


def faults(told: Sequence[Told]) -> list[Fault]:
    """What is wrong, the causes before what follows from them.

    A rank whose parameters differ, or that has failed, calls something else than the others too; that is told once.

    Args:
        told: What each rank tells, in their order.
    """
    found = [*_errors(told), *_settings(told), *_parameters(told), *_unused(told)]
    explained = {rank for each in found if each.kind != "settings" for rank in each.ranks}
    shares = [*_shares(told), *_batches(told)]
    found += shares or list(_same_samples(told))
    if any(each.kind == "batches" for each in shares) and min(sum(each.batches or []) for each in told) < 2:
        return found
    return [*found, *_collectives([each for each in told if each.rank not in explained])]


def named(ranks: Iterable[int], of: int) -> str:
    """Ranks in words: ``rank 3``, ``ranks 0-2, 5``, ``all ranks``.

    Args:
        ranks: Their numbers.
        of: How many there are.
    """
    numbers = sorted(ranks)
    if len(numbers) == of:
        return "all ranks"
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    told = ", ".join(str(each[0]) if len(each) == 1 else f"{each[0]}-{each[-1]}" for each in parts)
    return f"rank{'s' if len(numbers) > 1 else ''} {told}"


def _errors(told: Sequence[Told]) -> Iterator[Fault]:
    for ranks in _groups(told, lambda each: each.trouble):
        trouble = ranks[0].trouble
        if trouble is None:
            continue
        lines = " ".join(part for part in (trouble.what, trouble.possible) if part).rstrip(".")
        where = f", at {trouble.where}" if trouble.where else ""
        what = f"ended with an error{where}: {lines}"
        others = "mend it" if len(ranks) == len(told) else "mend it: the other ranks would wait for these"
        yield Fault("error", _ranks(ranks), what, trouble.next_step or others)


def _settings(told: Sequence[Told]) -> Iterator[Fault]:
    heard = [each for each in told if each.facts]
    for key in sorted({key for each in heard for key in each.facts} if heard else ()):
        usual, others = _against_usual(heard, lambda each, key=key: each.facts.get(key, "nothing"))  # type: ignore[misc]
        for ranks in others:
            what = f"{key} is {ranks[0].facts.get(key, 'nothing')}, and {usual[0].facts.get(key, 'nothing')} elsewhere"
            yield Fault("settings", _ranks(ranks), what, "all ranks need the same: look for what goes by the rank")


def _parameters(told: Sequence[Told]) -> Iterator[Fault]:
    built = [each for each in told if each.parameters]
    usual, others = _against_usual(
        built, lambda each: tuple((name, shape) for name, (shape, _) in each.parameters.items())
    )
    for ranks in others:
        here, there = ranks[0].parameters, usual[0].parameters
        name = next(name for name in {**there, **here} if here.get(name, ("",))[0] != there.get(name, ("",))[0])
        mine, its = (each[name][0] if name in each else "nothing" for each in (here, there))
        what = f"the model's {name} is {mine}, and {its} elsewhere"
        yield Fault("parameters", _ranks(ranks), what, "build the same model everywhere: nothing in it may go by rank")
    yield from _values(usual)


def _values(told: Sequence[Told]) -> Iterator[Fault]:
    """Parameters of the same model with another content."""
    alike, others = _against_usual(told, lambda each: tuple(each.parameters.items()))
    differing = [each for ranks in others for each in ranks]

    def what(each: Told) -> tuple[tuple[str, ...], bool]:
        there = alike[0].parameters
        names = tuple(name for name in there if each.parameters[name] != there[name])
        return names, each.random != alike[0].random

    for ranks in _groups(differing, what):
        names, drawn = what(ranks[0])
        said = f"{_some(names)} {'is' if len(names) == 1 else 'are'} built with other values than elsewhere"
        if drawn:
            said = f"{said}, from other random numbers: a seed goes by the rank"
            yield Fault("seed", _ranks(ranks), f"{said}; {_kept(ranks[0])}", "seed with the run's seed, not by rank")
        else:
            remedy = "let no value go by rank while the model is built"
            yield Fault("parameters", _ranks(ranks), f"{said}; {_kept(ranks[0])}", remedy)


def _kept(told: Told) -> str:
    if told.strategy.startswith("ddp"):
        return "DDP replaces them by those of rank 0"
    return f"{told.strategy} would put together a model of parts that do not belong together"


def _unused(told: Sequence[Told]) -> Iterator[Fault]:
    strict = [each for each in told if each.strategy.startswith("ddp") and "find_unused" not in each.strategy]
    for ranks in _groups([each for each in strict if each.unused], lambda each: tuple(each.unused)):
        names = ranks[0].unused
        where = "" if len(ranks) == len(told) else ", and the others wait for it"
        what = f"no gradient for {_some(names)} in step 1{where}"
        remedy = "take the layer out or freeze it, or strategy=ddp_find_unused_parameters_true"
        yield Fault("unused", _ranks(ranks), what, remedy)


def _shares(told: Sequence[Told]) -> Iterator[Fault]:
    """A batch that cannot be divided well."""
    heard = [each for each in told if each.batch]
    if not heard:
        return
    world, batch, samples = len(told), heard[0].batch or 0, heard[0].samples
    everyone = _ranks(told)
    if samples is not None and samples < world:
        what = f"{samples} samples to train on are fewer than {world} ranks: several ranks take the same ones"
        yield Fault("samples", everyone, what, f"take {samples} ranks at most")
    elif batch < world:
        what = f"a batch of {batch} is less than one sample for each of {world} ranks: several take the same ones"
        yield Fault("batch", everyone, what, f"dataset.batch_size={world} or more")
    elif batch % world:
        least = batch // world
        what = f"a batch of {batch} samples gives {least} for some ranks and {least + 1} for others, who are waited for"
        near = max(1, round(batch / world)) * world
        yield Fault("batch", everyone, what, f"dataset.batch_size={near}")
    elif samples is not None and samples < batch:
        what = f"{samples} samples to train on are less than one batch of {batch}"
        yield Fault("samples", everyone, what, "a smaller dataset.batch_size")


def _batches(told: Sequence[Told]) -> Iterator[Fault]:
    heard = [each for each in told if each.batches is not None]
    # A stream that was not gone through to its end has at least as many as one that was, or it is told.
    longest = max((each.batches or [] for each in heard), default=[])
    usual, others = _against_usual(heard, lambda each: tuple(each.batches or []) if each.ended else "more")
    for ranks in others:
        mine, its = ranks[0], usual[0]
        if not mine.ended and (its.batches or []) >= longest:
            continue
        what = f"{_count(mine)} in an epoch, and {_count(its)} elsewhere: whoever has more waits for ever"
        remedy = "let the dataset give every rank as many, or stop all at the shortest: trainer.limit_train_batches="
        least = min(sum(each.batches or []) for each in heard if each.ended)
        yield Fault("batches", _ranks(ranks), what, f"{remedy}{least}")


def _count(told: Told) -> str:
    count = " and ".join(str(each) for each in told.batches or [])
    return f"{count} batches" if told.ended else f"more than {count} batches"


def _same_samples(told: Sequence[Told]) -> Iterator[Fault]:
    for ranks in _groups([each for each in told if each.first], lambda each: each.first):
        if len(ranks) > 1:
            what = "the same samples in the first step"
            yield Fault("samples", _ranks(ranks), what, "share them out by rank: a stream has to do it itself")


def _collectives(told: Sequence[Told]) -> Iterator[Fault]:
    usual, others = _against_usual(told, lambda each: tuple(each.calls))
    for ranks in others:
        pairs = zip_longest(ranks[0].calls, usual[0].calls)
        mine, its = next(pair for pair in pairs if pair[0] != pair[1])
        yield Fault("collectives", _ranks(ranks), _differ(mine, its), "let all ranks take the same branch")


def _differ(mine: Call | None, its: Call | None) -> str:
    if mine is not None and its is not None:
        elsewhere = "" if mine.when == its.when else f" in {its.when}"
        return f"in {mine.when}, {mine} is called where the other ranks call {its}{elsewhere}"
    if mine is not None:
        return f"in {mine.when}, {mine} is called, and by no other rank: it waits for ever"
    when = "" if its is None else its.when
    return f"in {when}, {its} is called by the other ranks and not by these: they wait for ever"


def _groups(told: Sequence[Told], by: Callable[[Told], Hashable]) -> list[list[Told]]:
    found: dict[Hashable, list[Told]] = {}
    for each in told:
        found.setdefault(by(each), []).append(each)
    return list(found.values())


def _against_usual(told: Sequence[Told], by: Callable[[Told], Hashable]) -> tuple[list[Told], list[list[Told]]]:
    """What most ranks are like, the first where as many are like another; and those that are not, by what they are."""
    groups = _groups(told, by)
    if not groups:
        return [], []
    usual = max(groups, key=len)
    return usual, [each for each in groups if each is not usual]


def _ranks(told: Iterable[Told]) -> tuple[int, ...]:
    return tuple(each.rank for each in told)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
