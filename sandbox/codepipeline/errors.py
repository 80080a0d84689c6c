"""What goes wrong, in AWS's words."""


class ApiError(Exception):
    """An answer of the API with a code, such as PipelineNotFoundException."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ActionFailed(Exception):
    """An action failed; `code` is CodePipeline's, such as JobFailed or PermissionError."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Interrupted(Exception):
    """The execution was asked to stop and abandon its action."""
