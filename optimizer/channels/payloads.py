"""What a message looks like to who receives it by HTTP."""

from __future__ import annotations

from typing import Any

from optimizer.alerts import Message

SLACK_TEXT, SLACK_HEADER = 3000, 150  # limits of a block's text


def webhook_payload(message: Message) -> dict[str, Any]:
    """The documented JSON of a webhook, `alert/1`."""
    alert = message.alert
    money = None if alert.money is None else {"amount": round(alert.money[0], 2), "currency": alert.money[1]}
    return {
        "schema": "alert/1",
        "sent_at": message.sent_at.isoformat(),
        "key": alert.key,
        "severity": alert.severity,
        "title": alert.title,
        "lines": list(alert.lines),
        "money": money,
        "link": alert.link,
        "held_back": message.held_back,
    }


def slack_payload(message: Message) -> dict[str, Any]:
    """What Slack and its like show: plain text for notifications, blocks for the channel."""
    alert = message.alert
    title = f"{alert.severity}: {alert.title}"
    lines = [*alert.lines, *([message.held_back] if message.held_back else [])]
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": cut(title, SLACK_HEADER)}}
    ]
    if lines:
        text = cut("\n".join(escaped(line) for line in lines), SLACK_TEXT)
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    if alert.link:
        link = f"<{escaped(alert.link).replace('|', '%7C')}|open>"
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": link}})
    blocks.append(
        {"type": "context", "elements": [{"type": "plain_text", "text": cut(alert.key, SLACK_HEADER)}]}
    )
    return {"text": cut(escaped(title), SLACK_TEXT), "blocks": blocks}


def escaped(text: str) -> str:
    """Text without Slack's three signs: no name on a bill becomes a link or calls a whole channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, limit: int) -> str:
    """Text of at most so many signs."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
