"""The data plane: `/v1` as a raw ASGI application, and the recorder of its requests."""

from ondol.infrastructure.gateway.asgi import create_gateway
from ondol.infrastructure.gateway.records.recorder import RequestRecorder
from ondol.infrastructure.gateway.records.types import RequestRecord
from ondol.infrastructure.gateway.types import Caller, Door, ModelCard

__all__ = ["Caller", "Door", "ModelCard", "RequestRecord", "RequestRecorder", "create_gateway"]
