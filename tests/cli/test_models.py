from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.cli.models import folder_on_disk
from studio.models.catalog import known_models


def test_every_known_model_is_listed_with_its_facts(
    studio: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("models", "--json") == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in listed] == [model.name for model in known_models()]
    for row in listed:
        assert row["licence"]
        assert row["size_megabytes"] > 0
        assert row["sample_rate"] == 32000
        assert row["on_disk"] is (row["path"] is not None)
    assert studio("models") == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(listed)
    assert said[0].startswith("house")


def test_a_folder_counts_as_a_model_only_with_a_configuration(
    tmp_path: Path, tiny_bundle: Path
) -> None:
    assert folder_on_disk(str(tmp_path)) is None
    assert folder_on_disk(str(tiny_bundle)) == tiny_bundle
    assert folder_on_disk("no/such-model") is None
