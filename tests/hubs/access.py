"""Who may see and change what: the repository a call is about, or the Hub's refusal in its words."""

from typing import TYPE_CHECKING

from hubs.calls import Call, Refused
from hubs.repositories import Account, Repository

if TYPE_CHECKING:
    from hubs.server import Hub

API = r"/api/(?P<kind>models|datasets|spaces)/(?P<name>[^/]+/[^/]+)"
PAGE = r"/(?:(?P<kind>datasets|spaces)/)?(?P<name>[^/]+/[^/]+?)"
"""Addresses of a repository: in the API, and as a person sees it, where a model has no kind."""


def find_account(hub: "Hub", call: Call) -> Account | None:
    """Whose token came with the call; None if none came. Raises Refused (401) for one that is unknown or past."""
    if not call.authorized:
        return None
    account = hub.accounts.get(call.token)
    if account is None:
        raise Refused(401, "Invalid credentials in Authorization header")
    if account.expired:
        raise Refused(401, 'User Access Token "t" is expired')
    return account


def need_account(hub: "Hub", call: Call) -> Account:
    """Whose token came with the call. Raises Refused (401) if none did."""
    account = find_account(hub, call)
    if account is None:
        raise Refused(401, "Invalid username or password.")
    return account


def find_repository(hub: "Hub", call: Call) -> Repository:
    """The repository, if the caller may read it. Raises Refused: to others a private one is not there."""
    account = find_account(hub, call)
    repository = hub.repositories.get((call.name("kind") or "models", call.name("name")))
    if repository is None or (repository.private and (account is None or not account.owns(repository.name))):
        raise Refused(404 if account else 401, "Repository not found", "RepoNotFound")
    return repository


def need_content(hub: "Hub", call: Call) -> Repository:
    """The repository, if the caller may have its files. Raises Refused where it is gated and the caller is not in."""
    repository = find_repository(hub, call)
    account = find_account(hub, call)
    if repository.gated and (account is None or not account.owns(repository.name)):
        start = f"Access to dataset {repository.name} is restricted."
        if account is None:
            raise Refused(401, f"{start} You must have access to it and be authenticated. Please log in.", "GatedRepo")
        raise Refused(403, f"{start} You are not in the authorized list.", "GatedRepo")
    return repository


def need_writable(hub: "Hub", call: Call) -> Repository:
    """The repository, if the caller may change it. Raises Refused."""
    account = need_account(hub, call)
    repository = find_repository(hub, call)
    check_rights(account, repository.name)
    return repository


def check_rights(account: Account, name: str) -> None:
    """Raises Refused (403) where the account may not write to what is named, or its token is only to read."""
    if account.role != "write":
        raise Refused(403, "Forbidden: you must use a write token to upload to a repository.")
    if not account.owns(name):
        raise Refused(403, f"You don't have the rights to write under the namespace {name.partition('/')[0]!r}")
