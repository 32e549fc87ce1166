"""A command line that cannot be read: one message in three parts, the likeliest meaning first."""

import pytest

from framework_core.errors import (
    MissingWordError,
    OptionValueError,
    UnknownCommandError,
    UnknownOptionError,
    UsageError,
    near_names,
)

pytestmark = pytest.mark.drawn


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("trian", ["There is no command 'fw trian'.", "Near it: fw train.", "See what it takes: fw --help"]),
        ("list modles", ["There is no command 'fw list modles'.", "Near it: fw list models.", "fw list --help"]),
        ("train --modle x", ["fw train has no option '--modle'.", "Near it: --model.", "fw train --help"]),
        ("train -model x", ["fw train has no option '-model'.", "Near it: --model.", "fw train --help"]),
        ("train --model x -json", ["fw train has no option '-json'.", "Near it: --json", "fw train --help"]),
        ("train x-model x", ["fw train has no option 'x-model'.", "Near it: --model.", "fw train --help"]),
        ("train --model", ["fw train needs a value after --model.", "fw train --help"]),
        ("info model", ["fw info model needs NAME.", "NAME: Its name.", "fw info model --help"]),
        ("evaluate", ["fw evaluate needs RUN.", "RUN: A run", "fw evaluate --help"]),
        ("evaluate last --split tst", ["--split cannot be 'tst'.", "Near it: test.", "fw evaluate --help"]),
        ("completion tcsh", ["SHELL cannot be 'tcsh'.", "fw completion --help"]),
        ("ui --port abc", ["--port cannot be 'abc':", "valid integer", "fw ui --help"]),
        ("ui --port 0", ["--port cannot be '0':", "fw ui --help"]),
        ("list models x", ["fw list models takes nothing more", "'x'", "fw list models --help"]),
        ("train resnet20 trainer.max_epochs3", ["trainer.max_epochs3: this is no setting", "trainer.max_epochs=3"]),
    ],
)
def test_what_cannot_be_read_is_told_in_three_parts(words, said, fw):
    done = fw(*words.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    for part in said:
        assert part in done.err
    assert "╭" not in done.err
    assert "Usage:" not in done.err


def test_a_name_that_stands_after_a_short_option_is_no_long_option(fw):
    assert "There is no model named 'rows'" in fw("train", "-mrows").err


def test_the_facts_of_a_usage_error_are_attributes():
    option = UnknownOptionError("fw train", "--modle", ["--model", "-m"])
    assert (option.command, option.option, option.near) == ("fw train", "--modle", ["--model"])
    command = UnknownCommandError("fw", "trian", ["train", "list"])
    assert (command.name, command.known, command.near) == ("trian", ["list", "train"], ["train"])
    assert MissingWordError("fw info model", "NAME", "Its name.").word == "NAME"
    value = OptionValueError("fw evaluate", "--split", "tst", known=["test", "val"])
    assert (value.option, value.value, value.near) == ("--split", "tst", ["test"])
    assert all(isinstance(each, UsageError) and each.exit_code == 2 for each in (option, command, value))


@pytest.mark.parametrize(
    ("typed", "known", "first"),
    [
        ("resnet5", ["resnet56", "resnet50"], "resnet50"),
        ("reset50", ["resnet50", "resnet51q"], "resnet50"),
        ("rsenet50", ["resnet50", "regnet50"], "resnet50"),
        ("resnet50v", ["resnet50c", "resnet50"], "resnet50"),
        ("resnet2O", ["resnet26", "resnet20"], "resnet20"),
        ("convnext", ["convnext_tiny", "convmixer"], "convnext_tiny"),
        ("trainer.max_epoch", ["trainer.min_epochs", "trainer.max_epochs"], "trainer.max_epochs"),
    ],
)
def test_the_likeliest_slip_comes_first(typed, known, first):
    assert near_names(typed, known)[0] == first


def test_a_long_catalogue_is_searched_quickly():
    import time

    names = [
        f"{family}_{size}_patch{patch}_{side}"
        for family in ("vit", "beit", "deit", "swin", "eva")
        for size in ("tiny", "small", "base", "large", "huge")
        for patch in range(8, 32, 2)
        for side in (224, 256, 384, 448, 512)
    ]
    start = time.process_time()
    assert near_names("vit_bse_patch16_224", names)[0] == "vit_base_patch16_224"
    assert time.process_time() - start < 1


@pytest.fixture
def settings_here(project):
    """A project with a settings file of its own."""
    (project / "config.yaml").write_text("model: mine.py:Net\ndataset: mine.py:Iris\noptimizer: sgd\n")


def test_a_slip_beside_the_settings_file_of_the_folder_is_told_with_where_they_are_from(settings_here, components, fw):
    done = fw("train", "trainer.max_epoch=3", "optimizer.momentun=0.9")
    assert (done.code, done.out) == (2, "")
    assert "The settings are those of config.yaml here" in done.err
    assert "Did you mean trainer.max_epochs" in done.err
    assert "Did you mean optimizer.momentum" in done.err


def test_the_first_look_knows_what_a_settings_file_chose(settings_here, components, fw):
    assert fw("config", "validate", "optimizer.momentum=0.5").code == 0
    assert "momentum" in fw("config", "why", "optimizer.momentum", "optimizer.momentum=0.5").out
    assert (
        "optimizer.momentum: there is no such"
        in fw("config", "validate", "optimizer=adamw", "optimizer.momentum=1").err
    )


def test_settings_of_another_version_are_left_to_those_that_bring_them_on(project, fw):
    (project / "old.yaml").write_text("config_version: 99\nmodel: vit\nnobody_knows: 3\n")
    done = fw("config", "validate", "--config", "old.yaml")
    assert done.code == 2
    assert "nobody_knows" not in done.err
