import pytest

from benchmarks.__main__ import main


@pytest.mark.parametrize("arguments", [["--runs", "0"], ["--runs", "many"], ["--only", "nothing"], ["more"]])
def test_bad_arguments_end_with_2_and_say_which(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert arguments[-1] in capsys.readouterr().err


def test_a_machine_without_git_is_told_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert main([]) == 2
    assert "git" in capsys.readouterr().err
