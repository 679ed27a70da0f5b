from __future__ import annotations

import logging
from pathlib import Path

import pytest

from studio.core.log import MAX_LOG_BYTES, start_logging, stop_logging


def test_records_of_the_package_reach_the_file_with_their_traceback(tmp_path: Path) -> None:
    log_file = tmp_path / "logs" / "studio.log"
    start_logging(log_file)
    try:
        Path({}["lost"])
    except KeyError:
        logging.getLogger("studio.somewhere").exception("It broke")
    text = log_file.read_text()
    assert "studio.somewhere: It broke" in text
    assert "KeyError: 'lost'" in text


def test_nothing_is_printed_while_there_is_a_log_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start_logging(tmp_path / "studio.log")
    logging.getLogger("studio.somewhere").error("only for the log")
    assert capsys.readouterr() == ("", "")


def test_starting_again_moves_the_log(tmp_path: Path) -> None:
    start_logging(tmp_path / "one.log")
    start_logging(tmp_path / "two.log")
    logging.getLogger("studio").warning("here")
    assert (tmp_path / "one.log").read_text() == ""
    assert (tmp_path / "two.log").read_text().count("here") == 1


def test_a_log_grown_too_long_is_kept_once(tmp_path: Path) -> None:
    log_file = tmp_path / "studio.log"
    log_file.write_text("x" * (MAX_LOG_BYTES + 1))
    start_logging(log_file)
    assert log_file.stat().st_size == 0
    assert (tmp_path / "studio.log.1").stat().st_size == MAX_LOG_BYTES + 1


def test_a_log_that_cannot_be_written_does_not_stop_the_program(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    start_logging(tmp_path / "file" / "studio.log")
    assert "There is no log file" in caplog.text


def test_stopping_closes_the_file(tmp_path: Path) -> None:
    start_logging(tmp_path / "studio.log")
    stop_logging()
    logging.getLogger("studio").warning("too late")
    assert (tmp_path / "studio.log").read_text() == ""
