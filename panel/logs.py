"""How a line of the log is written."""

import logging
import re

# C0, DEL and C1, and what else ends a line: whoever names a path, a ref or an author begins no line of their own,
# and moves no cursor of a terminal that shows the log (OWASP ASVS 5, 16.4.1).
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class OneLine(logging.Formatter):
    """Writes control characters of a message as escapes. A traceback has lines of its own, below."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name in the standard library
        return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], super().formatMessage(record))
