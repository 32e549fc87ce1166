"""Samples of validation and test that training has too: a model gets them right by remembering.

How alike two samples are, only their domain can say: a datamodule that has ``sample_hashes`` is looked at, any other
is not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from framework_core.cache import cache_folder
from framework_core.contracts.config import DuplicatesConfig
from framework_core.contracts.data import DataSpec
from framework_core.contracts.samples import SampleHash
from framework_core.errors import DataError
from framework_core.process import is_main_process

CHUNK = 256
"""Samples that are hashed between two looks at the clock."""

BLOCK = 1024
"""Samples of training that are compared between two looks at the clock."""

HASHING = 0.7
"""The share of the time until which samples are hashed; the rest is for comparing them."""

COARSE = 64
"""Bits that are compared first: few pairs that differ in many bits agree in these."""

SHOWN = 3
"""Pairs that are named."""

_FORM = 1
_log = logging.getLogger("framework_core")


@dataclass(frozen=True, order=True)
class Pair:
    """A sample that training has too."""

    sample: str
    """Its name."""

    train: str
    """The name of that of training."""

    exact: bool
    """Whether they are the same to the last bit."""


@dataclass(frozen=True)
class Overlap:
    """What a split shares with training."""

    split: str
    size: int
    looked_at: int
    exact: int
    """Samples that are in training to the last bit."""

    alike: int
    """Samples that are in training in another form: encoded again, resized ..."""

    pairs: tuple[Pair, ...]

    @property
    def count(self) -> int:
        """Samples that training has, in whatever form."""
        return self.exact + self.alike


@dataclass(frozen=True)
class Duplicates:
    """What was found between training and the other splits."""

    overlaps: tuple[Overlap, ...]
    train_size: int
    train_looked_at: int
    seconds: float
    kept: bool = False
    """Whether an earlier look at the same data answered."""

    @property
    def complete(self) -> bool:
        """Whether every sample was looked at."""
        return self.train_looked_at == self.train_size and all(each.looked_at == each.size for each in self.overlaps)

    @property
    def found(self) -> list[Overlap]:
        """The splits that share samples with training."""
        return [each for each in self.overlaps if each.count]


def find(datamodule: Any, *, fingerprint: str = "", seconds: float | None = None) -> Duplicates | None:
    """Look for samples of validation and test that are in training.

    Samples are taken in an order of chance, so that where time runs out those compared stand for all. Data that was
    looked at before is not read again.

    Args:
        datamodule: The data, set up.
        fingerprint: That of the data; names what is kept. Nothing is kept without it.
        seconds: How long to look at most; without it, until all was seen.

    Returns:
        What was found; ``None`` where the data does not say what its samples are, or has one split only.
    """
    hashes = getattr(datamodule, "sample_hashes", None)
    sizes = {name: _size(datamodule, name) for name in ("train", "val", "test")}
    held_out = [name for name in ("val", "test") if sizes[name]]
    if hashes is None or not held_out or not sizes["train"] or not hashes("train", [0]):
        return None
    if (known := _known(fingerprint, seconds)) is not None:
        return known
    began = time.monotonic()
    looked_at: dict[str, list[SampleHash]] = {}
    for name in held_out:
        # Half of that time is for training, whose samples each of the others is compared with.
        until = None if seconds is None else began + HASHING * seconds / 2 * (len(looked_at) + 1) / len(held_out)
        looked_at[name] = _hashed(hashes, name, sizes[name], until)
    train = _hashed(hashes, "train", sizes["train"], None if seconds is None else began + HASHING * seconds)
    alike, compared = _alike(looked_at, train, None if seconds is None else began + seconds)
    overlaps = tuple(_overlap(name, sizes[name], looked_at[name], train, alike[name]) for name in held_out)
    found = Duplicates(overlaps, sizes["train"], compared, time.monotonic() - began)
    _keep(fingerprint, found, seconds)
    return found


def check(datamodule: Any, data: DataSpec, settings: DuplicatesConfig) -> Duplicates | None:
    """Look, and say what was found.

    Returns:
        What was found; ``None`` where nobody looked, or the data does not say what its samples are.

    Raises:
        DataError: There are such samples, and they are to be refused.
    """
    if settings.action == "ignore" or not is_main_process():
        return None
    found = find(datamodule, fingerprint=data.fingerprint, seconds=settings.seconds)
    if found is None:
        return None
    whole = "" if found.complete else "  all: fw data check, or a larger duplicates.seconds"
    _log.info("duplicates %s  else: duplicates.action=ignore%s", extent(found), whole)
    if found.found and settings.action == "refuse":
        raise DataError(
            "\n  ".join(sentences(found)),
            possible="With them: duplicates.action=report",
            next_step="Take them out of one of the two.",
        )
    for line in sentences(found):
        _log.warning("%s", line)
    return found


def sentences(found: Duplicates) -> list[str]:
    """What was found in words, a line for each split that shares samples with training."""
    return [line for overlap in found.found for line in _lines(overlap)]


def extent(found: Duplicates) -> str:
    """How much was compared."""
    compared = sum(each.looked_at for each in found.overlaps)
    every = sum(each.size for each in found.overlaps)
    of, of_train = (
        "" if compared == every else f" of {every:,}",
        "" if found.train_looked_at == found.train_size else f" of {found.train_size:,}",
    )
    when = "known from before" if found.kept else f"in {found.seconds:.1f} s"
    splits = " and ".join(each.split for each in found.overlaps)
    return f"{compared:,}{of} samples of {splits} compared with {found.train_looked_at:,}{of_train} of train, {when}"


def _lines(overlap: Overlap) -> list[str]:
    forms = [f"{overlap.exact:,} exactly"] if overlap.exact else []
    forms += [f"{overlap.alike:,} in another form"] if overlap.alike else []
    share = 100 * overlap.count / overlap.looked_at
    gain = f"a model that remembers train has {share:.3g} % of {overlap.split} right without having learned anything"
    head = f"{overlap.count:,} of {overlap.looked_at:,} {overlap.split} samples are in train too ({', '.join(forms)}):"
    shown = [
        f"  {overlap.split} {pair.sample} {'=' if pair.exact else '~'} train {pair.train}"
        for pair in overlap.pairs[:SHOWN]
    ]
    more = ["  ..."] if overlap.count > SHOWN else []
    return [f"{head} {gain}", *shown, *more]


def _size(datamodule: Any, split: str) -> int:
    dataset: Any = getattr(datamodule, f"{split}_dataset", None)
    return len(dataset) if hasattr(dataset, "__len__") else 0


def _hashed(
    hashes: Callable[[str, Sequence[int]], Sequence[SampleHash]], split: str, size: int, until: float | None
) -> list[SampleHash]:
    order = random.Random(0).sample(range(size), size)
    found: list[SampleHash] = []
    for first in range(0, size, CHUNK):
        if until is not None and first and time.monotonic() > until:
            break
        found += hashes(split, order[first : first + CHUNK])
    return found


def _overlap(
    split: str, size: int, samples: Sequence[SampleHash], train: Sequence[SampleHash], alike: Sequence[Pair]
) -> Overlap:
    same = {each.exact: each.name for each in reversed(train)}
    exact = [Pair(each.name, same[each.exact], True) for each in samples if each.exact in same]
    known = {pair.sample for pair in exact}
    rest = [pair for pair in alike if pair.sample not in known]
    shown = (*sorted(exact)[:SHOWN], *sorted(rest)[:SHOWN])
    return Overlap(split, size, len(samples), len(exact), len(rest), shown)


def _alike(
    held_out: Mapping[str, Sequence[SampleHash]], train: Sequence[SampleHash], until: float | None
) -> tuple[dict[str, list[Pair]], int]:
    """Samples of each split whose nearest of training differs in few bits, one in twenty at most.

    Returns:
        They, and with how many samples of training the others were compared.
    """
    found: dict[str, list[Pair]] = {split: [] for split in held_out}
    samples = [(split, each) for split, hashes in held_out.items() for each in hashes if each.alike]
    if not samples:
        return found, len(train)
    first = _bits([each for _, each in samples])
    most = first.shape[1] // 20
    # Bits that lie far apart: neighbours say much the same.
    chosen = torch.linspace(0, first.shape[1] - 1, min(COARSE, first.shape[1])).round().long()
    coarse = _signs(first[:, chosen])
    nearest: dict[int, tuple[int, int]] = {}
    compared = len(train)
    for begin in range(0, len(train), BLOCK):
        if until is not None and begin and time.monotonic() > until:
            compared = begin
            break
        places = [place for place in range(begin, min(begin + BLOCK, len(train))) if train[place].alike]
        if not places:
            continue
        second = _bits([train[place] for place in places])
        # Where bits are -1 and 1, their product says in how many two samples differ.
        agree = coarse @ _signs(second[:, chosen]).T
        for pairs in torch.split((agree >= len(chosen) - 2 * most).nonzero(), CHUNK * COARSE):
            differ = (first[pairs[:, 0]] != second[pairs[:, 1]]).sum(1)
            kept = differ <= most
            for (index, other), bits in zip(pairs[kept].tolist(), differ[kept].tolist(), strict=True):
                nearest[index] = min(nearest.get(index, (most + 1, 0)), (bits, places[other]))
    for index, (_, place) in sorted(nearest.items()):
        split, sample = samples[index]
        found[split].append(Pair(sample.name, train[place].name, False))
    return found, compared


def _bits(samples: Sequence[SampleHash]) -> torch.Tensor:
    packed = np.frombuffer(b"".join(each.alike for each in samples), dtype=np.uint8).reshape(len(samples), -1)
    return torch.from_numpy(np.unpackbits(packed, axis=1))


def _signs(bits: torch.Tensor) -> torch.Tensor:
    return bits.float() * 2 - 1


def _known(fingerprint: str, seconds: float | None) -> Duplicates | None:
    """What an earlier look found, unless that had less time and did not see all."""
    if not fingerprint:
        return None
    try:
        kept = json.loads(_store(fingerprint).read_text("utf-8"))
        overlaps = tuple(
            Overlap(**{**each, "pairs": tuple(Pair(**pair) for pair in each["pairs"])}) for each in kept["overlaps"]
        )
        found = Duplicates(overlaps, kept["train_size"], kept["train_looked_at"], kept["seconds"], kept=True)
        allowed = kept["allowed"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    enough = allowed is None or (seconds is not None and allowed >= seconds)
    return found if found.complete or enough else None


def _keep(fingerprint: str, found: Duplicates, seconds: float | None) -> None:
    """Keep it; a cache that cannot be written costs the next look's time and nothing else."""
    if not fingerprint:
        return
    path = _store(fingerprint)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({**dataclasses.asdict(found), "allowed": seconds}), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        _log.info("what is known of duplicates is not kept: %s", error)


def _store(fingerprint: str) -> Any:
    name = hashlib.sha256(f"{_FORM} {fingerprint}".encode()).hexdigest()[:24]
    return cache_folder() / "duplicates" / f"{name}.json"
