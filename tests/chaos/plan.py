# SPDX-License-Identifier: Apache-2.0
"""What is done to the world, and when: a function of the seed alone. Nothing here looks at a clock, at
the world or at an earlier run, so that a seed that failed is done again decision by decision."""

import dataclasses
import hashlib
import json
import random

PUT, GET, LIST, DELETE = ("ContainerGroups_CreateOrUpdate", "ContainerGroups_Get",
                          "ContainerGroups_ListByResourceGroup", "ContainerGroups_Delete")

# Kind of pod -> what its container does, its restartPolicy, where it has to end.
KINDS = {
    "serve": ("serve", "Always", {"Running"}),
    "task": ("exit 0", "Never", {"Succeeded"}),
    "bug": ("exit 3", "Never", {"Failed"}),
    "job": ("sleep 4", "Never", {"Succeeded"}),
    "flap": ("exit 1", "Always", {"Running"}),
    # More than any group may have: refused before anything is sent.
    "huge": ("serve", "Always", {"Failed"}),
    # Refused by the service for good, see the faults that every world begins with.
    "wrong": ("serve", "Always", {"Failed"}),
    # The ConfigMap comes later, or never.
    "late": ("serve", "Always", {"Running"}),
    "poor": ("serve", "Always", {"Pending"}),
}
COMMON = ["serve"] * 8 + ["task", "task", "bug", "job", "job", "flap", "huge", "wrong", "late", "poor"]

# Refusals that heal by themselves: whoever sees one waits and tries again.
TRANSIENT = [
    {"status": 429, "code": "TooManyRequests", "retryAfter": 1},
    {"status": 429, "code": "ResourceRequestsThrottled", "retryAfter": 2},
    {"status": 500, "code": "InternalServerError"},
    {"status": 502, "code": "BadGateway"},
    {"status": 503, "code": "ServiceUnavailable"},
    {"status": 409, "code": "ServiceUnavailable"},
    {"status": 409, "code": "ContainerGroupTransitioning"},
    {"status": 409, "code": "RegistryErrorResponse"},
    {"status": 400, "code": "ServiceAssociationLinkNotReady"},
    {"status": 409, "code": "ContainerGroupQuotaReached"},
    {"status": 401, "code": "ExpiredAuthenticationToken"},
    {"delayMs": 1500},
    {"delayMs": 300},
    {"lost": True},
    {"lost": True},
]


@dataclasses.dataclass(frozen=True)
class Step:
    at: float  # seconds from the start
    action: str
    arguments: dict

    def __str__(self):
        return f"{self.at:6.2f} {self.action} " + " ".join(
            f"{key}={json.dumps(value)}" for key, value in self.arguments.items())


class Plan:
    """steps, in order, and for how long; options of the two programs; proxy: "http" reads requests and can refuse one,
    "tcp" leaves HTTP/2 as it is and can only hurt connections."""

    def __init__(self, seed):
        self.seed = seed
        self.random = random.Random(f"aci-kubelet chaos {seed}")
        self.steps = []
        self.live = {}  # name -> kind, as far as the plan goes
        self.serial = 0
        self._choose_options()
        self._choose_steps()
        self.steps.sort(key=lambda step: step.at)

    def text(self):
        head = f"seed {self.seed}: proxy={self.proxy} emulator={' '.join(self.emulator_flags)} " \
               f"kubelet={' '.join(self.kubelet_flags)}"
        return "\n".join([head, *map(str, self.steps)]) + "\n"

    def digest(self):
        return hashlib.sha256(self.text().encode()).hexdigest()[:8]

    # --- the world ----------------------------------------------------------------------------

    def _choose_options(self):
        choose = self.random.choice
        self.proxy = choose(["http", "http", "tcp"])
        self.emulator_flags = [
            "--put-latency", choose(["0s", "50ms", "400ms"]),
            "--start-latency", choose(["50ms", "300ms", "2s"]),
            "--delete-latency", choose(["0s", "100ms", "1s"]),
            "--token-lifetime", choose(["1h", "1h", "20s"]),
            "--page-size", choose(["3", "100"]),
            "--lro-style", choose(["azure-async", "location"])]
        self.kubelet_flags = ["--finished-group-ttl", choose(["10m", "3s"])]
        # Without it a kubelet that starts asks the API server first, and waits for that.
        self.has_cluster_id = choose([True, False])

    # --- steps --------------------------------------------------------------------------------

    def _add(self, at, action, **arguments):
        self.steps.append(Step(round(at, 2), action, arguments))

    def _choose_steps(self):
        pick = self.random
        now = 0.0
        self._create(now, 4)
        scenarios = [self._put_answer_lost, self._replaced_while_dead, self._deleted_in_flight,
                     self._blind_start, self._api_away, self._arm_away, self._quota,
                     self._finalizer, self._kill, self._freeze, self._ghost]
        small = [self._create_some, self._create_some, self._delete, self._delete,
                 self._force_delete, self._replace, self._label, self._arm_fault, self._arm_fault,
                 self._arm_fault, self._api_fault, self._api_fault, self._api_fault,
                 self._delete_outside, self._restart_outside, self._hide, self._expire]
        now = 0.5
        for scenario in pick.sample(scenarios, 4):
            for _ in range(pick.randint(2, 5)):
                now += pick.uniform(0.05, 0.5)
                pick.choice(small)(now)
            now += pick.uniform(0.1, 0.6)
            now = scenario(now)
        for _ in range(3):
            now += pick.uniform(0.05, 0.5)
            pick.choice(small)(now)
        self.seconds = round(now + 0.5, 2)

    def _name(self, kind):
        self.serial += 1
        return f"{kind}-{self.serial}"

    def _create(self, at, count, kinds=None):
        names = []
        for _ in range(count):
            kind = self.random.choice(kinds or COMMON)
            name = self._name(kind)
            self.live[name] = kind
            self._add(at, "create", name=name, kind=kind,
                      grace=self.random.choice([1, 30]))
            if kind == "late":
                self._add(at + self.random.uniform(0.2, 4), "config", name=name)
            names.append(name)
        return names

    def _any(self):
        return self.random.choice(sorted(self.live)) if self.live else None

    def _take(self):
        name = self._any()
        if name:
            del self.live[name]
        return name

    # --- small steps: one thing, now ---

    def _create_some(self, at):
        self._create(at, self.random.randint(1, 4))

    def _delete(self, at):
        if name := self._take():
            self._add(at, "delete", name=name)
            if self.random.random() < 0.2:
                self._add(at + self.random.uniform(0, 0.4), "force-delete", name=name)

    def _force_delete(self, at):
        if name := self._take():
            self._add(at, "force-delete", name=name)

    def _replace(self, at):
        """The same name, another pod: what a StatefulSet does."""
        if name := self._any():
            self._add(at, "force-delete", name=name)
            self._add(at, "create", name=name, kind=self.live[name], grace=1)

    def _label(self, at):
        if name := self._any():
            self._add(at, "label", name=name, value=str(self.random.randrange(1000)))

    def _arm_fault(self, at):
        action = dict(self.random.choice(TRANSIENT))
        self._add(at, "arm-fault", operation=self.random.choice([PUT, PUT, DELETE, GET, LIST]),
                  count=self.random.choice([1, 2, 4]), **action)

    def _api_fault(self, at):
        pick = self.random
        target = pick.choice(["any", "watch", "watch", "list", "get", "write", "status"])
        if self.proxy == "tcp":
            action = pick.choice([{"cut": pick.randint(1, 20000)}, {"delay": 0.4},
                                  {"cut": 0}, {"cut": pick.randint(1, 300)}])
            target = "any"
        else:
            action = pick.choice([{"status": 500}, {"status": 503}, {"status": 429},
                                  {"status": 410}, {"expired": True}, {"lost": True},
                                  {"cut": pick.randint(1, 6000)}, {"cut": 0}, {"delay": 0.7}])
        self._add(at, "api-fault", target=target, count=pick.choice([1, 1, 3]), **action)

    def _delete_outside(self, at):
        if name := self._any():
            self._add(at, "delete-outside", name=name)

    def _restart_outside(self, at):
        if name := self._any():
            self._add(at, "restart-outside", name=name)

    def _hide(self, at):
        """Some lists know only half."""
        self._add(at, "hide", name=self.random.choice(["", "serve-", "job-"]),
                  count=self.random.randint(1, 3))

    def _expire(self, at):
        self._add(at, "expire-tokens")

    # --- scenarios: what has to come together; each gives the time at which it is over ---

    def _kill(self, at):
        back = at + self.random.uniform(0, 3)
        self._add(at, "kill-kubelet")
        self._add(back, "start-kubelet")
        return back

    def _freeze(self, at):
        back = at + self.random.uniform(0.5, 3)
        self._add(at, "freeze-kubelet")
        self._add(back, "thaw-kubelet")
        return back

    def _put_answer_lost(self, at):
        """Nothing tells at first what became of the PUT."""
        self._add(at, "arm-fault", operation=PUT, count=3, lost=True)
        for operation in (GET, LIST):
            self._add(at, "arm-fault", operation=operation, count=self.random.randint(2, 8),
                      status=503, code="ServiceUnavailable")
        self._create(at, 3, ["serve", "serve", "job"])
        if self.random.random() < 0.3:
            return self._kill(at + self.random.uniform(0.1, 0.8))
        return at + 0.5

    def _replaced_while_dead(self, at):
        """Names stay, pods do not, and nobody was there to see it."""
        if len(self.live) < 3:
            self._create(at - 0.5, 3, ["serve"])
        self._add(at, "kill-kubelet")
        for _ in range(self.random.randint(2, 4)):
            at += 0.1
            self._replace(at)
        self._force_delete(at)
        back = at + self.random.uniform(0.2, 2)
        self._add(back, "start-kubelet")
        return back

    def _deleted_in_flight(self, at):
        self._add(at, "arm-fault", operation=PUT, count=3, delayMs=self.random.choice([900, 2500]))
        for name in self._create(at, 3, ["serve"]):
            del self.live[name]
            self._add(at + self.random.uniform(0.3, 0.8),
                      self.random.choice(["force-delete", "force-delete", "delete"]), name=name)
        return at + 1

    def _blind_start(self, at):
        """It knows every group, and for some sweeps long no pod."""
        self._create(at - 0.4, 3, ["serve"])
        self._add(at + 1.5, "kill-kubelet")
        action = {"status": self.random.choice([500, 503])} if self.proxy == "http" else {"cut": 0}
        target = "list" if self.proxy == "http" else "any"
        self._add(at + 1.5, "api-fault", target=target, count=1000, **action)
        self._add(at + 1.6, "start-kubelet")
        self._add(at + 12, "api-heal")
        return at + 12

    def _api_away(self, at):
        back = at + self.random.uniform(1, 5)
        self._add(at, "api-fault", target="any", count=1000, cut=0)
        for _ in range(3):
            at += 0.2
            self.random.choice([self._create_some, self._delete, self._force_delete,
                                self._replace])(at)
        self._add(max(at, back), "api-heal")
        return max(at, back)

    def _arm_away(self, at):
        back = at + self.random.uniform(1, 4)
        if self.random.random() < 0.5:
            self._add(at, "freeze-arm")
            self._add(back, "thaw-arm")
        else:
            self._add(at, "arm-fault", count=0, status=503, code="ServiceUnavailable")
            self._add(back, "arm-heal")
        self._create(at + 0.2, 2)
        self._delete(at + 0.3)
        return back

    def _quota(self, at):
        """There are fewer groups allowed for a while, perhaps fewer than there are."""
        self._add(at, "quota", groups=self.random.choice([6, 12, 20]))
        self._create(at + 0.3, 3, ["serve", "task"])
        back = at + self.random.uniform(1, 4)
        self._add(back, "quota", groups=100)
        return back

    def _finalizer(self, at):
        """Its group goes when it is deleted, its object when somebody else is done with it."""
        name = self._name("held")
        self._add(at, "create", name=name, kind="serve", grace=1, finalizer=True)
        self._add(at + self.random.uniform(0.5, 2), "delete", name=name)
        if self.random.random() < 0.5:
            self._add(at + self.random.uniform(2, 5), "finish", name=name)
        return at + 2

    def _ghost(self, at):
        """The service says that a group is gone, and it is not."""
        for _ in range(2):
            self._add(at, "arm-fault", operation=DELETE, count=1, ghost=True)
            self.random.choice([self._delete, self._force_delete])(at)
        return at + 0.5
