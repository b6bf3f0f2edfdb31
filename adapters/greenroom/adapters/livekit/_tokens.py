"""Access tokens for rooms of a LiveKit server, made from its API key and secret."""

from greenroom.actors import Token


def access_token(key: str, secret: str | Token, *, identity: str, room: str) -> Token:
    """Return a token with which ``identity`` may enter ``room``, listen there and publish.

    The server renews it as long as its holder is there.

    Raises:
        ImportError: LiveKit's server API is not installed.
    """
    from livekit import api  # noqa: PLC0415 - who brings a token of his own does not need it

    revealed = secret.reveal() if isinstance(secret, Token) else secret
    grants = api.VideoGrants(room_join=True, room=room, can_publish=True, can_subscribe=True)
    return Token(api.AccessToken(key, revealed).with_identity(identity).with_grants(grants).to_jwt())
