"""Strategies that shard, on processors: what they train, what they leave, and how they end where something is wrong."""

import json
import shutil
import socket
from importlib.util import find_spec
from pathlib import Path

import pytest
from safetensors import safe_open

from framework_core.config.compose import compose
from framework_core.plugins.builtin import OPTIMIZERS
from framework_core.process import is_main_process
from framework_core.training.checkpoint_io import read
from framework_core.training.together import fits
from framework_core.training.trainer import build_trainer

QUIET = ("trainer.accelerator=cpu", "mlops.report=false", "mlops.tracking.backend=none", "trainer.max_epochs=2")
TWO = ("distributed.enabled=true", "distributed.devices=2")
WITH_DEEPSPEED = pytest.mark.skipif(find_spec("deepspeed") is None, reason="DeepSpeed is not installed")
STRATEGIES = [
    "ddp",
    "fsdp",
    "fsdp2",
    *(pytest.param(f"deepspeed_stage_{stage}", marks=WITH_DEEPSPEED) for stage in (1, 2, 3)),
]


@pytest.fixture
def train(fresh, components, project, request):
    shutil.copy(request.path.with_name("trouble.py"), project)

    def run(*words):
        return fresh("train", "--model", "mine.py:Net", "--dataset", "mine.py:Iris", *QUIET, *words)

    return run


@pytest.mark.ddp
@pytest.mark.drawn
@pytest.mark.some_of(1)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_processes_train_as_one_does(strategy, fresh, components):
    done = fresh(
        "verify", "scale", "-m", "mine.py:Net", "-d", "mine.py:Iris", "--devices", "2", f"strategy={strategy}", "--json"
    )
    assert done.code == 0, done.err
    (found,) = done.json
    assert found["same"]
    assert (found["processes"], found["steps"]) == (2, 12)
    assert found["apart"] <= 1e-5


BY_NORM = ("trainer.gradient_clip_val=0.1",)
BY_VALUE = ("trainer.gradient_clip_val=0.01", "trainer.gradient_clip_algorithm=value")
CLIPPING = [
    *((strategy, words) for strategy in ("ddp", "fsdp", "fsdp2") for words in (BY_NORM, BY_VALUE)),
    *(pytest.param(f"deepspeed_stage_{stage}", BY_NORM, marks=WITH_DEEPSPEED) for stage in (1, 2, 3)),
]


@pytest.mark.ddp
@pytest.mark.drawn
@pytest.mark.some_of(1)
@pytest.mark.parametrize(("strategy", "words"), CLIPPING)
def test_gradients_are_clipped_as_one_process_clips_them(strategy, words, fresh, components):
    model = ("-m", "mine.py:Net", "-d", "mine.py:Iris", f"strategy={strategy}", *words)
    done = fresh("verify", "scale", *model, "--devices", "2", "--json")
    assert done.code == 0, (done.out, done.err)


# It computes the loss twenty times a step, and so makes a difference of any rounding.
LBFGS = ("optimizer.line_search_fn=strong_wolfe", "dataset.batch_size=90", "trainer.precision=64-true")
REFUSED = [("fsdp", "adafactor"), ("fsdp", "lbfgs"), ("fsdp2", "adafactor"), ("fsdp2", "lbfgs")]


@pytest.mark.ddp
@pytest.mark.drawn
@pytest.mark.some_of(1)
@pytest.mark.parametrize("strategy", ["ddp", "fsdp", "fsdp2"])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_every_optimizer_makes_in_two_processes_what_it_makes_in_one_or_is_refused(
    optimizer, strategy, fresh, components
):
    model = ("-m", "mine.py:Net", "-d", "mine.py:Iris", f"strategy={strategy}", f"optimizer={optimizer}")
    more = LBFGS if optimizer == "lbfgs" else ()
    if (strategy, optimizer) in REFUSED:
        assert fresh("train", *model, *QUIET, *TWO).code == 2
        return
    done = fresh("verify", "scale", *model, *more, "--devices", "2", "--json")
    assert done.code == 0, (done.out, done.err)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("strategy=fsdp2", "optimizer=adafactor"), "optimizer: looks at more of the model than the pieces that fsdp2"),
        (
            ("strategy=fsdp", "optimizer=lbfgs"),
            "optimizer: looks at more of the model than the pieces that fsdp leaves",
        ),
        (
            ("strategy=fsdp2", "optimizer=sgd", "optimizer.fused=true"),
            "optimizer.fused: torch has no fused sgd for shar",
        ),
    ],
)
def test_an_optimizer_that_a_strategy_cannot_train_with_is_refused_before_anything_is_written(
    words, said, fw, components
):
    done = fw("train", "-m", "mine.py:Net", "-d", "mine.py:Iris", *QUIET, *words)
    assert done.code == 2
    assert said in done.err
    assert not Path("runs").exists()


@pytest.mark.ddp
@pytest.mark.thorough
def test_a_model_that_averages_over_its_own_process_is_named(fresh, components, project):
    text = Path("mine.py").read_text().replace("nn.ReLU(),", "nn.BatchNorm1d(self.width),", 1)
    Path("mine.py").write_text(text)
    done = fresh("verify", "scale", "-m", "mine.py:Net", "-d", "mine.py:Iris", "--devices", "2", "--json")
    assert done.code == 1, done.err
    assert not done.json[0]["same"]
    assert "BatchNorm1d averages over its own process" in done.json[0]["why"]


PAIRS = [
    ("fsdp2", "ddp"),
    ("ddp", "fsdp"),
    ("fsdp", "fsdp2"),
    pytest.param(("fsdp2", "deepspeed_stage_3"), marks=WITH_DEEPSPEED),
    pytest.param(("deepspeed_stage_2", "fsdp2"), marks=WITH_DEEPSPEED),
    pytest.param(("deepspeed_stage_3", "ddp"), marks=WITH_DEEPSPEED),
]


@pytest.mark.ddp
@pytest.mark.drawn
@pytest.mark.some_of(1)
@pytest.mark.parametrize("pair", PAIRS)
def test_a_run_goes_on_with_another_strategy_and_on_one_device(pair, train, fresh, fw, components):
    first, then = pair
    assert train("experiment.run_name=a", f"strategy={first}", *TWO).code == 0
    whole = fw(
        "train", "-m", "mine.py:Net", "-d", "mine.py:Iris", *QUIET, "experiment.run_name=b", "trainer.max_epochs=2"
    )
    assert whole.code == 0, whole.err
    one, other = (read(Path(f"runs/{name}/checkpoints/last.ckpt")) for name in "ab")
    for name, value in other["state_dict"].items():
        assert one["state_dict"][name].numpy() == pytest.approx(value.numpy(), abs=1e-5)
    (states,), (wanted,) = one["optimizer_states"], other["optimizer_states"]
    assert [group["params"] for group in states["param_groups"]] == [
        group["params"] for group in wanted["param_groups"]
    ]
    for number, values in wanted["state"].items():
        assert states["state"][number]["exp_avg"].numpy() == pytest.approx(values["exp_avg"].numpy(), abs=1e-5)
    with safe_open("runs/a/checkpoints/last.ckpt/weights.safetensors", "pt") as file:
        assert {*file.keys()} == {"model.0.weight", "model.0.bias", "model.3.weight", "model.3.bias"}
    done = fresh("train", "--resume", "a", f"strategy={then}", "trainer.max_epochs=3", "--json")
    assert done.code == 0, done.err
    alone = fw("train", "--resume", "b", "trainer.max_epochs=3", "--json")
    assert done.json["metrics"]["test/loss"] == pytest.approx(alone.json["metrics"]["test/loss"], abs=1e-5)
    Path("flower.txt").write_text("5.1 3.5 1.4 0.2")
    assert fw("predict", "a", "flower.txt").code == 0


@pytest.mark.ddp
@pytest.mark.thorough
def test_blocks_are_sharded_and_their_activations_computed_again(train):
    words = ("model.width=12", "distributed.activation_checkpointing=true", "distributed.blocks=[Linear]")
    done = train("strategy=fsdp2", *TWO, *words, "--json")
    assert done.code == 0, done.err
    assert read(Path(done.json["last_checkpoint"]))["state_dict"].keys() == {
        "model.0.weight",
        "model.0.bias",
        "model.3.weight",
        "model.3.bias",
    }


WRONG = {
    "a process that dies": (
        ["-m", "trouble.py:Dies", *TWO],
        ["error: Process 1 was ended by SIGKILL", "and others wait for it."],
    ),
    "unused parameters": (
        ["-m", "trouble.py:Lonely", *TWO],
        ["error: A step left parameters of the model unused", "strategy=ddp_find_unused_parameters_true"],
    ),
    "a node that never comes": (
        [
            "distributed.enabled=true",
            "distributed.devices=1",
            "distributed.num_nodes=2",
            "distributed.timeout_seconds=2",
        ],
        ["error: 1 of 2 processes came within 2 s.", "was not started on each of the 2 nodes"],
    ),
    "a block that is not there": (
        ["strategy=fsdp2", *TWO, "distributed.blocks=[Transformer]"],
        ["distributed.blocks: Net has no module of the class Transformer."],
    ),
}


@pytest.mark.ddp
@pytest.mark.drawn
@pytest.mark.some_of(1)
@pytest.mark.parametrize("case", WRONG)
def test_what_goes_wrong_among_processes_is_told_and_nobody_waits(case, train):
    words, said = WRONG[case]
    done = train(*words)
    assert done.code in (1, 2)
    for each in said:
        assert each in done.err
    assert "Traceback" not in done.err


@pytest.fixture
def on_nodes(program, components, monkeypatch):
    """The same training started on two nodes, which find each other over this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(port))
    nodes = ("distributed.enabled=true", "distributed.devices=1", "distributed.num_nodes=2")

    def started(*words):
        found = []
        for rank, own in enumerate(words):
            monkeypatch.setenv("NODE_RANK", str(rank))
            found.append(program("train", "-m", "mine.py:Net", "-d", "mine.py:Iris", *QUIET, *nodes, *own))
        return [(process, *process.communicate(timeout=120)) for process in found]

    return started


@pytest.mark.ddp
@pytest.mark.drawn
def test_processes_with_other_settings_are_told_which(on_nodes):
    words = [(f"optimizer.lr={rate}", f"output_dir=runs-{rank}") for rank, rate in enumerate(("0.1", "0.2"))]
    for process, _, err in on_nodes(*words):
        assert process.returncode == 2
        assert "optimizer.lr: is 0.2 in process 1, and 0.1 in process 0" in err
    assert not Path("runs-1").exists()


@pytest.mark.long
@pytest.mark.drawn
def test_two_nodes_that_were_started_alike_are_one_run_in_one_folder(on_nodes):
    for process, _, err in on_nodes((), ()):
        assert process.returncode == 0, err
    (folder,) = Path("runs").iterdir()
    assert (folder / "checkpoints/last.ckpt").is_dir()


@pytest.mark.parametrize(
    ("told", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0", "GROUP_RANK": "0"}, True),
        ({"RANK": "4", "LOCAL_RANK": "0", "GROUP_RANK": "1"}, False),
        ({"LOCAL_RANK": "1", "NODE_RANK": "0"}, False),
        ({"NODE_RANK": "1"}, False),
        ({"SLURM_PROCID": "0", "SLURM_LOCALID": "0"}, True),
        ({"SLURM_PROCID": "0", "LOCAL_RANK": "1"}, False),
    ],
)
def test_only_the_first_process_of_the_first_node_speaks_for_a_run(told, first, monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert is_main_process() is first


@pytest.mark.drawn
def test_a_port_that_is_taken_is_told(train, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("MASTER_PORT", str(taken.getsockname()[1]))
        done = train(
            "distributed.enabled=true",
            "distributed.devices=1",
            "distributed.num_nodes=2",
            "distributed.timeout_seconds=5",
        )
    assert done.code == 1
    assert "over which processes find each other, is taken." in done.err


@pytest.mark.drawn
def test_dp_passes_through_on_processors_and_says_what_is_better(fw, components):
    done = fw("train", "-m", "mine.py:Net", "-d", "mine.py:Iris", *QUIET, "strategy=dp", *TWO, "--json")
    assert done.code == 0, done.err
    assert "on processors it divides nothing  faster: strategy=ddp" in done.err
    alone = fw("train", "-m", "mine.py:Net", "-d", "mine.py:Iris", *QUIET, "--json")
    assert done.json["metrics"]["test/loss"] == alone.json["metrics"]["test/loss"]


def test_a_deepspeed_file_that_contradicts_the_settings_is_told_with_both_values(fw, components):
    given = {
        "train_batch_size": 64,
        "gradient_accumulation_steps": 4,
        "gradient_clipping": "auto",
        "bf16": {"enabled": True},
        "zero_optimization": {"stage": 2},
        "optimizer": {"type": "SGD", "params": {"lr": 0.5}},
        "scheduler": {"type": "WarmupLR"},
    }
    Path("ds.json").write_text(json.dumps(given))
    words = ("strategy=deepspeed_stage_3", *TWO, "distributed.deepspeed_config=ds.json")
    done = fw("train", "-m", "mine.py:Net", "-d", "mine.py:Iris", *QUIET, *words)
    assert done.code == 2
    for said in (
        "says train_batch_size=64, but the batch of all devices is 16",
        "says gradient_accumulation_steps=4, but trainer.accumulate_grad_batches is 1",
        "says bf16.enabled=true, but trainer.precision is 32-true",
        "says zero_optimization.stage=2, but strategy is 3",
        "says optimizer=SGD, but optimizer is adamw",
        "says optimizer.params.lr=0.5, but optimizer.lr is 0.001",
        "says scheduler=WarmupLR, but scheduler is cosine: leave it out",
    ):
        assert said in done.err
    assert "gradient_clipping" not in done.err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        (None, ["strategy=deepspeed"], "cannot be read: No such file or directory"),
        ("{", ["strategy=deepspeed"], "is no JSON"),
        ("[]", ["strategy=deepspeed"], "must be a JSON object"),
        ("{}", ["strategy=ddp"], "has no effect with strategy=ddp"),
    ],
)
def test_a_deepspeed_file_that_cannot_be_used_is_told(text, words, said, fw, components):
    if text is not None:
        Path("ds.json").write_text(text)
    done = fw("train", "-m", "mine.py:Net", "-d", "mine.py:Iris", *words, "distributed.deepspeed_config=ds.json")
    assert (done.code, done.err.count(said)) == (2, 1)


@pytest.mark.skipif(find_spec("deepspeed") is not None, reason="DeepSpeed is installed")
def test_deepspeed_that_is_missing_is_told_with_what_to_install(fw, components):
    done = fw("train", "-m", "mine.py:Net", "-d", "mine.py:Iris", *QUIET, "strategy=deepspeed_stage_2", *TWO)
    assert done.code == 2
    assert "framework-core[deepspeed]" in done.err


def test_a_gpu_that_is_not_there_is_told(fw, components):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    done = fw("train", "-m", "mine.py:Net", "-d", "mine.py:Iris", *QUIET[1:], "trainer.accelerator=cuda", *TWO)
    assert done.code == 2
    assert "Traceback" not in done.err


def test_auto_shards_what_a_gpu_does_not_hold_with_its_optimizer():
    assert fits(1_000_000_000, 24 * 2**30)
    assert not fits(2_000_000_000, 24 * 2**30)


def test_tensors_that_fsdp2_gathers_are_never_those_of_the_inference_mode(components):
    """Torch counts their versions there, but for gloo, with which Lightning leaves that mode by itself."""
    words = ["model=mine.py:Net", "dataset=mine.py:Iris", "trainer.accelerator=cpu"]
    for strategy, allowed in (("fsdp2", False), ("ddp", True)):
        more = [f"strategy={strategy}", "distributed.enabled=true", "distributed.devices=1"]
        trainer = build_trainer(compose([*words, *more]).config, directory=Path.cwd(), logger=False, callbacks=())
        assert trainer.test_loop.inference_mode is allowed
        assert trainer.fit_loop.epoch_loop.val_loop.inference_mode is False


@pytest.mark.ddp
@WITH_DEEPSPEED
def test_the_optimizer_of_the_run_is_offloaded_as_it_is(train):
    done = train("strategy=deepspeed_stage_2_offload", "distributed.enabled=true", "distributed.devices=1")
    assert done.code == 0, done.err


@pytest.mark.gpu
@pytest.mark.parametrize("strategy", ["auto", "ddp", "fsdp", "fsdp2", "dp"])
def test_each_strategy_trains_on_one_gpu(strategy, fresh, components):
    words = ("strategy=" + strategy, "distributed.enabled=true", "distributed.devices=1", "trainer.accelerator=gpu")
    done = fresh("train", "-m", "mine.py:Net", "-d", "mine.py:Iris", *QUIET[1:], *words, "--json")
    assert done.code == 0, done.err
    assert 0 < done.json["metrics"]["test/loss"] < 2
