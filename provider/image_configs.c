/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/image_configs.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/list.h"
#include "base/map.h"

#define TAG_FRESH_MS 60000
#define ENTRIES_MAX 512
#define KEY_MAX 4096

/* One image as one credential sees it. */
struct entry {
    struct image_configs *configs;
    char *key;
    struct vk_arena *arena; /* of config */
    struct image_config config;
    bool has_config, by_digest;
    unsigned answering; /* callbacks under way that hold the configuration */
    int64_t fetched_mono_ms, used_mono_ms;
    struct registry_fetch *fetch;
    struct vk_list waiting; /* struct image_config_query */
};

struct image_config_query {
    struct vk_list link;
    struct vk_timer timer; /* answers from the cache come on the next turn */
    struct entry *entry;
    struct vk_err err; /* of a name that can't be asked for */
    image_config_fn done;
    void *user;
};

struct image_configs {
    struct vk_loop *loop;
    struct registry_client *client;
    char *os, *arch;
    struct vk_map *entries;
};

static void entry_free(void *p)
{
    struct entry *e = p;

    registry_fetch_cancel(e->fetch);
    vk_arena_free(e->arena);
    vk_free(e->key);
    vk_free(e);
}

struct image_configs *image_configs_new(struct vk_loop *loop, struct registry_client *client,
                                        const char *os, const char *arch)
{
    struct image_configs *c = vk_calloc(1, sizeof(*c));

    c->loop = loop;
    c->client = client;
    c->os = vk_strdup(os);
    c->arch = vk_strdup(arch);
    c->entries = vk_map_new();
    return c;
}

static void query_free(struct image_config_query *q)
{
    vk_timer_disarm(&q->timer);
    vk_list_remove(&q->link);
    vk_free(q);
}

void image_configs_free(struct image_configs *c)
{
    size_t it = 0;
    const char *key;
    void *value;

    if (!c)
        return;
    while (vk_map_next(c->entries, &it, &key, &value)) {
        struct entry *e = value;

        VK_LIST_FOREACH(node, &e->waiting)
        query_free(VK_LIST_ENTRY(node, struct image_config_query, link));
    }
    vk_map_free(c->entries, entry_free);
    vk_free(c->os);
    vk_free(c->arch);
    vk_free(c);
}

static bool is_fresh(const struct entry *e)
{
    return e->has_config && (e->by_digest || vk_mono_ms() - e->fetched_mono_ms < TAG_FRESH_MS);
}

static bool is_idle(const struct entry *e)
{
    return !e->fetch && !e->answering && vk_list_is_empty(&e->waiting);
}

/* Drops the idle entry that was not used for longest. */
static void make_room(struct image_configs *c)
{
    struct entry *oldest = NULL;
    size_t it = 0;
    const char *key;
    void *value;

    if (vk_map_len(c->entries) < ENTRIES_MAX)
        return;
    while (vk_map_next(c->entries, &it, &key, &value)) {
        struct entry *e = value;

        if (is_idle(e) && (!oldest || e->used_mono_ms < oldest->used_mono_ms))
            oldest = e;
    }
    if (oldest) {
        vk_map_remove(c->entries, oldest->key);
        entry_free(oldest);
    }
}

/* Calls everybody who waits; a callback may ask again or cancel others. */
static void answer(struct entry *e, const struct vk_err *err)
{
    e->answering++;
    while (!e->fetch && !vk_list_is_empty(&e->waiting)) {
        struct image_config_query *q =
            VK_LIST_ENTRY(e->waiting.next, struct image_config_query, link);
        image_config_fn done = q->done;
        void *user = q->user;

        query_free(q);
        done(user, err ? NULL : &e->config, err);
    }
    e->answering--;
}

static struct json_strs copy_strs(const struct json_strs *from, struct vk_arena *arena)
{
    struct json_strs to = {.v = vk_arena_array(arena, from->n + 1, sizeof(*to.v)), .n = from->n};

    for (size_t i = 0; i < from->n; i++)
        to.v[i] = vk_arena_strdup(arena, from->v[i]);
    return to;
}

static void on_fetched(void *user, const struct image_config *config, const char *digest,
                       const struct vk_err *err)
{
    struct entry *e = user;

    (void)digest;
    e->fetch = NULL;
    if (!err) {
        vk_arena_free(e->arena);
        e->arena = vk_arena_new();
        e->config = (struct image_config){
            .entrypoint = copy_strs(&config->entrypoint, e->arena),
            .cmd = copy_strs(&config->cmd, e->arena),
            .working_dir = vk_arena_strdup(e->arena, config->working_dir),
            .user = vk_arena_strdup(e->arena, config->user),
        };
        e->has_config = true;
        e->fetched_mono_ms = vk_mono_ms();
    }
    answer(e, err);
}

/* The credential is part of the key, as a digest: what one may read another may not. */
static char *key_of(const struct image_reference *r, const struct registry_credential *login)
{
    struct vk_buf text;
    char hex[65] = "";
    char *key;

    vk_buf_init(&text, KEY_MAX + (64 << 10));
    if (login) {
        vk_buf_printf(&text, "%s:", login->username);
        vk_buf_addstr(&text, vk_secret_reveal(login->password));
        crypto_sha256_hex(vk_buf_peek(&text), vk_buf_len(&text), hex);
    }
    vk_buf_release_secret(&text);
    key =
        vk_asprintf("%s/%s:%s %s", r->registry, r->repository, r->digest ? r->digest : r->tag, hex);
    return key;
}

static const struct registry_credential *find_login(const struct image_reference *r,
                                                    const struct registry_credential *v, size_t n,
                                                    struct vk_arena *arena)
{
    for (size_t i = 0; i < n; i++)
        if (vk_streq(registry_normalized(v[i].server, arena), r->registry))
            return &v[i];
    return NULL;
}

static struct entry *entry_of(struct image_configs *c, const struct image_reference *r,
                              const struct registry_credential *login)
{
    char *key VK_AUTOFREE = key_of(r, login);
    struct entry *e = vk_map_get(c->entries, key);

    if (!e) {
        make_room(c);
        e = vk_calloc(1, sizeof(*e));
        e->configs = c;
        e->key = vk_take(key);
        e->by_digest = r->digest;
        vk_list_init(&e->waiting);
        vk_map_put(c->entries, e->key, e);
    }
    e->used_mono_ms = vk_mono_ms();
    return e;
}

static void on_ready(void *user)
{
    struct image_config_query *q = user;
    struct entry *e = q->entry;
    image_config_fn done = q->done;
    void *done_user = q->user;
    struct vk_err err = q->err;

    query_free(q);
    if (!e) {
        done(done_user, NULL, &err);
        return;
    }
    e->answering++;
    done(done_user, &e->config, NULL);
    e->answering--;
}

struct image_config_query *image_configs_get(struct image_configs *c, const char *image,
                                             const struct registry_credential *credentials,
                                             size_t credential_count, image_config_fn done,
                                             void *user)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct image_config_query *q = vk_calloc(1, sizeof(*q));
    const struct registry_credential *login;
    struct image_reference reference;

    q->done = done;
    q->user = user;
    vk_list_init(&q->link);
    vk_timer_init(&q->timer, c->loop, "image configuration", on_ready, q);
    if (image_reference_parse(image, arena, &reference, &q->err) < 0) {
        vk_timer_arm(&q->timer, 0);
        return q;
    }
    login = find_login(&reference, credentials, credential_count, arena);
    q->entry = entry_of(c, &reference, login);
    vk_list_add_tail(&q->entry->waiting, &q->link);
    if (is_fresh(q->entry))
        vk_timer_arm(&q->timer, 0);
    else if (!q->entry->fetch)
        q->entry->fetch = registry_fetch_start(
            c->client, &reference, c->os, c->arch,
            &(struct registry_login){.username = login ? login->username : NULL,
                                     .password = login ? login->password : NULL},
            on_fetched, q->entry);
    return q;
}

void image_config_cancel(struct image_config_query *q)
{
    if (q)
        query_free(q);
}
