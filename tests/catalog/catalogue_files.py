"""A small catalogue to lay mistakes and overlays over."""

from pathlib import Path
from typing import Any

import pytest

from core.catalog.entries import Catalogue
from core.catalog.loader import CatalogueError, load

BASE = """\
[models.m]
display_name = "M"
owner = "o"
kind = "image"
status = "active"
created = 2026-01-02
aliases = ["m-alias"]
resolutions = { small = 100, large = 400 }

[models.m.parameters.size]
type = "size"
maximum_pixels = 400

[models.m.parameters.quality]
type = "string"
values = ["auto", "low", "high"]
default = "auto"

[models.m.inputs.image]
maximum = 2
media_types = ["image/png"]
maximum_bytes = 10

[[models.m.prices]]
unit = "image"
credits = "7.5"
effective_from = 2026-01-02

[channels.c]
model = "m"
dialect = "openai_images"
upstream_model = "up"
base_url = "https://example.com/v1/"
credential = { env = "KEY" }
"""
ENV = {"KEY": "sk-canary"}


class Files:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def write(self, text: str) -> Path:
        self.count += 1
        file = self.folder / f"{self.count}.toml"
        file.write_text(text, encoding="utf-8")
        return file

    def load(self, *texts: str, env: dict[str, str] | None = None, **more: Any) -> Catalogue:
        return load([self.write(text) for text in texts], ENV if env is None else env, **more)

    def mistake(self, *texts: str, env: dict[str, str] | None = None) -> CatalogueError:
        with pytest.raises(CatalogueError) as caught:
            self.load(*texts, env=env)
        assert "canary" not in str(caught.value)
        return caught.value
