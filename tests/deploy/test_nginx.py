"""deploy/nginx.conf: the lines on which the contract depends. The file as a whole is nginx's own to check."""

import json
import re
from pathlib import Path

import pytest

CONFIGURATION = (Path(__file__).parents[2] / "deploy" / "nginx.conf").read_text()


@pytest.mark.parametrize(
    "directive",
    ["client_max_body_size 0;", "proxy_request_buffering off;", "proxy_buffering off;", "proxy_next_upstream off;"],
)
def test_bodies_stream_and_commands_are_sent_once(directive: str) -> None:
    """Uploads and downloads of any size, and no hidden second try."""
    assert directive in CONFIGURATION


def test_clients_can_not_say_from_where_they_come() -> None:
    """The services believe what the proxy says."""
    assert "X-Forwarded-For $remote_addr;" in CONFIGURATION and "$proxy_add_x_forwarded_for" not in CONFIGURATION


def test_reads_go_to_the_query_api_and_everything_else_to_the_command_api() -> None:
    """By method, under /api/v1/."""
    table = re.search(r"map \$request_method \$api \{(.*?)\}", CONFIGURATION, re.DOTALL)
    assert table is not None
    rows = dict(row.split() for row in table[1].strip().replace(";", "").splitlines())
    assert rows == {"default": "command-api", "GET": "query-api", "HEAD": "query-api", "OPTIONS": "query-api"}


def test_uploads_go_to_the_command_api_whatever_the_method() -> None:
    """It alone knows them."""
    found = re.search(r"location ~ (\S+) \{\s*proxy_pass http://command-api;", CONFIGURATION)
    assert found is not None
    taken = re.compile(found[1])
    assert taken.match("/api/v1/models/0123/uploads/4567") and taken.match("/api/v1/models/0123/uploads/4567/complete")
    assert not taken.match("/api/v1/models/0123") and not taken.match("/api/v1/models/by-name/uploads/b")


def test_a_dead_service_is_a_problem_of_the_contract() -> None:
    """503, JSON, with the stable code; never nginx's own page."""
    body = re.search(r"return 503 '(.*)';", CONFIGURATION)
    assert body is not None
    problem = json.loads(body[1])
    assert (problem["status"], problem["code"]) == (503, "dependency-unavailable")
    assert "add_header Retry-After" in CONFIGURATION
