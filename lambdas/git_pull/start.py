"""What Lambda calls: the handler, or what hands its messages back where that cannot start."""

from lambdas.common.starting import starting

handler = starting("lambdas.git_pull.handler")
