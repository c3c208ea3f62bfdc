# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a recorded exchange: against the published description for both api-versions,
and against what is known of the wire beyond it."""

import json
import re
import urllib.parse

import description as published

# Members that the service sends beyond one or both descriptions (recorded traffic).
SENT_BEYOND = ("provisioningTimeoutInSeconds", "isCustomProvisioningTimeout",
               "isCreatedFromStandbyPool", "configMap")
# Official clients repeat a group's names in its body, and `az container create --file` sends what
# `az container export` wrote; the service ignores these members.
REQUESTED_BEYOND = ("id", "name", "type", *SENT_BEYOND)
ERRORS = range(400, 600)

STATUS = {
    "type": "object", "required": ["id", "status"], "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "pattern": "^/subscriptions/.*/containerGroups/[^/]+$"},
        "status": {"enum": ["Pending", "Succeeded", "Failed", "Canceled"]},
        "startTime": {"type": "string", "format": "date-time"},
        "properties": {"type": "object", "required": ["events"]},
        "error": {"type": "object", "required": ["code", "message"]}}}
ERROR = {
    "type": "object", "required": ["error"], "additionalProperties": False,
    "properties": {"error": {
        "type": "object", "required": ["code", "message"], "additionalProperties": False,
        "properties": {"code": {"type": "string", "pattern": "^[A-Z][A-Za-z]+$"},
                       "message": {"type": "string", "minLength": 1},
                       "target": {"type": "string"},
                       "details": {"type": "array"}}}}}
ENTRA_ERROR = {
    "type": "object", "required": ["error", "error_description", "error_codes"],
    "properties": {"error": {"type": "string"}, "error_codes": {"type": "array"},
                   "error_description": {"type": "string", "pattern": "^AADSTS[0-9]+: "}}}

OPERATION_STATUS = re.compile(r".*/locations/[^/]+/operations/[^/]+", re.IGNORECASE)
OPERATION_RESULT = re.compile(r".*/locations/[^/]+/operationResults/[^/]+", re.IGNORECASE)
# Served so that clients can sign in and find their way; described by other resource providers.
ELSEWHERE = re.compile(
    r"/subscriptions/?|/tenants|/subscriptions/[^/]+(/resourcegroups(/[^/]+)?)?"
    r"|/subscriptions/[^/]+/providers(/[^/]+(/register)?)?|/metadata/endpoints"
    r"|.*/providers/Microsoft\.(Insights|Authorization|Network)/.*", re.IGNORECASE)
ENTRA = re.compile(r"/[^/]+(/v2\.0)?/\.well-known/openid-configuration|/common/discovery/instance"
                   r"|/[^/]+/oauth2/(v2\.0/)?token", re.IGNORECASE)
SESSION = re.compile(r"/(exec|log)stream/.*")

HEADERS = ("x-ms-request-id", "x-ms-correlation-request-id", "x-ms-routing-request-id",
           "Cache-Control", "Strict-Transport-Security")


def _parsed(body):
    try:
        return json.loads(body), None
    except ValueError as error:
        return None, f"no JSON: {error}"


def _check_error(exchange, value):
    found = published.problems(ERROR, value)
    code = (value.get("error") or {}).get("code") if isinstance(value, dict) else None
    if not found and exchange.header("x-ms-error-code") not in (None, code):
        found.append(f"x-ms-error-code is not the body's {code}")
    if exchange.status == 401 and not (exchange.header("WWW-Authenticate") or "").startswith("Bearer "):
        found.append("401 without WWW-Authenticate: Bearer")
    return found


def _check_operation(exchange, value):
    """By both descriptions, whichever version was asked for: the emulator makes the same answer, and
    the clients of both have to understand it."""
    found = []
    for version in published.VERSIONS:
        operation = published.description(version).operation(exchange.method, exchange.path)
        if operation is None:
            continue
        if exchange.status not in operation.statuses():
            found.append(f"{version} {operation.name} declares no {exchange.status}")
        schema = operation.answer_schema(exchange.status, SENT_BEYOND)
        if schema is None:
            if exchange.body and exchange.status in operation.statuses():
                found.append(f"{version} {operation.name} declares no body")
        elif not exchange.body:
            # A deletion that goes on says so by a header instead.
            found += [] if exchange.status == 202 else ["the declared body is missing"]
        else:
            found += [f"{version} {line}" for line in published.problems(schema, value)]
    return found


def _is_operation(exchange):
    return any(published.description(version).operation(exchange.method, exchange.path)
               for version in published.VERSIONS)


def _check_answer(exchange):
    value, wrong = _parsed(exchange.body) if exchange.body else (None, None)
    if wrong:
        return [wrong]
    if exchange.body and not exchange.header("Content-Type").startswith("application/json"):
        return [f"Content-Type {exchange.header('Content-Type')}"]
    if ENTRA.fullmatch(exchange.path):
        return published.problems(ENTRA_ERROR, value) if exchange.status in ERRORS else []
    found = [f"no header {name}" for name in HEADERS if exchange.header(name) is None]
    if exchange.status in ERRORS:
        return found + _check_error(exchange, value)
    if OPERATION_STATUS.fullmatch(exchange.path):
        return found + published.problems(STATUS, value)
    if OPERATION_RESULT.fullmatch(exchange.path) or ELSEWHERE.fullmatch(exchange.path):
        return found
    if not _is_operation(exchange):
        return ["an answer that no description covers"]
    return found + _check_operation(exchange, value)


def request_problems(method, path, value, versions=published.VERSIONS, allow=()):
    """What is wrong with a request's body."""
    found = []
    for version in versions:
        operation = published.description(version).operation(method, path)
        schema = operation.request_schema(allow) if operation else None
        if schema is not None:
            found += [f"{version} {line}" for line in published.problems(schema, value)]
    return found


def _check_request(exchange):
    if not exchange.request_body or not _is_operation(exchange) or exchange.status in ERRORS:
        return []
    value, wrong = _parsed(exchange.request_body)
    if wrong:
        return [wrong]
    # Members of a newer version are no fault of a client that asks for that version.
    versions = [v for v in published.VERSIONS if v >= exchange.version[:10]] or published.VERSIONS[-1:]
    return request_problems(exchange.method, exchange.path, value, versions, REQUESTED_BEYOND)


def exchange_problems(exchange, secrets):
    """Lines that say what is wrong with an exchange; none of SECRETS may come back."""
    if exchange.lost or SESSION.fullmatch(exchange.path):
        return []
    found = [f"request: {line}" for line in _check_request(exchange)]
    found += [f"answer: {line}" for line in _check_answer(exchange)]
    if not ENTRA.fullmatch(exchange.path):
        found += [f"answer: gives away the secret {secret[:4]}..." for secret in secrets
                  if secret.encode() in exchange.body
                  or urllib.parse.quote(secret, safe="").encode() in exchange.body]
    return found
