"""Memory that goes back to the system when it is free again."""

import ctypes

# glibc's <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# Above a batch of a thousand events: a page fault for each of its pages would cost 1 %.
_LARGE_BYTES = 1024 * 1024


def give_back() -> None:
    """Have large blocks returned as soon as they are free, and few heaps for all threads.

    Otherwise glibc takes each size it has met for usual, and keeps that much in the heap of every
    thread: a process that once had 20 bodies of 20 MB would keep most of it. Other C libraries
    have no such habit, and no mallopt.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, 2)
