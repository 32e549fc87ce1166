"""Documents that stand in one block, and still see themselves alone.

Axes: B blocks, T tokens.
"""

from __future__ import annotations

from torch import Tensor


def documents(tokens: Tensor, separator: int) -> tuple[Tensor, Tensor]:
    """The place of each token in its document, and the number of that document in its block, ``(B, T)`` each.

    Args:
        tokens: The blocks, ``(B, T)``. One may begin within a document.
        separator: The token that each document begins with.
    """
    document = tokens.eq(separator).cumsum(dim=1)
    # Counted, for ONNX has no running maximum.
    return seen(document).sum(dim=3).squeeze(1) - 1, document


def seen(document: Tensor) -> Tensor:
    """Which tokens each one sees: those before it in its document, ``(B, 1, T, T)``.

    Args:
        document: The number of each token's document, ``(B, T)``.
    """
    same = document[:, :, None] == document[:, None, :]
    return same.tril().unsqueeze(1)
