import pytest

from training.progress_bar import progress_bar


def test_a_terminal_sees_each_stage_and_standard_output_stays_clean(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar() as show:
        for done in range(1, 4):
            show("reading crops", done, 3)
        show("comparing all pairs", 1, 2)
    shown = capsys.readouterr()
    assert "reading crops" in shown.err
    assert "100%" in shown.err
    assert "comparing all pairs" in shown.err
    assert "50%" in shown.err
    assert shown.out == ""


def test_nothing_is_drawn_where_it_is_not_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar(is_wanted=False) as show:
        show("reading crops", 1, 1)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_nothing_is_drawn_where_nobody_watches(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    with progress_bar() as show:
        show("reading crops", 1, 1)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")
