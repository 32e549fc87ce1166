"""Sending a message to a webhook: within a time, to no other address, and without its address in any text."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from framework_core.secrets import conceal, remember


class DeliveryError(Exception):
    """A message that was not taken, with the cause in words that do not hold the address."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """An address is a secret: what is meant for one is not sent to another."""

    def redirect_request(self, *arguments: Any, **more: Any) -> None:
        """Follow none."""
        return


def send(webhook: str, text: str, *, seconds: float) -> None:
    """Send a message, as Slack's incoming webhooks take it.

    Args:
        webhook: The address.
        text: What is told, in Slack's markup.
        seconds: How long each part of it may take: the connection, the answer.

    Raises:
        DeliveryError: It was not taken.
    """
    remember(webhook, "(the webhook)")
    body = json.dumps({"text": conceal(text)}).encode()
    try:
        request = urllib.request.Request(webhook, body, {"Content-Type": "application/json"})  # noqa: S310  # http or https, as the settings check
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=seconds):
            return
    except urllib.error.HTTPError as error:
        error.close()
        raise DeliveryError(f"it answered {error.code}") from None
    except TimeoutError:
        raise DeliveryError(f"it did not answer within {seconds:g} seconds") from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise DeliveryError(f"it did not answer within {seconds:g} seconds") from None
        told = getattr(reason, "strerror", None) or type(reason).__name__
        raise DeliveryError(conceal(str(told).lower() if isinstance(reason, OSError) else str(told))) from None
