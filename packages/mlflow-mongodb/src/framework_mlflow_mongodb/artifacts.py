"""Artifacts in GridFS.

A file becomes visible in one step, when it is complete: the collection `artifacts` says for each path which file of
GridFS is there now, and is written last. Whoever reads an old file while it is replaced starts again.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
import tempfile
from collections.abc import AsyncIterable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, BinaryIO

from bson import ObjectId
from gridfs import GridFSBucket, GridIn
from gridfs.errors import CorruptGridFile, NoFile
from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import DATA_LOSS
from mlflow.store.artifact.artifact_repo import ArtifactRepository, StreamUploadMixin, verify_artifact_path
from pymongo.database import Database
from pymongo.errors import PyMongoError

from framework_mlflow_mongodb.artifact_location import locate
from framework_mlflow_mongodb.base import MongoStore
from framework_mlflow_mongodb.connection import Document, connect
from framework_mlflow_mongodb.errors import invalid, not_found, translate
from framework_mlflow_mongodb.search.conditions import Condition
from framework_mlflow_mongodb.uri import redact

BUCKET = "artifacts"
CHUNK_BYTES = 1024 * 1024

_READ_ATTEMPTS = 5
_DELETE_BATCH = 1000


class GridFsArtifactRepository(MongoStore, ArtifactRepository, StreamUploadMixin):
    """A folder of artifacts in GridFS.

    Args:
        artifact_uri: `mongodb-gridfs:/FOLDER` in the store's database, or with `//HOST/DATABASE` before the folder.
        tracking_uri: The store whose server and credentials are used, if it is one on MongoDB.
        registry_uri: The same for the registry.
    """

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        shown = (redact(uri) if uri else uri for uri in (tracking_uri, registry_uri))
        super().__init__(artifact_uri, *shown)
        location = locate(artifact_uri, (tracking_uri, registry_uri))
        self._folder = location.folder
        self._open(location.store_uri)

    def log_artifact(self, local_file: str | Path, artifact_path: str | None = None) -> None:
        """Upload a file, in place of the one that has its name."""
        with Path(local_file).open("rb") as stream:
            self.log_artifact_from_stream(stream, Path(local_file).name, artifact_path)

    def log_artifacts(self, local_dir: str | Path, artifact_path: str | None = None) -> None:
        """Upload the files of a folder with those of the folders in it."""
        uploads = []
        for folder, _, names in os.walk(local_dir):
            inside = Path(folder).relative_to(local_dir).as_posix()
            target = posixpath.normpath(posixpath.join(artifact_path or "", inside))
            uploads += [(Path(folder, name), None if target == "." else target) for name in names]
        list(self.thread_pool.map(lambda upload: self.log_artifact(*upload), uploads))

    def log_artifact_from_stream(
        self, stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Upload what `stream` gives until its end."""
        upload = self._begin(artifact_file_name, artifact_path)
        try:
            while chunk := stream.read(CHUNK_BYTES):
                upload.write(chunk)
        except BaseException:
            self._abort(upload)
            raise
        self._publish(upload)

    async def log_artifact_from_async_stream(
        self, chunks: AsyncIterable[bytes], artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Upload the chunks."""
        upload = await asyncio.to_thread(self._begin, artifact_file_name, artifact_path)
        try:
            async for chunk in chunks:
                await asyncio.to_thread(self._write, upload, chunk)
        except BaseException:
            await asyncio.to_thread(self._abort, upload)
            raise
        await asyncio.to_thread(self._publish, upload)

    def _begin(self, file_name: str, artifact_path: str | None) -> GridIn:
        verify_artifact_path(artifact_path)
        target = self._target(posixpath.join(artifact_path or "", posixpath.basename(file_name)))
        return self._bucket.open_upload_stream(target, chunk_size_bytes=CHUNK_BYTES)

    def _write(self, upload: GridIn, chunk: bytes) -> None:
        upload.write(chunk)

    def _abort(self, upload: GridIn) -> None:
        with suppress(Exception):  # the server may be what failed; an abandoned file is removed by 'clean'
            upload.abort()

    def _publish(self, upload: GridIn) -> None:
        upload.close()
        before = self._collection(BUCKET).find_one_and_update(
            {"_id": upload.filename}, {"$set": {"file": upload._id, "size": upload.length}}, upsert=True
        )
        if before is not None:
            _delete_files(self._connection.database, [before["file"]])

    @property
    def _bucket(self) -> GridFSBucket:
        return GridFSBucket(self._connection.database, BUCKET)

    def _target(self, path: str | None) -> str:
        parts = [part for part in (path or "").split("/") if part not in ("", ".")]
        if ".." in parts:
            raise invalid(f"Invalid artifact path: {path!r}. It must not contain '..'.")
        return "/".join([self._folder, *parts] if self._folder else parts)

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """Return the files and folders directly in `path`."""
        start = _below(self._target(path))
        rest = {"$split": [{"$substrBytes": ["$_id", len(start.encode()), -1]}, "/"]}
        name, is_dir = {"$arrayElemAt": ["$rest", 0]}, {"$gt": [{"$size": "$rest"}, 1]}
        found = self._collection(BUCKET).aggregate(
            [
                {"$match": _starting_with(start)},
                {"$project": {"size": 1, "rest": rest}},
                {"$group": {"_id": {"name": name, "is_dir": is_dir}, "size": {"$max": "$size"}}},
                {"$sort": {"_id.name": 1, "_id.is_dir": 1}},
            ]
        )
        return [self._file_info(path, row) for row in found]

    def _file_info(self, path: str | None, row: Document) -> FileInfo:
        is_dir = row["_id"]["is_dir"]
        full = posixpath.join((path or "").strip("/"), row["_id"]["name"])
        return FileInfo(full, is_dir, None if is_dir else row["size"])

    def _download_file(self, remote_file_path: str, local_path: str | Path) -> None:
        """Download a file; `local_path` is written when all of it is here."""
        target, tried = self._target(remote_file_path), None
        for _ in range(_READ_ATTEMPTS):
            found = self._collection(BUCKET).find_one({"_id": target})
            if found is None:
                raise not_found(f"No such artifact: '{remote_file_path}'")
            if found["file"] == tried:
                break
            tried = found["file"]
            with suppress(NoFile, CorruptGridFile):  # replaced while it was read, or damaged: the next look tells
                self._fetch(found["file"], Path(local_path))
                return
        raise MlflowException(f"The artifact '{remote_file_path}' is damaged: parts of it are missing.", DATA_LOSS)

    def _fetch(self, file_id: ObjectId, local_path: Path) -> None:
        handle, name = tempfile.mkstemp(dir=local_path.parent, prefix=".artifact-")
        try:
            with os.fdopen(handle, "wb") as stream:
                self._bucket.download_to_stream(file_id, stream)
            Path(name).replace(local_path)
        finally:
            Path(name).unlink(missing_ok=True)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file, or a folder with all that is in it; nothing there is no error."""
        target, artifacts = self._target(artifact_path), self._collection(BUCKET)
        condition = {"$or": [{"_id": target}, _starting_with(_below(target))]}
        while rows := list(artifacts.find(condition, {"file": 1}, limit=_DELETE_BATCH)):
            files = [row["file"] for row in rows]
            # Named by their files too: one that is replaced in the meantime is met again, with its new file.
            artifacts.delete_many({"_id": {"$in": [row["_id"] for row in rows]}, "file": {"$in": files}})
            _delete_files(self._connection.database, files)


def clean(uri: str, older_than: timedelta) -> int:
    """Remove what unfinished uploads older than `older_than` have left in a database, and return their number.

    Raises:
        MlflowException: The database cannot be reached or changed.
    """
    connection = connect(uri)
    try:
        return remove_abandoned_files(connection.database, older_than)
    except PyMongoError as error:
        raise translate(error, connection.uri) from None


def remove_abandoned_files(database: Database[Document], older_than: timedelta) -> int:
    """Remove what uploads that were cut off have left, and return how many files that were.

    Args:
        database: Where the artifacts are.
        older_than: Younger ones stay: they may be uploads that go on.
    """
    latest = ObjectId.from_datetime(datetime.now(timezone.utc) - older_than)
    old = {"$lt": latest}
    begun = set(database[f"{BUCKET}.chunks"].distinct("files_id", {"files_id": old}))
    begun |= set(database[f"{BUCKET}.files"].distinct("_id", {"_id": old}))
    used = {row["file"] for row in database[BUCKET].find({}, {"file": 1})}
    abandoned = sorted(begun - used)
    for start in range(0, len(abandoned), _DELETE_BATCH):
        _delete_files(database, abandoned[start : start + _DELETE_BATCH])
    return len(abandoned)


def _delete_files(database: Database[Document], files: Iterable[Any]) -> None:
    ids = {"$in": list(files)}
    database[f"{BUCKET}.files"].delete_many({"_id": ids})
    database[f"{BUCKET}.chunks"].delete_many({"files_id": ids})


def _below(target: str) -> str:
    return f"{target}/" if target else ""


def _starting_with(prefix: str) -> Condition:
    # The character after '/' is '0': MongoDB compares texts byte by byte.
    return {"_id": {"$gte": prefix, "$lt": f"{prefix[:-1]}0"}} if prefix else {}
