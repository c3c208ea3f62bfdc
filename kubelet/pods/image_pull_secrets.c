/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/image_pull_secrets.h"

#include <string.h>

#include "base/crypto.h"
#include "base/json.h"

#define MAX_CONFIG_BYTES (1u << 20)
#define DOCKER_HUB "index.docker.io"

/* An image or a key of a docker configuration: where it points. */
struct location {
    struct vk_str host, path;
};
/* A registry that an image of the pod needs, and the best entry so far. */
struct need {
    struct location at;
    bool found;
    size_t match_length;
    struct vk_str username, password;
};
struct needs {
    struct need *v;
    size_t n;
    struct vk_arena *arena;
};

static struct vk_str normal_host(struct vk_str host)
{
    static const char *const hub[] = {"docker.io", "registry-1.docker.io", "registry.docker.io"};

    for (size_t i = 0; i < sizeof(hub) / sizeof(hub[0]); i++)
        if (vk_str_ieq(host, vk_str_of(hub[i])))
            return VK_STR(DOCKER_HUB);
    return host;
}

static bool holds(struct vk_str s, char c)
{
    return s.n && memchr(s.p, c, s.n);
}

/* Without a host that looks like one, an image comes from Docker Hub. */
static struct location image_location(const char *image)
{
    struct vk_str rest, whole = vk_str_of(image), first = vk_str_cut(whole, '/', &rest);

    if (!rest.p || (!holds(first, '.') && !holds(first, ':') && !vk_str_is(first, "localhost")))
        return (struct location){.host = VK_STR(DOCKER_HUB), .path = whole};
    return (struct location){.host = normal_host(first), .path = rest};
}

/* "https://index.docker.io/v1/", "registry.example/team", "*.azurecr.io" */
static struct location key_location(struct vk_str key)
{
    const struct vk_str schemes[] = {VK_STR("https://"), VK_STR("http://")};
    struct vk_str host, path;

    for (size_t i = 0; i < 2; i++) {
        if (vk_str_starts(key, schemes[i])) {
            key.p += schemes[i].n;
            key.n -= schemes[i].n;
        }
    }
    host = vk_str_cut(key, '/', &path);
    while (path.n && path.p[path.n - 1] == '/')
        path.n--;
    if (vk_str_is(path, "v1") || vk_str_is(path, "v2"))
        path.n = 0;
    return (struct location){.host = normal_host(host), .path = path};
}

/* Part by part; '*' stands for any text without a dot, as path.Match does on host names. */
static bool part_matches(struct vk_str pattern, struct vk_str part)
{
    while (pattern.n && pattern.p[0] != '*') {
        if (!part.n || pattern.p[0] != part.p[0])
            return false;
        pattern.p++, pattern.n--, part.p++, part.n--;
    }
    if (!pattern.n)
        return !part.n;
    pattern.p++, pattern.n--;
    for (;;) {
        if (part_matches(pattern, part))
            return true;
        if (!part.n)
            return false;
        part.p++, part.n--;
    }
}

static bool host_matches(struct vk_str pattern, struct vk_str host)
{
    while (pattern.p && host.p) {
        struct vk_str a = vk_str_cut(pattern, '.', &pattern), b = vk_str_cut(host, '.', &host);

        if (!part_matches(a, b))
            return false;
    }
    return !pattern.p && !host.p;
}

static bool location_matches(const struct location *key, const struct location *image)
{
    return host_matches(key->host, image->host) && vk_str_starts(image->path, key->path);
}

static struct vk_str arena_text(struct vk_arena *arena, struct vk_str s)
{
    return vk_secret_reveal(vk_arena_secret(arena, s.p, s.n));
}

static void offer(struct needs *needs, const struct location *key, struct vk_str username,
                  struct vk_str password)
{
    for (size_t i = 0; i < needs->n; i++) {
        struct need *n = &needs->v[i];

        if (!location_matches(key, &n->at) || (n->found && n->match_length >= key->path.n + 1))
            continue;
        n->found = true;
        n->match_length = key->path.n + 1;
        n->username = arena_text(needs->arena, username);
        n->password = arena_text(needs->arena, password);
    }
}

/* auth is base64 of "username:password" and wins over the two members, as in Docker's client. */
static bool read_entry(const struct json *entry, struct vk_arena *scratch, struct vk_str *username,
                       struct vk_str *password)
{
    const char *auth = json_string(json_get(entry, "auth"));
    struct vk_str text;

    if (vk_str_empty(auth)) {
        *username = vk_str_of(json_string(json_get(entry, "username")));
        *password = vk_str_of(json_string(json_get(entry, "password")));
        return username->n > 0;
    }
    if (!crypto_base64_decode(vk_str_of(auth), scratch, &text))
        return false;
    *username = vk_str_cut(text, ':', password);
    return username->n > 0 && password->p;
}

static void wipe(struct vk_str s)
{
    if (s.n)
        vk_wipe((void *)(uintptr_t)s.p, s.n);
}

static int read_config(struct needs *needs, const struct object_data *o, const char *key,
                       bool has_auths, struct vk_err *err)
{
    struct vk_arena *scratch VK_ARENA_AUTO = vk_arena_new();
    const struct object_entry *config = object_data_get(o, key);
    const struct json *doc, *entries;
    struct vk_err ignored;

    if (!config)
        return vk_err_set(err, VK_INVALID, "it has no key \"%s\"", key);
    /* The parser's message could quote the content. */
    if (json_parse(config->value, MAX_CONFIG_BYTES, scratch, &doc, &ignored) < 0)
        return vk_err_set(err, VK_INVALID, "key \"%s\" is no JSON", key);
    entries = has_auths ? json_get(doc, "auths") : doc;
    for (const struct json *e = json_first(entries); e; e = json_next(e)) {
        struct location at = key_location(vk_str_of(json_key(e)));
        struct vk_str username = {0}, password = {0};

        if (json_type_of(e) != JSON_OBJECT || !read_entry(e, scratch, &username, &password))
            continue;
        offer(needs, &at, username, password);
        wipe(username);
        wipe(password);
        wipe(vk_str_of(json_string(json_get(e, "auth"))));
        wipe(vk_str_of(json_string(json_get(e, "password"))));
    }
    return 0;
}

static void add_needs(struct needs *needs, const struct json_array *list)
{
    const struct container *c = list->v;

    for (size_t i = 0; i < list->n; i++) {
        struct location at;
        bool known = false;

        if (vk_str_empty(c[i].image))
            continue;
        at = image_location(c[i].image);
        for (size_t k = 0; k < needs->n; k++)
            known |= vk_str_eq(needs->v[k].at.host, at.host);
        /* One credential per registry is all that the platform takes: the first image decides. */
        if (!known)
            needs->v[needs->n++] = (struct need){.at = at};
    }
}

static int read_secret(struct needs *needs, const struct object_data *o, struct vk_err *err)
{
    int rc;

    if (vk_streq(o->type, "kubernetes.io/dockerconfigjson"))
        rc = read_config(needs, o, ".dockerconfigjson", true, err);
    else if (vk_streq(o->type, "kubernetes.io/dockercfg"))
        rc = read_config(needs, o, ".dockercfg", false, err);
    else
        rc = vk_err_set(err, VK_INVALID,
                        "its type is \"%s\", not kubernetes.io/dockerconfigjson or "
                        "kubernetes.io/dockercfg",
                        o->type);
    if (rc < 0) {
        vk_err_wrap(err, "imagePullSecrets: Secret %s", o->name);
        return vk_err_reason(err, "InvalidImagePullSecret");
    }
    return 0;
}

int image_pull_secrets_resolve(const struct pod_references *r, struct vk_arena *arena,
                               const struct registry_credential **ret, size_t *ret_count,
                               struct vk_err *err)
{
    const struct pod_spec *spec = &r->pod->spec;
    struct needs needs = {.arena = arena};
    struct registry_credential *out;
    size_t n = 0;

    needs.v =
        vk_arena_array(arena, spec->containers.n + spec->init_containers.n + 1, sizeof(*needs.v));
    add_needs(&needs, &spec->init_containers);
    add_needs(&needs, &spec->containers);
    for (size_t i = 0; i < spec->image_pull_secrets.n; i++) {
        const struct object_data *o =
            pod_references_object(r, OBJECT_SECRET, spec->image_pull_secrets.v[i]);

        if (o && read_secret(&needs, o, err) < 0)
            return -(int)err->code;
    }
    out = vk_arena_array(arena, needs.n + 1, sizeof(*out));
    for (size_t i = 0; i < needs.n; i++) {
        const struct need *need = &needs.v[i];

        if (!need->found)
            continue;
        out[n++] = (struct registry_credential){
            .server = vk_arena_str(arena, need->at.host),
            .username = vk_arena_str(arena, need->username),
            .password = vk_arena_secret(arena, need->password.p, need->password.n),
        };
    }
    *ret = out;
    *ret_count = n;
    return 0;
}
