"""What the tests of the whole share."""

from __future__ import annotations

from warm import warm as warm
