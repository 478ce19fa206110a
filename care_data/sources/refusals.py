"""What Google Drive's pages say where a file or a folder should be: it refuses in words, not by status."""

import re

from care_data.errors import CareError, Exit
from care_data.sources.pages import Page
from care_data.sources.places import shown
from care_data.sources.replies import Absent, Withheld

BY_HAND = "fetch it by hand with a browser and use --mirror FOLDER."

# What the title or the text of a page says: how it is told, and what to do. The first that fits is taken.
_REFUSALS = (
    (
        r"quota exceeded|too many users have viewed",
        "has been downloaded too often lately (Drive's quota page)",
        f"Wait a day, then run again; or {BY_HAND}",
    ),
    (
        r"infected file|infected with a virus",
        "is held back by Drive as infected with a virus",
        "Ask its owner; leave it out of the entry if it stays so.",
    ),
    (
        r"automated queries|unusual traffic",
        "is not given to this network, which Google takes for a robot",
        f"Wait an hour, then run again; or {BY_HAND}",
    ),
    (
        r"can't scan|virus scan warning",
        "is too large for Drive's virus scan, and its page has no form that leads on",
        f"Drive may have changed its pages; {BY_HAND}",
    ),
    (
        r"^(google drive:? )?sign.?in|you need access|request access|need permission|access denied",
        "is not shared with everybody (Drive's sign-in page)",
        f"Ask its owner for access, then {BY_HAND}",
    ),
)
_GONE = r"does not exist|has been deleted|in the owner's trash|page not found|error 404"


def absent(named: str) -> Absent:
    """The error for a file or folder that is not there."""
    return Absent(f"{named} does not exist, or was deleted", fix="See whether upstream moved it.", code=Exit.NETWORK)


def refuse(page: Page, id: str, named: str) -> CareError:
    """The error for a page in place of a file or a listing, by what it says."""
    said = f"{page.title} {page.text}".lower().replace("\u2019", "'")
    if re.search(_GONE, said):
        return absent(named)
    if "accounts.google.com" in page.url.host or "servicelogin" in page.url.path.lower():
        said = "sign in"
    for words, finding, fix in _REFUSALS:
        if re.search(words, said):
            return Withheld(f"{named} {finding}; nothing was kept", fix=fix, code=Exit.MANUAL)
    title = shown(page.title[:80]) or "no title"
    return Withheld(
        f"{named}: Drive answers with a page ({title}), not with the file; nothing was kept",
        fix=f"Look at https://drive.google.com/open?id={id}, or {BY_HAND}",
        code=Exit.MANUAL,
    )
