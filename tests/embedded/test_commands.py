"""Commands that one process runs one after another."""

import runpy
import sys

import pytest

pytestmark = pytest.mark.usefixtures("stores")  # each command closes the connections


def run(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "argv", ["commands", *lines])
    runpy.run_module("embedded.commands", run_name="__main__")


def test_they_run_in_their_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "make_api_key 'one key' --scope read", "list_projects")
    one, other = capsys.readouterr().out.split("\n", 1)
    assert one.startswith("ea_")
    assert "default" in other


def test_after_one_that_fails_none_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "make_api_key key --scope read --project none", "list_projects")
    said = capsys.readouterr()
    assert ended.value.code == 1
    assert "there is no project" in said.err
    assert "default" not in said.out
