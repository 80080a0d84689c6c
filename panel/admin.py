"""The stock Django admin: to look at every row, and to manage users and teams.

What services and workers keep consistent is shown and not edited here. No form or list holds a secret.
"""

from typing import TYPE_CHECKING, Any, cast

from allauth.account.admin import EmailAddress, EmailConfirmation
from allauth.mfa.admin import Authenticator
from allauth.socialaccount.admin import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.admin import UserSession
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import add_never_cache_headers

from deployers.models import Artifact, AwsAccount, Deployment, DeploymentStep, Operation, Stack, StackEvent
from deployers.nudge import on_commit_nudge
from deployers.services import key_rotation
from integrations.models import AppSetup, Delivery, Integration, KnownHead, Provider, Repository, SSHKey, SSHKeyState
from panel.admin_audit import Audited, KeepsAdmins, password_changed
from panel.web.reauthentication import ask
from teams.errors import SluiceError
from teams.models import ApiToken, AuditEntry, Invitation, Membership, PasswordReset, Team, User
from teams.services import members, password_resets, second_factors

# Django's classes take no type arguments at run time, its stubs ask for them.
if TYPE_CHECKING:
    Rows = admin.ModelAdmin[Any]
    Inline = admin.TabularInline[Membership, Team]
    Users = UserAdmin[User]
else:
    Rows, Inline, Users = admin.ModelAdmin, admin.TabularInline, UserAdmin
admin.site.unregister(Group)

admin.site.site_header = "Sluice administration"
admin.site.site_title = "Sluice"


MOST_LINKS = 20
"""To set a password, made at once."""


def _is_super(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    """Whether this user's row is theirs to change: superusers' are for superusers, as are those of other staff."""
    if user is None or _is_super(request):
        return True
    return not user.is_superuser and (not user.is_staff or user.pk == request.user.pk)


class ReadOnly(Rows):
    """Rows to look at: pages, the API and workers change them through services."""

    secret: tuple[str, ...] = ()
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def get_exclude(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:  # noqa: ARG002
        return self.secret


class MembershipInline(Inline):
    model = Membership
    extra = 1
    autocomplete_fields = ["user"]


@admin.register(Team)
class TeamAdmin(KeepsAdmins):
    list_display = ["name", "slug", "created_at"]
    search_fields = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}
    inlines = [MembershipInline]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        with members.locked(form.instance):
            super().save_related(request, form, formsets, change)


# What is theirs is changed by its owner, on the pages of the account; a row written here could let anybody in.
for theirs in (EmailAddress, EmailConfirmation, Authenticator, UserSession, SocialAccount, SocialApp, SocialToken):
    if admin.site.is_registered(theirs):
        admin.site.unregister(theirs)


@admin.register(Group)
class SluiceGroupAdmin(Audited, GroupAdmin):
    """Groups hold permissions, so they are for superusers."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_super(request)

    def has_view_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:  # noqa: ARG002
        return _is_super(request)

    has_add_permission = has_module_permission
    has_change_permission = has_delete_permission = has_view_permission


@admin.register(User)
class SluiceUserAdmin(KeepsAdmins, Users):
    """Staff raise nobody, themselves least: what a user may do in the admin is for superusers to set.

    For staff who may change users, other staff are to look at: a new password would be another way up.
    """

    list_display = ["username", "email", "is_active", "is_staff", "last_login"]
    actions = ["reset_second_factor", "make_password_link"]
    POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        powers = [] if _is_super(request) else self.POWERS
        return [*super().get_readonly_fields(request, obj), *powers]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        with members.all_locked(Team.objects.filter(memberships__user=obj.pk)):
            super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        with members.all_locked(Team.objects.filter(memberships__user=obj.pk)):
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        with members.all_locked(Team.objects.filter(memberships__user__in=list(queryset)).distinct()):
            super().delete_queryset(request, queryset)

    @admin.action(description="Reset the second factors of the selected users", permissions=["change"])
    def reset_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        if (asked := ask(request)) is not None:
            return asked
        for user in queryset:
            try:
                second_factors.reset(user=user, actor=cast("User", request.user))
            except SluiceError as error:
                self.message_user(request, str(error), messages.ERROR)
                continue
            self.message_user(request, f"{user} signs in without a second factor until one is set up again.")
        return None

    @admin.action(description="Make a link to set a new password", permissions=["change"])
    def make_password_link(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Shown in the answer alone, as it is kept nowhere: the link signs in who forgot the password."""
        if (asked := ask(request)) is not None:
            return asked
        made = []
        for user in queryset[:MOST_LINKS]:
            try:
                url, until = password_resets.hand_out(user=user, actor=cast("User", request.user))
            except SluiceError as error:
                self.message_user(request, str(error), messages.ERROR)
                continue
            made.append((user, url, until))
        if not made:
            return None
        context = {**self.admin_site.each_context(request), "made": made, "title": "Links to set a new password"}
        answer = render(request, "admin/password_links.html", context)
        add_never_cache_headers(answer)
        return answer

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        found = self.get_object(request, unquote(id))
        if found is not None and found.is_service_account:
            self.message_user(request, "A service account has tokens, and never a password.", messages.ERROR)
            return redirect("admin:teams_user_changelist")
        answer = super().user_change_password(request, id, form_url)
        password_changed(request, id, answer)
        return answer


@admin.register(ApiToken)
class ApiTokenAdmin(Audited, ReadOnly):
    secret = ("digest",)
    list_display = ["name", "prefix", "user", "team", "last_used_at", "expires_at"]
    list_select_related = ["user", "team"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Revoking somebody's token is an administrator's to do."""
        return Rows.has_delete_permission(self, request, obj)


@admin.register(Invitation)
class InvitationAdmin(ReadOnly):
    secret = ("digest",)
    list_display = ["id", "team", "role", "email", "invited_by", "expires_at", "accepted_at", "accepted_by"]
    list_select_related = ["team", "invited_by", "accepted_by"]


@admin.register(PasswordReset)
class PasswordResetAdmin(ReadOnly):
    secret = ("digest",)
    list_display = ["user", "created_at", "expires_at"]
    list_select_related = ["user"]


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ["created_at", "actor_name", "action", "object_type", "object_name", "team", "source", "ip"]
    list_filter = ["source", "action"]
    list_select_related = ["team"]
    search_fields = ["actor_name", "object_name", "object_id"]
    date_hierarchy = "created_at"


@admin.register(Provider)
class ProviderAdmin(ReadOnly):
    secret = ("credentials_json",)
    list_display = ["name", "kind", "team", "login", "checked_at"]
    list_filter = ["kind"]
    list_select_related = ["team"]
    search_fields = ["name"]


@admin.register(AppSetup)
class AppSetupAdmin(ReadOnly):
    secret = ("credentials_json", "state_hash", "session_hash")
    list_display = ["name", "kind", "team", "user", "slug", "created_at"]
    list_select_related = ["team", "user"]


@admin.register(Repository)
class RepositoryAdmin(ReadOnly):
    list_display = ["full_name", "provider", "team", "default_branch"]
    list_select_related = ["provider", "team"]
    search_fields = ["full_name"]


@admin.register(Integration)
class IntegrationAdmin(ReadOnly):
    # Parameters may hold values of NoEcho template parameters.
    secret = ("webhook_secret", "webhook_secret_previous", "parameters")
    list_display = ["name", "team", "repository", "method", "aws_account", "region", "webhook_state"]
    list_filter = ["method", "webhook_state"]
    list_select_related = ["team", "repository", "aws_account"]
    search_fields = ["name", "repository__full_name"]


@admin.register(KnownHead)
class KnownHeadAdmin(ReadOnly):
    list_display = ["ref", "integration", "commit", "missing", "missing_since"]
    list_select_related = ["integration"]
    search_fields = ["ref", "commit"]


@admin.register(SSHKey)
class SSHKeyAdmin(ReadOnly):
    list_display = ["fingerprint", "integration", "state", "remote_state", "created_at", "last_used_at"]
    list_filter = ["state", "remote_state"]
    list_select_related = ["integration"]
    search_fields = ["fingerprint", "integration__name"]
    actions = ["rotate", "revoke"]
    change_list_template = "admin/ssh_keys.html"

    @admin.action(description="Rotate the selected keys")
    def rotate(self, request: HttpRequest, queryset: QuerySet[SSHKey]) -> HttpResponse | None:
        if (asked := ask(request)) is not None:
            return asked
        integrations = Integration.objects.filter(ssh_keys__in=queryset.filter(state=SSHKeyState.CURRENT))
        for integration in integrations.select_related("team", "repository__provider").distinct():
            try:
                operation = key_rotation.rotate(integration=integration, actor=cast("User", request.user))
            except SluiceError as error:
                self.message_user(request, f"{integration}: {error}", messages.ERROR)
                continue
            on_commit_nudge(operation.pk)
            self.message_user(request, f"Rotating the key of {integration}.")
        return None

    @admin.action(description="Revoke the selected keys: their integrations fetch nothing until they are rotated")
    def revoke(self, request: HttpRequest, queryset: QuerySet[SSHKey]) -> HttpResponse | None:
        if (asked := ask(request)) is not None:
            return asked
        live = queryset.filter(state__in=[SSHKeyState.CURRENT, SSHKeyState.PENDING]).select_related("integration__team")
        if "revoke" not in request.POST:
            context = {**self.admin_site.each_context(request), "keys": live, "title": "Revoke SSH keys"}
            return render(request, "admin/revoke_ssh_keys.html", context)
        for key in live:
            try:
                key_rotation.revoke(key=key, actor=cast("User", request.user))
            except SluiceError as error:
                self.message_user(request, f"{key.integration}: {error}", messages.ERROR)
                continue
            self.message_user(request, f"The key of {key.integration} is revoked.")
        return None


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    list_display = ["delivery_id", "integration", "event", "ref", "status", "received_at"]
    list_filter = ["status"]
    list_select_related = ["integration"]
    search_fields = ["delivery_id", "commit"]


@admin.register(AwsAccount)
class AwsAccountAdmin(ReadOnly):
    secret = ("secret_access_key",)
    list_display = ["name", "account_id", "team", "method", "checked_at"]
    list_select_related = ["team"]
    search_fields = ["name", "account_id"]


@admin.register(Stack)
class StackAdmin(ReadOnly):
    list_display = ["name", "kind", "integration", "region", "aws_status", "seen_at"]
    list_filter = ["kind", "aws_status"]
    list_select_related = ["integration"]
    search_fields = ["name"]


@admin.register(Operation)
class OperationAdmin(ReadOnly):
    list_display = ["id", "kind", "target", "status", "step", "attempts", "created_at", "finished_at"]
    list_filter = ["status", "kind"]
    search_fields = ["target"]


@admin.register(StackEvent)
class StackEventAdmin(ReadOnly):
    list_display = ["timestamp", "stack", "logical_id", "resource_type", "status"]
    list_select_related = ["stack"]


@admin.register(Deployment)
class DeploymentAdmin(ReadOnly):
    list_display = ["external_id", "integration", "status", "trigger", "ref", "commit", "created_at"]
    list_filter = ["status", "trigger"]
    list_select_related = ["integration"]
    search_fields = ["external_id", "commit"]


@admin.register(DeploymentStep)
class DeploymentStepAdmin(ReadOnly):
    list_display = ["deployment", "group", "name", "status", "started_at"]
    list_select_related = ["deployment"]


@admin.register(Artifact)
class ArtifactAdmin(ReadOnly):
    list_display = ["key", "integration", "ref", "commit", "size", "created_at"]
    list_select_related = ["integration"]
    search_fields = ["key", "commit"]
