"""What arrives at a webhook and at Slack."""

from __future__ import annotations

from pytest_httpserver import HTTPServer

from optimizer.alerts import Alert, Message
from optimizer.channels.payloads import slack_payload
from tests.optimizer.alerting import ALERT, NOW, bodies, settings, told, web


def test_a_webhook_gets_the_documented_json(open_hook: HTTPServer) -> None:
    assert told([ALERT], settings())[0] == ["sent"]
    (body,) = bodies(open_hook)
    assert body == {
        "schema": "alert/1",
        "sent_at": "2026-11-25T09:30:00+00:00",
        "key": "budget/search/2026-11/1",
        "severity": "warning",
        "title": "search will probably pass 100% of its budget for 2026-11",
        "lines": ["limit 1,000 USD", "<!channel> & <http://x|y> in a name"],
        "money": {"amount": 123.46, "currency": "USD"},
        "link": "https://trimtab.example/report?a=1|2",
        "held_back": None,
    }
    assert open_hook.log[0][0].content_type.startswith("application/json")


def test_slack_gets_text_and_blocks_in_which_no_name_is_a_link_or_a_call(open_hook: HTTPServer) -> None:
    assert told([ALERT], settings(web(kind="slack")))[0] == ["sent"]
    (body,) = bodies(open_hook)
    title = "warning: search will probably pass 100% of its budget for 2026-11"
    text = "limit 1,000 USD\n&lt;!channel&gt; &amp; &lt;http://x|y&gt; in a name"
    link = "<https://trimtab.example/report?a=1%7C2|open>"
    assert body == {
        "text": title,
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": title}},
            {"type": "section", "text": {"type": "mrkdwn", "text": text}},
            {"type": "section", "text": {"type": "mrkdwn", "text": link}},
            {"type": "context", "elements": [{"type": "plain_text", "text": "budget/search/2026-11/1"}]},
        ],
    }


def test_slack_limits_are_kept() -> None:
    body = slack_payload(Message(Alert("k" * 400, "info", "t" * 500, ("&" * 4000,)), NOW))
    assert len(body["blocks"][0]["text"]["text"]) == 150
    assert len(body["blocks"][1]["text"]["text"]) <= 3000
    assert len(body["blocks"][2]["elements"][0]["text"]) == 150
