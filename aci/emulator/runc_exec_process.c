/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/runc_exec_process.h"

#include "base/json_writer.h"

static void put_env(struct json_writer *w, const struct json *env)
{
    bool has_term = false;

    json_begin_array(w, "env");
    for (const struct json *v = json_first(env); v; v = json_next(v)) {
        has_term = has_term || vk_starts(json_string(v), "TERM=");
        json_put_value(w, NULL, v);
    }
    if (!has_term)
        json_put_string(w, NULL, "TERM=xterm");
    json_end_array(w);
}

int runc_exec_process_write(struct vk_str config_json, const struct engine_exec_spec *spec,
                            struct vk_buf *out, struct vk_err *err)
{
    static const char *const replaced[] = {"terminal", "consoleSize", "args", "env"};
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *root, *process;
    struct json_writer w;
    int rc = json_parse(config_json, RUNC_CONFIG_MAX, arena, &root, err);

    if (rc < 0)
        return vk_err_wrap(err, "config.json of container %s", spec->container);
    process = json_get(root, "process");
    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_bool(&w, "terminal", true);
    json_begin_object(&w, "consoleSize");
    json_put_int(&w, "height", spec->rows);
    json_put_int(&w, "width", spec->cols);
    json_end_object(&w);
    json_begin_array(&w, "args");
    json_put_string(&w, NULL, spec->program);
    json_end_array(&w);
    put_env(&w, json_get(process, "env"));
    for (const struct json *v = json_first(process); v; v = json_next(v)) {
        bool keep = true;

        for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++)
            keep = keep && !vk_streq(json_key(v), replaced[i]);
        if (keep)
            json_put_value(&w, json_key(v), v);
    }
    json_end_object(&w);
    if (!json_writer_done(&w))
        return vk_err_set(err, VK_TOO_LARGE, "container %s: its environment is too large",
                          spec->container);
    return 0;
}
