"""What can go wrong, one fault a file; each registers itself under the failure mode it belongs to."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from holdfast.chaos.simulation.actors import Stage
    from holdfast.chaos.simulation.wire import Call, Fate

C = TypeVar("C", bound=type)

#: Every fault there is, by its name: the class' own, in lower case with dashes.
FAULTS: dict[str, type[Any]] = {}


class CallFault(Protocol):
    """A fault that befalls one Redis call."""

    mode: ClassVar[str]
    name: ClassVar[str]
    #: How often, per call, at the standard rate, before the call's weight.
    rate: ClassVar[float]

    @classmethod
    def draw(cls, rng: random.Random) -> CallFault:
        """Draw one of this kind."""
        ...

    def befall(self, fate: Fate, call: Call, stage: Stage) -> None:
        """Change the fate of the call."""
        ...


class MomentFault(Protocol):
    """A fault that comes at a moment."""

    mode: ClassVar[str]
    name: ClassVar[str]
    #: How many a run, at the standard rate.
    count: ClassVar[float]

    @classmethod
    def draw(cls, rng: random.Random) -> MomentFault:
        """Draw one of this kind."""
        ...

    def harm(self, stage: Stage) -> None:
        """Do it."""
        ...


def fault(mode: str, sentence: str) -> Callable[[C], C]:
    """Register a fault under its failure mode, with a sentence that says what happens."""

    def register(kind: C) -> C:
        kind.mode = mode  # type: ignore[attr-defined]
        kind.sentence = sentence  # type: ignore[attr-defined]
        name = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__).strip("-")
        kind.name = name  # type: ignore[attr-defined]
        FAULTS[name] = kind
        return kind

    return register


def load_all() -> dict[str, type[Any]]:
    """Import every file of this folder, so that each fault has registered itself."""
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return FAULTS
