"""Runs: work that outlives the request that asked for it. See `conversations.models.Run`."""

from conversations.runs.handlers import Handler, register

__all__ = ["Handler", "register"]
