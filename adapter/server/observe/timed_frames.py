"""The frames of a stream that the page at / shows, with their times."""

import time

from adapter.server.observe.body_ends import ends_of

MAX_TAPPED = 500
"""The most events of one stream that are recorded."""

MAX_FRAMES = 40
"""Events of either end of a stream that are recorded if its middle is not."""


class TimedFrames(list[bytes]):
    """A list of a stream's frames, with their times in `times` (`time.perf_counter`, seconds)."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def record(self, frame: bytes) -> None:
        """Add a frame that is sent now, unless there are `MAX_TAPPED` of them."""
        if len(self) < MAX_TAPPED:
            self.append(frame)
            self.times.append(time.perf_counter())


def shorten_frames(frames: list[bytes]) -> list[bytes]:
    """Return the first and last of a stream's frames, and the ends of each, with their times."""
    times = getattr(frames, "times", [])
    if len(frames) > 2 * MAX_FRAMES:
        mark = b": ... %d events are left out ...\n\n" % (len(frames) - 2 * MAX_FRAMES)
        # One more from the end, for the mark.
        times = [*times[:MAX_FRAMES], *times[-MAX_FRAMES - 1 :]]
        frames = [*frames[:MAX_FRAMES], mark, *frames[-MAX_FRAMES:]]
    short = TimedFrames()
    short.extend(map(ends_of, frames))
    short.times = times
    return short
