"""The layout of ImageNet: folders by WordNet id, names of classes, validation images in one folder."""

from __future__ import annotations

import json

import pytest
from made_datasets import imagenet

from framework_core import registry
from framework_core.errors import DataError


@pytest.fixture
def root(project):
    imagenet(project / "data")
    return project / "data" / "set"


def module(root, **settings):
    found = registry.create_dataset("imagenet", path=str(root), image_size=16, **settings)
    found.setup()
    return found


def test_folders_are_classes_and_a_file_names_them(root):
    spec = module(root).data_spec()
    assert spec.class_names == ("tench", "goldfish", "crane")
    assert spec.split_sizes == {"train": 24, "val": 6}
    assert spec.class_counts == {"tench": 8, "goldfish": 8, "crane": 8}


def test_without_a_file_of_names_the_ids_are_the_names(root):
    (root / "LOC_synset_mapping.txt").unlink()
    assert module(root).class_names == ("n01440764", "n01443537", "n02012849")


def test_two_classes_of_one_name_keep_their_ids(root):
    index = {"0": ["n01440764", "tench"], "1": ["n01443537", "crane"], "2": ["n02012849", "crane"]}
    (root / "names.json").write_text(json.dumps(index))
    found = module(root, class_names_file=str(root / "names.json"))
    assert found.class_names == ("tench", "crane (n01443537)", "crane (n02012849)")


def test_kaggles_layout_is_read_with_its_solution(root, project):
    place = project / "kaggle" / "ILSVRC" / "Data" / "CLS-LOC"
    place.mkdir(parents=True)
    (root / "train").rename(place / "train")
    (place / "val").mkdir()
    lines = ["ImageId,PredictionString"]
    for path in sorted((root / "val").rglob("*.JPEG")):
        lines.append(f"{path.stem},{path.parent.name} 1 2 3 4 ")
        path.rename(place / "val" / path.name)
    with pytest.raises(DataError, match=r"holds 6 images and no class folders, and there is no .*LOC_val_solution.csv"):
        module(project / "kaggle")
    (project / "kaggle" / "LOC_val_solution.csv").write_text("\n".join(lines))
    found = module(project / "kaggle")
    assert found.data_spec().split_sizes == {"train": 24, "val": 6}
    assert found.val_dataset.targets.tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: (root / "train").rename(root / "training"), "There is no folder .*train"),
        (
            lambda root: (root / "val" / "n01440764").rename(root / "val" / "n09999999"),
            "classes that training does not",
        ),
        (lambda root: (root / "LOC_synset_mapping.txt").write_bytes(b"\xff\xfe"), "names of classes cannot be read"),
    ],
)
def test_what_is_not_right_is_told(spoil, said, root):
    spoil(root)
    with pytest.raises(DataError, match=said):
        module(root)


def test_a_file_of_names_has_to_name_all(root):
    (root / "few.txt").write_text("n01440764 tench\n")
    with pytest.raises(DataError, match="names 1 classes, and not n01443537, n02012849"):
        module(root, class_names_file=str(root / "few.txt"))
