"""The settings of this package's datasets. Read without torch."""

from __future__ import annotations

import codecs
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, model_validator

from framework_core.contracts import ComponentConfig


def _known_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError(f"{name!r} is no encoding; for example utf-8, utf-16, cp1252, latin-1") from None
    return name


def _no_zero(column: int) -> int:
    if not column:
        raise ValueError("columns count from 1, and from the last by -1")
    return column


Column = Annotated[int, AfterValidator(_no_zero)]
Share = Annotated[float, Field(ge=0, lt=1)]
Encoding = Annotated[str, AfterValidator(_known_encoding)]


class TextConfig(ComponentConfig):
    """What every dataset of text takes."""

    tokenizer: str | None = None
    """word, character, bpe, wordpiece or unigram, learned from the training texts; or a file tokenizer.json, or its
    folder. Empty takes what suits the model, and otherwise the task."""

    vocabulary_size: Annotated[int, Field(ge=3)] = 20_000
    """How many tokens are learned at most."""

    min_frequency: PositiveInt = 1
    """How often a token has to be there to be learned."""

    lowercase: bool = True
    """Whether capital letters are made small, where the tokenizer is learned."""

    max_length: PositiveInt | None = None
    """How many tokens of a text are used at most; empty takes what the model can read, and otherwise 8192."""

    encoding: Encoding | None = None
    """How text was written, as Python names it; empty takes a file's mark, and UTF-8 where there is none."""

    bad_bytes: Literal["refuse", "replace", "cp1252"] = "refuse"
    """What is done with bytes that the encoding does not have: replaced, or read as cp1252 where two were mixed."""

    batch_size: PositiveInt = 32
    """How many samples make a batch."""

    num_workers: NonNegativeInt | None = None
    """How many processes load them; empty takes none, as texts are in memory."""


class LabelledConfig(TextConfig):
    """What datasets of texts with a class each take."""

    bucketing: bool = True
    """Whether texts of nearly one length make a batch in training, so that little is filled up."""

    val_size: Share = 0.1
    """The share of each class that is validated on, where there is no such split."""

    test_size: Share = 0.2
    """The share of each class that is tested on, where there is no such split."""

    split_seed: NonNegativeInt = 0
    """Decides which."""

    unknown_labels: Literal["refuse", "skip"] = "refuse"
    """What is done with a text of validation or test whose label training has not."""

    @model_validator(mode="after")
    def _some_to_train_on(self) -> LabelledConfig:
        if self.val_size + self.test_size >= 1:
            raise ValueError("val_size and test_size leave nothing to train on: together they are less than 1")
        return self


class TopicsConfig(LabelledConfig):
    """Sentences of Python's own manual."""

    min_sentences: Annotated[int, Field(ge=2)] = 40
    """How many sentences a topic needs to be one of the classes."""


class TextTableConfig(LabelledConfig):
    """A table of your own."""

    path: str
    """The file to train on, CSV, TSV, JSON lines or Parquet."""

    val_path: str | None = None
    """A file to validate on; empty takes a share of the first."""

    test_path: str | None = None
    """A file to test on; empty takes a share of the first."""

    text_column: str | None = None
    """The column of texts; empty takes text, sentence, content, question, review, message or document."""

    label_column: str | None = None
    """The column of labels; empty takes label, class, category, target, topic, sentiment or intent."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """What stands between the columns of a CSV file; empty takes a comma, and a tab for .tsv."""


class TextFolderConfig(LabelledConfig):
    """A folder of your own."""

    path: str
    """The folder: train/CLASS/*.txt with val and test beside it, or CLASS/*.txt."""


class LabelledLinesConfig(LabelledConfig):
    """A file of lines of your own."""

    path: str
    """The file to train on, each line LABEL:sub text, or LABEL text."""

    val_path: str | None = None
    """A file to validate on; empty takes a share of the first."""

    test_path: str | None = None
    """A file to test on; empty takes a share of the first."""

    labels: Literal["coarse", "fine"] = "coarse"
    """Whether LABEL alone is the class, or LABEL:sub."""


class TrecConfig(LabelledConfig):
    """Questions by what they ask for."""

    path: str | None = None
    """The folder with train_5500.label and TREC_10.label; empty fetches them into the user's cache, once."""

    labels: Literal["coarse", "fine"] = "coarse"
    """The 6 kinds, or the 50."""


class DividedConfig(TextConfig):
    """What datasets take whose samples are drawn into splits, whatever is to be learned from them."""

    bucketing: bool = True
    """Whether samples of nearly one length make a batch in training, so that little is filled up."""

    val_size: Share = 0.1
    """The share of the sentences, pairs or contexts that is validated on, where there is no such split."""

    test_size: Share = 0.2
    """The share of the sentences, pairs or contexts that is tested on, where there is no such split."""

    split_seed: NonNegativeInt = 0
    """Decides which."""

    @model_validator(mode="after")
    def _some_to_train_on(self) -> DividedConfig:
        if self.val_size + self.test_size >= 1:
            raise ValueError("val_size and test_size leave nothing to train on: together they are less than 1")
        return self


class TaggedConfig(DividedConfig):
    """What datasets of sentences whose words have a tag each take."""

    scheme: Literal["bio", "iob1", "iobes", "none"] | None = None
    """What tags mark: entities by BIO, IOB1 or IOBES (also as BILOU and BMES), or none, where each word has a tag, as a
    part of speech; empty lets the tags tell."""

    vocabulary_size: Annotated[int, Field(ge=3)] = 4_000
    """How many tokens are learned at most: few, so that rare words are several of them, as new words are."""

    unknown_tags: Literal["refuse", "skip"] = "refuse"
    """What is done with a sentence of validation or test that has a tag which training has not."""

    lowercase: bool = False
    """Whether capital letters are made small, where the tokenizer is learned."""


class MarkupConfig(TaggedConfig):
    """Sentences of Python's own manual, and which of their words are code."""


class ConllConfig(TaggedConfig):
    """CoNLL files of your own."""

    path: str
    """The file to train on: a word a line with its columns apart by blanks or tabs, an empty line between sentences."""

    val_path: str | None = None
    """A file to validate on; empty takes a share of the first."""

    test_path: str | None = None
    """A file to test on; empty takes a share of the first."""

    word_column: Column | None = None
    """The column of words, from 1, or from the last by -1; empty takes the first, and the second of a .conllu file."""

    tag_column: Column | None = None
    """The column of tags likewise; empty takes the last, and the fourth of a .conllu file, the part of speech."""


class TaggedTableConfig(TaggedConfig):
    """A table of sentences of your own."""

    path: str
    """The file to train on, JSON lines, Parquet, CSV or TSV, with a list of words and one of tags in each row."""

    val_path: str | None = None
    """A file to validate on; empty takes a share of the first."""

    test_path: str | None = None
    """A file to test on; empty takes a share of the first."""

    word_column: str | None = None
    """The column of words; empty takes tokens, words, token or word."""

    tag_column: str | None = None
    """The column of tags; empty takes tags, ner_tags, ner, labels, pos_tags, upos or tag."""


class PairsConfig(DividedConfig):
    """What datasets of pairs of texts, one to be made of the other, take."""

    max_target_length: PositiveInt | None = None
    """How many tokens of a target are used at most; empty takes what the model can read, and otherwise all."""

    lowercase: bool = False
    """Whether capital letters are made small, where the tokenizer is learned."""


class SpokenNumbersConfig(PairsConfig):
    """Numbers in English words and in digits, made on the spot."""

    count: Annotated[int, Field(ge=20, le=500_000)] = 4_000
    """How many numbers there are."""

    number_seed: NonNegativeInt = 0
    """Decides which."""


class TextPairsConfig(PairsConfig):
    """A table of pairs of your own."""

    path: str
    """The file to train on, CSV, TSV, JSON lines or Parquet."""

    val_path: str | None = None
    """A file to validate on; empty takes a share of the first."""

    test_path: str | None = None
    """A file to test on; empty takes a share of the first."""

    source_column: str | None = None
    """The column of texts to begin with; empty takes source, src, input, document, article or text."""

    target_column: str | None = None
    """The column of texts to be made; empty takes target, tgt, output, summary, highlights or translation."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """What stands between the columns of a CSV file; empty takes a comma, and a tab for .tsv."""


class QuestionsConfig(DividedConfig):
    """What datasets of questions whose answers stand in a text take."""

    max_length: Annotated[int, Field(ge=16)] | None = None
    """How many tokens a window of a context with its question has at most; empty takes what the model can read, and
    otherwise 384."""

    stride: NonNegativeInt = 128
    """How many tokens of a long context two windows of it share."""


class LostThingsConfig(QuestionsConfig):
    """Reports of lost things, and questions about them, made on the spot."""

    count: Annotated[int, Field(ge=20, le=100_000)] = 1_000
    """How many reports there are, with a question each."""

    without_answer: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """The share of the questions about what the report does not say: about where and when alone."""

    made_seed: NonNegativeInt = 0
    """Decides what was lost."""


class QuestionFilesConfig(QuestionsConfig):
    """Questions about texts of your own."""

    path: str
    """The file to train on: .json as SQuAD has it, or a CSV, TSV, JSON lines or Parquet table."""

    val_path: str | None = None
    """A file to validate on; empty takes a share of the first."""

    test_path: str | None = None
    """A file to test on; empty takes a share of the first."""

    question_column: str | None = None
    """The column of questions of a table; empty takes question or query."""

    context_column: str | None = None
    """The column of texts that they are about; empty takes context, passage, paragraph or text."""

    answer_column: str = "answer"
    """The column of answers, each a part of its context; an empty one is no answer."""

    start_column: str = "answer_start"
    """The column that says at which character of its context an answer begins; without it, where it first stands."""

    bad_answers: Literal["refuse", "skip"] = "refuse"
    """What is done with a question whose answer does not stand in its context."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """What stands between the columns of a CSV file; empty takes a comma, and a tab for .tsv."""


class RunningConfig(TextConfig):
    """What datasets of text to be continued take, or to be filled in where tokens are masked."""

    task: Literal["text-generation", "fill-mask"] | None = None
    """Whether the text is to be continued, or tokens of it are masked; empty takes what suits the model."""

    masked: Annotated[float, Field(gt=0, lt=1)] = 0.15
    """The share of tokens that is asked for, where some are masked."""

    block_size: Annotated[int, Field(ge=2)] = 128
    """How many tokens make a block: how far a model looks back."""

    val_size: Share = 0.1
    """The share of the text that is validated on, where there is no such split."""

    test_size: Share = 0.0
    """The share of the text, at its end, that is tested on, where there is no such split."""

    lowercase: bool = False
    """Whether capital letters are made small, where the tokenizer is learned."""

    max_length: None = None
    """Blocks have one length: see ``block_size``."""

    @model_validator(mode="after")
    def _some_to_train_on(self) -> RunningConfig:
        if self.val_size + self.test_size >= 1:
            raise ValueError("val_size and test_size leave nothing to train on: together they are less than 1")
        return self


class ManualConfig(RunningConfig):
    """The topics of Python's manual as running text."""


class TextFilesConfig(RunningConfig):
    """Text files of your own."""

    path: str
    """The file to train on, or a folder of .txt files, each a document."""

    val_path: str | None = None
    """A file or folder to validate on; empty takes a share of the first."""

    test_path: str | None = None
    """A file or folder to test on; empty takes a share of the first."""

    documents: Literal["file", "line"] = "file"
    """Whether a file is one document, or each of its lines."""


class ShakespeareConfig(RunningConfig):
    """Plays by Shakespeare."""

    path: str | None = None
    """The file input.txt, or its folder; empty fetches it into the user's cache, once."""


class WikiTextConfig(RunningConfig):
    """Articles of Wikipedia."""

    path: str | None = None
    """The folder with wiki.train.tokens and the others, or with the archive; empty fetches it, once."""


class HubConfig(ComponentConfig):
    """Where a dataset of the Hugging Face hub is, and what its parts are called."""

    path: str
    """An id of the hub, ``user/name``, or a folder: of ``save_to_disk``, or of Parquet, CSV or JSON lines files."""

    subset: str | None = None
    """The subset, which the hub calls config."""

    revision: str | None = None
    """The version on the hub: a branch, a tag or a commit."""

    text_column: str | None = None
    """The column of texts; empty takes text, sentence, content, question, review, message or document."""

    train_split: str = "train"
    """The split to train on."""

    val_split: str | None = None
    """The split to validate on; empty takes validation, valid, val or dev, else a share of training."""

    test_split: str | None = None
    """The split to test on; empty takes test, where its labels are known, else a share of training."""


class HuggingFaceTextsConfig(HubConfig, LabelledConfig):
    """A dataset of the Hugging Face hub, or one that was saved on the disk, of texts with a class each."""

    label_column: str | None = None
    """The column of labels; empty takes the one that holds classes, else label, class, category or the like."""


class HuggingFaceCorpusConfig(HubConfig, RunningConfig):
    """A dataset of the Hugging Face hub, or one that was saved on the disk, of texts to be continued."""


class PublishedConfig(LabelledConfig):
    """A published set."""

    path: str | None = None
    """The folder that it is in; empty fetches it into the user's cache, once."""
