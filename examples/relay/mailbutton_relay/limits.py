"""How often a token may send."""

import time
from collections import defaultdict, deque

from .refusal import Refusal


class Rates:
    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._times = defaultdict(deque)

    def count(self, token):
        now, times = self._clock(), self._times[token.name]
        while times and times[0] <= now - 86400:
            times.popleft()
        for most, seconds in ((token.per_day, 86400), (token.per_minute, 60)):
            if len(times) >= most and times[-most] > now - seconds:
                wait = int(times[-most] + seconds - now) + 1
                raise Refusal(429, "This access token has sent as many emails as it may for now.", wait)
        times.append(now)
