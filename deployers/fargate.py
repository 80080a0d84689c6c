"""Which CPU and memory a Fargate task may have together.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
"""

MEMORY = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
}
"""CPU units, and the MiB that each goes with; what the template's TaskCpu allows."""


def problem(cpu: str, memory: str) -> tuple[str, str] | None:
    """The parameter that does not fit, and what to write instead; None for a pair that Fargate takes."""
    if not cpu.isdecimal() or int(cpu) not in MEMORY:
        return "TaskCpu", f"Fargate takes {_listed(tuple(MEMORY))} CPU units."
    allowed = MEMORY[int(cpu)]
    if not memory.isdecimal() or int(memory) not in allowed:
        return "TaskMemory", f"With {cpu} CPU units Fargate takes {_listed(allowed)} MiB."
    return None


def _listed(numbers: tuple[int, ...]) -> str:
    if len(numbers) > 5:
        return f"{numbers[0]}, {numbers[1]} and so on up to {numbers[-1]}"
    return f"{', '.join(map(str, numbers[:-1]))} or {numbers[-1]}"
