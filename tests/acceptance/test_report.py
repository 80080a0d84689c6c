"""The report tells each step, and nothing that belongs to the person who pastes it."""

from acceptance import report
from acceptance.steps import Done


def test_it_tells_steps_failures_and_what_is_left() -> None:
    text = report.write(
        title="a step failed",
        facts={"Region": "eu-central-1"},
        walked=[Done("Pushed", 1.26, "abc"), Done("Provisioned", 3, "", "It failed:\na | b")],
        removed=[Done("Removed the branch", 0.5, "done")],
        left=["The role\nis there."],
        private=[],
    )
    assert text.startswith("# Acceptance run: a step failed\n")
    assert "- Region: eu-central-1\n" in text
    assert "| ok | Pushed | 1.3 | abc |\n" in text
    assert "| **failed** | Provisioned | 3.0 | It failed: a \\| b |\n" in text
    assert "| ok | Removed the branch | 0.5 | done |\n" in text
    assert text.endswith("## What is left\n\n- The role is there.\n")


def test_names_addresses_tokens_and_account_ids_are_hidden() -> None:
    text = report.hide(
        "POST https://panel.example.com/api/v1/x: arn:aws:iam::123456789012:role/X may not read acme/secret-plan; "
        "a commit 1234567890123 stays",
        ["acme/secret-plan", "panel.example.com", "https://panel.example.com/api/v1", ""],
    )
    assert (
        text == "POST <private>/x: arn:aws:iam::<account>:role/X may not read <private>; a commit 1234567890123 stays"
    )
