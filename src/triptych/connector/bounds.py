"""The one check that every connector's configuration makes: counts must be positive."""

from triptych.errors import ConfigError


def require_at_least(minimum: int, **fields: int) -> None:
    """Refuse the first of the named configuration fields that is below `minimum`.

    Raises:
        ConfigError: a field is below the minimum; the message names it and its value.
    """
    for name, value in fields.items():
        if value < minimum:
            raise ConfigError(f"{name} must be at least {minimum}, got {value}")
