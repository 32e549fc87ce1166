"""What this package offers. Read whenever models or datasets are listed: nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from framework_core import hookimpl
from framework_core.contracts import ComponentSpec, DatasetSpec, ModelSpec
from framework_plugins_nlp.published import FILES

CLASSIFICATION = ("text-classification",)
TAGGING = ("token-classification",)
ANSWERS = ("question-answering",)
PAIRS = ("text2text-generation",)
GENERATION = ("text-generation",)
MASKING = ("fill-mask",)
RUNNING = GENERATION + MASKING

CLASSIFIERS = (
    (
        "fasttext",
        "fasttext:FastText",
        "FastTextConfig",
        "A mean of embeddings of words and their pairs, and a linear layer",
        "Joulin et al., Bag of Tricks for Efficient Text Classification, https://arxiv.org/abs/1607.01759",
        ("linear",),
    ),
    (
        "text_cnn",
        "text_cnn:TextCNN",
        "TextCNNConfig",
        "Convolutions over three, four and five words, and the maximum of each",
        "Kim, Convolutional Neural Networks for Sentence Classification, https://arxiv.org/abs/1408.5882",
        ("convolution",),
    ),
    (
        "text_gru",
        "recurrent:TextGRU",
        "RecurrentConfig",
        "Gated recurrent units that read from both ends",
        "Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, https://arxiv.org/abs/1406.1078",
        ("recurrent",),
    ),
    (
        "text_lstm",
        "recurrent:TextLSTM",
        "RecurrentConfig",
        "An LSTM that reads from both ends",
        "Hochreiter and Schmidhuber, Long Short-Term Memory, https://doi.org/10.1162/neco.1997.9.8.1735",
        ("recurrent",),
    ),
    (
        "small_bert",
        "small_bert:SmallBert",
        "SmallBertConfig",
        "A small transformer encoder, trained from scratch",
        "Devlin et al., BERT, https://arxiv.org/abs/1810.04805",
        ("transformer",),
    ),
)
"""Name, class, settings, what it is, paper, tags."""

TAGGERS = ("text_gru", "text_lstm", "small_bert")
"""Those that give each word a class too."""

PUBLISHED = (
    ("ag_news", "AgNews", "AG News: 127,600 news of 4 kinds", "Zhang et al., https://arxiv.org/abs/1509.01626"),
    ("sst2", "Sst2", "SST-2: 68,221 parts of film reviews, good or bad", "https://aclanthology.org/D13-1170"),
    ("imdb", "Imdb", "IMDB: 50,000 film reviews, good or bad", "https://aclanthology.org/P11-1015"),
)
"""Name, class, what it is, paper."""

MODULES = {"TransformerSeq2Seq": "transformer_seq2seq", "TransformerQA": "transformer_qa"}
"""Where models of transformers are, but for those that are in one module."""

TREC_PAPER = "Li and Roth, Learning Question Classifiers, https://aclanthology.org/C02-1150"


EVERYWHERE: tuple[Literal["onnx", "torch-export"], ...] = ("onnx", "torch-export")
EXPORTS: dict[str, tuple[Literal["onnx", "torch-export"], ...]] = {
    "fasttext": ("onnx",),  # torch.export takes its sum of embeddings for one of two texts at least
    "text_gru": (),  # packed sequences are no graph
    "text_lstm": (),
}
"""What models are exported to that are not exported to everything."""


@hookimpl
def register_components() -> Iterable[ComponentSpec]:
    """The models and datasets of this package."""
    for name, builder, config, summary, paper, tags in CLASSIFIERS:
        yield ModelSpec(
            name=name,
            domain="nlp",
            tasks=CLASSIFICATION + TAGGING if name in TAGGERS else CLASSIFICATION,
            summary=summary,
            builder=f"framework_plugins_nlp.models.{builder}",
            config=f"framework_plugins_nlp.settings:{config}",
            tags=tags,
            licence="MIT",
            paper=paper,
            exports=EXPORTS.get(name, EVERYWHERE),
        )
    yield ModelSpec(
        name="small_gpt",
        domain="nlp",
        tasks=GENERATION,
        summary="A small transformer decoder that continues text, trained from scratch",
        builder="framework_plugins_nlp.models.small_gpt:SmallGPT",
        config="framework_plugins_nlp.settings:SmallGPTConfig",
        tags=("transformer",),
        licence="MIT",
        paper="Radford et al., Language Models are Unsupervised Multitask Learners, https://github.com/openai/gpt-2",
        exports=EVERYWHERE,
    )
    yield ModelSpec(
        name="small_bert_qa",
        domain="nlp",
        tasks=ANSWERS,
        summary="A small transformer encoder that finds answers in a text, trained from scratch",
        builder="framework_plugins_nlp.models.small_bert_qa:SmallBertQA",
        config="framework_plugins_nlp.settings:SmallBertQAConfig",
        tags=("transformer",),
        licence="MIT",
        paper="Devlin et al., BERT, https://arxiv.org/abs/1810.04805",
        exports=EVERYWHERE,
    )
    yield ModelSpec(
        name="small_bert_mlm",
        domain="nlp",
        tasks=MASKING,
        summary="A small transformer encoder that fills in masked tokens; small_bert can begin with it",
        builder="framework_plugins_nlp.models.small_bert:SmallBertMLM",
        config="framework_plugins_nlp.settings:SmallBertMLMConfig",
        tags=("transformer",),
        licence="MIT",
        paper="Devlin et al., BERT, https://arxiv.org/abs/1810.04805",
        exports=EVERYWHERE,
    )
    yield from _transformers()
    yield from _labelled()
    yield from _tagged()
    yield from _pairs()
    yield from _questions()
    yield from _running()


def _transformers() -> Iterable[ModelSpec]:
    for name, builder, task, what in (
        ("transformer_classifier", "TransformerClassifier", CLASSIFICATION, "tells classes of texts apart"),
        ("transformer_tagger", "TransformerTagger", TAGGING, "gives each word a class"),
        ("transformer_qa", "TransformerQA", ANSWERS, "finds answers in a text"),
        ("transformer_seq2seq", "TransformerSeq2Seq", PAIRS, "makes one text of another"),
        ("transformer_lm", "TransformerLM", GENERATION, "continues text"),
        ("transformer_mlm", "TransformerMLM", MASKING, "fills in masked tokens"),
    ):
        module = MODULES.get(builder, "transformer")
        yield ModelSpec(
            name=name,
            domain="nlp",
            tasks=task,
            summary=f"Any architecture or checkpoint of transformers that {what}, with LoRA",
            builder=f"framework_plugins_nlp.models.{module}:{builder}",
            config=f"framework_plugins_nlp.settings:{builder}Config",
            tags=("transformer", "transformers"),
            licence="Apache-2.0",
            paper="Wolf et al., Transformers: State-of-the-Art Natural Language Processing, https://arxiv.org/abs/1910.03771",
            exports=EXPORTS.get(name, EVERYWHERE),
        )


def _tagged() -> Iterable[DatasetSpec]:
    yield DatasetSpec(
        name="manual_markup",
        domain="nlp",
        tasks=TAGGING,
        summary="Sentences of Python's manual, and which of their words are code or emphasised; they come with Python",
        builder="framework_plugins_nlp.datasets.markup:ManualMarkup",
        config="framework_plugins_nlp.dataset_settings:MarkupConfig",
        tags=("built-in",),
        licence="PSF-2.0",
        default=True,
    )
    yield DatasetSpec(
        name="conll",
        domain="nlp",
        tasks=TAGGING,
        summary="Your own words and tags in CoNLL files: a word a line, an empty line between sentences",
        builder="framework_plugins_nlp.datasets.tagged:ConllFiles",
        config="framework_plugins_nlp.dataset_settings:ConllConfig",
        tags=("own-data",),
    )
    yield DatasetSpec(
        name="tagged_table",
        domain="nlp",
        tasks=TAGGING,
        summary="Your own words and tags as lists in JSON lines, a Parquet file or another table",
        builder="framework_plugins_nlp.datasets.tagged:TaggedTable",
        config="framework_plugins_nlp.dataset_settings:TaggedTableConfig",
        tags=("own-data",),
    )


def _pairs() -> Iterable[DatasetSpec]:
    yield DatasetSpec(
        name="spoken_numbers",
        domain="nlp",
        tasks=PAIRS,
        summary="Made on the spot: numbers in English words, and the same in digits",
        builder="framework_plugins_nlp.datasets.spoken_numbers:SpokenNumbers",
        config="framework_plugins_nlp.dataset_settings:SpokenNumbersConfig",
        tags=("built-in", "made"),
        licence="MIT",
        default=True,
    )
    yield DatasetSpec(
        name="text_pairs",
        domain="nlp",
        tasks=PAIRS,
        summary="Your own pairs of texts in a CSV, TSV, JSON lines or Parquet table: translations, summaries",
        builder="framework_plugins_nlp.datasets.pairs:TextPairs",
        config="framework_plugins_nlp.dataset_settings:TextPairsConfig",
        tags=("own-data",),
    )


def _questions() -> Iterable[DatasetSpec]:
    yield DatasetSpec(
        name="lost_things",
        domain="nlp",
        tasks=ANSWERS,
        summary="Made on the spot: reports of lost things, and who, what, where or when",
        builder="framework_plugins_nlp.datasets.lost_things:LostThings",
        config="framework_plugins_nlp.dataset_settings:LostThingsConfig",
        tags=("built-in", "made"),
        licence="MIT",
        default=True,
    )
    yield DatasetSpec(
        name="questions",
        domain="nlp",
        tasks=ANSWERS,
        summary="Your own questions and answers that stand in a text: JSON as of SQuAD, or a table",
        builder="framework_plugins_nlp.datasets.questions:QuestionFiles",
        config="framework_plugins_nlp.dataset_settings:QuestionFilesConfig",
        tags=("own-data",),
    )


def _running() -> Iterable[DatasetSpec]:
    yield DatasetSpec(
        name="manual",
        domain="nlp",
        tasks=RUNNING,
        summary="Python's manual as running text, 460,000 characters that come with Python",
        builder="framework_plugins_nlp.datasets.running:Manual",
        config="framework_plugins_nlp.dataset_settings:ManualConfig",
        tags=("built-in",),
        licence="PSF-2.0",
        default=True,
    )
    yield DatasetSpec(
        name="text_files",
        domain="nlp",
        tasks=RUNNING,
        summary="Your own text to be continued: a file, a folder of files, or lines",
        builder="framework_plugins_nlp.datasets.running:TextFiles",
        config="framework_plugins_nlp.dataset_settings:TextFilesConfig",
        tags=("own-data",),
    )
    yield DatasetSpec(
        name="huggingface_corpus",
        domain="nlp",
        tasks=RUNNING,
        summary="Text to be continued from the Hugging Face hub by its id, or saved on the disk",
        builder="framework_plugins_nlp.datasets.huggingface:HuggingFaceCorpus",
        config="framework_plugins_nlp.dataset_settings:HuggingFaceCorpusConfig",
        tags=("own-data", "download"),
        requires=("datasets>=3.2",),
    )
    yield DatasetSpec(
        name="tiny_shakespeare",
        domain="nlp",
        tasks=RUNNING,
        summary="1.1 million characters of plays by Shakespeare; fetched once",
        files=FILES["tiny_shakespeare"],
        builder="framework_plugins_nlp.datasets.running:TinyShakespeare",
        config="framework_plugins_nlp.dataset_settings:ShakespeareConfig",
        tags=("download",),
        licence="public domain",
    )
    yield DatasetSpec(
        name="wikitext2",
        domain="nlp",
        tasks=RUNNING,
        summary="WikiText-2: 720 articles of Wikipedia; fetched once",
        files=FILES["wikitext2"],
        builder="framework_plugins_nlp.datasets.running:WikiText",
        config="framework_plugins_nlp.dataset_settings:WikiTextConfig",
        tags=("download",),
        licence="CC-BY-SA-3.0",
        paper="Merity et al., Pointer Sentinel Mixture Models, https://arxiv.org/abs/1609.07843",
    )


def _labelled() -> Iterable[DatasetSpec]:
    yield DatasetSpec(
        name="topics",
        domain="nlp",
        tasks=CLASSIFICATION,
        summary="Sentences of Python's manual and the topic of each; they come with Python",
        builder="framework_plugins_nlp.datasets.topics:Topics",
        config="framework_plugins_nlp.dataset_settings:TopicsConfig",
        tags=("built-in",),
        licence="PSF-2.0",
        default=True,
    )
    yield DatasetSpec(
        name="text_table",
        domain="nlp",
        tasks=CLASSIFICATION,
        summary="Your own texts and labels in a CSV, TSV, JSON lines or Parquet table",
        builder="framework_plugins_nlp.datasets.text_table:TextTable",
        config="framework_plugins_nlp.dataset_settings:TextTableConfig",
        tags=("own-data",),
    )
    yield DatasetSpec(
        name="text_folder",
        domain="nlp",
        tasks=CLASSIFICATION,
        summary="Your own texts, a file each, in folders by class",
        builder="framework_plugins_nlp.datasets.text_folder:TextFolder",
        config="framework_plugins_nlp.dataset_settings:TextFolderConfig",
        tags=("own-data",),
    )
    yield DatasetSpec(
        name="labelled_lines",
        domain="nlp",
        tasks=CLASSIFICATION,
        summary="Your own texts, a line each with its label in front: LABEL:sub text",
        builder="framework_plugins_nlp.datasets.labelled_lines:LabelledLines",
        config="framework_plugins_nlp.dataset_settings:LabelledLinesConfig",
        tags=("own-data",),
    )
    yield DatasetSpec(
        name="huggingface_texts",
        domain="nlp",
        tasks=CLASSIFICATION,
        summary="Texts and labels from the Hugging Face hub by its id, or saved on the disk",
        builder="framework_plugins_nlp.datasets.huggingface:HuggingFaceTexts",
        config="framework_plugins_nlp.dataset_settings:HuggingFaceTextsConfig",
        tags=("own-data", "download"),
        requires=("datasets>=3.2",),
    )
    yield DatasetSpec(
        name="trec",
        domain="nlp",
        tasks=CLASSIFICATION,
        summary="TREC: 5,952 questions and which of 6 or 50 kinds of answer they want; fetched once",
        files=FILES["trec"],
        builder="framework_plugins_nlp.datasets.labelled_lines:Trec",
        config="framework_plugins_nlp.dataset_settings:TrecConfig",
        tags=("download",),
        paper=TREC_PAPER,
    )
    for name, builder, summary, paper in PUBLISHED:
        yield DatasetSpec(
            name=name,
            domain="nlp",
            tasks=CLASSIFICATION,
            summary=f"{summary}; fetched once",
            files=FILES[name],
            builder=f"framework_plugins_nlp.datasets.published_texts:{builder}",
            config="framework_plugins_nlp.dataset_settings:PublishedConfig",
            tags=("download",),
            paper=paper,
        )
