"""What the API answers when it refuses."""


class ApiError(Exception):
    """An answer of AWS's with a code, such as DeploymentDoesNotExistException."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
