"""What `apply` puts in place in OpenSearch - templates, policies, roles, alerts, dashboards - and what is there."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sidecar.config import Config
from sidecar.doctor.configuration import ELSEWHERE, managers_secret_lacks
from sidecar.doctor.document import doctor_index
from sidecar.doctor.finding import Finding, State, fail, failed, ok, skip, warn
from sidecar.doctor.link import RIGHTS, Link
from sidecar.doctor.link import TITLE as LINK
from sidecar.doctor.run import Area, Check
from sidecar.errors import OpenSearchError
from sidecar.opensearch.client import RefusedError
from sidecar.opensearch.manage import Server
from sidecar.opensearch.manage.change import Action, Change
from sidecar.opensearch.manage.engine import plan
from sidecar.opensearch.manage.kind import Kind
from sidecar.opensearch.manage.kinds import first_kinds, later_kinds
from sidecar.opensearch.manage.saved_objects import SavedObjects
from sidecar.opensearch.manage.wording import some
from sidecar.render.indices import IndexFamily, families
from sidecar.render.templates import Templates, templates

TITLE = "In place"
_INDEX_TEMPLATE = "index template"
_ESSENTIAL = ("component template", _INDEX_TEMPLATE)
"""Without these nothing is sent, nor while the sidecar may not look for them."""
_OURS = "fluent-sidecar-"
_NEW = "new indices"
_MOST = 100
"""Families that are looked at: of a thousand routes the first hundred stand for all."""
_FORBIDDEN = 403
_AWAY = "is dashboards.url right, and may this host talk to it?"
_PATIENCE = 30.0
"""Seconds for one kind, or for all new indices: some requests each, to a server that was found to answer."""
_SLOW = "the server is slow: see health"
_APPLY = "sidecar plan shows what differs, sidecar apply puts it in place"


def in_place_area(link: Link) -> Area:
    """Plans as `sidecar plan` does, and asks what a new index would be; changes nothing."""
    return Area(TITLE, partial(_checks, link), after=LINK)


def _checks(link: Link) -> list[Check]:
    config, client = link.config, link.client
    wanted = templates(config)
    kinds = [
        kind
        for kind in (*first_kinds(config, client), *later_kinds(config, client))
        if not isinstance(kind, SavedObjects)  # see `dashboards_area`
    ]
    return [
        *(Check(plural(kind.title), partial(_kind, link, kind), slow=_SLOW, seconds=_PATIENCE) for kind in kinds),
        Check(_NEW, partial(_simulated, link, wanted), slow=_SLOW, seconds=_PATIENCE),
    ]


def dashboards_area(config: Config) -> Area:
    """The saved objects: another server has them, so it is looked at whatever OpenSearch says."""
    return Area("OpenSearch Dashboards", lambda: [Check("saved objects", partial(_dashboards, config), slow=_AWAY)])


def _dashboards(config: Config) -> list[Finding]:
    if config.dashboards.url is None:
        text = "dashboards.url is not set: they are rendered, and imported nowhere"
        return [skip("saved objects", text, "set it, or import dashboards/opensearch-dashboards.ndjson yourself")]
    if lacking := managers_secret_lacks(config):
        return [skip("saved objects", lacking, ELSEWHERE)]
    return _planned(SavedObjects(config), Server(config.opensearch.version))


def _kind(link: Link, kind: Kind) -> list[Finding]:
    assert link.server
    return _planned(kind, link.server, link)


def _planned(kind: Kind, server: Server, link: Link | None = None) -> list[Finding]:
    [planned] = plan([kind], server)
    if [(change.name, change.action) for change in planned.changes] == [("", Action.REFUSED)]:
        return [_unknown(kind)]
    if link and kind.title == _INDEX_TEMPLATE:
        lacking = {Action.CREATE, Action.REFUSED, Action.UNSUPPORTED}
        there = [change.name for change in planned.changes if change.action not in lacking]
        link.mapped = {name.removeprefix(_OURS) for name in there}
    return kind_verdict(kind.title, planned.changes, len(kind.wanted))


def _unknown(kind: Kind) -> Finding:
    """Why it can't be told what is there: asked once more, for the error itself."""
    name = plural(kind.title)
    try:
        kind.present()
    except RefusedError as error:
        if error.status == _FORBIDDEN and kind.title not in _ESSENTIAL:
            return skip(name, error.what, RIGHTS)
        return failed(name, error)
    except OpenSearchError as error:
        return failed(name, error)
    return warn(name, "it could not be told what is there, and now it can", "try again")


def _simulated(link: Link, wanted: Templates) -> list[Finding]:
    """What an index of each family would be if it were made now; where templates are missing, that was said."""
    known = [family for family in families(link.config) if family.index in link.mapped]
    found: list[Finding] = []
    for family in known[:_MOST]:
        try:
            answer = link.client.request("POST", f"/_index_template/_simulate_index/{doctor_index(family)}")
        except RefusedError as error:
            if error.status != _FORBIDDEN:
                raise
            return [skip(_NEW, error.what, RIGHTS)]
        if problem := mapping_problem(family, family_mapping(wanted, family), answer):
            link.mapped.discard(family.index)
            found.append(problem)
    if not found and known:
        found.append(ok(_NEW, f"they get our mapping: {some([family.index for family in known])}"))
    return found or [skip(_NEW, "not looked at, for want of: index templates")]


def kind_verdict(title: str, changes: Sequence[Change], wanted: int) -> list[Finding]:
    """How one kind of objects is.

    Args:
        title: Of the kind, in the singular.
        changes: What a plan for it says.
        wanted: How many there are to be.
    """
    name = plural(title)
    found: list[Finding] = []
    todo: dict[Action, list[str]] = {}
    for change in changes:
        if change.action is Action.UNSUPPORTED:
            found.append(warn(name, change.reason, ""))
        elif change.action is Action.REFUSED:
            found.append(fail(name, f"{change.name}: {change.reason}", "until then sidecar apply leaves it as it is"))
        elif change.action in {Action.CREATE, Action.UPDATE}:
            todo.setdefault(change.action, []).append(change.name)
        if change.warning:
            found.append(fail(name, f"{change.name}: {change.warning}", "until then new indices are made like that"))
    words = {Action.CREATE: "missing", Action.UPDATE: "not as pipeline.yaml says"}
    for action, names in todo.items():
        state = State.FAIL if title in _ESSENTIAL and action is Action.CREATE else State.WARN
        found.append(Finding(name, state, f"{words[action]}: {some(names)}", _APPLY))
    if not found:
        found.append(ok(name, f"{wanted} in place") if wanted else skip(name, "none is wanted"))
    return found


def mapping_problem(family: IndexFamily, wanted: Mapping[str, Any], answer: Any) -> Finding | None:
    """Why a new index of a family would not have the project's mapping; None where it would.

    Args:
        family: Which.
        wanted: The mapping that it should have.
        answer: Of `_index_template/_simulate_index`.
    """
    told: Mapping[str, Any] = answer if isinstance(answer, Mapping) else {}
    mapping = told.get("template", {}).get("mappings", {})
    there, fields = mapping.get("properties", {}), wanted["properties"]
    if str(mapping.get("dynamic")).lower() == "false" and all(there.get(key) == fields[key] for key in fields):
        return None
    others = [str(one.get("name")) for one in told.get("overlapping", ())]
    ours = f"{_OURS}{family.index}"
    text = f"a new index of {family.index} would not get our mapping: "
    if ours in others:
        return fail(
            _NEW,
            f"{text}a template of somebody else comes before {ours}",
            "GET _index_template shows it: narrow its index_patterns, or lower its priority below 500",
        )
    if others:
        text += f"these templates match it, and the first is not as pipeline.yaml says: {some([ours, *others])}"
        return fail(_NEW, text, _APPLY)
    return fail(_NEW, f"{text}no template is there for it, or an old one", _APPLY)


def family_mapping(found: Templates, family: IndexFamily) -> Mapping[str, Any]:
    """The mapping that a family's indices should have."""
    for name in found.indices[f"{_OURS}{family.index}"]["composed_of"]:
        mappings: Mapping[str, Any] | None = found.components[name]["template"].get("mappings")
        if mappings:
            return mappings
    raise AssertionError(family)


def plural(title: str) -> str:
    """Of the title of a kind."""
    return f"{title[:-1]}ies" if title.endswith("y") else f"{title}s"
