"""Where published sets are fetched from, with their digests. Read without torch."""

from __future__ import annotations

from framework_core.download import RemoteFile

_TREC = "https://cogcomp.seas.upenn.edu/Data/QA/QC"
_AG_NEWS = "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv"

FILES = {
    "trec": (
        RemoteFile(
            f"{_TREC}/train_5500.label",
            "sha256:9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3",
            size=335_858,
        ),
        RemoteFile(
            f"{_TREC}/TREC_10.label",
            "sha256:033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e",
            size=23_354,
        ),
    ),
    "tiny_shakespeare": (
        RemoteFile(
            "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
            "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            size=1_115_394,
        ),
    ),
    "ag_news": (
        RemoteFile(f"{_AG_NEWS}/train.csv", "md5:b1a00f826fdfbd249f79597b59e1dc12"),
        RemoteFile(f"{_AG_NEWS}/test.csv", "md5:d52ea96a97a2d943681189a97654912d"),
    ),
    "sst2": (RemoteFile("https://dl.fbaipublicfiles.com/glue/data/SST-2.zip", "md5:9f81648d4199384278b86e315dac217c"),),
    "imdb": (
        RemoteFile(
            "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
            "md5:7c2ac02c03563afcf9b574c7e56c153a",
            folder="aclImdb",
        ),
    ),
    "wikitext2": (
        RemoteFile("https://wikitext.smerity.com/wikitext-2-v1.zip", "md5:542ccefacc6c27f945fb54453812b3cd"),
    ),
}
"""By dataset."""
