"""Tokenizers that were learned before: the same texts and settings give the same one at once.

That is faster, and for ``unigram`` it is what makes a run repeatable: the library sums in an order of chance there, so
learning twice gives scores that differ a little.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tokenizers

from framework_core.cache import cache_folder
from framework_plugins_nlp.tokenization import Tokenizer, clean

_FORM = 1
_log = logging.getLogger("framework_core")


def learned(kind: str, texts: Sequence[str], **settings: Any) -> Tokenizer:
    """A tokenizer learned from some texts, now or before.

    Args:
        kind: What ``Tokenizer.train`` takes.
        texts: The texts.
        **settings: What ``Tokenizer.train`` takes: ``vocabulary_size``, ``min_frequency``, ``lowercase``.
    """
    path = cache_folder() / "tokenizers" / f"{_key(kind, texts, settings)}.json"
    if path.is_file():
        found = Tokenizer(path.read_text("utf-8"), kind)
        _log.info("tokenizer %s: %s tokens, learned before from the same texts", kind, f"{len(found):,}")
        return found
    made = Tokenizer.train(kind, texts, **settings)
    _log.info("tokenizer %s: %s tokens learned from the training texts", kind, f"{len(made):,}")
    _keep(made, path)
    return made


def _key(kind: str, texts: Sequence[str], settings: dict[str, Any]) -> str:
    digest = hashlib.sha256(repr((_FORM, tokenizers.__version__, kind, sorted(settings.items()))).encode())
    for text in texts:
        written = clean(text).encode()
        digest.update(len(written).to_bytes(8, "big") + written)
    return digest.hexdigest()[:32]


def _keep(made: Tokenizer, path: Path) -> None:
    """Keep it; a cache that cannot be written costs the next run's time and nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(made.written, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        _log.info("the tokenizer is not kept for the next run: %s", error)
