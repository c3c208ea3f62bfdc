# SPDX-License-Identifier: Apache-2.0
"""What the API server wrote down of the writes to the pods of a namespace: who, when, what, and the
answer. Its own watch and log do not tell who deleted a pod."""

import datetime
import json

BODY_LIMIT = 300


def _seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def writes(log, namespace, began):
    """Lines in the order of their answers; began: wall clock, from which times are counted."""
    found = []
    with open(log, encoding="utf-8") as events:
        for line in events:
            if f'"{namespace}"' not in line:
                continue
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the last one, half written
            of = event.get("objectRef", {})
            if of.get("namespace") == namespace:
                found.append((_seconds(event["stageTimestamp"]) - began, event, of))
    for end, event, of in sorted(found, key=lambda one: one[0]):
        start = _seconds(event["requestReceivedTimestamp"]) - began
        what = "/".join(of[key] for key in ("resource", "name", "subresource") if key in of)
        body = json.dumps(event.get("requestObject", {}))[:BODY_LIMIT]
        yield f"audit {start:7.3f} to {end:7.3f}: {event['verb']} {what} by " \
              f"{event['user']['username']}: {event['responseStatus'].get('code')} {body}"
