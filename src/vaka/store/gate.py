"""What an access filter has become: a condition on a row of the record. Every statement that reads the record has one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition on a row ``{r}``, and its bound values. ``own_versions``: an old version is asked for its own patient and
    owner, or (``versions``) for what a condition on ``v`` says beside; ``everything``: no rule stands before the record.
    ``merged``: some patients' records are kept under several ids; ``rule``: the condition as a number, which rule permits
    (``access.rules.PERMITS``), 0: none; empty where no table of rules decides."""

    text: str
    values: tuple[tuple[str, object], ...] = ()
    own_versions: bool = False
    everything: bool = False
    versions: str = "TRUE"
    merged: bool = False
    rule: str = ""

    def on(self, alias: str = "r") -> str:
        return self.text.replace("{r}", alias)

    def into(self, sql: str) -> str:
        """A statement that asks ``{access}`` of its rows ``r``, and tells their ``{rule}`` where it wants to know it."""
        return sql.replace("{access}", self.on()).replace("{rule}", self.rule_on())

    def rule_on(self, alias: str = "r") -> str:
        """Which rule permits the row ``alias``, 0 where no table of rules decides."""
        return self.rule.replace("{r}", alias) or "0"
