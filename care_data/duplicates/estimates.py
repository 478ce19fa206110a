"""What a search will take, told before it starts, from what was measured (bench/README.md, "Deduplication")."""

from dataclasses import dataclass

from care_data.threads import count_workers

# Of texts of about 500 bytes, on one core; a third as much again for reading and writing.
_SECONDS_A_BYTE = 1.0 / 45e6
_START = 0.9
_MEMORY, _MEMORY_A_BYTE = 350 << 20, 0.95
_SCRATCH_A_BYTE = 0.95
_EXHAUSTIVE_TIME, _EXHAUSTIVE_MEMORY = 3, 6


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
    seconds = _START + size * _SECONDS_A_BYTE / count_workers(workers) * (_EXHAUSTIVE_TIME if exhaustive else 1)
    memory = _MEMORY + int(size * _MEMORY_A_BYTE * (_EXHAUSTIVE_MEMORY if exhaustive else 1))
    return Estimate(size, seconds, memory, int(size * _SCRATCH_A_BYTE))


def _free_memory() -> int:
    """Bytes the system can give without harm; 0 where it does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:
            told = dict(line.split(":", 1) for line in stream)
        return int(told["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return 0
