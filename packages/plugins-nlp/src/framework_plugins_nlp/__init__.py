"""Text for framework-core: classifiers and language models, from scratch or pretrained, tokenizers, text datasets.

Names are imported when they are used, so listing the models imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framework_plugins_nlp.datamodule import BaseNLPDataModule as BaseNLPDataModule
    from framework_plugins_nlp.labelled_texts import LabelledTexts as LabelledTexts
    from framework_plugins_nlp.language_model import LanguageModel as LanguageModel
    from framework_plugins_nlp.masked_language_model import MaskedLanguageModel as MaskedLanguageModel
    from framework_plugins_nlp.model import BaseNLPModel as BaseNLPModel
    from framework_plugins_nlp.paired_texts import PairedTexts as PairedTexts
    from framework_plugins_nlp.question_answering import QuestionAnsweringModel as QuestionAnsweringModel
    from framework_plugins_nlp.questioned_texts import QuestionedTexts as QuestionedTexts
    from framework_plugins_nlp.running_text import RunningText as RunningText
    from framework_plugins_nlp.seq2seq import Seq2SeqModel as Seq2SeqModel
    from framework_plugins_nlp.tagged_texts import TaggedTexts as TaggedTexts

__version__ = "0.1.0"

_HOMES = {
    "BaseNLPDataModule": "datamodule",
    "BaseNLPModel": "model",
    "LabelledTexts": "labelled_texts",
    "LanguageModel": "language_model",
    "MaskedLanguageModel": "masked_language_model",
    "PairedTexts": "paired_texts",
    "QuestionAnsweringModel": "question_answering",
    "QuestionedTexts": "questioned_texts",
    "RunningText": "running_text",
    "Seq2SeqModel": "seq2seq",
    "TaggedTexts": "tagged_texts",
}
__all__ = sorted(_HOMES)  # the lazy names of PEP 562


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
