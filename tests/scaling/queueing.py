"""Events posted, and the queue of RabbitMQ that they come to."""

from typing import Any

import amqp

from config import brokers
from embedded import ports
from tests.scaling import rabbit


def assert_refused(answer: Any) -> None:
    assert answer.status_code == 503, answer.content
    assert int(answer["Retry-After"]) > 0


def messages() -> int:
    return brokers.current().waiting().messages


def made(node: rabbit.RabbitMQ, arguments: dict[str, Any]) -> None:
    """The queue, by somebody else."""
    with amqp.Connection(f"{ports.HOST}:{node.port}") as other:
        arguments = {"x-queue-type": "quorum", **arguments}
        other.channel().queue_declare(
            "celery", durable=True, auto_delete=False, arguments=arguments
        )
