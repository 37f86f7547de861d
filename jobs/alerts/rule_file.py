"""The file of rules, ``alerts.yaml`` in the home.

Belongs here: reading and checking it. Does not belong here: the keys of a rule (`jobs.alerts.rule`)
and of its condition (``jobs.alerts.conditions``); how a message is sent.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, Strict, model_validator

from jobs.alerts.conditions import AnyRule
from jobs.alerts.rule import PIPELINE_RULE
from sources.errors import InputRejected
from sources.user_models import Name, PlacedError, UserModel, near_hint, read_model

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://[^\s'\"]*")


def read_variable(value: object) -> str:
    """Return the name of an environment variable written as ``${NAME}``.

    Raises
    ------
    ValueError
        It is something else; the message never shows it, since it may be a secret.
    """
    found = _VARIABLE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(
            "addresses and secrets are kept out of the file: put the value into an environment "
            "variable and write its name, such as '${TELEGRAM_URL}'"
        )
    return found[1]


Variable = Annotated[str, BeforeValidator(read_variable)]
"""Name of the environment variable that holds an address or a secret."""


class Target(UserModel):
    """Where messages are sent: an apprise service by its URL, or a signed webhook.

    Each field is the name of the environment variable that holds the value.
    """

    url: Variable | None = None
    webhook: Variable | None = None
    secret: Variable | None = None

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if (self.url is None) == (self.webhook is None):
            raise ValueError("give either 'url' (an apprise service) or 'webhook'")
        if (self.webhook is None) != (self.secret is None):
            raise ValueError("a webhook is signed: give 'webhook' and 'secret' together")
        return self


def _require_keys(content: object) -> object:
    """Refuse what has no keys without showing it: it may be an address."""
    if not isinstance(content, Mapping):
        # Pydantic takes a ValueError for a refusal, and lets a TypeError through.
        raise ValueError(  # noqa: TRY004
            "give each place a name, and below it 'url', or 'webhook' and 'secret'"
        )
    return content


Targets = Annotated[
    dict[Name, Annotated[Target, BeforeValidator(_require_keys)]], BeforeValidator(_require_keys)
]
"""Targets by name."""


class AlertRules(UserModel):
    """What ``alerts.yaml`` holds.

    Parameters
    ----------
    targets : dict of str to Target
        Where messages are sent, by name.
    rules : tuple of Rule
        The rules, in the order of the file.
    digest_above : int
        Alerts to one target at once above which they become one message.
    link : str, optional
        Address of an asset's page; ``{asset}`` stands for the asset.
    """

    targets: Targets = Field(description="name where messages are sent")
    rules: Annotated[tuple[AnyRule, ...], Strict(False)] = Field(
        description="write at least one rule"
    )
    digest_above: Annotated[int, Field(ge=1, le=1000)] = 5
    link: Name | None = None

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        """Refuse rules that share a name, and those sent to a target that is not declared."""
        seen: set[str] = {PIPELINE_RULE}
        for position, rule in enumerate(self.rules):
            where = f"rules, entry {position + 1}"
            if rule.name in seen:
                raise PlacedError(
                    f"{where}: the name '{rule.name}' is taken; choose another",
                    ("rules", position, "name"),
                )
            seen.add(rule.name)
            for target in rule.to:
                if target not in self.targets:
                    near = near_hint(target, self.targets)
                    raise PlacedError(
                        f"{where}: 'to' names '{target}', not under 'targets'{near}",
                        ("rules", position, "to"),
                    )
        return self


def read_rules(path: Path) -> AlertRules:
    """Return the rules of a file.

    Raises
    ------
    InputRejected
        It cannot be read, or a rule cannot be used; the message names the file, the line, the
        value and the nearest right word.
    """
    try:
        return read_model(path, AlertRules)
    except InputRejected as exc:
        # Messages quote what is wrong, which may be an address in a wrong place.
        raise InputRejected(_ADDRESS.sub("***", str(exc))) from None
