"""Reads a template the way CloudFormation does: short forms such as !Ref become their long forms."""

from pathlib import Path
from typing import Any

from cfnlint.decode import decode

FOLDER = Path(__file__).parent.parent.parent / "cfn_templates"
GIT_TO_S3 = FOLDER / "git_intgrtn_aws_s3_main.yaml"


def load(path: Path) -> dict[str, Any]:
    """The template as plain data."""
    template, problems = decode(str(path))
    assert not problems
    assert template is not None
    return dict(template)
