"""What the tests of the whole share."""

from __future__ import annotations

from browser import browser as browser
from warm import warm as warm
