"""What happens to conversations, for apps above this one that have a say in it."""

from django.dispatch import Signal

before_hiding = Signal()
"""Sent with `instance`, a locked conversation, in the transaction that hides it. A receiver that raises prevents it."""
