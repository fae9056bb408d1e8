"""Settings of a worker whose process is ended by one of Deezer's pages, as a fault in a library written in C does.

The path of the page stands in the environment variable POISON.
"""

import os
import signal

from musicsync.providers import deezer, registry
from musicsync.records import Page, Request, Response
from project.settings import *  # noqa: F403 - the project's own, with another adapter


class Poisoned(deezer.Deezer):
    def parse(self, request: Request, response: Response) -> Page:
        if request.path == os.environ["POISON"]:
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().parse(request, response)


registry.ADAPTERS[Poisoned.name] = Poisoned()
