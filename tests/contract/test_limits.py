# SPDX-License-Identifier: Apache-2.0
"""ARM's token buckets and the service's limit on creations, scaled down: the SDK waits as it is told and
gets its way."""

import bodies
import clients
from emulator import RESOURCE_GROUP

REMAINING = "x-ms-ratelimit-remaining-subscription-"


def test_creation_over_the_limit_is_repeated_when_the_time_has_come(start_emulator):
    service = start_emulator("limited-creations", "--create-limits", "2/8s")
    with clients.management(service, "2025-09-01") as client:
        for number in range(3):
            made = client.container_groups.begin_create_or_update(
                RESOURCE_GROUP, f"limited-{number}", bodies.group()).result()
            assert made.provisioning_state == "Succeeded"
    puts = [exchange for exchange in service.recorder.exchanges() if exchange.method == "PUT"]
    assert [put.status for put in puts if put.status != 429] == [201] * 3
    refused = [put for put in puts if put.status == 429]
    assert refused and all(int(put.header("Retry-After")) >= 1 for put in refused)
    assert service.control("GET", "/stats")["groups"] == 3


def test_reads_over_the_bucket_are_throttled(start_emulator):
    service = start_emulator("small-buckets", "--arm-buckets", "reads=5+1,writes=200+10,deletes=200+10")
    rest = clients.Rest(service)
    answers = [rest.call("GET", rest.path())]
    # One comes back each second, whatever the machine does meanwhile.
    while answers[-1].status_code == 200 and len(answers) < 500:
        answers.append(rest.call("GET", rest.path()))
    *good, refused = answers
    assert refused.status_code == 429 and len(good) >= 5
    left = [int(answer.headers[REMAINING + "reads"]) for answer in good]
    assert max(left) < 5 and min(left) == left[-1] == 0
    assert refused.json()["error"]["code"] in ("SubscriptionRequestsThrottled", "TooManyRequests")
    assert int(refused.headers["Retry-After"]) >= 1
    with clients.management(service, "2025-09-01") as client:
        assert not list(client.container_groups.list())
