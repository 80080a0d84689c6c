"""`/api/v1/`."""

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from panel.api import problems
from panel.api.artifacts import ArtifactViewSet
from panel.api.audit import AuditEntryViewSet
from panel.api.aws_accounts import AwsAccountViewSet
from panel.api.deliveries import DeliveryViewSet
from panel.api.deployments import DeploymentViewSet
from panel.api.integrations import IntegrationViewSet
from panel.api.me import Me
from panel.api.members import InvitationViewSet, MemberViewSet
from panel.api.operations import OperationViewSet
from panel.api.providers import ProviderViewSet
from panel.api.repositories import RepositoryViewSet
from panel.api.schema import DocsView, SchemaView
from panel.api.ssh_keys import SSHKeyViewSet
from panel.api.stacks import StackViewSet

router = SimpleRouter(use_regex_path=False)
router.register("providers", ProviderViewSet, basename="api-provider")
router.register("repositories", RepositoryViewSet, basename="api-repository")
router.register("aws-accounts", AwsAccountViewSet, basename="api-account")
router.register("integrations", IntegrationViewSet, basename="api-integration")
router.register("ssh-keys", SSHKeyViewSet, basename="api-ssh-key")
router.register("stacks", StackViewSet, basename="api-stack")
router.register("operations", OperationViewSet, basename="api-operation")
router.register("deliveries", DeliveryViewSet, basename="api-delivery")
router.register("deployments", DeploymentViewSet, basename="api-deployment")
router.register("audit-entries", AuditEntryViewSet, basename="api-audit-entry")
router.register("members", MemberViewSet, basename="api-member")
router.register("invitations", InvitationViewSet, basename="api-invitation")
router.register("artifacts", ArtifactViewSet, basename="api-artifact")

urlpatterns = [
    path("me/", Me.as_view(), name="api-me"),
    path("schema/", SchemaView.as_view(), name="api-schema"),
    path("docs/", DocsView.as_view(), name="api-docs"),
    path("", include(router.urls)),
    re_path("", problems.not_found),  # or APPEND_SLASH and a page of HTML would answer
]
