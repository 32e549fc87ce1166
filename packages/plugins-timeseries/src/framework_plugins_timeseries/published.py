"""Where published sets are fetched from, with their digests. Read without torch."""

from __future__ import annotations

from framework_core.download import RemoteFile

_ETT = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small"
_M4 = "https://raw.githubusercontent.com/Mcompetitions/M4-methods/6c1067e5a57161249b17289a565178dc7a3fb3ca/Dataset"
_TS = "https://raw.githubusercontent.com/aeon-toolkit/aeon/a101ddc8b35a65441609b45c9bcce5aeafa0c131/aeon/datasets/data"

Content = tuple[str, int]
"""The SHA-256 digest of a file and its size."""


def _file(url: str, content: Content) -> RemoteFile:
    return RemoteFile(url, f"sha256:{content[0]}", size=content[1])


def _m4(period: str, train: Content, test: Content) -> tuple[RemoteFile, ...]:
    return (_file(f"{_M4}/Train/{period}-train.csv", train), _file(f"{_M4}/Test/{period}-test.csv", test))


def _problem(name: str, train: Content, test: Content) -> tuple[RemoteFile, ...]:
    return (_file(f"{_TS}/{name}/{name}_TRAIN.ts", train), _file(f"{_TS}/{name}/{name}_TEST.ts", test))


FILES = {
    "etth1": (
        _file(f"{_ETT}/ETTh1.csv", ("f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066", 2_589_657)),
    ),
    "etth2": (
        _file(f"{_ETT}/ETTh2.csv", ("a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b", 2_417_960)),
    ),
    "m4_hourly": _m4(
        "Hourly",
        ("ea59b7783573c49077a835ab6465c7d66f1474783360f310988a9a737fbca62f", 2_347_115),
        ("71a57fccb15e534d973626ada4fb87febf789e9317715b7cc6dd3b5f90db6f42", 132_820),
    ),
    "m4_weekly": _m4(
        "Weekly",
        ("d478d3f6ed673e6ed3c2cb0fbed5425f72eedd51318ebebeb0b5ecfcefc37714", 4_015_067),
        ("3b2bc4be8e636e802260dcd843ca3c5da40536a1fbe1ecb3229a97dae4f44688", 44_247),
    ),
}
"""Of forecasts, by dataset. One whose digest is not known here is not fetched: ``dataset.path`` names it."""

PROBLEMS = {
    "acsf1": _problem(
        "ACSF1",
        ("0646b90dc4843e02baed6b2ba345c5601a4991b6796565489cef1b2d92a7537b", 1_658_422),
        ("93e8aaeb44a10af181d24a156e60da7021193cd990ca28f263fccf3b905bfebf", 1_659_932),
    ),
    "arrow_head": _problem(
        "ArrowHead",
        ("a83c470aaf611a5f5284377cce27a5fc9f6292bc3d110257b0fd4905ced5ee72", 100_357),
        ("5417dab42626d41df5e435bb22458c2df40dfad4bcd3b59559bbe72e20e84904", 484_894),
    ),
    "basic_motions": _problem(
        "BasicMotions",
        ("8dc43cc6306cb679c888c01e26f91772ac4441a916da43bac8b79734a538b9d6", 227_790),
        ("79213102bc6fca1a398ad98ce1185dff0208fa3d1465e687f48288946b0ff8dc", 227_713),
    ),
    "gun_point": _problem(
        "GunPoint",
        ("f842401779fd9800d247d8b33121a1a4643710a19b24917dbdd9a060ca8630d5", 84_188),
        ("79332750788a6227b325b96bd0d70130c8eb707b9731f8d7dec62b7a7d36017e", 252_305),
    ),
    "italy_power_demand": _problem(
        "ItalyPowerDemand",
        ("341269cb7e6cef96846b30e774580beec79addb93848ba360145219115a74b7c", 18_300),
        ("26122451f87dd0387ef90b18bc8a86c041371b8a1c068004922b939971247144", 274_054),
    ),
    "japanese_vowels": _problem(
        "JapaneseVowels",
        ("68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd", 487_971),
        ("b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462", 649_132),
    ),
    "osu_leaf": _problem(
        "OSULeaf",
        ("86b9d6e860414ffd26cebc62fff84ffb37fa588ef3e5bf79e4094a437c36ddfc", 953_148),
        ("6c549dd354f9e42d5985fa5fab75321ca9acefc7873457e71467fc8a31f107ce", 1_152_821),
    ),
    "pickup_gesture": _problem(
        "PickupGestureWiimoteZ",
        ("4d303d9990df621c066fc454d62626e3721aed008462103500b86b1ac1ca92c8", 43_921),
        ("a9109bce918e48ee0e924e9cf2fdfdc4de364a3d88ec5e8aa44399ff08b11361", 44_312),
    ),
}
"""Of the UCR and UEA archives, by dataset. Any other is read from a folder: ``dataset=ucr dataset.path=FOLDER``."""
