"""The broker that is a folder: no message is read before it is whole."""

import multiprocessing
from pathlib import Path
from typing import Any

from kombu import Connection

import project.celery  # noqa: F401 - puts the transport in its place
from project import embedded

MESSAGES = 1500


def connect(var: Path) -> Any:
    return Connection(
        embedded.FOLDER_BROKER, transport_options=embedded.filesystem_options(var) | {"polling_interval": 0}
    )


def put_all(var: Path) -> None:
    with connect(var) as connection:
        queue = connection.SimpleQueue("numbers")
        for number in range(MESSAGES):
            queue.put({"number": number, "padding": "x" * 4000})


def test_a_reader_beside_the_writer_reads_every_message_whole(tmp_path: Path) -> None:
    for folder in ("messages", "control"):
        (tmp_path / "broker" / folder).mkdir(parents=True)
    with connect(tmp_path) as connection:
        queue = connection.SimpleQueue("numbers")
        writer = multiprocessing.get_context("spawn").Process(target=put_all, args=(tmp_path,))
        writer.start()
        read = set()
        while len(read) < MESSAGES:
            message = queue.get(timeout=60)
            message.ack()
            read.add(message.payload["number"])
        writer.join(60)
    assert read == set(range(MESSAGES))
