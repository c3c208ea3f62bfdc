/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/service_environment.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define API_SERVER "kubernetes"
#define DEFAULT_PORT 443
#define VARIABLES_OF_SERVICE 3 /* host, port, PORT */
#define VARIABLES_OF_PORT 5    /* named port, link, protocol, port, address */

struct writer {
    struct service_variable *v;
    size_t n;
    struct vk_arena *arena;
};

int service_environment_address(const char *text, struct vk_arena *arena,
                                struct pod_api_server *ret, struct vk_err *err)
{
    struct vk_str host = vk_str_of(text);
    const bool bracketed = text[0] == '[';
    const char *end = bracketed ? strchr(text, ']') : NULL;
    const char *colon = bracketed ? (end ? strchr(end, ':') : NULL) : strchr(text, ':');
    int64_t port = DEFAULT_PORT;

    if (colon)
        host.n = (size_t)(colon - text);
    if (bracketed && end) {
        host.p++;
        host.n = (size_t)(end - text) - 1;
    }
    if (host.n == 0 || (bracketed && (!end || (end[1] && end[1] != ':'))) ||
        memchr(host.p, '/', host.n) ||
        (colon && !vk_str_int64(vk_str_of(colon + 1), 1, 65535, &port)))
        return vk_err_set(err, VK_INVALID, "'%.100s' is no HOST or HOST:PORT, such as 10.1.0.4:443",
                          text);
    *ret = (struct pod_api_server){.host = vk_arena_str(arena, host), .port = port};
    return 0;
}

static void put(struct writer *w, const char *name, const char *value)
{
    w->v[w->n++] = (struct service_variable){.name = name, .value = value};
}

/* "my-db" as MY_DB. */
static const char *upper(struct writer *w, const char *text)
{
    char *out = vk_arena_strdup(w->arena, text);

    for (char *c = out; *c; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    return out;
}

static const char *lower(struct writer *w, const char *text)
{
    char *out = vk_arena_strdup(w->arena, text);

    for (char *c = out; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return out;
}

/* The older form, which links between containers once had. */
static void put_link(struct writer *w, const char *name, const char *host,
                     const struct service_port *p, bool first)
{
    struct vk_arena *a = w->arena;
    const char *protocol = lower(w, p->protocol);
    const char *at = strchr(host, ':') ? vk_arena_printf(a, "[%s]", host) : host;
    const char *url = vk_arena_printf(a, "%s://%s:%" PRId64, protocol, at, p->port);
    const char *prefix =
        vk_arena_printf(a, "%s_PORT_%" PRId64 "_%s", name, p->port, upper(w, p->protocol));

    if (first)
        put(w, vk_arena_printf(a, "%s_PORT", name), url);
    put(w, prefix, url);
    put(w, vk_arena_printf(a, "%s_PROTO", prefix), protocol);
    put(w, vk_arena_printf(a, "%s_PORT", prefix), vk_arena_printf(a, "%" PRId64, p->port));
    put(w, vk_arena_printf(a, "%s_ADDR", prefix), host);
}

static void put_service(struct writer *w, const char *service, const char *host,
                        const struct service_port *ports, size_t count)
{
    struct vk_arena *a = w->arena;
    const char *name = upper(w, service);

    put(w, vk_arena_printf(a, "%s_SERVICE_HOST", name), host);
    if (count == 0)
        return;
    put(w, vk_arena_printf(a, "%s_SERVICE_PORT", name),
        vk_arena_printf(a, "%" PRId64, ports[0].port));
    for (size_t i = 0; i < count; i++)
        if (ports[i].name)
            put(w, vk_arena_printf(a, "%s_SERVICE_PORT_%s", name, upper(w, ports[i].name)),
                vk_arena_printf(a, "%" PRId64, ports[i].port));
    for (size_t i = 0; i < count; i++)
        put_link(w, name, host, &ports[i], i == 0);
}

static int by_name(const void *a, const void *b)
{
    const struct service *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

/* A Service of the pod's own namespace stands before the API server's of the same name. */
static size_t choose(const struct pod *pod, const struct service *const *services, size_t count,
                     const struct service **out)
{
    const struct service *api_server = NULL;
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        const struct service *s = services[i];
        const bool own = vk_streq(s->namespace_, pod->meta.namespace_);

        if (!s->cluster_ip)
            continue;
        if (own && pod->spec.enable_service_links)
            out[n++] = s;
        else if (vk_streq(s->namespace_, "default") && vk_streq(s->name, API_SERVER))
            api_server = s;
    }
    for (size_t i = 0; api_server && i < n; i++)
        if (vk_streq(out[i]->name, API_SERVER))
            api_server = NULL;
    if (api_server)
        out[n++] = api_server;
    qsort(out, n, sizeof(*out), by_name);
    return n;
}

void service_environment(const struct pod *pod, const struct service *const *services, size_t count,
                         const struct pod_api_server *api_server, struct vk_arena *arena,
                         const struct service_variable **ret, size_t *ret_count)
{
    struct service_port https = {.name = (char[]){"https"}, .protocol = (char[]){"TCP"}};
    const struct service **chosen = vk_arena_array(arena, count + 1, sizeof(*chosen));
    const size_t n = choose(pod, services, count, chosen);
    size_t most = VARIABLES_OF_SERVICE + VARIABLES_OF_PORT;
    struct writer w = {.arena = arena};

    for (size_t i = 0; i < n; i++)
        most += VARIABLES_OF_SERVICE + VARIABLES_OF_PORT * chosen[i]->port_count;
    w.v = vk_arena_array(arena, most, sizeof(*w.v));
    https.port = api_server->port;
    for (size_t i = 0; i < n; i++) {
        const struct service *s = chosen[i];
        /* Where an address is named, it is also what a namespace's own "kubernetes" gives way to.
         */
        if (!api_server->host || !vk_streq(s->name, API_SERVER))
            put_service(&w, s->name, s->cluster_ip, s->ports, s->port_count);
    }
    if (api_server->host)
        put_service(&w, API_SERVER, api_server->host, &https, 1);
    *ret = w.v;
    *ret_count = w.n;
}
