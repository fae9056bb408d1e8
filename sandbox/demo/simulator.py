"""What the sandbox says of itself, and where the demo stopped last time."""

from pathlib import Path
from typing import Any

import msgspec
import requests
from msgspec import Struct

from musicsync.words import counted
from sandbox.demo.children import DemoError

_LIMIT_SECONDS = 120


class State(Struct):
    """Where the demo stopped. ``synced``: the generation that the catalogue shows, ``None`` while that is not sure."""

    tracks: int
    generation: int = 0
    synced: int | None = None

    @classmethod
    def load(cls, path: Path, tracks: int) -> "State":
        """Return the state that was kept, a new one where there is none.

        Raises:
            DemoError: it belongs to a catalogue of another size.
        """
        if not path.exists():
            return cls(tracks)
        state = msgspec.json.decode(path.read_bytes(), type=cls)
        if state.tracks != tracks:
            raise DemoError(
                f"{path.parent} holds a catalogue of {counted(state.tracks, 'track')} a provider: ask for --tracks "
                f"{state.tracks}, or remove that folder to begin anew"
            )
        return state

    def save(self, path: Path) -> None:
        """Keep the state."""
        draft = path.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(self))
        draft.rename(path)


class Expected(Struct):
    """What changes in one dialect between two generations."""

    tracks: int
    edited: int
    removed: int
    added: int
    merged_artists: int


class Asked(Struct):
    """How many requests a dialect served and refused."""

    served: int
    refused: int


class Simulator:
    """A client of the sandbox's control endpoints."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        # A proxy named in the environment is for the world outside.
        self._session.trust_env = False

    def artists(self, dialect: str) -> list[str]:
        """Return the artists by which every track is reached."""
        return msgspec.convert(self._ask("GET", f"scopes?provider={dialect}")["artist"], list[str])

    def evolve(self) -> None:
        """Move the catalogues one generation on."""
        self._ask("POST", "evolve", {"expected": False})

    def expected(self, dialect: str, start: int, end: int) -> Expected:
        """Return what changes between two generations."""
        return msgspec.convert(self._ask("GET", f"expected?from={start}&to={end}")[dialect], Expected)

    def asked(self, dialect: str) -> Asked:
        """Return what was asked of the dialect since the sandbox started."""
        return msgspec.convert(self._ask("GET", "state")["requests"][dialect], Asked)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = self._session.request(method, f"{self.url}/control/{path}", json=body, timeout=_LIMIT_SECONDS)
        except requests.RequestException as error:
            raise DemoError(f"the sandbox does not answer: {error}") from error
        document: dict[str, Any] = answer.json()
        if not answer.ok:
            raise DemoError(f"the sandbox says: {document['error']}")
        return document
