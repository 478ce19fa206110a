"""Calls about repositories as a whole: who am I, create, delete, settings, branches, tags."""

from typing import TYPE_CHECKING

from hubs.access import API, check_rights, find_repository, need_account, need_writable
from hubs.calls import Call, Refused, Reply, tell

if TYPE_CHECKING:
    from hubs.server import Hub


def tell_account(hub: "Hub", call: Call) -> Reply:
    account = need_account(hub, call)
    return tell(
        {
            "type": "user",
            "id": "u1",
            "name": account.name,
            "fullname": account.name.title(),
            "orgs": [{"name": group, "roleInOrg": "write"} for group in account.groups],
            "auth": {"type": "access_token", "accessToken": {"displayName": "t", "role": account.role}},
        }
    )


def create(hub: "Hub", call: Call) -> Reply:
    account, asked = need_account(hub, call), call.json
    kind = (asked.get("type") or "model") + "s"
    name = f"{asked.get('organization') or account.name}/{asked['name']}"
    check_rights(account, name)
    url = f"{hub.url}/{'' if kind == 'models' else kind + '/'}{name}"
    if (kind, name) in hub.repositories:
        return tell({"error": "You already created this repo", "url": url}, 409)
    hub.create(name, _is_private(asked), kind)
    return tell({"url": url, "name": name, "id": "0" * 24})


def delete(hub: "Hub", call: Call) -> Reply:
    account, asked = need_account(hub, call), call.json
    name = f"{asked.get('organization') or account.name}/{asked['name']}"
    check_rights(account, name)
    gone = hub.repositories.pop(((asked.get("type") or "model") + "s", name), None)
    return tell({}, 200 if gone else 404)


def change_settings(hub: "Hub", call: Call) -> Reply:
    repository, asked = need_writable(hub, call), call.json
    repository.gated = asked.get("gated", repository.gated)
    if "visibility" in asked or "private" in asked:
        repository.private = _is_private(asked)
    return tell(asked)


def list_references(hub: "Hub", call: Call) -> Reply:
    repository = find_repository(hub, call)
    kinds = {"branches": ("heads", repository.branches), "tags": ("tags", repository.tags)}
    told = {
        key: [{"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": commit} for name, commit in these.items()]
        for key, (folder, these) in kinds.items()
    }
    return tell({**told, "converts": []})


def change_branch(hub: "Hub", call: Call) -> Reply:
    repository, name = need_writable(hub, call), call.name("reference")
    if call.method == "DELETE":
        return tell({}, 200 if repository.branches.pop(name, None) else 404)
    if name in repository.branches:
        raise Refused(409, "Reference already exists")
    repository.branches[name] = repository.find(call.json.get("startingPoint") or "main").id
    return tell({})


def change_tag(hub: "Hub", call: Call) -> Reply:
    """A tag made at a revision, or the tag of that name deleted."""
    repository, name = need_writable(hub, call), call.name("reference")
    if call.method == "DELETE":
        return tell({}, 200 if repository.tags.pop(name, None) else 404)
    if call.json["tag"] in repository.tags:
        raise Refused(409, "Tag reference exists already")
    repository.tags[call.json["tag"]] = repository.find(name).id
    return tell({})


def _is_private(asked: dict[str, object]) -> bool:
    return asked.get("visibility") == "private" or bool(asked.get("private"))


ROUTES = {
    "whoami": ("GET", r"/api/whoami-v2", tell_account),
    "create": ("POST", r"/api/repos/create", create),
    "delete": ("DELETE", r"/api/repos/delete", delete),
    "settings": ("PUT", rf"{API}/settings", change_settings),
    "refs": ("GET", rf"{API}/refs", list_references),
    "branch": ("POST DELETE", rf"{API}/branch/(?P<reference>.+)", change_branch),
    "tag": ("POST DELETE", rf"{API}/tag/(?P<reference>.+)", change_tag),
}
