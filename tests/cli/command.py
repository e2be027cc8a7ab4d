"""The command line run inside the test process, exit path and all."""

import sys
from dataclasses import dataclass

import pytest

from triptych.cli import DEBUG, main


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line that says what is wrong."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("triptych: ")
        assert self.out == ""
        return lines[0]


class Command:
    """Runs `triptych ARGUMENTS` through the same function that the installed program calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def __call__(self, *arguments: object) -> Finished:
        self.monkeypatch.delenv(DEBUG, raising=False)
        self.monkeypatch.setattr(sys, "argv", ["triptych", *map(str, arguments)])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        code = stop.value.code
        assert code is None or isinstance(code, int)
        captured = self.capsys.readouterr()
        return Finished(code or 0, captured.out, captured.err)
