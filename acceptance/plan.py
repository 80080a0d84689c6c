"""What a run will create, cost and take, said before it begins."""

from decimal import ROUND_HALF_UP, Decimal

from acceptance.network import Network
from acceptance.run import Run
from acceptance.settings import METHODS, Settings
from deployers import catalog, cost

_MINUTES = {"codedeploy": (20, 40), "ecs": (30, 60)}
"""That a deployer adds, from its first stack to the last that is deleted. An estimate: we never ran it on AWS."""
_USED = {
    "codedeploy": "four deployments, which cost nothing on EC2",
    "ecs": "three runs of a pipeline with two builds of a minute or two, and one small image",
}


def describe(settings: Settings, run: Run, account_id: str, region: str, network: Network | None = None) -> str:
    """The text; `account_id` is empty where an account of the panel is used, `network` None without deployers."""
    return "\n".join(
        [
            "This will create",
            *(f"  - {each}" for each in _made(settings, run, account_id, region, network)),
            "Cost",
            *_cost(settings, network),
            "Time",
            *_time(settings),
            "At the end, also after Ctrl-C or a failure, everything is removed. KMS keys wait for their deletion as",
            "their stacks say. What a killed run leaves is removed by `--clean-up`. The account keeps what all stacks",
            "of the panel there share: the bucket of the Lambda packages, sluice-artifacts-<account>-<region>, and",
            "the roles that AWS's services make for themselves. Together they cost about a cent a month.",
        ]
    )


def _made(settings: Settings, run: Run, account_id: str, region: str, network: Network | None) -> list[str]:
    count = len(settings.methods)
    names = [run.integration(METHODS[method]) for method in settings.methods]
    stacks = [f"sluice-{name}-git" for name in names]
    # As the journey deals them out.
    stacks += [f"sluice-{names[0]}-codedeploy"] if "codedeploy" in settings.deployers else []
    stacks += [f"sluice-{names[-1]}-ecs{end}" for end in ("", "-service")] if "ecs" in settings.deployers else []
    made = [
        f"at the provider, in {settings.repository}: a branch {run.branch}, {count} webhook(s)"
        + (", a deploy key" if "git_pull" in settings.methods else ""),
        "in the panel: "
        + ("" if settings.provider else f"a provider {run.title}, ")
        + "the repository, "
        + ("" if settings.account else f"an AWS account {run.title}, ")
        + f"integrations {', '.join(names)}",
        f"in AWS, {region or 'the region of the account'}: "
        + (f"the account {settings.account}" if settings.account else f"account {account_id}")
        + f", {len(stacks)} stack(s) called {', '.join(stacks)}"
        + ("" if settings.account else f", and the role {run.role} in a stack of the same name"),
    ]
    if network:
        where = f"in {network.vpc}, {', '.join(network.subnets)}"
        running = {
            "codedeploy": "two instances behind a load balancer",
            "ecs": f"a pipeline, a registry, a service on {settings.launch_type} behind a load balancer",
        }
        made.append(f"{where}: {'; '.join(running[each] for each in settings.deployers)}, open to the internet")
    if settings.approval_email:
        made.append(f"mail of AWS to {settings.approval_email}, which asks to confirm a subscription")
    return made


def _cost(settings: Settings, network: Network | None) -> list[str]:
    count = len(settings.methods)
    git = cost.at_rest(catalog.GIT.kind, {})
    month = cost.total(git) * count
    lines = [f"{each.count * count} x {each.what}" for each in git]
    for deployer in settings.deployers:
        chosen = network.parameters() if network else {}
        if deployer == catalog.ECS.kind:
            chosen |= {"LaunchType": settings.launch_type, "SNSTopicEmailAddress": settings.approval_email}
        kept = cost.at_rest(deployer, chosen)
        month += cost.total(kept)
        lines += [f"{each.count} x {each.what}" for each in kept if each.count]
    hour = (month / cost.HOURS).quantize(Decimal("0.001"), ROUND_HALF_UP)
    used = "".join(f", {_USED[each]}" for each in settings.deployers)
    most = "less than a dollar" if settings.deployers else "cents at most"
    return [
        f"  - at rest {month:.2f} US dollars a month if it stayed ({', '.join(lines)}; {cost.REGION}, {cost.DATE}):",
        f"    about {hour} for an hour. On top: requests, storage and traffic of a few pushes{used}:",
        f"    {most}. A KMS key that waits for its deletion costs nothing.",
    ]


def _time(settings: Settings) -> list[str]:
    low, high = 15, 30
    for each in settings.deployers:
        low, high = low + _MINUTES[each][0], high + _MINUTES[each][1]
    return [f"  - about {low} to {high} minutes on AWS, most of it CloudFormation's. This is an estimate."]
