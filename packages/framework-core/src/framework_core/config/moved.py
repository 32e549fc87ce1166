"""What settings are called elsewhere, and where they are here: words of Lightning, transformers, timm and others."""

from __future__ import annotations

from collections.abc import Callable

MOVED = {
    "trainer.logger": "mlops.tracking",
    "trainer.callbacks": "callbacks",
    # How long, and how many at once.
    "epochs": "trainer.max_epochs",
    "max_epochs": "trainer.max_epochs",
    "num_epochs": "trainer.max_epochs",
    "n_epochs": "trainer.max_epochs",
    "num_train_epochs": "trainer.max_epochs",
    "batch_size": "dataset.batch_size",
    "train_batch_size": "dataset.batch_size",
    "per_device_train_batch_size": "dataset.batch_size",
    "per_device_eval_batch_size": "dataset.batch_size",
    "auto_scale_batch_size": "fw find batch-size",
    "auto_find_batch_size": "fw find batch-size",
    "gradient_accumulation_steps": "trainer.accumulate_grad_batches",
    "grad_accum_steps": "trainer.accumulate_grad_batches",
    # Optimizer and schedule.
    "lr": "optimizer.lr",
    "learning_rate": "optimizer.lr",
    "optim": "optimizer",
    "opt": "optimizer",
    "auto_lr_find": "fw find lr",
    "find_lr": "fw find lr",
    "lr_find": "fw find lr",
    "lr_scheduler": "scheduler",
    "lr_scheduler_type": "scheduler",
    "sched": "scheduler",
    "num_warmup_steps": "scheduler.warmup_steps",
    "warmup_ratio": "scheduler.warmup_steps",
    "max_grad_norm": "trainer.gradient_clip_val",
    "clip_grad": "trainer.gradient_clip_val",
    "gradient_clipping": "trainer.gradient_clip_val",
    "ema": "averaging.kind=ema",
    "model_ema": "averaging.kind=ema",
    "ema_decay": "averaging.decay",
    "swa": "averaging.kind=swa",
    "stochastic_weight_avg": "averaging.kind=swa",
    # Speed and devices.
    "fp16": "trainer.precision=16-mixed",
    "bf16": "trainer.precision=bf16-mixed",
    "amp": "trainer.precision=bf16-mixed",
    "mixed_precision": "trainer.precision",
    "torch_compile": "performance.compile",
    "torchcompile": "performance.compile",
    "grad_checkpointing": "performance.gradient_checkpointing",
    "dataloader_num_workers": "dataset.num_workers",
    "workers": "dataset.num_workers",
    "gpus": "distributed.devices",
    "n_gpu": "distributed.devices",
    "num_gpus": "distributed.devices",
    "num_processes": "distributed.devices",
    "nproc_per_node": "distributed.devices",
    "nnodes": "distributed.num_nodes",
    "num_machines": "distributed.num_nodes",
    # Data, and what is kept of a run.
    "data_dir": "dataset.path",
    "data_path": "dataset.path",
    "train_dir": "dataset.path",
    "smoothing": "model.label_smoothing",
    "label_smoothing_factor": "model.label_smoothing",
    "logging_steps": "trainer.log_every_n_steps",
    "eval_steps": "trainer.val_check_interval",
    "save_steps": "checkpoint.every_n_train_steps",
    "save_total_limit": "checkpoint.save_top_k",
    "metric_for_best_model": "checkpoint.monitor",
    "early_stopping_patience": "early_stopping.patience",
    "ckpt_path": "fw train --resume RUN",
    "resume_from_checkpoint": "fw train --resume RUN",
    "report_to": "mlops.tracking.backend",
    "tracking_uri": "mlops.tracking.uri",
    "experiment_name": "experiment.name",
    "random_seed": "seed",
    "random_state": "seed",
    "manual_seed": "seed",
}
"""From a key to the setting, with its value where it has to be that one, or to the command."""


def moved(key: str, is_setting: Callable[[str], bool] = lambda _: True) -> str | None:
    """What a key that is none is called here: by the whole of it, by its last word, or by its first.

    Args:
        key: As it was typed, dotted.
        is_setting: Whether a path is one with the components that were chosen.
    """
    for word in (key, key.rpartition(".")[2], key.partition(".")[0]):
        found = MOVED.get(word)
        if found and (found.startswith("fw ") or is_setting(found.partition("=")[0])):
            return found
    return None
