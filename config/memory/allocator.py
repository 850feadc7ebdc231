"""Returns memory to the system as soon as it is free."""

import ctypes

# glibc's <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# Larger than a batch of a thousand events. A page fault for each page of a batch would cost 1 %.
_LARGE_BYTES = 1024 * 1024


def give_back() -> None:
    """Return large blocks as soon as they are free, and use few heaps for all threads.

    By default glibc treats every block size it has seen as usual, and keeps that much in the heap
    of every thread: a process that once had 20 bodies of 20 MB would keep most of that memory.
    Other C libraries do not do this, and have no mallopt.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, 2)
