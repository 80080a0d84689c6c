"""All checks over all templates."""

from deployers import templates
from deployers.policies import document, makers, names, reference, topics, width
from deployers.policies.statements import granted


def check() -> list[str]:
    """All that is wrong with the templates and docs/iam.md, one line each."""
    found, allowed = [], set()
    for path in sorted(templates.DIRECTORY.rglob("*.yaml")):
        source = path.relative_to(templates.DIRECTORY).as_posix()
        template = templates.load(source)
        found += width.faults(source, template)
        found += reference.faults(source, template)
        found += names.faults(source, template)
        found += topics.faults(source, template)
        allowed |= granted(source, template)
    found += [fault for maker in makers.MAKERS for fault in makers.faults(maker)]
    return found + document.faults(allowed)
