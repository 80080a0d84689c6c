"""What a run will create, cost and take, said before it begins."""

from decimal import ROUND_HALF_UP, Decimal

from acceptance.run import Run
from acceptance.settings import METHODS, Settings
from deployers import catalog, cost


def describe(settings: Settings, run: Run, account_id: str, region: str) -> str:
    """The text; `account_id` is empty where an account of the panel is used."""
    count = len(settings.methods)
    lines = cost.at_rest(catalog.GIT.kind, {})
    month = cost.total(lines) * count
    hour = (month / cost.HOURS).quantize(Decimal("0.001"), ROUND_HALF_UP)
    names = [run.integration(METHODS[method]) for method in settings.methods]
    made = [
        f"at the provider, in {settings.repository}: a branch {run.branch}, {count} webhook(s)"
        + (", a deploy key" if "git_pull" in settings.methods else ""),
        "in the panel: "
        + ("" if settings.provider else f"a provider {run.title}, ")
        + "the repository, "
        + ("" if settings.account else f"an AWS account {run.title}, ")
        + f"integrations {', '.join(names)}",
        f"in AWS, {region}: "
        + (f"the account {settings.account}" if settings.account else f"account {account_id}")
        + f", {count} stack(s) called {', '.join(f'sluice-{name}-git' for name in names)}"
        + ("" if settings.account else f", and the role {run.role} in a stack of the same name"),
    ]
    costs = ", ".join(f"{each.count * count} x {each.what}" for each in lines)
    return "\n".join(
        [
            "This will create",
            *(f"  - {each}" for each in made),
            "Cost",
            f"  - at rest {month:.2f} US dollars a month if it stayed ({costs}; {cost.REGION}, {cost.DATE}):",
            f"    about {hour} for an hour. Requests, storage and traffic of two pushes come on top: cents at most.",
            "    A KMS key that is scheduled for deletion costs nothing.",
            "Time",
            "  - about 15 to 30 minutes on AWS, most of it CloudFormation's. This is an estimate.",
            "At the end, also after Ctrl-C or a failure, everything is removed. KMS keys wait for their deletion as",
            "their stacks say. What a killed run leaves is removed by `--clean-up`.",
        ]
    )
