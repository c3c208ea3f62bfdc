/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/client/event_correlator.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/crypto.h"
#include "base/str.h"
#include "kubelet/client/recent_map.h"

#define NS_PER_S INT64_C(1000000000)
/* As client-go keeps: some for each of 1,000 pods. */
#define MAX_REMEMBERED 4096
/* From the tenth message on that differs in nothing but its text, within ten minutes each. */
#define AGGREGATE_FROM 10
#define AGGREGATE_WINDOW_NS (600 * NS_PER_S)
#define BURST 25
#define REFILL_NS (300 * NS_PER_S)
#define KEY_HEX 33
/* An object's name, a dot and 32 digits are at most 253 characters. */
#define MAX_OBJECT_NAME 220

struct budget {
    bool is_known;
    int64_t tokens;    /* whole ones */
    int64_t filled_ns; /* when `tokens` was right */
};
struct aggregate {
    int64_t last_ns;
    size_t message_count;
    uint64_t messages[AGGREGATE_FROM]; /* digests of the different texts seen */
};
struct observation {
    char name[254];
    int64_t count, first_ns;
};

struct event_correlator {
    struct recent_map *budgets, *aggregates, *observations;
    int64_t last_name_ns; /* names made in one instant still differ */
};

struct event_correlator *event_correlator_new(void)
{
    struct event_correlator *c = vk_calloc(1, sizeof(*c));

    c->budgets = recent_map_new(MAX_REMEMBERED, sizeof(struct budget));
    c->aggregates = recent_map_new(MAX_REMEMBERED, sizeof(struct aggregate));
    c->observations = recent_map_new(MAX_REMEMBERED, sizeof(struct observation));
    return c;
}

void event_correlator_free(struct event_correlator *c)
{
    if (!c)
        return;
    recent_map_free(c->budgets);
    recent_map_free(c->aggregates);
    recent_map_free(c->observations);
    vk_free(c);
}

/* Keys are digests: their size does not follow that of the events. */
static void digest_key(char out[KEY_HEX], const char *object, const char *reason,
                       const char *message)
{
    char *text VK_AUTOFREE = vk_asprintf("%s\n%s\n%s", object, reason, message);
    char hex[65];

    crypto_sha256_hex(text, strlen(text), hex);
    snprintf(out, KEY_HEX, "%.32s", hex);
}

static uint64_t digest_message(const char *message)
{
    uint8_t sum[32];
    uint64_t digest;

    crypto_sha256(message, strlen(message), sum);
    memcpy(&digest, sum, sizeof(digest));
    return digest;
}

/* A bucket of 25 that regains one per five minutes. */
static bool take_token(struct event_correlator *c, const char *key, int64_t now_ns)
{
    struct budget *b = recent_map_touch(c->budgets, key);

    if (!b->is_known)
        *b = (struct budget){.is_known = true, .tokens = BURST, .filled_ns = now_ns};
    if (now_ns < b->filled_ns) {
        b->filled_ns = now_ns; /* the clock was set back */
    } else {
        int64_t regained = (now_ns - b->filled_ns) / REFILL_NS;

        b->tokens += regained;
        b->filled_ns += regained * REFILL_NS;
    }
    if (b->tokens >= BURST) {
        b->tokens = BURST;
        b->filled_ns = now_ns;
    }
    if (b->tokens <= 0)
        return false;
    b->tokens--;
    return true;
}

/* True when there were so many different messages that this one joins the aggregate. */
static bool joins_aggregate(struct event_correlator *c, const char *key, const char *message,
                            int64_t now_ns)
{
    struct aggregate *a = recent_map_touch(c->aggregates, key);
    uint64_t digest = digest_message(message);
    bool is_known = false;

    if (now_ns - a->last_ns > AGGREGATE_WINDOW_NS)
        a->message_count = 0;
    a->last_ns = now_ns;
    for (size_t i = 0; i < a->message_count; i++)
        is_known = is_known || a->messages[i] == digest;
    if (!is_known && a->message_count < AGGREGATE_FROM)
        a->messages[a->message_count++] = digest;
    if (a->message_count < AGGREGATE_FROM)
        return false;
    /* Room for the next different one, as client-go makes it: one known message is forgotten. */
    a->message_count--;
    return true;
}

void event_name(char out[254], const char *object_name, const char *suffix)
{
    size_t n = strnlen(object_name, MAX_OBJECT_NAME);

    while (n && !isalnum((unsigned char)object_name[n - 1]))
        n--;
    snprintf(out, 254, "%.*s.%.32s", (int)n, object_name, suffix);
}

bool event_correlate(struct event_correlator *c, const char *object, const char *object_name,
                     const char *reason, const char *message, int64_t now_ns,
                     struct correlated_event *ret)
{
    char key[KEY_HEX], aggregate_key[KEY_HEX];
    struct observation *seen;

    digest_key(aggregate_key, object, "aggregate", reason);
    digest_key(key, object, reason, message);
    ret->is_aggregate = joins_aggregate(c, aggregate_key, message, now_ns);
    seen = recent_map_touch(c->observations, ret->is_aggregate ? aggregate_key : key);
    if (seen->count == 0) {
        char suffix[24];

        c->last_name_ns = now_ns > c->last_name_ns ? now_ns : c->last_name_ns + 1;
        snprintf(suffix, sizeof(suffix), "%" PRIx64, (uint64_t)c->last_name_ns);
        event_name(seen->name, object_name, suffix);
        seen->first_ns = now_ns;
    }
    seen->count++;
    vk_strcpy_to(ret->name, sizeof(ret->name), seen->name);
    ret->count = seen->count;
    ret->first_ns = seen->first_ns;
    digest_key(key, object, "budget", "");
    return take_token(c, key, now_ns);
}

bool event_correlator_take(struct event_correlator *c, const char *object, int64_t now_ns)
{
    char key[KEY_HEX];

    digest_key(key, object, "budget of counted events", "");
    return take_token(c, key, now_ns);
}
