"""Questions whose answers stand in a text."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch.utils.data import Dataset, Sampler

from framework_core import DataError, DataSpec
from framework_core.contracts import Processing, SampleHash
from framework_plugins_nlp.datamodule import REQUIREMENTS, BaseNLPDataModule
from framework_plugins_nlp.encodings import content_of
from framework_plugins_nlp.question_batches import QuestionsToPredict, TokenWindows
from framework_plugins_nlp.question_reader import QuestionReader
from framework_plugins_nlp.question_windows import Question, Window, windows_of
from framework_plugins_nlp.splits import drawn
from framework_plugins_nlp.tables import TABLES
from framework_plugins_nlp.tokenization import Tokenizer
from framework_plugins_nlp.tokens import LengthBuckets

USUAL_LENGTH = 384
"""Tokens of a window where neither model nor user says it."""

_log = logging.getLogger("framework_core")


class QuestionedTexts(BaseNLPDataModule):
    """Questions whose answers stand in a text, the context. A subclass gives ``read_questions``.

    A long context becomes windows that overlap; a sample is a window with its question. Questions about one context are
    in one split.

    Args:
        max_length: How many tokens a window has at most; ``None`` takes 384.
        stride: How many tokens of a long context two windows of it share.
        bucketing: Whether windows of nearly one length make a batch in training.
        val_size: The share of the contexts that is validated on, where there is no such split.
        test_size: The share of the contexts that is tested on, where there is no such split.
        split_seed: Decides which.
        **common: What every dataset of text takes: ``tokenizer``, ``encoding``, ``batch_size`` ...
    """

    tasks: ClassVar[tuple[str, ...]] = ("question-answering",)
    suffixes: ClassVar[tuple[str, ...]] = (".json", *TABLES)
    default_tokenizer: ClassVar[str] = "wordpiece"
    learning: ClassVar[Mapping[str, Any]] = {"paired": True}

    question_column: str | None = None
    context_column: str | None = None

    def __init__(
        self,
        *,
        max_length: int | None = None,
        stride: int = 128,
        bucketing: bool = True,
        val_size: float = 0.1,
        test_size: float = 0.2,
        split_seed: int = 0,
        **common: Any,
    ) -> None:
        super().__init__(max_length=max_length or USUAL_LENGTH, **common)
        self.stride = stride
        self.bucketing = bucketing
        self.val_size = val_size
        self.test_size = test_size
        self.split_seed = split_seed
        self.questions: dict[str, Sequence[Question]] = {}
        self.windows: dict[str, Sequence[Window]] = {}

    def read_questions(self) -> Mapping[str, Sequence[Question]]:
        """The questions of each split; ``val`` and ``test`` are taken from ``train`` where they are not there.

        Raises:
            DataError: A subclass has to give it.
        """
        raise DataError(f"{type(self).__name__} does not say how its questions are read (read_questions).")

    @property
    def may_be_none(self) -> bool:
        """Whether a context may have no answer."""
        if self._trained is not None:
            return bool(self._trained.facts.get("may_be_none"))
        return any(not each.answers for each in self.questions["train"])

    def setup(self, stage: str | None = None) -> None:
        """Read the questions, learn the tokenizer, and make windows of numbers of them.

        Raises:
            DataError: They cannot be used.
        """
        if self.train_dataset is not None:
            return
        read = self.read_questions()
        if empty := next((split for split, questions in read.items() if not questions), None):
            raise DataError(f"There is no question in the {empty} split.")
        self.questions = self._divided(read)
        train = self.questions["train"]
        self.tokenizer = self.make_tokenizer([text for each in train for text in (each.question, each.context)])
        length = self.max_length or USUAL_LENGTH
        for split, questions in self.questions.items():
            found = windows_of(self.tokenizer, questions, max_length=length, stride=self.stride)
            self.windows[split] = found.windows
            dataset = TokenWindows(found.windows, self.tokenizer.pad_id)
            setattr(self, f"{split}_dataset", dataset)
            self._say(split, found.windows, found.cut_questions)
            self.note(split, dataset.ids.numpy().tobytes(), dataset.answers.numpy().tobytes())
        self.note(self.tokenizer.facts()["tokenizer"])

    def data_spec(self) -> DataSpec:
        """What the questions turned out to be; how they became numbers is in its facts."""
        tokenizer = self.tokenizer
        if tokenizer is None:
            raise DataError("There is no tokenizer yet: setup makes it.")
        return DataSpec(
            task=self.tasks[0],
            input_dtype="int64",
            target_names=("start", "end"),
            target_shape=(2,),
            target_dtype="int64",
            split_sizes={split: len(windows) for split, windows in self.windows.items()},
            fingerprint=self.fingerprint,
            source=self.source(),
            facts={
                **tokenizer.facts(),
                "max_length": self.max_length,
                "stride": self.stride,
                "may_be_none": self.may_be_none,
            },
        )

    def train_sampler(self, dataset: Dataset[Any]) -> Sampler[int] | None:
        """Windows of nearly one length together."""
        if not self.bucketing or not isinstance(dataset, TokenWindows):
            return None
        return LengthBuckets(dataset.lengths, self.batch_size)

    def sample_hashes(self, split: str, indices: Sequence[int]) -> Sequence[SampleHash]:
        """A digest of the tokens of each window."""
        windows = self.windows[split]
        return [
            SampleHash(
                f"question {self.questions[split][windows[index].question].id}",
                hashlib.sha1(windows[index].ids.tobytes(), usedforsecurity=False).digest(),
            )
            for index in indices
        ]

    def predict_dataset(self, paths: Sequence[Path], data: DataSpec) -> Dataset[Any]:
        """The questions of files, JSON as of SQuAD or tables with columns of questions and contexts.

        Raises:
            DataError: A file cannot be read, or there is no question.
        """
        found = [question for path in paths for question in self.question_reader().questions(content_of(path), path)]
        if not found:
            raise DataError(f"There is no question in {', '.join(str(path) for path in paths)}.", paths=paths)
        facts: Mapping[str, Any] = data.facts
        return QuestionsToPredict(
            found,
            Tokenizer.of(facts),
            max_length=facts["max_length"],
            stride=facts["stride"],
            may_be_none=facts["may_be_none"],
        )

    def question_reader(self) -> QuestionReader:
        """How questions to predict stand in files."""
        return QuestionReader(
            **self.reading(),
            suffixes=self.suffixes,
            question_column=self.question_column,
            context_column=self.context_column,
        )

    def preprocessing(self, data: DataSpec) -> Processing:
        """The questions of a file as windows of tokens, without torch."""
        reading = self.question_reader().settings()
        del reading["suffixes"]
        kept = {name: data.facts[name] for name in ("tokenizer", "max_length", "stride", "may_be_none")}
        return Processing(
            builder="framework_plugins_nlp.serving_questions:QuestionInputs",
            settings={**kept, **reading},
            requirements=REQUIREMENTS,
        )

    def sample_files(self, count: int, folder: Path) -> Sequence[Path]:
        """JSON lines of questions and contexts."""
        questions = self.questions.get("test", ())[:count]
        if not questions:
            return ()
        asked, told = self.question_column or "question", self.context_column or "context"
        path = folder / "samples.jsonl"
        lines = [json.dumps({asked: each.question, told: each.context}) for each in questions]
        path.write_text("\n".join(lines) + "\n", encoding=self.encoding or "utf-8")
        return [path]

    def _divided(self, known: Mapping[str, Sequence[Question]]) -> dict[str, Sequence[Question]]:
        """The splits, those that are missing taken from training by their contexts."""
        wanted = {"test": self.test_size, "val": self.val_size}
        missing = {name: size for name, size in wanted.items() if name not in known and size}
        if not missing:
            return dict(known)
        train = known["train"]
        contexts = list(dict.fromkeys(each.context for each in train))
        parts = drawn(len(contexts), sizes=missing, seed=self.split_seed)
        split_of = {contexts[index]: name for name, indices in parts.items() for index in indices}
        made: dict[str, list[Question]] = {name: [] for name, indices in parts.items() if indices}
        for question in train:
            made[split_of[question.context]].append(question)
        return {name: each for name in ("train", "val", "test") if (each := {**known, **made}.get(name)) is not None}

    def _say(self, split: str, windows: Sequence[Window], cut_questions: int) -> None:
        questions = self.questions[split]
        lost = {number for number, each in enumerate(questions) if each.answers}
        lost -= {window.question for window in windows if window.start}
        if len(windows) > len(questions):
            _log.info("text      %s: %s questions in %s windows", split, f"{len(questions):,}", f"{len(windows):,}")
        if lost:
            _log.warning(
                "text      %s: %s answers are in no window as a whole  else: dataset.stride=N", split, f"{len(lost):,}"
            )
        if cut_questions:
            _log.warning(
                "text      %s: %s questions are longer than half a window and are cut", split, f"{cut_questions:,}"
            )
