"""Rooms on LiveKit servers while a deployment runs: greenroom enters each, relays, and leaves.

LiveKit's SDK is imported when there is such a room, and not before: it is an extra.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from greenroom.actors import Session
from greenroom.actors.context import MASK
from greenroom.adapters.files import FileSink
from greenroom.config import _live_secrets
from greenroom.config._deployment import Deployment, default_live_output
from greenroom.config._live_schema import LiveRoomSection
from greenroom.config._secrets import SecretMissing
from greenroom.config._studio import Nowhere
from greenroom.config.errors import ConfigError, KeyPath, Problem

if TYPE_CHECKING:
    from greenroom.adapters.livekit import Delivery, Relay

OWN_END = "client initiated"


@dataclass(slots=True)
class _Stay:
    """A room that was entered."""

    name: str
    relay: "Relay"
    reason: str = ""


class LiveRooms:
    """All the rooms of a deployment that are on LiveKit servers. On one event loop.

    Args:
        deployment: says which.
        out: the folder for what is written; None: nothing is.
    """

    def __init__(self, deployment: Deployment, out: Path | None) -> None:
        self._deployment = deployment
        self._out = out
        self._stays: list[_Stay] = []
        self._written: set[str] = set()

    async def enter(self, session: Session) -> None:
        """Enter them all.

        Raises:
            ConfigError: one cannot be entered; names the room, holds no secret.
        """
        await asyncio.gather(*(self._enter(session, *each) for each in self._deployment.live()))

    async def _enter(self, session: Session, name: str, section: LiveRoomSection) -> None:
        try:
            await self._connect(session, name, section)
        except (SecretMissing, ValueError, TypeError, OSError, ImportError) as error:
            problem = self._deployment.problem(("rooms", name), _without_secret(str(error), section))
            raise ConfigError([problem]) from None

    async def _connect(self, session: Session, name: str, section: LiveRoomSection) -> None:
        from greenroom.adapters.livekit import Relay, access_token  # noqa: PLC0415 - an extra

        url, key, secret = (
            _live_secrets.read(section, each) for each in ("url_env", "key_env", "secret_env")
        )
        token = access_token(key, secret, identity=section.identity, room=section.room or name)
        settings = self._deployment.file.session
        relay: Relay = Relay(
            session,
            processors=self._deployment.steps(section.pipeline),
            participants=None if section.participants is None else frozenset(section.participants),
            sources=frozenset(section.sources),
            sample_rate=settings.rate_hz,
            frame_size_ms=settings.frame_ms,
            deliver=lambda identity, source: self._delivery(name, section, relay, identity, source),
        )
        await relay.connect(url, token)
        self._stays.append(_Stay(name, relay))

    def _delivery(
        self, name: str, section: LiveRoomSection, relay: "Relay", identity: str, source: str
    ) -> "Delivery":
        from greenroom.adapters.livekit import SinkDelivery, TrackDelivery  # noqa: PLC0415 - an extra

        if section.output == "track":
            kind = "" if source == "microphone" else f" {source}"
            return TrackDelivery(relay.room, f"{identity}{kind} (clean)")
        if self._out is None:
            return SinkDelivery(Nowhere())
        path = self._out / self._unused(default_live_output(name, identity, source))
        return SinkDelivery(FileSink(path, rate_hz=self._deployment.file.session.rate_hz, channels=1))

    def _unused(self, output: str) -> str:
        """Number a file from a participant's second stay on."""
        stem, _, suffix = output.rpartition(".")
        name, number = output, 1
        while name.casefold() in self._written:
            number += 1
            name = f"{stem}-{number}.{suffix}"
        self._written.add(name.casefold())
        return name

    async def ended(self) -> None:
        """Wait until the servers have ended all of them; for ever, if they do not."""
        await asyncio.gather(*(self._end_of(stay) for stay in self._stays))

    async def _end_of(self, stay: _Stay) -> None:
        stay.reason = await stay.relay.ended()

    async def leave(self) -> None:
        """Leave them all, in order; what was written is completed."""
        await asyncio.gather(*(stay.relay.leave() for stay in self._stays))

    def problems(self) -> Iterator[Problem]:
        """Yield what went wrong: rooms that the server has ended, streams that have failed."""
        for stay in self._stays:
            where: KeyPath = ("rooms", stay.name)
            if stay.reason not in ("", OWN_END):
                yield self._deployment.problem(where, f"the server has ended it: {stay.reason}")
            for (identity, source), error in stay.relay.failures:
                yield self._deployment.problem(where, f"{identity}/{source}: {type(error).__name__}: {error}")


def _without_secret(text: str, section: LiveRoomSection) -> str:
    """Return an error's text without what is secret in it."""
    try:
        return text.replace(_live_secrets.read(section, "secret_env"), MASK)
    except SecretMissing:
        return text
