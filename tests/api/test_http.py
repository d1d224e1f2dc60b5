"""GraphQL over HTTP: who is let in, what is taken, what is answered, and what never leaves."""

from collections.abc import Iterator
from typing import Any

import jwt
import psycopg
import pytest

from api import auth
from api.endpoint import BODY_MAX, LOADING, RESPONSE
from api.graphql import reading
from api.settings import Mode
from domain.vocabulary import Role
from ledger.writer import WriterBusy
from projections.sales import Sales
from tests.api.asking import SECRET, Api, open_api

HEAD = '{"query": "{ ledger { head } }"}'


@pytest.fixture(scope="module")
def production(module_url: str) -> Iterator[Api]:
    with open_api(module_url, Mode.PRODUCTION) as opened:
        yield opened


def bearer(api: Api, **claims: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {api.token(**claims)}", "content-type": "application/json"}


def forged(**changed: Any) -> str:
    claims = {"iss": auth.ISSUER, "aud": auth.AUDIENCE, "sub": "eve", "role": "admin", "exp": 4_000_000_000}
    return jwt.encode({key: value for key, value in (claims | changed).items() if value is not None}, SECRET)


def test_a_good_token_opens(api: Api) -> None:
    answer = api.request("POST", "/graphql", content=HEAD, headers=bearer(api))

    assert answer.status_code == 200
    assert answer.json()["data"] == {"ledger": {"head": 0}}


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (None, "Send a token"),
        ("Basic abc", "Send a token"),
        ("Bearer ", "Send a token"),
        ("Bearer nonsense", "not one of ours"),
        (f"Bearer {forged(aud='another')}", "not one of ours"),
        (f"Bearer {forged(iss='another')}", "not one of ours"),
        (f"Bearer {forged(role='king')}", "not one of ours"),
        (f"Bearer {forged(role=None)}", "not one of ours"),
        (f"Bearer {forged(sub=None)}", "not one of ours"),
        (f"Bearer {forged(exp=None)}", "not one of ours"),
        (f"Bearer {forged(sub='a' * 201)}", "not one of ours"),
        (f"Bearer {forged(sub=' ')}", "not one of ours"),
        (f"Bearer {forged(sub='a' + chr(0))}", "not one of ours"),
        (f"Bearer {forged(exp=1)}", "expired"),
        (f"Bearer {jwt.encode({'sub': 'eve', 'role': 'admin'}, 'another secret, also long enough for it')}", "not one"),
        (
            f"Bearer {jwt.encode({'sub': 'eve', 'role': 'admin', 'exp': 4_000_000_000}, None, 'none')}",
            "not one of ours",
        ),
    ],
    ids=lambda value: None if value is None else value[:12],
)
def test_without_a_good_token_nothing_is_told(api: Api, header: str | None, said: str) -> None:
    headers = {"content-type": "application/json"} | ({"authorization": header} if header else {})

    answer = api.request("POST", "/graphql", content=HEAD, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    assert said in error["message"]
    assert "data" not in answer.json()


def test_a_token_that_was_good_is_refused_once_it_has_expired(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = bearer(api, hours=1)
    assert api.request("POST", "/graphql", content=HEAD, headers=headers).status_code == 200
    later = auth.time.time() + 3601

    monkeypatch.setattr(auth.time, "time", lambda: later)

    assert api.request("POST", "/graphql", content=HEAD, headers=headers).status_code == 401


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_is_taken(api: Api, method: str) -> None:
    answer = api.request(method, "/graphql?query={ledger{head}}", headers=bearer(api))

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", ""]
)
def test_only_json_is_taken_so_that_no_form_of_another_site_can_ask(api: Api, content_type: str) -> None:
    answer = api.request("POST", "/graphql", content=HEAD, headers=bearer(api) | {"content-type": content_type})

    assert answer.status_code == 415


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"query": 1}',
        '[{"query": "{ledger{head}}"}]',
        '{"query": "{ledger{head}}", "variables": []}',
        '{"query": "{ledger{head}}", "operationName": 1}',
        '{"query": "{ledger{head}}", "extensions": 1}',
    ],
)
def test_what_is_no_request_is_refused(api: Api, body: str) -> None:
    answer = api.request("POST", "/graphql", content=body, headers=bearer(api))

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


def test_a_body_above_the_limit_is_refused(api: Api) -> None:
    answer = api.request("POST", "/graphql", content=b" " * (BODY_MAX + 1), headers=bearer(api))

    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        (RESPONSE, RESPONSE),
        (f"{RESPONSE}; charset=utf-8, application/json; q=0.9", RESPONSE),
    ],
)
def test_the_answer_comes_in_the_media_type_asked_for(api: Api, accept: str, media_type: str) -> None:
    answer = api.request("POST", "/graphql", content=HEAD, headers=bearer(api) | {"accept": accept})

    assert answer.headers["content-type"] == f"{media_type}; charset=utf-8"


def test_a_media_type_we_do_not_speak_is_refused(api: Api) -> None:
    assert (
        api.request("POST", "/graphql", content=HEAD, headers=bearer(api) | {"accept": "text/xml"}).status_code == 406
    )


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "PARSE"),
        ("", "PARSE"),
        ("{ nothing }", "VALIDATION"),
        ("{ customer { id } }", "VALIDATION"),
        ("query A { ledger { head } } query B { ledger { head } }", "VALIDATION"),
    ],
)
def test_a_request_at_fault_is_400_by_the_newer_media_type_and_200_by_the_older(
    api: Api, query: str, code: str
) -> None:
    newer = api.send(query, headers={"accept": RESPONSE})
    older = api.send(query, headers={"accept": "application/json"})

    assert (newer.status_code, older.status_code) == (400, 200)
    assert newer.json() == older.json()
    assert newer.json()["errors"][0]["extensions"]["code"] == f"GRAPHQL_{code}_FAILED"
    assert "data" not in newer.json()


def test_variables_that_do_not_fit_are_the_requests_fault(api: Api) -> None:
    answer = api.send("query ($id: UUID!) { customer(id: $id) { id } }", {"id": "x"}, headers={"accept": RESPONSE})

    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert "UUID needs 32 hexadecimal digits" in error["message"]


def test_one_operation_of_several_is_chosen_by_name(api: Api) -> None:
    text = "query A { ledger { head } } query B { ledger { recordedAt } }"

    assert api.ask(text, operationName="B") == {"ledger": {"recordedAt": None}}


def test_answers_are_neither_cached_nor_framed(api: Api) -> None:
    headers = api.request("POST", "/graphql", content=HEAD, headers=bearer(api)).headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"


def test_graphiql_is_shown_in_development_without_a_token(api: Api, production: Api) -> None:
    asked = {"accept": "text/html,*/*"}

    shown = api.request("GET", "/graphql", headers=asked)

    assert shown.status_code == 200
    assert f">{LOADING}<" in shown.text
    assert production.request("GET", "/graphql", headers=asked).status_code == 405


def test_production_tells_nothing_of_its_schema(api: Api, production: Api) -> None:
    assert api.ask("{ __schema { queryType { name } } }") == {"__schema": {"queryType": {"name": "Query"}}}
    assert "Did you mean" in api.errors("{ custommer }")[0]["message"]

    assert "introspection" in production.errors("{ __schema { queryType { name } } }")[0]["message"].lower()
    assert "Did you mean" not in production.errors("{ custommer }")[0]["message"]


def test_an_unexpected_error_keeps_its_text_to_itself(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("the secret detail")

    monkeypatch.setattr(reading, "decode", fails)

    answer = api.send("{ customers { nodes { id } } ledger { head } }")

    assert "secret" not in answer.text
    for error in answer.json()["errors"]:
        assert error["extensions"]["code"] == "INTERNAL"
        assert error["extensions"]["requestId"] in caplog.text
    assert "the secret detail" in caplog.text


def test_an_unexpected_error_outside_any_field_keeps_its_text_to_itself(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("the secret detail")

    monkeypatch.setattr("api.graphql.limits.cost", fails)

    answer = api.send("{ ledger { head recordedAt __typename } }")

    assert answer.status_code == 500
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (psycopg.OperationalError("connection to server at 10.0.0.7 failed"), "UNAVAILABLE"),
        (psycopg.errors.QueryCanceled("canceling statement due to statement timeout"), "TOO_SLOW"),
        (psycopg.errors.UndefinedTable('relation "books.customer_profile" does not exist'), "NOT_BUILT"),
    ],
    ids=["no database", "too slow", "not built"],
)
def test_what_may_go_wrong_has_a_code_and_a_sentence(
    api: Api, monkeypatch: pytest.MonkeyPatch, raised: Exception, code: str
) -> None:
    async def fails(*_: Any) -> None:
        raise raised

    monkeypatch.setattr(reading.Reader, "json", fails)

    (error,) = api.errors("{ customers { nodes { id } } }")

    assert error["extensions"]["code"] == code
    assert str(raised) not in error["message"]


def test_a_full_queue_of_writes_is_told_as_busy(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise WriterBusy("The ledger cannot take more just now; try again in a moment.")

    monkeypatch.setattr(api.desk.ledger, "execute", full)
    given = {"input": {"idempotencyKey": "7d7f4b5e-6c1f-4d0c-8b7e-2c64d2ad7f10"}}

    (error,) = api.errors("mutation ($input: RegisterCustomerInput!) { registerCustomer(input: $input) { id } }", given)

    assert error["extensions"]["code"] == "BUSY"
    assert error["message"] == "The ledger cannot take more just now; try again in a moment."


def test_the_process_tells_that_it_is_up_and_ready(api: Api) -> None:
    assert api.request("GET", "/healthz").json() == {"up": True}
    ready = api.request("GET", "/readyz")

    assert (ready.status_code, ready.json()) == (200, {"ready": True, "faults": []})


def test_it_is_not_ready_while_a_read_model_is_missing_or_far_behind(fresh_api: Api) -> None:
    with psycopg.connect(fresh_api.url, autocommit=True) as admin:
        admin.execute("UPDATE books.builds SET version = 99 WHERE model = 'sales'")
        outdated = fresh_api.request("GET", "/readyz")
        admin.execute(f"UPDATE books.builds SET version = {Sales.spec.version} WHERE model = 'sales'".encode())
        admin.execute("UPDATE ledger.head SET position = 20000")
        behind = fresh_api.request("GET", "/readyz")

    assert outdated.status_code == behind.status_code == 503
    assert outdated.json()["faults"] == ["The read model sales is outdated; run: daybook project"]
    assert behind.json()["faults"] == ["The read models are 20000 entries behind; is daybook project running?"]


def test_a_lost_connection_is_replaced_and_the_question_asked_again(api: Api) -> None:
    api.ask("{ customers { nodes { id } } }")
    with psycopg.connect(api.url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND query LIKE 'SELECT (SELECT json_build%'"
        )

    assert api.ask("{ customers { nodes { id } } }") == {"customers": {"nodes": []}}


@pytest.mark.parametrize("role", list(Role))
def test_a_token_carries_its_role(api: Api, role: Role) -> None:
    viewer = auth.Door(SECRET).viewer(f"Bearer {api.token(role, 'ann')}")

    assert viewer == auth.Viewer("ann", role)


@pytest.mark.parametrize(("hours", "subject"), [(0, "ann"), (-1, "ann"), (10_000, "ann"), (1, ""), (1, "a" * 201)])
def test_a_token_for_ever_or_for_nobody_is_not_made(api: Api, hours: float, subject: str) -> None:
    with pytest.raises(auth.TokenError):
        auth.issue(api.settings, subject=subject, role=Role.AGENT, hours=hours)


def test_the_bare_address_leads_a_browser_to_graphiql(api: Api) -> None:
    answer = api.request("GET", "/", headers={"accept": "text/html,*/*;q=0.8"})

    assert (answer.status_code, answer.headers["location"]) == (307, "/graphql")
    assert api.request("GET", answer.headers["location"], headers={"accept": "text/html"}).status_code == 200


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html"])
def test_the_bare_address_tells_everybody_else_where_to_ask_and_nothing_more(production: Api, accept: str) -> None:
    answer = production.request("GET", "/", headers={"accept": accept})

    assert answer.status_code == 200
    assert answer.json() == {"graphql": "/graphql", "how": "Ask by POST, with a token in Authorization: Bearer …"}
    assert answer.headers["cache-control"] == "no-store"
    assert production.request("POST", "/").status_code == 405
