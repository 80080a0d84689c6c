"""`/members/` and `/invitations/`: who is in the team, and who may come."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from panel.api.base import Noun
from panel.api.shapes import Strict, read_body
from teams import policy
from teams.models import Invitation, Membership, Role
from teams.policy import Act
from teams.services import invitations, members


class MemberSerializer(serializers.ModelSerializer[Membership]):
    username = serializers.CharField(source="user.username", read_only=True)
    is_active = serializers.BooleanField(source="user.is_active", read_only=True, help_text="Whether they may sign in.")

    class Meta:
        model = Membership
        fields = ["id", "username", "role", "is_active"]
        read_only_fields = fields


class MemberWriteSerializer(Strict):
    role = serializers.ChoiceField(choices=Role.choices)


class MemberViewSet(Noun[Membership]):
    """The team's people. Service accounts are not among them."""

    queryset = Membership.objects.all()
    serializer_class = MemberSerializer
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[Membership]:
        if getattr(self, "swagger_fake_view", False):
            return Membership.objects.none()
        policy.require(Act.SEE_MEMBERS, user=self.actor, team=self.team)
        return members.of(self.team)

    @extend_schema(request=MemberWriteSerializer)
    def partial_update(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Give a member another role. The last admin keeps theirs."""
        policy.require(Act.ADMINISTER_MEMBERS, user=self.actor, team=self.team)
        member = self.get_object()
        body = read_body(MemberWriteSerializer, request, partial=True)
        if "role" in body:
            members.change_role(membership=member, role=Role(body["role"]), actor=self.actor)
        return self.answer(member)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Take a member out of the team, or leave it oneself. The last admin stays."""
        member = self.get_object()
        if member.user_id == self.actor.pk:
            members.leave(team=self.team, user=self.actor)
        else:
            members.remove(membership=member, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    email = serializers.CharField(
        read_only=True, help_text="Where the link was sent; empty where somebody passes it on."
    )
    invited_by = serializers.CharField(source="invited_by.username", read_only=True, allow_null=True, default=None)

    class Meta:
        model = Invitation
        fields = ["id", "role", "email", "invited_by", "created_at", "expires_at"]
        read_only_fields = fields


class NewInvitationSerializer(InvitationSerializer):
    url = serializers.URLField(
        read_only=True, allow_null=True, help_text="The link, shown this once; null if it was sent by e-mail."
    )

    class Meta(InvitationSerializer.Meta):
        fields = [*InvitationSerializer.Meta.fields, "url"]
        read_only_fields = fields


class InvitationWriteSerializer(Strict):
    """Without an `email` the answer holds the link; with one it is sent there."""

    role = serializers.ChoiceField(choices=Role.choices)
    email = serializers.EmailField(required=False, allow_blank=True, max_length=254)
    days = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=invitations.MOST_DAYS,
        help_text="That the link works; 7 if left out.",
    )


class InvitationViewSet(Noun[Invitation]):
    """Invitations that can still be accepted. For admins."""

    queryset = Invitation.objects.all()
    serializer_class = InvitationSerializer

    def get_queryset(self) -> QuerySet[Invitation]:
        if getattr(self, "swagger_fake_view", False):
            return Invitation.objects.none()
        policy.require(Act.ADMINISTER_MEMBERS, user=self.actor, team=self.team)
        return invitations.open_of(self.team)

    @extend_schema(request=InvitationWriteSerializer, responses={201: NewInvitationSerializer})
    def create(self, request: Request) -> Response:
        """Invite one person."""
        policy.require(Act.ADMINISTER_MEMBERS, user=self.actor, team=self.team)
        body = read_body(InvitationWriteSerializer, request)
        made, url = invitations.create(team=self.team, actor=self.actor, **{**body, "role": Role(body["role"])})
        made.url = url  # type: ignore[attr-defined] # for this answer only
        return Response(NewInvitationSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, id: str) -> Response:  # noqa: A002, ARG002
        """Take an invitation back."""
        invitations.revoke(invitation=self.get_object(), actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
