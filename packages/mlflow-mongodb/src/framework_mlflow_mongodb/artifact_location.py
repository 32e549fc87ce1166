"""Where an artifact URI points to: a folder in GridFS, on a server that this process is set up for."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from framework_mlflow_mongodb.connection import open_uris
from framework_mlflow_mongodb.errors import invalid
from framework_mlflow_mongodb.uri import SCHEMES, StoreUri

SCHEME = "mongodb-gridfs"
VARIABLE = "MLFLOW_MONGODB_ARTIFACTS_URI"

# What `mlflow server` tells its workers; MLflow names them in a package that imports Flask.
_SERVER_VARIABLES = ("_MLFLOW_SERVER_FILE_STORE", "_MLFLOW_SERVER_REGISTRY_STORE")
_DEFAULT_PORT = ":27017"


@dataclass(frozen=True)
class ArtifactLocation:
    """A folder in GridFS.

    Args:
        store_uri: The URI of its database, with credentials.
        folder: Its path, without slashes at the ends; empty for the root.
    """

    store_uri: str
    folder: str


def check_artifact_uri(uri: str) -> None:
    """Refuse an artifact URI of MongoDB that must not be stored with runs; any other is fine.

    Raises:
        MlflowException: It carries credentials, or names a server without a database.
    """
    parts = urlsplit(uri)
    if parts.scheme not in (SCHEME, *SCHEMES):
        return
    userinfo, at, _ = parts.netloc.rpartition("@")
    if at:
        raise invalid(
            f"The artifact URI {uri.replace(userinfo + at, '')!r} carries credentials, and is shown to everybody who "
            f"sees a run. Use '{SCHEME}:/artifacts': the credentials then come from the store's URI, or {VARIABLE}."
        )
    if parts.scheme in SCHEMES and len(_path(uri).split("/")) < 2:
        raise invalid(
            f"The artifact URI {uri!r} must name a database and a folder, as in '{SCHEME}://HOST/DATABASE/artifacts'; "
            f"'{SCHEME}:/artifacts' is a folder in the store's own database."
        )


def locate(uri: str, store_uris: Iterable[str | None]) -> ArtifactLocation:
    """Find the server and the folder of an artifact URI.

    A URI selects only among the servers that this process is set up for: a run's artifact URI comes from whoever
    made the run, and must not send anybody's credentials anywhere.

    Args:
        uri: `mongodb-gridfs:/FOLDER`, `mongodb-gridfs://HOST/DATABASE/FOLDER` or `mongodb://HOST/DATABASE/FOLDER`.
        store_uris: The URIs of stores that go with it.

    Raises:
        MlflowException: No such server is set up, or the URI carries credentials.
    """
    check_artifact_uri(uri)
    known = list(dict.fromkeys(_known_uris(store_uris)))
    hosts, path = urlsplit(uri).netloc, _path(uri)
    if not hosts:
        if not known:
            raise invalid(f"{uri!r} is a folder in MongoDB, but this process knows no MongoDB. {_way_out()}")
        return ArtifactLocation(known[0], path)
    database, _, folder = path.partition("/")
    for candidate in known:
        store = StoreUri.parse(candidate)
        if _same_hosts(store.hosts, hosts) and store.database == database:
            return ArtifactLocation(candidate, folder)
    shown = ", ".join(str(StoreUri.parse(candidate)) for candidate in known) or "none"
    raise invalid(f"The database of {uri!r} is none that this process is set up for (it knows: {shown}). {_way_out()}")


def _way_out() -> str:
    return (
        f"Set {VARIABLE}=mongodb://[USER:PASSWORD@]HOST[:PORT]/DATABASE, or let the tracking server serve the "
        f"artifacts: mlflow server --artifacts-destination {SCHEME}:/artifacts"
    )


def _path(uri: str) -> str:
    path = posixpath.normpath("/" + unquote(urlsplit(uri).path)).strip("/")
    return "" if path == "." else path


def _known_uris(store_uris: Iterable[str | None]) -> Iterator[str]:
    import mlflow

    of_server = (os.environ.get(name) for name in _SERVER_VARIABLES)
    chosen = (mlflow.get_tracking_uri(), mlflow.get_registry_uri())
    for uri in (os.environ.get(VARIABLE), *store_uris, *of_server, *chosen, *open_uris()):
        if uri and urlsplit(uri).scheme in SCHEMES:
            yield uri


def _same_hosts(one: str, other: str) -> bool:
    return _host_set(one) == _host_set(other)


def _host_set(hosts: str) -> set[str]:
    return {host.removesuffix(_DEFAULT_PORT) for host in hosts.lower().split(",")}
