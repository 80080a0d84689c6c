"""docs/iam.md explains what the templates allow, and nothing else."""

from pathlib import Path

import pytest

from deployers import templates
from deployers.policies import checks, document
from deployers.policies.document import DOCUMENT
from deployers.policies.statements import granted


def test_the_templates_and_their_document_pass() -> None:
    assert checks.check() == []


def test_an_action_is_explained_by_a_row_under_its_template_and_role_that_says_why() -> None:
    text = (
        "## `t.yaml`\n### `Role`\n| actions | on | why |\n|---|---|---|\n| `s3:GetObject`, `s3:PutObject` | b | c |\n"
    )
    assert document.documented(text) == {("t.yaml", "Role", "s3:GetObject"), ("t.yaml", "Role", "s3:PutObject")}
    assert document.documented("## `t.yaml`\n### `Role`\n| `s3:GetObject` | b |  |\n") == set()


def test_policies_of_aws_are_to_be_explained_too() -> None:
    source = "nested/ec2_fleet.yaml"
    found = granted(source, templates.load(source))
    assert (source, "InstanceRole", "managed:AmazonSSMManagedInstanceCore") in found


def test_what_is_not_explained_and_what_nobody_allows_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = DOCUMENT.read_text().replace("`codepipeline:PutJobFailureResult`", "`codepipeline:Nothing`")
    (tmp_path / "iam.md").write_text(text)
    monkeypatch.setattr(document, "DOCUMENT", tmp_path / "iam.md")

    role = "nested/codepipeline.yaml ManifestRole"
    assert checks.check() == [
        f"docs/iam.md does not say why {role} codepipeline:PutJobFailureResult is needed",
        f"docs/iam.md explains {role} codepipeline:Nothing, which no template allows",
    ]
