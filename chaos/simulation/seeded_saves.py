"""Defects that only show where an app saves an object which it fetched a while ago."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.chaos.simulation.breaking import Edit, altered
from holdfast.chaos.simulation.seeded_defects import defect

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


@defect("What an app saves of a job that is over and gone is taken for one that was lost", "INV-01", "INV-06")
def gone_unknown() -> AbstractContextManager[None]:
    return altered(Edit("rescue", "    mark_what_is_gone(job_id, job)\n", ""))


@defect("The promoter believes a status that an app has saved over a job that is due", "INV-01")
def promoter_believes_status() -> AbstractContextManager[None]:
    looked = "if job[1] ~= 'scheduled' and has_gone_on("
    return altered(Edit("promote", looked, looked.replace("and", "or")))
