"""What commands are told of people."""

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.core.validators import validate_email


def checked(email: str) -> str:
    """`email` as it is. Raises `CommandError` if it is no address; `@localhost` will do."""
    try:
        validate_email(email.replace("@localhost", "@localhost.localdomain"))
    except ValidationError as error:
        raise CommandError(f"{email!r} is not an e-mail address.") from error
    return email
