"""Dagster's pages behind our session, against a small server that answers like a webserver with sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, WebSocket
from starlette.responses import JSONResponse, StreamingResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from pilar.app import App
from tests.webhook_ingest.conftest import ORIGIN, House
from webhook_ingest.app import create_app


def upstream() -> FastAPI:
    app = FastAPI()

    @app.api_route("/dagster/{path:path}", methods=["GET", "POST"])
    async def echo(request: Request) -> Any:
        if request.url.path.endswith("/stream"):
            return StreamingResponse(iter([b"a" * 100_000, b"b" * 100_000]), headers={"x-kind": "stream"})
        seen = {
            "method": request.method,
            "path": request.scope["raw_path"].decode(),
            "query": request.url.query,
            "headers": dict(request.headers),
            "body": (await request.body()).decode(),
        }
        headers = {"content-security-policy": "script-src 'nonce-1'", "set-cookie": "a=b"}
        return JSONResponse(seen, 200, headers)

    @app.websocket("/dagster/graphql")
    async def talk(websocket: WebSocket) -> None:
        await websocket.accept("graphql-ws")
        assert "cookie" not in websocket.headers
        while True:
            text = await websocket.receive_text()
            if text == "bye":
                await websocket.close()
                return
            await websocket.send_text(f"echo {text}")

    return app


@pytest.fixture
def dagster() -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(upstream(), log_config=None, lifespan="off"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        listener.listen()  # from here on connections wait, whether or not the server has begun
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def with_dagster(app: App, url: str) -> App:
    return type(app)(**{**vars(app), "settings": app.settings.model_copy(update={"dagster_url": url})})


@pytest.fixture
def founder(house: House, dagster: str) -> Iterator[TestClient]:
    with TestClient(create_app(with_dagster(house.app, dagster)), base_url=ORIGIN) as client:
        client.headers.update({"origin": ORIGIN})
        house.sign_in(client, house.person("founder@pilar.test", is_founder=True))
        yield client


def test_the_founders_requests_are_passed_on_without_our_secrets(founder: TestClient) -> None:
    answer = founder.get("/dagster/runs/a%2Fb?x=1&y=ü", headers={"x-csrf-token": "t", "connection": "keep-alive"})
    seen = answer.json()
    assert (seen["method"], seen["path"], seen["query"]) == ("GET", "/dagster/runs/a%2Fb", "x=1&y=%C3%BC")
    assert not {"cookie", "authorization", "x-csrf-token"} & set(seen["headers"])
    assert "set-cookie" not in answer.headers


def test_dagster_brings_its_own_policy_and_is_not_framed(founder: TestClient) -> None:
    headers = founder.get("/dagster/").headers
    policies = headers.get_list("content-security-policy")
    assert policies == ["script-src 'nonce-1'", "frame-ancestors 'none'"]
    assert headers["x-content-type-options"] == "nosniff"


def test_queries_are_passed_on_with_their_body(founder: TestClient) -> None:
    assert founder.post("/dagster/graphql", content=b'{"query":1}').json()["body"] == '{"query":1}'


def test_a_query_that_does_not_say_where_it_comes_from_is_refused(founder: TestClient) -> None:
    del founder.headers["origin"]
    assert founder.post("/dagster/graphql", content=b"{}").status_code == 403


def test_streams_arrive_whole(founder: TestClient) -> None:
    answer = founder.get("/dagster/stream")
    assert answer.content == b"a" * 100_000 + b"b" * 100_000
    assert answer.headers["x-kind"] == "stream"


def test_the_socket_is_passed_on_both_ways_with_its_protocol(founder: TestClient) -> None:
    with founder.websocket_connect("/dagster/graphql", subprotocols=["graphql-ws"]) as talk:
        assert talk.accepted_subprotocol == "graphql-ws"
        for word in ("one", "two"):
            talk.send_text(word)
            assert talk.receive_text() == f"echo {word}"
        talk.send_text("bye")
        with pytest.raises(WebSocketDisconnect):
            talk.receive_text()


@pytest.mark.parametrize("origin", ["https://elsewhere.test", "null"])
def test_the_socket_does_not_open_for_another_sites_page(origin: str, founder: TestClient) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        founder.websocket_connect("/dagster/graphql", headers={"origin": origin}),
    ):
        pass
    assert refused.value.code == 1008


def test_while_dagster_is_away_the_page_says_so(house: House, closed_port: int) -> None:
    app = with_dagster(house.app, f"http://127.0.0.1:{closed_port}")
    with TestClient(create_app(app), base_url=ORIGIN) as client:
        client.headers.update({"origin": ORIGIN, "accept": "text/html"})
        house.sign_in(client, house.person("founder@pilar.test", is_founder=True))
        answer = client.get("/dagster/")
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        assert "<h1>" in answer.text
        with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/dagster/graphql"):
            pass
        assert refused.value.code == 1013
