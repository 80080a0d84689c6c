"""The template parameters of a stack as they should be, by its kind."""

from collections.abc import Callable

from django.conf import settings

from deployers import catalog, environments
from deployers.models import StackKind
from deployers.services import git_source, images, outputs
from deployers.services.steps.work import Work
from integrations.services import clients, ssh_keys
from lambdas.common.keys import artifact_key
from lambdas.common.refs import BRANCH_PREFIX, Ref


def stack_parameters(work: Work) -> dict[str, str]:
    """The template parameters as they should be, secrets included. Raises ParameterRefused, ProviderError."""
    parameters = _PARAMETERS[work.stack.kind](work)
    environments.require_room(work.kind.template, parameters, stack_name=work.stack.name)
    return parameters


def _packages(work: Work) -> catalog.Packages:
    published = work.options["published"]
    return catalog.Packages(
        bucket=published["bucket"],
        prefix=published["prefix"],
        runtime=settings.LAMBDA_RUNTIME,
        architecture=settings.LAMBDA_ARCHITECTURE,
    )


def _codedeploy_parameters(work: Work) -> dict[str, str]:
    integration, given = work.integration, outputs.of(work.integration)
    source = catalog.CodeDeploySource(
        application=integration.application,
        environment=integration.environment,
        bucket=outputs.required(given, "OutputBucketName"),
        key=_deployed_key(work),
        deliveries_table=given.get("DeliveriesTableName", ""),
        deliveries_key_arn=given.get("KMSKeyArn", ""),
    )
    return catalog.codedeploy_parameters(
        source=source,
        packages=_packages(work),
        templates_url=work.options["published"]["templates_url"],
        chosen=_with_image(work),
    )


def _ecs_parameters(work: Work) -> dict[str, str]:
    integration, given = work.integration, outputs.of(work.integration)
    source = catalog.EcsSource(
        application=integration.application,
        environment=integration.environment,
        bucket=outputs.required(given, "OutputBucketName"),
        key=_deployed_key(work),
    )
    return catalog.ecs_parameters(
        source=source,
        packages=_packages(work),
        templates_url=work.options["published"]["templates_url"],
        chosen=_with_image(work),
    )


def _with_image(work: Work) -> dict[str, str]:
    """What people chose, and the image that the instances keep; it is noted on the stack once that is done."""
    image = images.to_use(
        access=work.access,
        stack=work.stack,
        anew=work.stack.aws_status in {"", "REVIEW_IN_PROGRESS"},
        ask_for_newest=bool(work.options.get("newest_image")),
    )
    work.options["image"] = {"image_id": image.id, "image_parameter": image.parameter}
    own = work.integration.parameters.get(work.kind.kind, {})
    return {**own, images.PINNED: image.id} if image.id else dict(own)


def _deployed_key(work: Work) -> str:
    """Where the artifact of the branch that deploys lies."""
    integration = work.integration
    return artifact_key(integration.repository.full_name, Ref.parse(f"{BRANCH_PREFIX}{integration.deploy_ref}"))


def _git_parameters(work: Work) -> dict[str, str]:
    integration = work.integration
    provider = integration.repository.provider
    client = clients.client(provider)
    credentials = client.archive_credentials()
    # Only git pull over SSH needs to know: zip download is not to wait for an answer to that.
    address = client.usual_ssh_address
    if integration.uses_ssh:
        address = client.ssh_address(integration.repository.full_name)
    work.options["networks"] = provider.webhook_networks if integration.restrict_source_ips else []
    changed_at = provider.credentials_changed_at
    work.options["credentials_at"] = changed_at.isoformat() if changed_at else None
    source = git_source.of(
        integration,
        api_url=client.api_url,
        git_url=client.git_url,
        address=address,
        credentials=credentials,
        rotation=ssh_keys.rotation_of(integration=integration),
    )
    chosen = integration.parameters.get(work.kind.kind, {})
    return catalog.git_parameters(source=source, packages=_packages(work), chosen=chosen)


_PARAMETERS: dict[str, Callable[[Work], dict[str, str]]] = {
    StackKind.GIT: _git_parameters,
    StackKind.CODEDEPLOY: _codedeploy_parameters,
    StackKind.ECS: _ecs_parameters,
}
