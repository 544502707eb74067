"""Documents read back from OpenSearch: Events, what they say is wrong, and pod logs. Nothing is written.

What is asked for and what an answer means is decided by pure functions (`window`, `selection`, `order`); `search`
asks, in pages, and the rest puts the two together.
"""

from sidecar.reading.search import Hit, Reader, open_reader
from sidecar.reading.selection import Selection, Target, target
from sidecar.reading.window import Window, moment, window

__all__ = ["Hit", "Reader", "Selection", "Target", "Window", "moment", "open_reader", "target", "window"]
