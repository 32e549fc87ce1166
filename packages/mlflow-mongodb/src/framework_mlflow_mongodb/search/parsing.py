"""MLflow's parser of filters and orders, which remembers: the pages of one search ask for the same again and again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from mlflow.utils.search_utils import SearchUtils

Result = TypeVar("Result")
_REMEMBERED = 256


def _remembering(parse: Callable[[Any], Result]) -> Callable[[Any], Result]:
    remembered = functools.lru_cache(maxsize=_REMEMBERED)(parse)

    def parsed(text: Any) -> Result:
        # What is no text may not be hashable, and MLflow has an error of its own for it.
        return remembered(text) if isinstance(text, str) else parse(text)

    return parsed


# A parse takes about a millisecond. Nobody may change what is returned.
parse_filter = _remembering(SearchUtils.parse_search_filter)
parse_order_by = _remembering(SearchUtils.parse_order_by_for_search_runs)
