"""The context that each job of a horse begins with: what imports put there, and nothing of another job's."""

from __future__ import annotations

import sys
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: The variable of `decimal`, whose value is changed in place: a copy of the context would still share it.
_OF_DECIMAL = "decimal_context"


class Contexts:
    """Runs each job in a copy of one context: the one in which this was made, or `take` was last called."""

    def __init__(self) -> None:
        self.take()

    def take(self) -> None:
        """Let each job begin with what is set now."""
        self._base = self._now = copy_context()
        decimal, found = sys.modules.get("decimal"), _decimal_of(self._base)
        #: What decimal's was, if it was set up, and what sets it.
        self._decimal = None if decimal is None or found is None else found.copy()
        self._set_decimal: Callable[[Any], None] = getattr(decimal, "setcontext", lambda _: None)

    def run(self, deed: Callable[[], T]) -> T:
        """Run it apart from others: what it sets ends with it."""
        self._now = now = self._base.copy()
        if self._decimal is not None:
            now.run(self._set_decimal, self._decimal.copy())
        return now.run(deed)

    def forget(self) -> None:
        """Let go of what the last deed has set."""
        self._now = self._base

    def change(self) -> str:
        """Name one thing that differs from what the last deed began with; nothing where all is the same."""
        base = self._base
        for variable, value in self._now.items():
            if variable.name != _OF_DECIMAL and (variable not in base or base[variable] is not value):
                return f"the context variable {variable.name!r}"
        if _look_of(_decimal_of(self._now)) != _look_of(self._decimal):
            return "the context of decimal"
        return ""


def _decimal_of(context: Context) -> Any:
    """Give decimal's own, or None: it makes one when it first needs it."""
    return next((value for variable, value in context.items() if variable.name == _OF_DECIMAL), None)


def _look_of(settings: Any) -> tuple[Any, ...] | None:
    """Give what matters of a context of decimal's. Its flags are raised by most sums."""
    decimal = sys.modules.get("decimal")
    if decimal is None:
        return None
    it = decimal.DefaultContext if settings is None else settings
    return (it.prec, it.rounding, it.Emin, it.Emax, it.capitals, it.clamp, dict(it.traps))
