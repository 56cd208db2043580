"""The store's own figures: transactions a second beside the bare cost of fdatasync on this disk."""

import os

from place import output
from report import Table


def run(place):
    table = Table("The embedded store", [], ["512-byte values; its peer is the disk's own fdatasync in the same run."])
    directory = place.path("data")
    found = output(os.environ["NEARGATE_STORE_BENCH"], directory, place.count(5, 1))
    table.verbatim = found.replace(f" in {directory}", "")
    yield table
