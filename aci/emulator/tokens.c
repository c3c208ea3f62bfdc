/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/tokens.h"

#include <string.h>
#include <time.h>

#include "aci/emulator/arm_error.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/list.h"
#include "base/map.h"
#include "base/secret.h"

/* An expired token is known for a while, so that it is called expired and not invalid. */
#define KEEP_EXPIRED_MS (3600 * 1000)
#define MAX_TOKENS 50000

struct token {
    struct vk_list link; /* oldest first */
    char *text, *audience;
    int64_t expires_wall_ms;
};
struct tokens {
    struct vk_map *by_text;
    struct vk_list order;
    int64_t lifetime_ms;
};

struct tokens *tokens_new(int64_t lifetime_ms)
{
    struct tokens *t = vk_calloc(1, sizeof(*t));

    t->by_text = vk_map_new();
    t->lifetime_ms = lifetime_ms;
    vk_list_init(&t->order);
    return t;
}

static void free_token(void *p)
{
    struct token *k = p;

    vk_list_remove(&k->link);
    vk_wipe(k->text, strlen(k->text));
    vk_free(k->text);
    vk_free(k->audience);
    vk_free(k);
}

void tokens_free(struct tokens *t)
{
    if (!t)
        return;
    vk_map_free(t->by_text, free_token);
    vk_free(t);
}

static void forget_old(struct tokens *t, int64_t now)
{
    VK_LIST_FOREACH(it, &t->order)
    {
        struct token *k = VK_LIST_ENTRY(it, struct token, link);

        if (k->expires_wall_ms + KEEP_EXPIRED_MS > now && vk_map_len(t->by_text) < MAX_TOKENS)
            return;
        vk_map_remove(t->by_text, k->text);
        free_token(k);
    }
}

const char *tokens_issue(struct tokens *t, const char *audience)
{
    int64_t now = vk_wall_ms();
    struct token *k = vk_calloc(1, sizeof(*k));
    uint8_t random[48];
    struct vk_buf text;

    forget_old(t, now);
    crypto_random(random, sizeof(random));
    vk_buf_init(&text, 128);
    crypto_base64url((struct vk_str){.p = (const char *)random, .n = sizeof(random)}, &text);
    k->text = vk_buf_take(&text);
    k->audience = vk_strdup(audience);
    k->expires_wall_ms = now + t->lifetime_ms;
    vk_list_init(&k->link);
    vk_list_add_tail(&t->order, &k->link);
    vk_map_put(t->by_text, k->text, k);
    return k->text;
}

int64_t tokens_lifetime_s(const struct tokens *t)
{
    return t->lifetime_ms / 1000;
}

size_t tokens_len(const struct tokens *t)
{
    return vk_map_len(t->by_text);
}

void tokens_expire(struct tokens *t)
{
    const int64_t now = vk_wall_ms();

    VK_LIST_FOREACH(it, &t->order)
    {
        struct token *k = VK_LIST_ENTRY(it, struct token, link);

        if (k->expires_wall_ms > now)
            k->expires_wall_ms = now;
    }
}

/* "3/19/2023 8:55:46 AM", as ARM words it. */
static void format_us_time(int64_t wall_ms, char out[64])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    snprintf(out, 64, "%d/%d/%d %d:%02d:%02d %s", tm.tm_mon + 1, tm.tm_mday, tm.tm_year + 1900,
             tm.tm_hour % 12 ? tm.tm_hour % 12 : 12, tm.tm_min, tm.tm_sec,
             tm.tm_hour < 12 ? "AM" : "PM");
}

static bool is_arm_audience(const char *audience)
{
    struct vk_str a = vk_str_of(audience);

    if (vk_ends(audience, "/"))
        a.n--;
    return vk_str_is(a, "https://management.azure.com") ||
           vk_str_is(a, "https://management.core.windows.net");
}

int tokens_check(const struct tokens *t, const char *authorization, struct vk_err *err)
{
    const struct token *k;
    char expired[64], current[64];
    int64_t now = vk_wall_ms();

    if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
        return arm_error_set(err, 401, "AuthenticationFailed",
                             "Authentication failed. The 'Authorization' header is missing.");
    k = vk_map_get(t->by_text, authorization + 7);
    if (!k)
        return arm_error_set(err, 401, "InvalidAuthenticationToken",
                             "The access token is invalid.");
    if (k->expires_wall_ms <= now) {
        format_us_time(k->expires_wall_ms, expired);
        format_us_time(now, current);
        return arm_error_set(err, 401, "ExpiredAuthenticationToken",
                             "The access token expiry UTC time '%s' is earlier than current UTC "
                             "time '%s'.",
                             expired, current);
    }
    if (!is_arm_audience(k->audience))
        return arm_error_set(
            err, 401, "InvalidAuthenticationTokenAudience",
            "The access token has been obtained for wrong audience or resource '%.100s'. It should "
            "exactly match with one of the allowed audiences "
            "'https://management.core.windows.net/','https://management.core.windows.net',"
            "'https://management.azure.com/','https://management.azure.com'.",
            k->audience);
    return 0;
}
