"""The founder's pages about work: queue, dead letters, effects in doubt."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pilar.backplane import heartbeat, pauses
from pilar.backplane.facts import Cause, Job, Lane, enqueue
from pilar.backplane.histograms import BOUNDS, Histogram
from pilar.database.engine import Scope
from pilar.ids import FLEET, new_id
from tests.webhook_ingest.conftest import House, Studio
from tests.webhook_ingest.test_pages import Outline
from tests.webhook_ingest.test_work import ask, bury, doubt, release, rows
from webhook_ingest.api import dead_letters as dead_api
from webhook_ingest.dashboards import charts


@pytest.fixture
def csrf(browser: TestClient, house: House) -> str:
    """The founder is signed in; what their forms carry."""
    return house.sign_in(browser, house.person("founder@pilar.test", is_founder=True))


@pytest.fixture
def north(house: House) -> Studio:
    return house.studio("North")


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def post(browser: TestClient, csrf: str, path: str, **form: Any) -> tuple[int, str]:
    answer = browser.post(path, data={"csrf_token": csrf, **form}, follow_redirects=False)
    return answer.status_code, answer.headers.get("location", answer.text)


def until(browser: TestClient) -> str:
    """The moment that a page of dead letters was made at, as its form has it."""
    [field] = Outline(browser.get("/dead-letters").text).having("name", "until")
    return field["value"] or ""


def test_each_lane_is_told_with_its_pictures(browser: TestClient, house: House, csrf: str, north: Studio) -> None:
    for number in range(3):
        ask(house, north.workspace_id, str(number), lane=Lane.BULK)
    ask(house, None, "done", release(), lane=Lane.REPLY)
    drain = house.app.drain("test")
    with closing(drain):
        drain.step(Lane.REPLY)
    house.real.advance(timedelta(seconds=90))
    with house.app.database.transaction(Scope.fleet()) as connection:
        heartbeat.beat(connection, "host:1:abc", house.real.now())
    page = browser.get("/queue").text
    told = words(page)
    assert "In bulk Nudges and other work in quantity; it gives way to all other lanes. Waiting 3 Oldest 90 s" in told
    assert "host:1:abc" in told
    assert "1 worker at work" in told
    pictures = [tag for tag, attributes in Outline(page).elements if tag == "svg"]
    assert len(pictures) == 3, "one lane did something: its rate, its waits and its runs"
    assert "Nothing ended here in the last hour" in told
    assert "Nothing ended here in the last 15 minutes" in words(browser.get("/queue?span=15m").text)
    assert browser.get("/queue?span=2h").status_code == 422


def test_work_is_paused_and_resumed_by_form(browser: TestClient, house: House, csrf: str, north: Studio) -> None:
    for what, studio, says in (
        ("lane:bulk", "", "Lane “In bulk”"),
        ("type:coach.nudge", "", "Work of type coach.nudge"),
        ("workspace", f"http://testserver/studios/{north.workspace_id}/rules", "All work of North"),
    ):
        form = {"what": what, "studio": studio, "reason": "A drill <b>", "lasts": "60"}
        assert post(browser, csrf, "/queue/pauses", **form)[0] == 303
        page = browser.get("/queue").text
        assert says in page
        assert "A drill &lt;b&gt;" in page
    with house.app.database.transaction(Scope.fleet()) as connection:
        made = pauses.list_pauses(connection, house.real.now())
    assert {(one.dimension, one.subject) for one in made} == {
        ("lane", "bulk"), ("type", "coach.nudge"), ("workspace", str(north.workspace_id)),
    }  # fmt: skip
    assert {one.until for one in made} == {house.real.now() + timedelta(hours=1)}
    for one in made:
        for notice in ("work-resumed", "work-not-paused"):
            status, address = post(browser, csrf, "/queue/resume", dimension=one.dimension, subject=one.subject)
            assert (status, notice in address) == (303, True)
    assert "Nothing is paused" in browser.get("/queue").text


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"what": ""}, "What is to be paused?"),
        ({"what": "workspace", "studio": "North"}, "Which studio?"),
        ({"what": "workspace", "studio": str(FLEET)}, "There is no such studio."),
        ({"what": "lane:fast"}, "There is no lane"),
        ({"what": "lane:bulk", "reason": " "}, "A pause has a reason"),
    ],
)
def test_a_pause_that_can_not_be_is_said_and_nothing_typed_is_lost(
    form: dict[str, str], says: str, browser: TestClient, csrf: str
) -> None:
    status, page = post(browser, csrf, "/queue/pauses", **{"reason": "Because of the drill", **form})
    assert status in {404, 422}
    assert says in words(page)
    assert "Because of the drill" in page or form.get("reason")


def test_dead_letters_are_told_in_words_and_narrowed_down(
    browser: TestClient, house: House, csrf: str, north: Studio
) -> None:
    bury(house, north.workspace_id, "1", "2")
    bury(house, None, "1", type_name="x.y")
    told = words(browser.get("/dead-letters").text)
    assert "3 in all" in told
    assert "Nobody here knows this type of work" in told
    assert "tried 1 of 8 times" in told
    for query, count, names in (
        ("type=x.y", 1, "the fleet's own"),
        (f"studio={north.workspace_id}", 2, "North"),
        (f"studio={FLEET}", 1, "the fleet's own"),
        ("reason=unknown_type", 3, "North"),
    ):
        page = browser.get(f"/dead-letters?{query}").text
        assert len(Outline(page).having("name", "one")) == count, query
        assert f"{count} match" in words(page)
        assert names in page
    assert "There is none of these." in browser.get("/dead-letters?type=a.b").text
    assert browser.get("/dead-letters?studio=x").status_code == 422


def test_dead_letters_are_paged(browser: TestClient, house: House, csrf: str, north: Studio) -> None:
    bury(house, north.workspace_id, *map(str, range(53)))
    first = browser.get("/dead-letters").text
    [link] = re.findall(r'href="(/dead-letters\?cursor=[^"]+)"', first)
    rest = browser.get(link).text
    seen = [one["value"] for page in (first, rest) for one in Outline(page).having("name", "one")]
    assert len(seen) == len(set(seen)) == 53


def test_one_some_and_all_that_match_are_sent_back_or_let_go_of(
    browser: TestClient, house: House, csrf: str, north: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_api, "AT_ONCE", 2)
    monkeypatch.setattr(dead_api, "AT_MOST", 2)
    ids = bury(house, north.workspace_id, *"abcdefg")
    bury(house, None, "1", type_name="x.y")
    seen = until(browser)

    def deal(**form: Any) -> str:
        status, address = post(browser, csrf, "/dead-letters", until=seen, **form)
        return address.partition("?")[2] if status == 303 else words(address)

    def left() -> int:
        return int(rows(house, "select count(*) from dead_letter")[0][0])

    assert deal(one=ids[0]) == "notice=requeued"
    assert deal(one=ids[0]) == "notice=none-left"
    assert deal(act="requeue-chosen", ids=[ids[1]], why="repaired") == "notice=requeued"
    assert "Tick those that you mean first." in deal(act="discard-chosen")
    assert "What is to be done with them?" in deal()
    assert deal(act="discard-chosen", ids=[ids[2]]) == "notice=discarded"
    assert left() == 5
    assert deal(act="discard-all", type="x.y") == "type=x.y&notice=discarded"
    assert deal(act="requeue-all", studio=str(north.workspace_id)) == (
        f"studio={north.workspace_id}&notice=requeued-part"
    )
    house.real.advance(timedelta(seconds=1))
    bury(house, None, "later")  # has died since the page was made, and takes what was sent back along
    monkeypatch.setattr(dead_api, "AT_MOST", 100)
    assert deal(act="requeue-all") == "notice=requeued"
    died_since = rows(house, f"select count(*) from dead_letter where failed_at > '{seen}'")
    assert left() == died_since[0][0] == 5
    reasons = rows(
        house, "select details ->> 'reason' from audit_log where action = 'queue.requeued' order by position"
    )
    assert [row[0] for row in reasons][:2] == [None, "repaired"]


def test_effects_in_doubt_are_told_and_settled_with_a_note(
    browser: TestClient, house: House, csrf: str, north: Studio
) -> None:
    doubt(house)
    page = browser.get("/effects").text
    assert "Mailing an owner their set-up link" in page
    assert "Still looked for" in page
    assert "owner@north.test" not in page
    [(effect_id,)] = rows(house, "select id from effect")
    path = f"/effects/{effect_id}"
    for form in ({}, {"verdict": "happened"}, {"verdict": "happened", "note": " "}):
        status, answer = post(browser, csrf, path, **form)
        assert (status, "Say whether it happened" in answer) == (422, True)
    known = {"verdict": "happened", "note": "the owner has it"}
    assert post(browser, csrf, path, **known) == (303, "/effects?notice=settled-happened")
    assert "is known" in browser.get("/effects").text
    status, answer = post(browser, csrf, path, **known)
    assert (status, "its state is confirmed" in answer) == (409, True)
    assert post(browser, csrf, f"/effects/{new_id()}", **known)[0] == 404
    assert post(browser, "guess", path, **known)[0] == 403


def test_pages_say_what_they_are_for_while_they_are_empty(browser: TestClient, csrf: str) -> None:
    for path, says in (
        ("/queue", "Nothing is paused"), ("/queue", "No worker is alive"), ("/dead-letters", "No dead letter"),
        ("/effects", "is known"),
    ):  # fmt: skip
        assert says in browser.get(path).text


def test_thousands_of_waiting_jobs_are_counted_at_once(browser: TestClient, house: House, csrf: str) -> None:
    jobs = [Job(payload=release(), key=str(number), lane=Lane.BULK) for number in range(3_000)]
    with house.app.database.transaction(Scope.fleet()) as connection:
        enqueue(connection, house.app.clocks, jobs, Cause.new())
    assert "Waiting 3000" in words(browser.get("/queue").text)


@given(st.lists(st.integers(0, 10**6), min_size=len(BOUNDS) + 1, max_size=len(BOUNDS) + 1))
def test_a_histogram_stays_in_its_picture(counts: list[int]) -> None:
    of = Histogram(tuple(counts), 1e5)
    between = charts.decades(BOUNDS, [counts])
    assert between[1] - between[0] >= 3
    picture = charts.columns(BOUNDS, counts, between, (of.p50, of.p95))
    assert len(picture.bars) == sum(count > 0 for count in counts)
    for bar in picture.bars:
        assert 0 <= bar.x < bar.x + bar.width <= picture.width + 0.11
        assert bar.y >= 0
        assert bar.height > 0
    assert all(0 <= mark <= picture.width for mark in picture.marks)
    assert picture.ticks[0].anchor == "start"


@given(st.lists(st.tuples(*[st.floats(0, 1e5)] * 3), min_size=1, max_size=60))
def test_stacked_bars_stay_in_their_picture(values: list[tuple[float, float, float]]) -> None:
    picture = charts.stacks(values)
    assert picture.top >= max(map(sum, values))
    for piece in picture.pieces:
        assert piece.y >= -3.1
        assert piece.y + piece.height <= picture.height + 0.11
