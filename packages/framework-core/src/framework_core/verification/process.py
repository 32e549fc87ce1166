"""A training in a process of its own, that may be killed: ``python -m framework_core.verification.process``."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path


def main(request: str) -> None:
    """Train as asked.

    Args:
        request: JSON: the settings' file, the file for what was seen, the run to continue, where to be killed.
    """
    from framework_core.config.compose import compose
    from framework_core.errors import FrameworkError
    from framework_core.run import train
    from framework_core.verification.scale_witness import ScaleWitness
    from framework_core.verification.witness import Witness

    asked = json.loads(request)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        config = compose([], config_file=Path(asked["settings"])).config
        seen = Path(asked["seen"])
        witness = ScaleWitness(seen) if asked.get("scale") else Witness(seen, asked["kill_at"])
        train(config, resume=asked["resume"], callbacks=[witness])
    except FrameworkError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1])
