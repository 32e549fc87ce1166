"""A training of many processes tried on one machine, rank by rank, before it waits in a queue.

No process talks to another. Each rank is a process of its own, in a group of processes that torch only pretends to
have; what it does is written down and compared with what the others do.
"""

from framework_core.rehearsal.asked import Asked, asked_of
from framework_core.rehearsal.faults import Fault, named
from framework_core.rehearsal.rehearsing import Rehearsal, rehearse

__all__ = ["Asked", "Fault", "Rehearsal", "asked_of", "named", "rehearse"]
