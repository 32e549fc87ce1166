"""Write ``timm_catalogue.json`` from the installed timm. Run it when the newest supported timm changes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import timm
import torch

from framework_plugins_vision.timm_catalogue import scan

TARGET = Path(__file__).parents[1] / "src" / "framework_plugins_vision" / "timm_catalogue.json"


def weights_of(name: str, pretrained: set[str]) -> list[str]:
    """The tags with weights, the default first."""
    default = timm.get_pretrained_cfg(name)
    tags = [full.partition(".")[2] for full in pretrained if full.partition(".")[0] == name]
    first = [default.tag] if default is not None and default.tag in tags else []
    return [tag for tag in [*first, *sorted(set(tags) - set(first))] if tag]


def row(name: str, family: str, pretrained: set[str]) -> list[Any]:
    """Everything the catalogue holds of one architecture."""
    with torch.device("meta"):
        model = timm.create_model(name)
    config = timm.get_pretrained_cfg(name)
    papers = (config.paper_ids if config else None) or ""
    paper = papers if isinstance(papers, str) else ", ".join(papers)
    return [
        name,
        family,
        weights_of(name, pretrained),
        sum(parameter.numel() for parameter in model.parameters()),
        list(config.input_size) if config else [],
        (config.license if config else "") or "",
        paper.replace("arXiv:", "https://arxiv.org/abs/"),
    ]


def main() -> None:
    """Make the file."""
    warnings.simplefilter("ignore")
    pretrained = set(timm.list_pretrained())
    families = {name: family for name, family, *_ in scan(Path(timm.models.__file__).parent, {})}
    names = sorted(timm.list_models())
    rows = ",\n".join(json.dumps(row(name, families[name], pretrained)) for name in names)
    TARGET.write_text(f'{{"timm": "{timm.__version__}", "architectures": [\n{rows}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
