"""What the Hub, or the way to it, has against a request, in one sentence each."""

import os
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from triptych.errors import CheckpointError, UsageError

MAIN = "main"
"""The revision that a name without one means."""


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository on the Hub, at one revision."""

    repository: str
    """`owner/name`."""

    revision: str = MAIN
    """A branch, a tag or a commit."""

    def __str__(self) -> str:
        at = "" if self.revision == MAIN else f"@{self.revision}"
        return f"{self.repository}{at}"


class UnreachableError(CheckpointError):
    """The Hub gave no answer."""


@contextmanager
def explained(name: HubName, failed: str, cure: str) -> Generator[None]:
    """Say in one sentence what the Hub, or the way to it, had against a request."""
    from huggingface_hub import errors

    page = f"{endpoint()}/{name.repository}"
    # Errors of the HTTP library, whichever this version of huggingface_hub is built on.
    transport = cast(type[Exception], errors.HfHubHTTPError.__bases__[0])
    try:
        yield
    except errors.GatedRepoError as error:
        raise CheckpointError(
            f"{name} is gated: ask for access at {page}, then log in with `hf auth login` or set "
            "HF_TOKEN"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UsageError(
            f"{name.repository} has no revision {name.revision!r}; its branches and tags are "
            f"listed at {page}/tree/{MAIN}"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UsageError(
            f"there is no folder and no model on the Hub named {name.repository!r}, or it is "
            "private; check the spelling, or log in with `hf auth login`"
        ) from error
    except errors.HFValidationError as error:
        raise UsageError(
            f"{name.repository!r} is neither a folder nor a name on the Hub, like owner/name"
        ) from error
    except errors.HfHubHTTPError as error:
        raise CheckpointError(_refused(name, error)) from error
    except (OSError, transport) as error:
        if isinstance(error, OSError) and error.errno is not None and error.filename:
            raise CheckpointError(
                f"{name} {failed}: {error.filename}: {error.strerror}; make room or set "
                "HF_HUB_CACHE to another folder"
            ) from error
        raise UnreachableError(
            f"{name} {failed}: no answer from {endpoint()} ({_first_line(error)}); {cure}"
        ) from error


def _refused(name: HubName, error: Any) -> str:
    status = int(error.response.status_code)
    if status in (401, 403):
        return (
            f"the Hub refuses {name} (status {status}); log in with `hf auth login`, or check "
            "that the token in HF_TOKEN may read it"
        )
    return f"the Hub answers with status {status} for {name}; try again later"


def endpoint() -> str:
    """The address of the Hub, or of what stands in for it."""
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or constants.ENDPOINT


def _first_line(error: Exception) -> str:
    text = next(iter(str(error).strip().splitlines()), "")
    return textwrap.shorten(text, 120) or type(error).__name__
