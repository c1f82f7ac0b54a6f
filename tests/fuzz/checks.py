"""What must hold of health checks, whatever bytes a server answers."""

from __future__ import annotations

from collections.abc import Callable

from tandem._model import HealthCheck
from tandem.checks.agent import Advice, AgentQuestion, advised
from tandem.checks.conversation import Conversation, Verdict
from tandem.checks.http import Answer
from tandem.checks.ldap import LdapCheck
from tandem.checks.mysql import MysqlCheck
from tandem.checks.postgresql import PostgresqlCheck
from tandem.checks.redis import RedisCheck
from tandem.checks.smtp import SmtpCheck
from tests.fuzz.common import in_pieces, shown

CHECKS: list[Callable[[], Conversation]] = [
    lambda: Answer(HealthCheck(type="http", expect_body="well")),
    lambda: Answer(HealthCheck(type="http", expect_body_regex="^(all is )?well[.!]*$")),
    lambda: RedisCheck("any"),
    lambda: RedisCheck("master"),
    lambda: MysqlCheck(""),
    lambda: MysqlCheck("x"),
    lambda: PostgresqlCheck(""),
    lambda: PostgresqlCheck("x"),
    LdapCheck,
    lambda: SmtpCheck("x"),
    lambda: AgentQuestion(""),
]


def checks(data: bytes) -> None:
    """What a server answers to a health check passes or not whatever pieces it comes in, and is told in a line. The first byte says which check."""
    if len(data) < 2:
        return
    made = CHECKS[data[0] % len(CHECKS)]
    pieces, whole = in_pieces(data[1:])
    passed, said = verdict_in(made(), [whole])
    assert passed == verdict_in(made(), pieces)[0], "another verdict whole than in pieces"
    shown(said)
    advice, odd = advised(Advice(), whole.decode("latin-1"))
    shown(advice.words)
    assert advised(advice, odd or "") == (advice, odd), "a word that means nothing has changed something"


def verdict_in(check: Conversation, pieces: list[bytes]) -> Verdict:
    for piece in pieces:
        step = check.feed(piece)
        while isinstance(step, bytes):
            step = check.feed(b"")
        if step is not None:
            return step
    return check.end()
