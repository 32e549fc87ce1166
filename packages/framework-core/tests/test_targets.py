import pytest

from framework_core.errors import ImportTargetError
from framework_core.plugins.targets import import_target


@pytest.fixture
def mine(project):
    (project / "mine.py").write_text("import os\n\nclass Model:\n    class Inner:\n        pass\n\nnumber = 3\n")
    return project


def test_a_class_in_a_file_is_found_and_stays_the_same(mine):
    assert import_target("mine.py:Model") is import_target("mine.py:Model")
    assert import_target("mine.py:Model.Inner").__name__ == "Inner"
    assert import_target(f"{mine}/mine.py:Model").__module__ == "mine"


def test_a_class_of_a_module_is_found():
    assert import_target("json.decoder:JSONDecoder").__name__ == "JSONDecoder"


def test_a_file_may_import_its_neighbours(mine):
    (mine / "helper_of_mine.py").write_text("value = 7")
    (mine / "uses.py").write_text("from helper_of_mine import value\nclass Model:\n    seven = value")
    assert import_target("uses.py:Model").seven == 7


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("mine.py:", "it names no class"),
        ("mine.py:Modle", "has no 'Modle'"),
        ("mien.py:Model", "there is no file mien.py"),
        ("mine:Modle", "has no 'Modle'"),
        ("nothing.here:Model", "there is no module 'nothing'"),
        ("bad.py:Model", "importing it failed with ZeroDivisionError: division by zero (line 2 of bad.py)"),
        ("syntax.py:Model", "importing it failed with SyntaxError"),
        ("leaves.py:Model", "importing it failed with SystemExit"),
    ],
)
def test_what_is_wrong_is_said(target, said, mine, monkeypatch):
    monkeypatch.syspath_prepend(mine)
    (mine / "bad.py").write_text("a = 0\nb = 1 / a\n")
    (mine / "syntax.py").write_text("def (")
    (mine / "leaves.py").write_text("raise SystemExit(1)")
    with pytest.raises(ImportTargetError) as caught:
        import_target(target)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("target", "suggestion"),
    [("mine.py:Modle", "It has Model"), ("mien.py:Model", "Near it: mine.py"), ("mine:Model", "mine.py:Class")],
)
def test_what_was_meant_is_suggested(target, suggestion, mine):
    with pytest.raises(ImportTargetError) as caught:
        import_target(target)
    assert suggestion in str(caught.value)


def test_a_file_that_failed_can_be_mended_and_tried_again(mine):
    (mine / "late.py").write_text("1 / 0")
    with pytest.raises(ImportTargetError):
        import_target("late.py:Model")
    (mine / "late.py").write_text("class Model: pass  # mended and longer")
    assert import_target("late.py:Model").__name__ == "Model"
