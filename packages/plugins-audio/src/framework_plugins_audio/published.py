"""Where published sets are fetched from, with their digests. Read without torch."""

from __future__ import annotations

from framework_core.download import RemoteFile

FILES: dict[str, tuple[RemoteFile, ...]] = {
    # The release of 2,500 recordings: of the later one, with a sixth speaker, no digest is published.
    "fsdd": (
        RemoteFile(
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
            "sha256:8bc44cde129d505cbbb6b365c09f80c663f2aa77578afc634e6141a2f87100c0",
            size=11_975_353,
            folder="free-spoken-digit-dataset",
        ),
    ),
    "speech_commands": (
        RemoteFile(
            "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
            "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
            mirrors=("https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",),
            size=2_428_923_189,
        ),
    ),
    "esc50": (
        RemoteFile(
            "https://github.com/karoldvl/ESC-50/archive/master.zip",
            "md5:7771e4b9d86d0945acce719c7a59305a",
            mirrors=("https://paddleaudio.bj.bcebos.com/datasets/ESC-50-master.zip",),
        ),
    ),
    "urbansound8k": (
        RemoteFile(
            "https://zenodo.org/records/1203745/files/UrbanSound8K.tar.gz",
            "md5:9aa69802bbf37fb986f71ec1483a196e",
            folder="UrbanSound8K",
        ),
    ),
}
"""By dataset."""
