"""LiveKit rooms: supervised processors directly on audio streams. Needs the extra ``greenroom[livekit]``.

`AudioStream` stands in for ``rtc.AudioStream``; `attach` and `connect` let a session know a room.
"""

from greenroom.adapters.livekit._attachment import Attachment
from greenroom.adapters.livekit._connect import connect
from greenroom.adapters.livekit._deliveries import Delivery, SinkDelivery, TrackDelivery
from greenroom.adapters.livekit._errors import (
    AlreadyAttached,
    ConnectFailed,
    NotAnOption,
    NotAudio,
    NotInRoom,
    ProcessorOver,
    SdkMissing,
    SdkUnsupported,
    WrongLoop,
)
from greenroom.adapters.livekit._hosting import hosted
from greenroom.adapters.livekit._lobby import close_default_session, default_session
from greenroom.adapters.livekit._registry import attach
from greenroom.adapters.livekit._relay import Relay
from greenroom.adapters.livekit._stream import AudioStream
from greenroom.adapters.livekit._supervised import SupervisedProcessor, SupervisedSnapshot, supervised
from greenroom.adapters.livekit._tokens import access_token

__all__ = [
    "AlreadyAttached",
    "Attachment",
    "AudioStream",
    "ConnectFailed",
    "Delivery",
    "NotAnOption",
    "NotAudio",
    "NotInRoom",
    "ProcessorOver",
    "Relay",
    "SdkMissing",
    "SdkUnsupported",
    "SinkDelivery",
    "SupervisedProcessor",
    "SupervisedSnapshot",
    "TrackDelivery",
    "WrongLoop",
    "access_token",
    "attach",
    "close_default_session",
    "connect",
    "default_session",
    "hosted",
    "supervised",
]
