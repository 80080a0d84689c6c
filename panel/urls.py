"""Where everything is served."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from panel.api import problems

# The admin's own form knows no limit on attempts and no second factor: everybody signs in at one place.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", include("panel.web.urls")),
    path("api/v1/", include("panel.api.urls")),
    re_path("^api/", problems.not_found),
    path("admin/password_change/", RedirectView.as_view(pattern_name="profile-password")),
    path("admin/", admin.site.urls),
]
