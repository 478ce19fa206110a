"""What a search will take, told before it starts, from what was measured (bench/README.md, "Deduplication")."""

from dataclasses import dataclass

from care_data.threads import count_workers

# The most that was measured on 20,000 to 3.2 million texts of about 500 bytes: seconds of one core, bytes of memory.
_SECONDS, _SECONDS_A_BYTE = 0.9, 1 / 45e6
_MEMORY, _BATCHES, _BATCHES_A_BYTE, _MEMORY_A_BYTE = 350 << 20, 270 << 20, 5.0, 1.4
_SCRATCH_A_BYTE = 0.95
_EXHAUSTIVE_TIME, _EXHAUSTIVE_MEMORY = 4, 4.1


@dataclass(frozen=True)
class Estimate:
    """Seconds, bytes of memory at most, and bytes on disk while it runs; size: bytes of text they are for."""

    size: int
    seconds: float
    memory: int
    scratch: int

    def __str__(self) -> str:
        from rich.filesize import decimal

        needs = (
            f"about {self.seconds:.0f} s, {decimal(self.memory)} of memory, {decimal(self.scratch)} of disk meanwhile"
        )
        free = _free_memory()
        warning = f"; only {decimal(free)} of memory are free" if free and self.memory > free else ""
        return f"{decimal(self.size)} of text: {needs}{warning}"


def estimate(size: int, workers: int | None = None, exhaustive: bool = False) -> Estimate:
    """What so many bytes of text take, in order of magnitude: texts that are long or all alike take less."""
    seconds = _SECONDS + size * _SECONDS_A_BYTE / count_workers(workers) * (_EXHAUSTIVE_TIME if exhaustive else 1)
    batches = min(_BATCHES, int(size * _BATCHES_A_BYTE))
    memory = _MEMORY + batches + int(size * _MEMORY_A_BYTE * (_EXHAUSTIVE_MEMORY if exhaustive else 1))
    return Estimate(size, seconds, memory, int(size * _SCRATCH_A_BYTE))


def _free_memory() -> int:
    """Bytes the system can give without harm; 0 where it does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:
            told = dict(line.split(":", 1) for line in stream)
        return int(told["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return 0
