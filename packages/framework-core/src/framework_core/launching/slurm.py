"""A batch script of Slurm's (https://slurm.schedmd.com/sbatch.html)."""

from __future__ import annotations

import shlex

from framework_core.launching.job import Job

SECONDS = 120
"""How long before its end a job is told."""

_SCRIPT = """\
#!/bin/bash
# Start it: sbatch FILE. More on the command line: sbatch --time=1-00:00:00 --partition=NAME FILE
#SBATCH --job-name={name}
#SBATCH --nodes={nodes}
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task={cpus}
{gpus}#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@{seconds}

export OMP_NUM_THREADS="${{OMP_NUM_THREADS:-1}}"
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 20000))

srun --cpus-per-task={cpus} --kill-on-bad-exit=1 \\
    {command} &
step=$!

# The time is nearly over: training writes a checkpoint and ends, and the job is queued again and goes on from there.
ending=no
again() {{
    ending=yes
    scancel --signal=TERM "$SLURM_JOB_ID.0"
}}
trap again USR1

# A signal ends the waiting, and not what is waited for.
while kill -0 "$step" 2>/dev/null; do
    wait "$step"
    code=$?
done
if [ "$ending" = yes ] && [ "$code" -ne 0 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
"""


def slurm(job: Job) -> str:
    """The script of a job."""
    given = job.torchrun(rdzv_id="$SLURM_JOB_ID", endpoint="$head:$port")
    words = [f'"{word}"' if word in ("$SLURM_JOB_ID", "$head:$port") else shlex.quote(word) for word in given]
    gpus = f"#SBATCH --gpus-per-node={job.devices}\n" if job.gpus else ""
    cpus = job.devices * (1 + job.workers)
    facts = {"name": job.name, "nodes": job.nodes, "cpus": cpus, "gpus": gpus, "seconds": SECONDS}
    start = words.index("-m")
    command = f"{' '.join(words[:start])} \\\n    {' '.join(words[start:])}"
    return _SCRIPT.format(command=command, **facts)
