"""Tokenizers: trained on the data, or read from a file; kept with the run as text."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Backend

from framework_core.errors import DataError
from framework_plugins_nlp.checkpoints import Checkpoint
from framework_plugins_nlp.encodings import missing_file
from framework_plugins_nlp.pretrained_runs import tokenizer_of_run

PADDING, UNKNOWN = "[PAD]", "[UNK]"
BEGIN, END, MASK = "[CLS]", "[SEP]", "[MASK]"
STOP = "[END]"
KINDS = ("word", "character", "bpe", "wordpiece", "unigram")
CONTINUES = "##"
"""Before a piece that goes on with a word."""

CHUNK = 1000
"""Texts that are handed over at once."""

LONGEST_TOKEN = 100
"""Characters a token has at most on average: of a longer text only as much is read as can be used."""

ENDLESS = 1_000
"""Characters of a word behind which it is cut where tokens are learned."""

_ENDLESS = re.compile(rf"\S{{{ENDLESS}}}")
_ON_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_log = logging.getLogger("framework_core")


@dataclass(frozen=True)
class Encoded:
    """Texts as numbers, one after the other.

    Attributes:
        ids: The tokens of all texts.
        offsets: Where each text begins, and at the end where the last one ends.
        cut: How many texts were longer than allowed.
        empty: How many had no token.
        unknown: How many tokens the tokenizer did not know.
    """

    ids: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    cut: int
    empty: int
    unknown: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, text: int) -> npt.NDArray[np.int32]:
        """The tokens of a text."""
        start, end = self.offsets[text : text + 2]
        return self.ids[start:end]


class Tokenizer:
    """Text to numbers and back.

    Args:
        written: What the library ``tokenizers`` writes into ``tokenizer.json``. It is kept as it is: the library reads
            not every score back to its last digit.
        kind: ``word``, ``character``, ``bpe``, ``wordpiece``, ``unigram``, or where it was read from.
    """

    def __init__(self, written: str, kind: str) -> None:
        self.written = written
        self.kind = kind
        self.backend = Backend.from_str(written)
        self.backend.no_padding()
        self.backend.no_truncation()

    @classmethod
    def train(
        cls,
        kind: str,
        texts: Sequence[str],
        *,
        vocabulary_size: int = 20_000,
        min_frequency: int = 1,
        lowercase: bool = False,
        whole_words: bool = False,
        ended: bool = False,
        paired: bool = False,
        masking: bool = False,
    ) -> Tokenizer:
        """Learn the tokens of some texts.

        Args:
            kind: ``word``, ``character``, ``bpe`` (over bytes), ``wordpiece`` or ``unigram``.
            texts: The texts.
            vocabulary_size: How many tokens there are at most.
            min_frequency: How often a token has to be there.
            lowercase: Whether capital letters are made small.
            whole_words: Whether ``word`` takes what stands between blanks as it is, and parts no punctuation from it.
            ended: Whether a token ``[END]`` stands at the end of each text.
            paired: Whether ``[CLS]`` stands before two texts and ``[SEP]`` behind each, as in BERT.
            masking: Whether there are tokens for what is masked, and for both ends of a text, as BERT has them.
        """
        special = [PADDING, UNKNOWN, *((BEGIN, END, MASK) if masking else ())]
        normalizer = normalizers.Sequence([normalizers.NFC(), *([normalizers.Lowercase()] if lowercase else [])])
        characters = {each for text in texts for each in normalizer.normalize_str(clean(text))}
        backend, trainer = _untrained(kind, vocabulary_size, min_frequency, characters, special)
        backend.normalizer = normalizer
        if whole_words and kind == "word":
            backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        backend.train_from_iterator((_in_words(clean(text), kind) for text in texts), trainer=trainer)
        backend = _without_helpers(backend, special) if kind == "wordpiece" else backend
        if ended:
            _put_around(backend, f"$A {STOP}", None, STOP)
        if paired:
            _put_around(backend, f"{BEGIN} $A {END}", f"{BEGIN} $A {END} $B:1 {END}:1", BEGIN, END)
        if masking:
            first, last = ((name, backend.token_to_id(name) or 0) for name in (BEGIN, END))
            backend.post_processor = processors.BertProcessing(last, first)
        return cls(backend.to_str(), kind)

    @classmethod
    def of(cls, facts: Any) -> Tokenizer:
        """That of a run, from the facts of its data."""
        return cls(facts["tokenizer"], str(facts["tokenizer_kind"]))

    @classmethod
    def read(cls, name: str) -> Tokenizer:
        """One from a file ``tokenizer.json``, the folder that it is in, the folder of a run, or the hub.

        Args:
            name: The file or folder; or a name on the hub, ``organisation/name`` or ``organisation/name@revision``.

        Raises:
            DataError: There is none.
        """
        file = Path(name).expanduser()
        if (kept := tokenizer_of_run(file)) is not None:
            return cls(kept, name)
        if file.is_dir():
            file /= "tokenizer.json"
            if not file.is_file():
                raise _no_tokenizer(file)
        if not file.is_file():
            file = _from_hub(name)
        try:
            return cls(file.read_text("utf-8"), name)
        except Exception as error:  # the library raises Exception itself
            raise DataError(f"{file} is no tokenizer: {error}", paths=[file]) from error

    def facts(self) -> dict[str, Any]:
        """What a run keeps of it."""
        return {
            "tokenizer": self.written,
            "tokenizer_kind": self.kind,
            "vocabulary_size": len(self),
            "pad_id": self.pad_id,
        }

    def __len__(self) -> int:
        return self.backend.get_vocab_size()

    @property
    def pad_id(self) -> int:
        """The number that fills up short texts."""
        return self._first(PADDING, "<pad>", "<|endoftext|>", "</s>")

    @property
    def unknown_id(self) -> int | None:
        """The number of what is not known, where there is one."""
        return next(
            (found for name in (UNKNOWN, "<unk>") if (found := self.backend.token_to_id(name)) is not None), None
        )

    @property
    def mask_id(self) -> int | None:
        """The number that stands for what is masked, where there is one."""
        return next((found for name in (MASK, "<mask>") if (found := self.backend.token_to_id(name)) is not None), None)

    @property
    def special_ids(self) -> list[int]:
        """The numbers that are no text."""
        return sorted(number for number, token in self.backend.get_added_tokens_decoder().items() if token.special)

    def around(self) -> tuple[list[int], list[int]]:
        """What the tokenizer puts before and behind a text."""
        found = self.backend.encode("a")
        first, count = _own(found.special_tokens_mask)
        return found.ids[:first], found.ids[first + count :]

    def encode(self, texts: Sequence[str], *, max_length: int | None = None, special: bool = True) -> Encoded:
        """Texts to numbers; an empty one becomes a single unknown token.

        Args:
            texts: The texts.
            max_length: How many tokens of each are kept; ``None`` keeps all.
            special: Whether what the tokenizer puts around a text, as ``[CLS]``, is there.
        """
        parts: list[list[int]] = []
        cut = empty = unknown = 0
        for ids, longer in self._encoded(texts, max_length, special):
            cut += longer
            empty += not ids
            unknown += ids.count(self.unknown_id) if self.unknown_id is not None else 0
            parts.append(ids or [self.pad_id if self.unknown_id is None else self.unknown_id])
        offsets = np.zeros(len(parts) + 1, dtype=np.int64)
        np.cumsum([len(ids) for ids in parts], out=offsets[1:])
        flat = np.fromiter((token for ids in parts for token in ids), dtype=np.int32, count=int(offsets[-1]))
        return Encoded(flat, offsets, cut, empty, unknown)

    def decode(self, ids: Sequence[int]) -> str:
        """Numbers to text, without padding."""
        return self.backend.decode([token for token in ids if token != self.pad_id], skip_special_tokens=False)

    def written_text(self, ids: Sequence[int]) -> str:
        """Numbers to text, without padding and what stands around a text."""
        return self.backend.decode([token for token in ids if token != self.pad_id], skip_special_tokens=True)

    @property
    def added_tokens(self) -> int:
        """How many tokens are put around a text."""
        return self.backend.num_special_tokens_to_add(False)

    @property
    def end_id(self) -> int | None:
        """The token at the end of each text, where it is one that was learned."""
        return self.backend.token_to_id(STOP)

    def _encoded(self, texts: Sequence[str], max_length: int | None, special: bool) -> Iterator[tuple[list[int], bool]]:
        around = self.added_tokens if special else 0
        most = None if max_length is None else max_length * LONGEST_TOKEN
        for first in range(0, len(texts), CHUNK):
            chunk = [clean(text if most is None else text[:most]) for text in texts[first : first + CHUNK]]
            found = self.backend.encode_batch(chunk, add_special_tokens=False)
            for each, whole in zip(found, texts[first:], strict=False):
                longer = max_length is not None and (
                    len(each.ids) + around > max_length or (most is not None and len(whole) > most)
                )
                if max_length is not None:
                    each.truncate(max(1, max_length - around))
                yield (self.backend.post_process(each).ids if around else each.ids), longer

    def _first(self, *names: str) -> int:
        return next((found for name in names if (found := self.backend.token_to_id(name)) is not None), 0)


def _from_hub(name: str) -> Path:
    where, _, revision = name.partition("@")
    if not _ON_HUB.fullmatch(where):
        raise missing_file(Path(name))
    return Checkpoint(where, revision or None).file("tokenizer.json")


def _no_tokenizer(file: Path) -> DataError:
    return DataError(
        f"There is no {file.name} in {file.parent}.",
        paths=[file],
        possible="Older checkpoints have vocab.txt or the like alone; transformers makes the file of it.",
        next_step=f'Make it: python -c "from transformers import AutoTokenizer as T; '
        f"T.from_pretrained('{file.parent}').save_pretrained('{file.parent}')\"",
    )


def clean(text: str) -> str:
    """The text as UTF-8 can hold it: half a surrogate pair, which JSON may have, is replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _in_words(text: str, kind: str) -> str:
    """The text with endless words cut in pieces: to learn pieces from one takes time by its length times theirs."""
    return text if kind == "character" or len(text) < ENDLESS else _ENDLESS.sub(lambda word: f"{word[0]} ", text)


def _own(special: Sequence[int]) -> tuple[int, int]:
    """Where the tokens of the text itself begin, and how many there are."""
    own = [index for index, mark in enumerate(special) if not mark]
    return (own[0], len(own)) if own else (len(special) // 2, 0)


def _untrained(kind: str, size: int, frequency: int, characters: set[str], names: Sequence[str]) -> tuple[Backend, Any]:
    """A tokenizer without a vocabulary, and what learns one from texts of these characters."""
    special: dict[str, Any] = {"special_tokens": list(names), "vocab_size": size, "show_progress": False}
    frequent: dict[str, Any] = {"min_frequency": frequency}
    if kind == "word":
        backend = Backend(models.WordLevel({}, unk_token=UNKNOWN))
        backend.pre_tokenizer = pre_tokenizers.Whitespace()
        return backend, trainers.WordLevelTrainer(**special, **frequent)
    if kind == "character":
        backend = Backend(models.WordLevel({}, unk_token=UNKNOWN))
        backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        backend.decoder = decoders.Fuse()
        return backend, trainers.WordLevelTrainer(**special, **frequent)
    if kind == "wordpiece":
        backend = Backend(models.WordPiece({}, unk_token=UNKNOWN))
        backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        backend.decoder = decoders.WordPiece()
        # The trainer numbers these in an order of chance, which then decides between pairs that are equally frequent.
        special["special_tokens"] += [f"{CONTINUES}{each}" for each in sorted(characters) if _goes_on(each)]
        return backend, trainers.WordPieceTrainer(**special, **frequent)
    if kind == "unigram":
        backend = Backend(models.Unigram())
        backend.pre_tokenizer = pre_tokenizers.Metaspace()
        backend.decoder = decoders.Metaspace()
        return backend, trainers.UnigramTrainer(**special, unk_token=UNKNOWN)
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return backend, trainers.BpeTrainer(**special, **frequent, initial_alphabet=alphabet)


def _goes_on(character: str) -> bool:
    """Whether a character can stand inside a word."""
    return not character.isspace() and not unicodedata.category(character).startswith("P")


def _put_around(backend: Backend, single: str, pair: str | None, *names: str) -> None:
    """Let tokens that are no text stand around a text, or around two."""
    backend.add_special_tokens(list(names))
    numbers = [(name, backend.token_to_id(name)) for name in names]
    backend.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=numbers)


def _without_helpers(backend: Backend, special: Sequence[str]) -> Backend:
    """The same WordPiece, in which only these tokens are no text."""
    found = Backend(models.WordPiece(backend.get_vocab(), unk_token=UNKNOWN))
    for part in ("normalizer", "pre_tokenizer", "decoder"):
        setattr(found, part, getattr(backend, part))
    found.add_special_tokens(list(special))
    return found


def say(encoded: Encoded, split: str, max_length: int | None, *, setting: str = "max_length") -> None:
    """Say what was left out of the texts of a split, or was not known.

    Args:
        encoded: The texts.
        split: The split, for people.
        max_length: How many tokens of each are kept.
        setting: The setting that says so.
    """
    if encoded.cut:
        share = 100 * encoded.cut / len(encoded)
        _log.warning(
            "text      %s: %s of %s texts (%.3g %%) are longer than %s tokens and are cut  else: dataset.%s=N",
            split, f"{encoded.cut:,}", f"{len(encoded):,}", share, f"{max_length:,}", setting,
        )  # fmt: skip
    if encoded.empty:
        _log.warning(
            "text      %s: %s texts are empty and stand for a single unknown token", split, f"{encoded.empty:,}"
        )
    if encoded.unknown and not split.startswith("train"):
        share = 100 * encoded.unknown / max(len(encoded.ids), 1)
        _log.info("text      %s: %.2g %% of the tokens are unknown to the tokenizer", split, share)
