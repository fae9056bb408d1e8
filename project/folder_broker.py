"""Celery's filesystem transport, with messages that appear whole.

Kombu opens a message's file under its final name and then writes it. A reader that is just there takes an empty file:
the message is lost, and the error ends the worker. Here it is written under a name that no queue reads, then renamed.
"""

import time
import uuid
from pathlib import Path
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """A channel whose messages are put in one step."""

    # Kombu's own two classes do not agree on how this is called.
    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override] # noqa: ARG002
        folder = Path(self.data_folder_out)
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}"
        draft = folder / f"{name}.draft"
        try:
            draft.write_text(dumps(payload))
            draft.replace(folder / f"{name}.{queue}.msg")
        except OSError as error:
            raise ChannelError(f"cannot add a message to {folder} ({error.strerror})") from error


class Transport(filesystem.Transport):
    """The transport to put in the place of kombu's."""

    Channel = Channel
