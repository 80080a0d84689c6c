"""Addresses of signing in and of one's own account. django-allauth's views are found by the names that it gives them.

Only what is listed here is served: its other pages, as signing up, are not.
"""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from allauth.socialaccount import views as social
from django.urls import URLPattern, URLResolver, include, path

from panel.web import forgotten_passwords, identities, profile, session
from panel.web.access import person
from panel.web.reauthentication import confirmed

sign_in, sign_out = session.SignIn.as_view(), session.SignOut.as_view()
factors = person(mfa.index)

own: list[URLPattern] = [
    path("", profile.index, name="profile"),
    path("password/", profile.change_password, name="profile-password"),
    path("email/", profile.change_email, name="profile-email"),
    path("email/<str:token>/", profile.confirm_email, name="profile-email-confirm"),
    path("identities/", identities.connections, name="socialaccount_connections"),
    path("sessions/end/", profile.end_others, name="profile-sessions-end"),
    path("sessions/<int:pk>/end/", profile.end_session, name="profile-session-end"),
    path("second-factor/", factors, name="mfa_index"),
    path("passkeys/", factors, name="mfa_list_webauthn"),
    path("passkeys/add/", person(confirmed(webauthn.add_webauthn)), name="mfa_add_webauthn"),
    path("passkeys/<int:pk>/", person(webauthn.edit_webauthn), name="mfa_edit_webauthn"),
    path("passkeys/<int:pk>/remove/", person(webauthn.remove_webauthn), name="mfa_remove_webauthn"),
    path("app/add/", person(confirmed(totp.activate_totp)), name="mfa_activate_totp"),
    path("app/remove/", person(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("recovery-codes/", person(codes.view_recovery_codes), name="mfa_view_recovery_codes"),
    path("recovery-codes/renew/", person(codes.generate_recovery_codes), name="mfa_generate_recovery_codes"),
    path("recovery-codes/download/", person(codes.download_recovery_codes), name="mfa_download_recovery_codes"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("sign-in/", sign_in, name="sign-in"),
    path("sign-in/", sign_in, name="account_login"),
    path("sign-in/second-factor/", mfa.authenticate, name="mfa_authenticate"),
    path("sign-in/passkey/", session.PasskeySignIn.as_view(), name="mfa_login_webauthn"),
    path("sign-in/closed/", session.closed, name="account_signup"),
    path("sign-in/inactive/", account.account_inactive, name="account_inactive"),
    path("forgotten-password/", forgotten_passwords.ask, name="password-forgotten"),
    path("forgotten-password/<str:token>/", forgotten_passwords.reset, name="password-reset"),
    path("sign-out/", sign_out, name="sign-out"),
    path("sign-out/", sign_out, name="account_logout"),
    path("confirm-password/", person(account.reauthenticate), name="account_reauthenticate"),
    path("confirm-password/code/", person(mfa.reauthenticate), name="mfa_reauthenticate"),
    path("confirm-password/passkey/", person(webauthn.reauthenticate_webauthn), name="mfa_reauthenticate_webauthn"),
    path("confirm-password/again/", identities.again, name="confirm-again"),
    path("identity/github/login/", identities.github_login, name="github_login"),
    path("identity/github/login/callback/", identities.github_callback, name="github_callback"),
    path("identity/<slug:provider_id>/login/", identities.openid_login, name="openid_connect_login"),
    path("identity/<slug:provider_id>/login/callback/", identities.openid_callback, name="openid_connect_callback"),
    path("identity/cancelled/", social.login_cancelled, name="socialaccount_login_cancelled"),
    path("identity/error/", social.login_error, name="socialaccount_login_error"),
    path("identity/closed/", identities.closed, name="socialaccount_signup"),
    path("profile/", include(own)),
]
