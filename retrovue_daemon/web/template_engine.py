"""HTML from templates. Everything that is inserted is escaped, and a name that is missing is an error."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from retrovue_daemon import units

if TYPE_CHECKING:
    from retrovue_daemon.clock import Clock


class Templates:
    """The templates of ``web/templates``, with the filters that all of them have."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._environment = Environment(
            loader=PackageLoader("retrovue_daemon.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(
            ago=self._ago,
            soon=self._soon,
            size=units.size,
            plural=units.plural,
            lasting=units.lasting,
            number=lambda n: f"{n:,}",
            zip_same=lambda values: [(value, value) for value in values],
            running_time=units.running_time,
        )

    def render(self, name: str, **values: Any) -> str:
        """Return a template filled with values."""
        return self._environment.get_template(name).render(**values)

    def _soon(self, seconds: float) -> Markup:
        """Return when a Unix time will be; one that has passed is now."""
        return self._ago(max(seconds, self._clock.now()))

    def _ago(self, seconds: float | None) -> Markup:
        """Return how long ago a Unix time was, as an element that scripts keep up to date."""
        if seconds is None:
            return Markup("never")
        try:
            exact = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        except (ValueError, OverflowError, OSError):
            return Markup.escape(str(seconds))
        words = units.ago(seconds, self._clock.now())
        return Markup('<time datetime="{0}" title="{1}">{2}</time>').format(exact, units.moment(seconds), words)
