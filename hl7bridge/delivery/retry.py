"""When to try again: exponential back-off with jitter and an upper bound.

Jitter keeps 350 links that went down together from coming back together. The random number is an argument, so that a
simulation can repeat itself.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """`first_s` seconds, then `factor` times more each time, at the most `most_s`; each changed by up to `jitter` (0.1 is 10 %)."""

    first_s: float = 5.0
    factor: float = 2.0
    most_s: float = 600.0
    jitter: float = 0.1

    def delay_s(self, attempts: int, chance: float) -> float:
        """Seconds to wait after the `attempts`-th failed attempt (from 1); `chance` is uniform in [0, 1)."""
        exponent = min(max(attempts, 1) - 1, 64)  # beyond this every factor has long met the bound
        delay = min(self.first_s * self.factor**exponent, self.most_s)
        return delay * (1.0 + self.jitter * (2.0 * chance - 1.0))
