"""`studio bench house` on the embedded bundle: every part runs, and every figure has a baseline."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from studio.benchmark.house.figures import HouseReport, report_lines
from studio.benchmark.house.measuring import HousePlan, measure_house
from studio.core.errors import ModelError
from studio.core.paths import resources_dir

SMALL = replace(
    HousePlan.quick(), loops=4, classifier_loops=72, near_takes=3, near_loops=3, codec_loops=3
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> HouseReport:
    folder = tmp_path_factory.mktemp("pictures")
    house = resources_dir() / "models/house"
    return measure_house(house, SMALL, lambda line: None, pictures=folder, earlier=house)


def test_every_promised_figure_is_measured_beside_something(report: HouseReport) -> None:
    names = " ".join(figure.name for figure in report.figures)
    for words in ("tempo", "key", "voice", "Frechet", "log-mel", "SI-SDR", "onset", "nearest"):
        assert words in names
    assert all(figure.beside for figure in report.figures)
    assert report.voices
    assert 0 < report.megabytes < 32


def test_an_earlier_codec_is_measured_as_this_one_is(report: HouseReport) -> None:
    codec = [figure for figure in report.figures if figure.name.startswith("codec")]
    assert len(codec) == 3
    assert all(figure.beside["the earlier edition"] == figure.value for figure in codec)


def test_the_report_can_be_written_and_read(report: HouseReport) -> None:
    values = json.loads(json.dumps(report.to_json()))
    assert {figure["name"] for figure in values["figures"]} == {f.name for f in report.figures}
    lines = report_lines(report)
    assert any("tempo within 2 %" in line for line in lines)


def test_pictures_lie_beside_it(report: HouseReport) -> None:
    assert report.pictures
    for file in report.pictures:
        assert Path(file).read_bytes().startswith(b"\x89PNG")


def test_a_bundle_without_a_text_template_is_refused(tmp_path: Path) -> None:
    house = resources_dir() / "models/house"
    for file in house.iterdir():
        if file.name != "prompting.json":
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(ModelError, match=r"no prompting\.json"):
        measure_house(tmp_path, SMALL, lambda line: None)
