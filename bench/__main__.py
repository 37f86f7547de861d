"""Run every benchmark, one after the other: ``python -m bench`` (``make bench``)."""

import subprocess
import sys

_BENCHMARKS = ("kernel", "ledger", "fits", "simulated", "disagreement", "pipeline")


def main() -> int:
    """Return 0 when every benchmark ran."""
    failed = []
    for name in _BENCHMARKS:
        print(f"== {name}", flush=True)
        if subprocess.call([sys.executable, "-m", f"bench.{name}"]):  # noqa: S603
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
