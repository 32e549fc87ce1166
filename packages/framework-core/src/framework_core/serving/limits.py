"""What a server takes at most, and what it says to whoever wants more."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """What a request may take.

    Attributes:
        body: Bytes of a request.
        values: Pixels of an image or samples of a sound, before they are decoded.
        files: Files or samples of one request.
        seconds: From the first byte of a request to its answer.
        receiving: Seconds in which a request has to have arrived.
        waiting: Requests that are under way at once.
        batch: Inputs that are computed together.
        delay: Seconds that an input waits for others that are on their way, to be computed with them.
    """

    body: int = 20 * MEGABYTE
    values: int = 50_000_000
    files: int = 256
    seconds: float = 30.0
    receiving: float = 15.0
    waiting: int = 512
    batch: int = 32
    delay: float = 0.005


class Refused(Exception):  # noqa: N818  # the server's answer, no error of the program
    """A request that is answered with an error.

    Args:
        status: Of HTTP.
        message: A sentence.
        close: Whether the connection ends with it: the rest of the request is not read.
        headers: What else the answer says.
    """

    def __init__(
        self, status: int, message: str, *, close: bool = False, headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.message = message
        self.headers = {**(headers or {}), **({"connection": "close"} if close else {})}
        super().__init__(message)
