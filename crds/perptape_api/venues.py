"""Which venues are asked, and where and as whom. Pure."""

from typing import Annotated, Final

from perptape_api.model import Form, Model, OneOf
from perptape_api.names import EXCHANGES

PORT: Final = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
HOST: Final = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]"

Exchange = Annotated[str, OneOf(EXCHANGES)]
Endpoint = Annotated[
    str,
    Form(f"https?://({HOST})(:({PORT}))?", 300, "write http(s)://host or http(s)://host:port and nothing after it, not even a '/'"),
]
ObjectName = Annotated[
    str,
    Form(
        r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*",
        253,
        "write a Kubernetes name: lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit",
    ),
]


class Credentials(Model):
    """Where keys are kept: never in the resource itself. On a laptop they come from the environment and this is ignored."""

    secret_name: ObjectName
    """The name of a Secret in the same namespace."""


class Venue(Model):
    """One exchange that is asked."""

    exchange: Exchange
    """The exchange's name."""
    credentials: Credentials | None = None
    """A Secret with the keys apiKey, apiSecret and, where the exchange has one, passphrase. Public data needs none."""
    endpoint: Endpoint | None = None
    """Replaces scheme and authority of every REST URL, and with ws:// or wss:// of every WebSocket URL; paths stay the venue's. For
    proxies and simulated venues."""
