"""Sentences whose words each have a tag."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from torch.utils.data import Dataset, Sampler

from framework_core import DataError, DataSpec
from framework_core.contracts import Processing, SampleHash
from framework_plugins_nlp.columns import tags_column
from framework_plugins_nlp.conll import ENDINGS, words_of_cell
from framework_plugins_nlp.datamodule import REQUIREMENTS, BaseNLPDataModule
from framework_plugins_nlp.encodings import content_of
from framework_plugins_nlp.sample_files import sample_file
from framework_plugins_nlp.sentence_reader import SentenceReader, words_in
from framework_plugins_nlp.splits import divided
from framework_plugins_nlp.tables import TABLES, Table
from framework_plugins_nlp.tags import PLAIN, SIGNS, all_tags, as_learned, out_of_order, outside_scheme, told
from framework_plugins_nlp.tokenization import Tokenizer, say
from framework_plugins_nlp.tokens import LengthBuckets
from framework_plugins_nlp.word_encoding import encode_words, say_left_out
from framework_plugins_nlp.word_tokens import IGNORED, SentencesToPredict, TokenTags

_log = logging.getLogger("framework_core")


@dataclass(frozen=True)
class Sentences:
    """Sentences of one split with their tags.

    Attributes:
        words: The words of each.
        tags: The tag of each word.
        place: Where a word of a sentence stands, for people.
    """

    words: Sequence[Sequence[str]]
    tags: Sequence[Sequence[str]]
    place: Callable[[int, int], str] = field(default=lambda sentence, word: f"sentence {sentence + 1:,}")

    def __len__(self) -> int:
        return len(self.words)

    @property
    def texts(self) -> Sequence[Sequence[str]]:
        """The words of each."""
        return self.words

    def only(self, indices: Sequence[int]) -> Sentences:
        """Some of them."""
        place, kept = self.place, list(indices)
        return Sentences(
            [self.words[index] for index in kept],
            [self.tags[index] for index in kept],
            lambda sentence, word: place(kept[sentence], word),
        )

    def learned(self, scheme: str) -> Sentences:
        """With tags as they are learned."""
        return Sentences(self.words, [as_learned(tags, scheme) for tags in self.tags], self.place)


class TaggedTexts(BaseNLPDataModule):
    """Sentences whose words each have a tag. A subclass gives ``read_sentences``.

    A word may be several tokens: the first has the label of the word, the others none.

    Args:
        scheme: What tags mark: ``bio``, ``iob1``, ``iobes`` (also as BILOU and BMES), or ``none``, where each word has
            a tag and there are no entities. ``None`` lets the tags tell.
        bucketing: Whether sentences of nearly one length make a batch in training.
        val_size: The share of the sentences that is validated on, where there is no such split.
        test_size: The share of the sentences that is tested on, where there is no such split.
        split_seed: Decides which.
        unknown_tags: What is done with a sentence outside training that has a tag which training has not: ``refuse`` or
            ``skip``.
        vocabulary_size: How many tokens are learned at most: few, so that rare words are several of them.
        lowercase: Whether capital letters are made small, where the tokenizer is learned.
        **common: What every dataset of text takes: ``tokenizer``, ``max_length``, ``batch_size`` ...
    """

    tasks: ClassVar[tuple[str, ...]] = ("token-classification",)
    suffixes: ClassVar[tuple[str, ...]] = (".txt", *ENDINGS, *TABLES)
    default_tokenizer: ClassVar[str] = "wordpiece"
    learning: ClassVar[Mapping[str, Any]] = {"whole_words": True}

    word_column: str | int | None = None
    tag_column: str | int | None = None

    def __init__(
        self,
        *,
        scheme: str | None = None,
        bucketing: bool = True,
        val_size: float = 0.1,
        test_size: float = 0.2,
        split_seed: int = 0,
        unknown_tags: str = "refuse",
        vocabulary_size: int = 4_000,
        lowercase: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(vocabulary_size=vocabulary_size, lowercase=lowercase, **common)
        self.scheme_setting = scheme
        self.scheme = scheme or PLAIN
        self.bucketing = bucketing
        self.val_size = val_size
        self.test_size = test_size
        self.split_seed = split_seed
        self.unknown_tags = unknown_tags
        self.texts: dict[str, Sentences] = {}
        self.class_names: tuple[str, ...] = ()

    def read_sentences(self) -> Mapping[str, Sentences]:
        """The sentences of each split; ``val`` and ``test`` are taken from ``train`` where they are not there.

        Raises:
            DataError: A subclass has to give it.
        """
        raise DataError(f"{type(self).__name__} does not say how its sentences are read (read_sentences).")

    def setup(self, stage: str | None = None) -> None:
        """Read the sentences, learn the tokenizer, and make numbers of words and tags.

        Raises:
            DataError: They cannot be used.
        """
        if self.train_dataset is not None:
            return
        read = self.read_sentences()
        if empty := next((split for split, sentences in read.items() if not len(sentences)), None):
            raise DataError(f"There is no sentence in the {empty} split.")
        scheme = self._scheme_of(read["train"])
        for split, sentences in read.items():
            self._check_tags(sentences, split, scheme)
        made = {split: sentences.learned(scheme) for split, sentences in read.items()}
        self.class_names = self._classes(made["train"])
        numbers = {name: index for index, name in enumerate(self.class_names)}
        known = {split: self._known(each, split, numbers) for split, each in made.items()}
        self.texts = divided(known, sizes={"test": self.test_size, "val": self.val_size}, seed=self.split_seed)
        self.tokenizer = self.make_tokenizer([" ".join(words) for words in self.texts["train"].words])
        for split, sentences in self.texts.items():
            encoded = encode_words(self.tokenizer, sentences.words, max_length=self.max_length)
            say(encoded.encoded, split, self.max_length)
            say_left_out(encoded, split, self.max_length)
            tags = [[numbers[tag] for tag in each] for each in sentences.tags]
            dataset = TokenTags(encoded, self.tokenizer.pad_id, tags)
            setattr(self, f"{split}_dataset", dataset)
            self.note(split, dataset.ids.numpy().tobytes(), dataset.labels.numpy().tobytes())
        self.note(self.class_names, self.tokenizer.facts()["tokenizer"])

    def data_spec(self) -> DataSpec:
        """What the sentences turned out to be; how they became numbers is in its facts."""
        tokenizer = self.tokenizer
        if tokenizer is None:
            raise DataError("There is no tokenizer yet: setup makes it.")
        counts = Counter(tag for tags in self.texts["train"].tags for tag in tags)
        return DataSpec(
            task=self.tasks[0],
            input_dtype="int64",
            class_names=self.class_names,
            ignore_index=IGNORED,
            split_sizes={split: len(sentences) for split, sentences in self.texts.items()},
            class_counts={name: counts[name] for name in self.class_names},
            fingerprint=self.fingerprint,
            source=self.source(),
            facts={**tokenizer.facts(), "max_length": self.max_length, "scheme": self.scheme},
        )

    def train_sampler(self, dataset: Dataset[Any]) -> Sampler[int] | None:
        """Sentences of nearly one length together."""
        if not self.bucketing or not isinstance(dataset, TokenTags):
            return None
        return LengthBuckets(dataset.lengths, self.batch_size)

    def sample_hashes(self, split: str, indices: Sequence[int]) -> Sequence[SampleHash]:
        """A digest of the words of each sentence."""
        sentences = self.texts[split]
        digests = [" ".join(sentences.words[index]).encode("utf-8", "surrogatepass") for index in indices]
        return [
            SampleHash(sentences.place(index, 0), hashlib.sha1(digest, usedforsecurity=False).digest())
            for index, digest in zip(indices, digests, strict=True)
        ]

    def predict_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """The sentences of files: CoNLL, a table with lists of words, or any other file, a line each.

        Raises:
            DataError: A file cannot be read, or there is no sentence.
        """
        found = [sentence for path in paths for sentence in self.sentence_reader().sentences(content_of(path), path)]
        if not found:
            raise DataError(f"There is no sentence in {', '.join(str(path) for path in paths)}.", paths=paths)
        limit: Any = data.facts.get("max_length")
        scheme = str(data.facts.get("scheme"))
        return SentencesToPredict(found, Tokenizer.of(data.facts), max_length=limit, scheme=scheme)

    def sentence_reader(self) -> SentenceReader:
        """How sentences to predict stand in files."""
        return SentenceReader(**self.reading(), word_column=self.word_column)

    def preprocessing(self, data: DataSpec) -> Processing:
        """The sentences of a file as tokens, without torch."""
        return Processing(
            builder="framework_plugins_nlp.serving_words:SentenceInputs",
            settings={
                "tokenizer": data.facts["tokenizer"],
                "max_length": data.facts.get("max_length"),
                "scheme": data.facts["scheme"],
                **self.sentence_reader().settings(),
            },
            requirements=REQUIREMENTS,
        )

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """A file of lines, where the words of sentences have no blanks; else JSON lines with lists of words."""
        sentences = self.texts["test"].words[:count] if "test" in self.texts else ()
        lines = [" ".join(words) for words in sentences]
        if all(line.split() == list(words) for line, words in zip(lines, sentences, strict=True)):
            return sample_file(folder, lines, "words", self.encoding)
        column = self.word_column if isinstance(self.word_column, str) else "words"
        return sample_file(folder, [list(words) for words in sentences], column, self.encoding)

    def _words(self, table: Table) -> list[list[str]]:
        return words_in(table, self.word_column)

    def _tags(self, table: Table) -> list[list[str]]:
        given = self.tag_column if isinstance(self.tag_column, str) else None
        column = table.column(tags_column(table, given), "tag_column")
        return [words_of_cell(value, table.place(row)) for row, value in enumerate(column)]

    def _scheme_of(self, train: Sentences) -> str:
        """That of the settings, or what the tags tell; those of a model without entities mark none."""
        read = self.scheme_setting
        if read is None:
            plain = self._trained is not None and self._trained.facts.get("scheme") == PLAIN
            read = PLAIN if plain else told(train.tags)
            _log.info("text      tags are %s (as they tell)", _WORDS[read])
        self.scheme = "bio" if read == "iob1" else read
        return read

    def _check_tags(self, sentences: Sentences, split: str, scheme: str) -> None:
        """Tags are those of the scheme; where nobody named it, one that cannot stand where it does is told of."""
        wrong = []
        for index, tags in enumerate(sentences.tags):
            word = outside_scheme(tags, scheme)
            if word is not None:
                raise _not_of_scheme(tags[word], sentences.place(index, word), scheme)
            if (word := out_of_order(as_learned(tags, scheme), scheme)) is not None:
                wrong.append((index, word % len(tags)))
        if not wrong:
            return
        index, word = wrong[0]
        place, tag = sentences.place(index, word), sentences.tags[index][word]
        if self.scheme_setting is not None:
            raise DataError(
                f"{place} has the tag {tag!r}, which {scheme.upper()} does not have there.",
                possible=f"It concerns {len(wrong):,} sentences of {split}; conlleval lets such a tag begin an entity.",
                next_step="Take them so: leave dataset.scheme out. Or were it IOB1: dataset.scheme=iob1",
            )
        _log.warning(
            "text      %s: %s sentences have a tag that cannot stand where it does, the first %r, %s; as in "
            "conlleval it begins an entity",
            split, f"{len(wrong):,}", tag, place,
        )  # fmt: skip

    def _classes(self, train: Sentences) -> tuple[str, ...]:
        if self._trained is not None:
            return self._trained.class_names
        names = all_tags((tag for tags in train.tags for tag in tags), self.scheme)
        if len(names) < 2:
            raise DataError(
                f"Every word has the tag {names[0]!r}: there is nothing to tell apart.",
                possible=f"The first is {train.place(0, 0)}.",
                next_step="Name the column of tags: dataset.tag_column=COLUMN",
            )
        return names

    def _known(self, sentences: Sentences, split: str, numbers: Mapping[str, int]) -> Sentences:
        """Sentences whose tags training has; of a trained model, those that it knows."""
        strange = [
            (index, word)
            for index, tags in enumerate(sentences.tags)
            for word, tag in enumerate(tags)
            if tag not in numbers
        ]
        if not strange:
            return sentences
        named = sorted({sentences.tags[index][word] for index, word in strange})
        left = {index for index, _ in strange}
        what = f"{len(left):,} sentences of {split} have tags that training has not: {', '.join(map(repr, named[:8]))}"
        if self.unknown_tags == "skip":
            _log.warning("text      %s; they are left out", what)
            return sentences.only([index for index in range(len(sentences)) if index not in left])
        raise DataError(
            f"{what}. The first is {sentences.place(*strange[0])}.",
            possible=f"Training has {', '.join(map(repr, list(numbers)[:12]))}.",
            next_step="Leave these sentences out: dataset.unknown_tags=skip",
        )


_WORDS = {"bio": "BIO", "iob1": "IOB1, learned as BIO", "iobes": "IOBES", PLAIN: "plain, without entities"}


def _not_of_scheme(tag: str, place: str, scheme: str) -> DataError:
    signs = ", ".join(f"{sign}-TYPE" for sign in SIGNS[scheme])
    return DataError(
        f"{place} has the tag {tag!r}, which {scheme.upper()} has not.",
        possible=f"A tag is O, {signs}.",
        next_step="If tags mark no entities, as parts of speech: dataset.scheme=none. "
        "Another column has them: dataset.tag_column=COLUMN",
    )
