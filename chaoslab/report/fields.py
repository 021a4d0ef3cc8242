"""What the fields of a report hold, each type with how it cleans what it takes in; and the base of all its parts."""

from dataclasses import fields
from typing import Annotated, Any, ClassVar

from chaoslab.report import clean

Text = Annotated[str, clean.readable]
MaybeText = Annotated[str | None, clean.maybe(clean.readable)]
Texts = Annotated[list[str], clean.each(clean.readable)]
TextByName = Annotated[dict[str, str], clean.by_name(clean.readable)]
Whole = Annotated[int, clean.whole]
MaybeWhole = Annotated[int | None, clean.maybe(clean.whole)]
WholeByName = Annotated[dict[str, int], clean.by_name(clean.whole)]
YesOrNo = Annotated[bool, clean.yes_or_no]
Number = Annotated[float, clean.number]
MaybeNumber = Annotated[float | None, clean.maybe(clean.number)]
Seconds = Annotated[float, clean.seconds]
MaybeSeconds = Annotated[float | None, clean.maybe(clean.seconds)]
SecondsByName = Annotated[dict[str, float], clean.by_name(clean.seconds)]
Amount = Annotated[float | int | tuple[float | None, float | None] | None, clean.amount]
Value = Annotated[Any, clean.json_safe]


class Part:
    """What all parts of a report have in common."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, bool]] = {
        "use_attribute_docstrings": True,
        "json_schema_serialization_defaults_required": True,
    }

    def __post_init__(self) -> None:
        """Clean what was taken in.

        Raises:
            clean.BadValue: a value is of the wrong kind.
        """
        for field in fields(self):  # type: ignore[arg-type]  # every part is a dataclass
            for cleaned in getattr(field.type, "__metadata__", ()):
                try:
                    object.__setattr__(self, field.name, cleaned(getattr(self, field.name)))
                except clean.BadValue as error:
                    raise clean.BadValue(f"{type(self).__name__}.{field.name}: {error}") from error
