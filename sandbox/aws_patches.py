"""What MiniStack lacks for Sluice's stacks."""


def apply() -> None:
    """Change MiniStack in this process."""
