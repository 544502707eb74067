"""OpenSearch Dashboards: is it there, the tenant too, and are ours imported."""

from sidecar.config import Config, loads
from sidecar.doctor import Finding, State, examine
from sidecar.doctor.inplace import dashboards_area
from sidecar.opensearch.manage import Item
from sidecar.opensearch.manage.saved_objects import SavedObjects
from sidecar.render.dashboards import saved_objects
from tests.support.fakes.dashboards import FakeDashboards
from tests.support.fakes.server import says
from tests.support.waiting import free_port


def pipeline(url: str, tenant: str = "global") -> Config:
    return loads(
        f"cluster: c\nopensearch: {{url: 'http://h'}}\ndashboards: {{url: '{url}', tenant: {tenant}}}\n",
    )


def look(config: Config) -> Finding:
    [(_, [found])] = examine([dashboards_area(config)])
    return found


def test_ours_are_there() -> None:
    with FakeDashboards() as server:
        config = pipeline(server.url)
        kind = SavedObjects(config)
        assert not [one.error for one in kind.put_all([Item(*one) for one in kind.wanted.items()]) if one.error]
        found = look(config)

    assert (found.state, found.text) == (State.OK, f"{len(saved_objects(config))} in place")


def test_they_were_not_imported() -> None:
    with FakeDashboards() as server:
        found = look(pipeline(server.url))

    assert found.state is State.WARN
    assert found.text.startswith("missing: ")
    assert "sidecar apply" in found.hint


def test_a_tenant_that_is_not_there() -> None:
    with FakeDashboards() as server:
        found = look(pipeline(server.url, "team"))

    assert found.state is State.FAIL
    assert "team" in found.text
    assert found.hint == "make the tenant, let this user write to it, or set dashboards.tenant"


def test_it_is_away() -> None:
    found = look(pipeline(f"http://127.0.0.1:{free_port()}"))

    assert found.state is State.FAIL
    assert "can't be reached" in found.text
    assert found.hint


def test_a_proxys_page_is_no_answer() -> None:
    with FakeDashboards() as server:
        server.script = [says(200, b"<html>Sign in</html>")] * 9
        found = look(pipeline(server.url))

    assert found.state is State.FAIL
    assert 'is none of its: an HTML page, "Sign in"' in found.text


def test_without_an_address_nothing_is_asked() -> None:
    found = look(loads("cluster: c\nopensearch: {url: 'http://h'}"))

    assert found.state is State.SKIP
    assert found.text == "dashboards.url is not set: they are rendered, and imported nowhere"
