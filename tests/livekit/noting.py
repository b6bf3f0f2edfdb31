"""What the tests' processors of LiveKit's have alike: each callback but those for frames is noted, in one way."""

from abc import abstractmethod
from typing import Any

from livekit import rtc


class Noting(rtc.FrameProcessor[rtc.AudioFrame]):
    """Notes what it is told."""

    @abstractmethod
    def _note(self, what: str, *values: Any) -> None: ...

    def _on_stream_info_updated(
        self, *, room_name: str, participant_identity: str, publication_sid: str
    ) -> None:
        self._note("info", room_name, participant_identity, publication_sid)

    def _on_stream_info_cleared(self) -> None:
        self._note("info cleared")

    def _on_credentials_updated(self, *, token: str, url: str) -> None:
        self._note("credentials", token, url)

    def _on_credentials_cleared(self) -> None:
        self._note("credentials cleared")
