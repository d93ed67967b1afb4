"""Python's garbage collector on an instance: out of the way of the start, then nearly idle.

Importing makes some 200,000 objects that all stay, and the collector would look through them
again and again (30-40 ms of a cold start). So this module, imported before the others, lets it
sleep until there is an instance; ``settle`` then leaves what was made out of later collections.
"""

from __future__ import annotations

import gc

# Enough that nothing is collected while modules load; a process that never settles still collects.
gc.set_threshold(100_000, 50, 1000)


def settle() -> None:
    """What has been made by now stays: leave it out of every later collection, and collect less
    often than Python does.

    A request leaves a few hundred short-lived objects and hardly a cycle; with Python's default the
    collector took 9 % of a request's CPU (perf, bench.chat), with this under 1 %. Nothing is
    collected first: that takes 40 ms and finds about a thousand objects.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
