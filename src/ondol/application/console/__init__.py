"""Web pages of Ondol. They own no logic: what they show and do comes in as `ConsoleServices`."""

from .app import create_console
from .services import AssistantCard, ConsoleServices, OriginalFile, Profile

__all__ = ["AssistantCard", "ConsoleServices", "OriginalFile", "Profile", "create_console"]
