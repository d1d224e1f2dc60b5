"""Types of columns, without what is said about them."""

from typing import Annotated, Any, get_args, get_origin


def optional(hint: Any) -> tuple[Any, bool]:
    """The type without its annotations and without ``None``, and whether ``None`` was allowed."""
    if get_origin(hint) is Annotated:
        return optional(get_args(hint)[0])
    arguments = get_args(hint)
    if type(None) in arguments:
        rest = [argument for argument in arguments if argument is not type(None)]
        return optional(rest[0])[0], True
    return hint, False
