/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/exec.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/json_writer.h"

#define DEADLINE_MS 60000
#define MAX_BODY ((size_t)64 << 10)

struct exec_call {
    struct arm_call *arm;
    const char *what; /* static */
    char *group, *container;
    exec_endpoint_fn done;
    void *user;
};

static void call_free(struct exec_call *call)
{
    arm_call_cancel(call->arm);
    vk_free(call->group);
    vk_free(call->container);
    vk_free(call);
}

void exec_call_cancel(struct exec_call *call)
{
    if (call)
        call_free(call);
}

static void end(struct exec_call *call, const struct exec_endpoint *endpoint,
                const struct vk_err *err)
{
    const exec_endpoint_fn done = call->done;
    void *user = call->user;
    struct vk_err explained;

    if (err) {
        explained = *err;
        (void)vk_err_wrap(&explained, "%s container %s of container group %s", call->what,
                          call->container, call->group);
    }
    call_free(call);
    done(user, endpoint, err ? &explained : NULL);
}

/* The password stands in the arena of the answer, which the caller frees. */
static void end_with(struct exec_call *call, const struct exec_endpoint *endpoint)
{
    end(call, endpoint, NULL);
    vk_wipe((void *)(uintptr_t)endpoint->password.p, endpoint->password.n);
}

static int read_endpoint(struct vk_str body, struct vk_arena *arena, struct exec_endpoint *ret,
                         struct vk_err *err)
{
    const struct json *root;
    const char *uri, *password;

    if (json_parse(body, MAX_BODY, arena, &root, err) < 0) {
        err->code = VK_PROTOCOL;
        return vk_err_wrap(err, "the answer is not JSON");
    }
    uri = json_string(json_get(root, "webSocketUri"));
    password = json_string(json_get(root, "password"));
    if (vk_str_empty(uri) || strlen(uri) > EXEC_URI_MAX)
        return vk_err_set(err, VK_PROTOCOL, "the answer has no usable webSocketUri");
    if (vk_str_empty(password) || strlen(password) > EXEC_PASSWORD_MAX)
        return vk_err_set(err, VK_PROTOCOL, "the answer has no usable password");
    *ret = (struct exec_endpoint){.uri = uri, .password = vk_str_of(password)};
    return 0;
}

static void on_answer(void *user, const struct arm_response *response, const struct vk_err *err)
{
    struct exec_call *call = user;
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct exec_endpoint endpoint;
    struct vk_err bad;

    call->arm = NULL;
    if (err)
        end(call, NULL, err);
    else if (read_endpoint(response->body, arena, &endpoint, &bad) < 0)
        end(call, NULL, &bad);
    else
        end_with(call, &endpoint);
}

static struct exec_call *start(struct container_groups *groups, const struct exec_target *target,
                               const char *action, const char *what, struct vk_str body,
                               exec_endpoint_fn done, void *user)
{
    struct exec_call *call = vk_calloc(1, sizeof(*call));
    const struct arm_request request = {.method = "POST",
                                        .operation = "exec",
                                        .body = body,
                                        .deadline_ms = DEADLINE_MS,
                                        .priority = target->priority,
                                        .owner = target->owner,
                                        .max_body = MAX_BODY,
                                        .on_done = on_answer,
                                        .user = call};

    call->what = what;
    call->group = vk_strdup(target->group);
    call->container = vk_strdup(target->container);
    call->done = done;
    call->user = user;
    call->arm = container_groups_action(groups, target->group, target->container, action, &request);
    return call;
}

struct exec_call *exec_start(struct container_groups *groups, const struct exec_target *target,
                             const char *program, uint16_t rows, uint16_t columns,
                             exec_endpoint_fn done, void *user)
{
    struct vk_buf body VK_BUF_AUTO;
    struct json_writer w;

    vk_buf_init(&body, MAX_BODY);
    json_writer_init(&w, &body);
    json_begin_object(&w, NULL);
    json_put_str(&w, "command", vk_str_of(program));
    if (rows && columns) {
        json_begin_object(&w, "terminalSize");
        json_put_int(&w, "rows", rows);
        json_put_int(&w, "cols", columns);
        json_end_object(&w);
    }
    json_end_object(&w);
    return start(groups, target, "exec", "run a command in", vk_buf_str(&body), done, user);
}

struct exec_call *exec_attach(struct container_groups *groups, const struct exec_target *target,
                              exec_endpoint_fn done, void *user)
{
    return start(groups, target, "attach", "attach to", VK_STR(""), done, user);
}
