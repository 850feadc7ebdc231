"""Ports for the stores."""

from embedded import ports


def test_a_free_port_is_outside_the_kernels_own_range() -> None:
    first = int(ports.EPHEMERAL_RANGE.read_text().split()[0])
    picked = [ports.pick_free() for _ in range(50)]
    assert min(picked) >= ports.FIRST
    assert max(picked) < max(first, ports.FIRST + 1_000)
