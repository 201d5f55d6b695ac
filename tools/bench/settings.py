"""Settings that a model is measured with beside the one of the command line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from ...runtime.errors import InputError

KNOWN: Final = ("threads", "target", "kernels", "profile")


@dataclass(frozen=True)
class Setting:
    """As mj.load takes them; None for what is usual. name: how it was written."""

    name: str = ""
    threads: int | None = None
    target: str | None = None
    kernels: str | None = None
    profile: str = "host"

    def changed(self, text: str) -> Setting:
        """This one with what --setting says, such as threads=2,target=numpy. InputError where it is nonsense."""
        values = {}
        for part in text.split(","):
            key, equals, value = (each.strip() for each in part.partition("="))
            if key not in KNOWN or not equals or not value or key in values:
                raise InputError(f"--setting {text}: KEY=VALUE is wanted, each once, with {', '.join(KNOWN)} for KEY")
            values[key] = value
        threads = values.get("threads", "1")
        if not threads.isdecimal() or int(threads) < 1:
            raise InputError(f"--setting {text}: a number of threads is wanted, 1 or more")
        found = Setting(
            text,
            int(threads) if "threads" in values else self.threads,
            values.get("target", self.target),
            values.get("kernels", self.kernels),
            values.get("profile", self.profile),
        )
        # A target that is asked for is not that of the command line's kernels.
        return replace(found, kernels=None) if "target" in values and "kernels" not in values else found
