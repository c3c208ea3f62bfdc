/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/lifecycle_hook.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "kubelet/pods/probe_http.h"
#include "kubelet/pods/probe_target.h"

#define USER_AGENT "kube-lifecycle/1.37"
/* Of a command's output, for the log. */
#define OUTPUT_MAX ((size_t)2048)

struct lifecycle_hook {
    const struct lifecycle_env *env;
    struct lifecycle_hook_target target;
    lifecycle_hook_fn done;
    void *user;
    struct exec_session *exec;
    struct probe_http *http;
    struct vk_buf output;
    struct vk_timer timer; /* the limit, the end of the pause, or the result to come */
    bool is_pause, has_result, fell_back;
    int64_t deadline_mono_ms;
    struct vk_err err;
};

static void hook_free(struct lifecycle_hook *h)
{
    const struct provider *p = h->env->provider;

    if (h->exec)
        p->ops->exec_cancel(p->p, h->exec);
    probe_http_cancel(h->http);
    vk_timer_disarm(&h->timer);
    vk_buf_release_secret(&h->output);
    vk_free(h);
}

void lifecycle_hook_cancel(struct lifecycle_hook *h)
{
    if (h)
        hook_free(h);
}

static void finish(struct lifecycle_hook *h)
{
    const lifecycle_hook_fn done = h->done;
    void *user = h->user;
    const struct vk_err err = h->err;

    hook_free(h);
    done(user, err.code == VK_OK ? NULL : &err);
}

static void on_timer(void *user)
{
    struct lifecycle_hook *h = user;

    if (!h->is_pause && !h->has_result)
        (void)vk_err_set(&h->err, VK_TIMEOUT, "it did not end within %lld s",
                         (long long)((h->target.limit_ms + 999) / 1000));
    finish(h);
}

/* --- exec --- */

static void on_output(void *user, struct vk_str bytes)
{
    struct lifecycle_hook *h = user;

    if (vk_buf_len(&h->output) + bytes.n <= OUTPUT_MAX)
        vk_buf_addstr(&h->output, bytes);
}

static bool is_never_full(void *user)
{
    (void)user;
    return false;
}

static void on_drained(void *user)
{
    (void)user;
}

static void on_exec_finished(void *user, const struct exec_result *result, const struct vk_err *err)
{
    struct lifecycle_hook *h = user;

    h->exec = NULL;
    if (err)
        h->err = *err;
    else if (result->exit_code)
        (void)vk_err_set(&h->err, VK_INTERNAL, "its command ended with code %d", result->exit_code);
    if (h->err.code != VK_OK)
        log_v(1, "A hook's command failed", LS("pod", pod_key(h->target.pod)),
              LS("container", h->target.container->name), LERR(&h->err),
              LS("output", vk_buf_peek(&h->output)));
    finish(h);
}

static void run_command(struct lifecycle_hook *h)
{
    static const struct exec_events events = {.output = on_output,
                                              .error_output = on_output,
                                              .is_full = is_never_full,
                                              .input_drained = on_drained,
                                              .finished = on_exec_finished};
    const struct provider *p = h->env->provider;
    const struct object_meta *m = &h->target.pod->meta;
    const struct exec_request request = {
        .id = {.namespace_ = m->namespace_, .name = m->name, .uid = m->uid},
        .container = h->target.container->name,
        .command = h->target.handler->exec_command.v,
        .command_count = h->target.handler->exec_command.n,
        .has_output = true,
        .has_error = true,
    };

    if (p->ops->run_in_container) {
        h->exec = p->ops->run_in_container(p->p, &request, &events, h);
        return;
    }
    h->has_result = true;
    (void)vk_err_set(&h->err, VK_UNSUPPORTED, "provider %s can't run commands in containers",
                     p->ops->name);
    vk_timer_arm(&h->timer, 0);
}

/* --- httpGet --- */

static bool send_request(struct lifecycle_hook *h, const char *scheme,
                         const struct json_array *headers);

/* A server without TLS has had its request once before, as an answer that is none. */
static void fall_back(struct lifecycle_hook *h)
{
    const struct json_array *all = &h->target.handler->http_headers;
    const struct http_header_field *from = all->v;
    struct http_header_field *v = vk_calloc(all->n + 1, sizeof(*v));
    struct json_array headers = {.v = v};

    h->fell_back = true;
    for (size_t i = 0; i < all->n; i++)
        if (!vk_strieq(from[i].name, "Authorization"))
            v[headers.n++] = from[i];
    if (!send_request(h, "HTTP", &headers))
        finish(h);
    vk_free(v);
}

static void on_http(void *user, const struct probe_outcome *outcome)
{
    struct lifecycle_hook *h = user;
    const bool is_answered = outcome->http_status || outcome->kind == PROBE_SUCCEEDED;

    h->http = NULL;
    if (!is_answered && !h->fell_back) {
        (void)vk_err_set(&h->err, VK_UNAVAILABLE, "%s", outcome->output);
        if (outcome->is_plain_http) {
            fall_back(h);
            return;
        }
    }
    if (is_answered)
        h->err = (struct vk_err){0};
    if (is_answered && h->fell_back && h->target.warn)
        h->target.warn(h->user, "LifecycleHTTPFallback",
                       "request to HTTPS lifecycle hook got HTTP response, retry with HTTP "
                       "succeeded");
    finish(h);
}

/* False: it can't be sent, and err says why. */
static bool send_request(struct lifecycle_hook *h, const char *scheme,
                         const struct json_array *headers)
{
    const struct probe_handler *handler = h->target.handler;
    const int64_t left_ms = h->deadline_mono_ms - vk_mono_ms();
    struct probe_http_request request = {
        .scheme = scheme,
        .host = vk_str_empty(handler->http_host) ? h->target.pod_ip : handler->http_host,
        .path = handler->http_path,
        .headers = headers,
        .user_agent = USER_AGENT,
        .timeout_ms = left_ms > 0 ? left_ms : 1,
    };

    if (vk_str_empty(request.host))
        (void)vk_err_set(&h->err, VK_UNAVAILABLE, "the pod has no address yet");
    else if (!probe_target_port(h->target.container, handler->http_port, &request.port))
        (void)vk_err_set(&h->err, VK_INVALID, "the container has no port %s",
                         handler->http_port ? handler->http_port : "");
    else if (!h->env->http)
        (void)vk_err_set(&h->err, VK_UNSUPPORTED, "there is no HTTP client");
    else
        h->http = probe_http_start(h->env->http, &request, on_http, h);
    return h->http != NULL;
}

static void begin_request(struct lifecycle_hook *h)
{
    const struct probe_handler *handler = h->target.handler;

    h->has_result = !send_request(h, handler->http_scheme, &handler->http_headers);
    if (h->has_result)
        vk_timer_arm(&h->timer, 0);
}

/* --- start --- */

static void pause_for(struct lifecycle_hook *h, int64_t seconds)
{
    h->is_pause = seconds < h->target.limit_ms / 1000;
    if (h->is_pause)
        vk_timer_arm(&h->timer, seconds > 0 ? seconds * 1000 : 0);
}

struct lifecycle_hook *lifecycle_hook_start(const struct lifecycle_env *env,
                                            const struct lifecycle_hook_target *target,
                                            lifecycle_hook_fn done, void *user)
{
    struct lifecycle_hook *h = vk_calloc(1, sizeof(*h));

    h->env = env;
    h->target = *target;
    h->done = done;
    h->user = user;
    vk_buf_init(&h->output, OUTPUT_MAX);
    vk_timer_init(&h->timer, env->loop, "lifecycle hook", on_timer, h);
    h->deadline_mono_ms = vk_mono_ms() + target->limit_ms;
    vk_timer_arm(&h->timer, target->limit_ms);
    if (target->handler->has_exec) {
        run_command(h);
    } else if (target->handler->has_http_get) {
        begin_request(h);
    } else if (target->handler->has_sleep) {
        pause_for(h, target->handler->sleep_seconds);
    } else {
        h->has_result = true;
        (void)vk_err_set(&h->err, VK_INVALID, "it names no exec, httpGet or sleep");
        vk_timer_arm(&h->timer, 0);
    }
    return h;
}
