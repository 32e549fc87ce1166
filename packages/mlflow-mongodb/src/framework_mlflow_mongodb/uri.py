"""The URI of a store: which database it means, and how it is shown without its credentials."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

DEFAULT_DATABASE = "mlflow"
SCHEMES = ("mongodb", "mongodb+srv")

_URI = re.compile(
    r"^(?P<scheme>[\w+]+)://(?:(?P<userinfo>.*)@)?(?P<hosts>[^/?@]+)(?:/(?P<database>[^?]*))?(?:\?(?P<options>.*))?$",
    re.DOTALL,
)


class BadUriError(ValueError):
    """A store URI that cannot be used; the message names no credentials."""


@dataclass(frozen=True)
class StoreUri:
    """A checked ``mongodb://`` or ``mongodb+srv://`` URI.

    Args:
        raw: The URI as given, with its credentials: for the driver only.
        scheme: `mongodb` or `mongodb+srv`.
        hosts: The hosts as written.
        database: The database the URI names, else `mlflow`.
        options: The query as written.
        secrets: What must never be shown.
    """

    raw: str
    scheme: str
    hosts: str
    database: str
    options: str
    secrets: tuple[str, ...]

    @classmethod
    def parse(cls, uri: str) -> StoreUri:
        """Check `uri` and take it apart, without a network access.

        Raises:
            BadUriError: It is no MongoDB URI.
        """
        match = _URI.match(uri)
        if match is None or match["scheme"] not in SCHEMES:
            raise BadUriError(
                f"{redact(uri)!r} is not a MongoDB URI; it looks like "
                f"mongodb://[USER:PASSWORD@]HOST[:PORT][/DATABASE][?replicaSet=NAME]"
            )
        database = unquote(match["database"] or "") or DEFAULT_DATABASE
        if re.search(r'[/\\. "$*<>:|?\x00]', database) or len(database.encode()) > 63:
            raise BadUriError(f"{database!r} cannot be the name of a database in {redact(uri)}")
        return cls(uri, match["scheme"], match["hosts"], database, match["options"] or "", _secrets(match["userinfo"]))

    def __str__(self) -> str:
        options = "&".join(_without_secret(option) for option in self.options.split("&")) if self.options else ""
        return f"{self.scheme}://{self.hosts}/{self.database}" + (f"?{options}" if options else "")

    __repr__ = __str__

    def has_option(self, name: str) -> bool:
        """Whether the query sets the option `name`; names of options are case-insensitive in MongoDB."""
        return any(option.split("=", 1)[0].lower() == name.lower() for option in self.options.split("&"))

    def hide_secrets(self, text: str) -> str:
        """Return `text` without this URI's credentials, however they are written in it."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return redact(text)


def redact(text: str) -> str:
    """Return `text` with the user and password of every MongoDB URI in it left out."""
    return re.sub(r"(mongodb(?:\+srv)?://)[^\s/?]*(?:/[^\s@?]*)?@", r"\1", text)


def _secrets(userinfo: str | None) -> tuple[str, ...]:
    password = (userinfo or "").partition(":")[2]
    return tuple(dict.fromkeys(secret for secret in (password, unquote(password)) if secret))


def _without_secret(option: str) -> str:
    name, _, value = option.partition("=")
    secret = "password" in name.lower() or name.lower() == "authmechanismproperties"
    return f"{name}=***" if value and secret else option
