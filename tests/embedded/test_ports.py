"""Ports for the stores."""

from embedded import ports


def test_a_free_port_is_none_that_the_kernel_hands_out_by_itself() -> None:
    first = int(ports.EPHEMERAL_RANGE.read_text().split()[0])
    picked = [ports.pick_free() for _ in range(50)]
    assert min(picked) >= ports.FIRST
    assert max(picked) < max(first, ports.FIRST + 1_000)
