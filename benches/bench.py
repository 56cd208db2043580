"""Runs the benchmarks named on the command line (all of them by default), one after another,
and writes what they measured to the terminal and to target/bench/."""

import argparse
import contextlib
import os
import pathlib
import signal
import sys
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import api_calls  # noqa: E402
import image_pull  # noqa: E402
import log_search  # noqa: E402
import many_objects  # noqa: E402
import registry_copy  # noqa: E402
import report  # noqa: E402
import service_scale  # noqa: E402
import start_up  # noqa: E402
import store_log  # noqa: E402
import task_start  # noqa: E402
from place import Place  # noqa: E402

BENCHMARKS = {
    "start": task_start.run,
    "pull": image_pull.run,
    "registry": registry_copy.run,
    "api": api_calls.run,
    "up": start_up.run,
    "many": many_objects.run,
    "store": store_log.run,
    "service": service_scale.run,
    "logs": log_search.run,
}


def arguments():
    parser = argparse.ArgumentParser(prog="benches/run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="small numbers: does it work at all?")
    parser.add_argument("--publish", action="store_true", help="put the tables into benches/README.md")
    parser.add_argument("--list", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    for name in given.names:
        if name not in BENCHMARKS:
            parser.error(f"no benchmark is called {name}: take some of {', '.join(BENCHMARKS)}")
    return given


def main():
    given = arguments()
    if given.list:
        print(*(given.names or BENCHMARKS))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tables, failed = [], []
    for name in given.names or BENCHMARKS:
        print(f"\n== {name}", flush=True)
        directory = pathlib.Path(os.environ["NEARGATE_BENCH_DIR"]) / name
        directory.mkdir()
        with contextlib.ExitStack() as stack:
            place = Place(directory, stack, given.quick)
            try:
                for table in BENCHMARKS[name](place):
                    tables.append(table)
                    print("\n" + table.text(), flush=True)
            except Exception:  # one failed benchmark must not hide the others' figures
                traceback.print_exc()
                failed.append(name)
    written = report.write(ROOT / "target/bench", tables, failed, sys.argv[1:])
    print(f"\nwritten to {written}")
    if given.publish:
        report.publish(written, ROOT / "benches/README.md")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
