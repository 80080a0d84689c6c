"""What a report of an unexpected error may hold, as Django mails one to ADMINS: where it happened, with no values."""

import re
from types import FrameType
from typing import Any

from django.http import HttpRequest, QueryDict
from django.views.debug import SafeExceptionReporterFilter


class WithoutValues(SafeExceptionReporterFilter):
    """Leaves out the variables of each frame and what was entered into forms: a credential has any name there.

    Only DEBUG shows them. What names a password is hidden as Django does, and so are addresses that hold one.
    """

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + "|DATABASE_URL|REDIS_URL|BROKER_URL|LOCATION",
        re.IGNORECASE,
    )

    def get_post_parameters(self, request: HttpRequest | None) -> Any:
        found = super().get_post_parameters(request)
        if request is None or not self.is_active(request):
            return found
        hidden = QueryDict(mutable=True)
        hidden.update(dict.fromkeys(found, self.cleansed_substitute))
        return hidden

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> Any:
        if not self.is_active(request):
            return super().get_traceback_frame_variables(request, tb_frame)
        return dict.fromkeys(tb_frame.f_locals, self.cleansed_substitute).items()
