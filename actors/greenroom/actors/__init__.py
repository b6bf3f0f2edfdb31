"""Rooms, tracks, streams and processors as actors: sessions that own, share and close audio processors right.

`Session` is the door. Everything that it hands out is here too.
"""

from greenroom.actors.context import Context, Credentials, StreamInfo, Token
from greenroom.actors.errors import (
    BadFrame,
    BadProcessorSpec,
    DuplicateName,
    LeaseOver,
    NotAProcessor,
    NotThere,
    RoomClosed,
    SessionClosed,
    SessionError,
    StreamClosed,
    StreamFailed,
    TrackClosed,
    UnknownProcessor,
)
from greenroom.actors.feed import Feed
from greenroom.actors.frames import Frame, Samples
from greenroom.actors.handles import Room, Track
from greenroom.actors.pace import Pace
from greenroom.actors.processors import (
    AudioProcessor,
    OnFault,
    Placement,
    Processor,
    ProcessorFactory,
    ProcessorSpec,
    Reason,
)
from greenroom.actors.report import SessionReport, Verdict
from greenroom.actors.session import Session
from greenroom.actors.snapshots import (
    EventKind,
    Latency,
    ProcessorSnapshot,
    ProcessorState,
    RoomSnapshot,
    SessionEvent,
    SessionSnapshot,
    StreamSnapshot,
    TrackSnapshot,
)
from greenroom.actors.sources import Reader, Sink, Source
from greenroom.actors.streams import Lease, Script, Stream

__all__ = [
    "AudioProcessor",
    "BadFrame",
    "BadProcessorSpec",
    "Context",
    "Credentials",
    "DuplicateName",
    "EventKind",
    "Feed",
    "Frame",
    "Latency",
    "Lease",
    "LeaseOver",
    "NotAProcessor",
    "NotThere",
    "OnFault",
    "Pace",
    "Placement",
    "Processor",
    "ProcessorFactory",
    "ProcessorSnapshot",
    "ProcessorSpec",
    "ProcessorState",
    "Reader",
    "Reason",
    "Room",
    "RoomClosed",
    "RoomSnapshot",
    "Samples",
    "Script",
    "Session",
    "SessionClosed",
    "SessionError",
    "SessionEvent",
    "SessionReport",
    "SessionSnapshot",
    "Sink",
    "Source",
    "Stream",
    "StreamClosed",
    "StreamFailed",
    "StreamInfo",
    "StreamSnapshot",
    "Token",
    "Track",
    "TrackClosed",
    "TrackSnapshot",
    "UnknownProcessor",
    "Verdict",
]
