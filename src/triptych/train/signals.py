"""SIGINT and SIGTERM as a request to stop, which never catches weights half changed.

    in a step            it is finished, or broken off after a grace and thrown away
    in a validation      it is broken off; a resumed run makes up for it
    anywhere else        whatever is being written or changed is finished first

Asked twice, the program stops at once; files that are being written are only ever temporary ones.
"""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


class BrokenOff(BaseException):
    """Raised inside a breakable section; no `except Exception` of other code can swallow it."""


class StopRequest:
    """Whether the run was asked to stop, and which code may be broken off for it."""

    def __init__(self) -> None:
        self.number = 0
        self._grace_s: float | None = None
        """Of the breakable section that is being run, if one is."""
        self._is_held = False
        self._is_overdue = False

    @property
    def requested(self) -> bool:
        return self.number > 0

    @property
    def exit_code(self) -> int:
        """What shells make of a program that was ended by this signal: 130 or 143."""
        return 128 + self.number

    @contextmanager
    def breakable(self, grace_s: float = 0.0) -> Generator[None]:
        """What runs inside may be broken off, `grace_s` after a request; it must change nothing
        that a checkpoint holds.

        Raises:
            BrokenOff: a request came, now or before.
        """
        # In this order: a request between the two lines is met by the handler.
        self._grace_s = grace_s
        try:
            if self.requested:
                raise BrokenOff
            yield
        finally:
            self._end_section()

    @contextmanager
    def unbroken(self) -> Generator[None]:
        """What runs inside, in a breakable section, is only broken off afterwards: while others
        wait for this process, say.

        Raises:
            BrokenOff: it would have been broken off.
        """
        was_held, self._is_held = self._is_held, True
        try:
            yield
        finally:
            self._is_held = was_held
        if self._is_overdue and not was_held and self._grace_s is not None:
            self._break_off()

    def commit(self) -> None:
        """From here on the section is not broken off any more; it may change what lasts."""
        self._grace_s = None
        self._is_overdue = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Handler of SIGINT and SIGTERM."""
        if self.requested:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        self.number = number
        if self._grace_s == 0:
            self._break_off()
        elif self._grace_s is not None:
            signal.setitimer(signal.ITIMER_REAL, self._grace_s)

    def hurry(self, number: int, frame: FrameType | None) -> None:
        """Handler of SIGALRM: the grace is over."""
        if self._grace_s is not None:
            self._break_off()

    def _break_off(self) -> None:
        if self._is_held:
            self._is_overdue = True
            return
        self._grace_s = None
        raise BrokenOff

    def _end_section(self) -> None:
        self._grace_s = None
        self._is_overdue = False
        if self.requested:
            signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def stop_requests() -> Generator[StopRequest]:
    """Take requests to stop inside this block; other threads than the main one get none."""
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    old = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    old[signal.SIGALRM] = signal.signal(signal.SIGALRM, stop.hurry)
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def held_back() -> Generator[None]:
    """SIGINT and SIGTERM wait until this block is over."""
    numbers = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
