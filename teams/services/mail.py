"""E-mail, where the panel has a server for it."""

import logging
import smtplib

from django.conf import settings
from django.core.mail import send_mail

from teams.errors import SluiceError

logger = logging.getLogger(__name__)


class MailFailed(SluiceError):
    """The mail server did not take a message."""

    code = "mail_failed"
    status = 502
    retryable = True


def is_configured() -> bool:
    """Whether this panel can send e-mail at all."""
    return bool(settings.MAIL)


def send(*, to: str, subject: str, body: str) -> None:
    """Send plain text, outside of any transaction. Raises MailFailed."""
    try:
        send_mail(subject, body, None, [to])
    except (OSError, smtplib.SMTPException) as error:
        logger.warning("An e-mail could not be sent: %s", type(error).__name__)
        raise MailFailed("The mail server did not take the message.", remedy="Look at EMAIL_URL.") from error
