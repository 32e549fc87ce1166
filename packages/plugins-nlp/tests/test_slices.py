"""The other columns of a table of texts: on which of them a model is weak."""

import csv
import random

import pytest

WORDS = {"good": ("fine", "great", "love", "nice"), "bad": ("poor", "awful", "hate", "worst")}


@pytest.mark.drawn
def test_the_weak_source_of_texts_is_the_worst_slice(fw, project):
    """What comes by phone is labelled by chance, and nothing else is."""
    draw = random.Random(0)
    with (project / "t.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label", "source", "id", "sent"])
        for number in range(600):
            source, label = draw.choice(["web", "mail", "phone"]), draw.choice(list(WORDS))
            said = draw.choice(list(WORDS)) if source == "phone" else label
            rows.writerow(
                [
                    " ".join(draw.choices(WORDS[said], k=draw.randint(2, 9))),
                    label,
                    source,
                    number,
                    f"2026-01-01T{number // 60:02}:{number % 60:02}",
                ]
            )
    words = ("dataset.path=t.csv", "trainer.max_epochs=5", "optimizer.lr=0.05", "trainer.accelerator=cpu")
    more = ("mlops.tracking.backend=none", "experiment.run_name=mixed")
    assert fw("train", "--model", "fasttext", "--dataset", "text_table", *words, *more).code == 0
    found = fw("slices", "mixed", "--json").json
    worst = found["slices"][0]
    assert (worst["column"], worst["value"], worst["apart"]) == ("source", "phone", True)
    assert worst["high"] < 0.9
    columns = {each["column"] for each in found["slices"]}
    assert "id" not in columns
    by_time = fw("slices", "mixed", "--by", "sent", "--json").json["slices"]
    assert sorted(each["value"] for each in by_time)[0].startswith("2026-01-01 00:")
    assert len(by_time) == 4
    assert {"length", "distinct", "class", "source"} <= columns
