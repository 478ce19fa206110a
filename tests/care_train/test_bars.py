"""The bar of a training, on a terminal and elsewhere."""

import io
import re
import sys

import pytest

from care_train.bars import Bar, Pace, describe_pace

PACE = Pace(step=20, steps=80, loss=1.23456, tokens=4321.6, left=3725.4, memory=3 * 2**29)


class Terminal(io.StringIO):
    """What is written to it, as to a terminal."""

    def isatty(self) -> bool:
        return True


def show(terminal: Terminal) -> str:
    """What was written, without colours and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())


def test_pace_in_words() -> None:
    assert describe_pace(PACE) == "loss 1.2346  4,322 tokens/s  1:02:05 left  1.5 GiB"
    assert describe_pace(PACE._replace(loss=None, left=5)) == "4,322 tokens/s  0:00:05 left  1.5 GiB"


def test_a_terminal_shows_a_bar_below_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with Bar() as bar:
        assert bar.shown
        bar.move(PACE._replace(step=0, loss=None, tokens=0.0))
        bar.move(PACE)
        print("step 20/80  eval_loss 2.0000", file=sys.stderr)
        bar.move(PACE._replace(step=80, left=0))
    assert not bar.shown
    assert sys.stderr is terminal
    lines = [line for line in re.split(r"[\r\n]+", show(terminal)) if line.strip()]
    assert "step 20/80  eval_loss 2.0000" in [line.strip() for line in lines]
    assert lines[-1].startswith("step 80/80 ")
    assert lines[-1].rstrip().endswith("loss 1.2346  4,322 tokens/s  0:00:00 left  1.5 GiB")
    assert "━" in lines[-1]


@pytest.mark.parametrize(("terminal", "first"), [(io.StringIO(), True), (Terminal(), False)])
def test_elsewhere_there_is_none(monkeypatch: pytest.MonkeyPatch, terminal: io.StringIO, first: bool) -> None:
    monkeypatch.setattr(sys, "stderr", terminal)
    with Bar(first=first) as bar:
        assert not bar.shown
        bar.move(PACE)
    assert terminal.getvalue() == ""
