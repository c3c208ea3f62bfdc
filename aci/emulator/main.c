/* SPDX-License-Identifier: Apache-2.0 */
/* aci-emulator: Azure Container Instances on one machine. */
#include <signal.h>

#include "aci/emulator/emulator.h"
#include "aci/emulator/engine.h"
#include "aci/emulator/options.h"
#include "base/log.h"

static void on_stop_signal(void *user, int signo)
{
    struct vk_loop *loop = user;

    log_info("Stopping", LI("signal", signo));
    vk_loop_stop(loop);
}

static int new_engine(struct vk_loop *loop, const struct emulator_options *options,
                      struct engine **ret, struct vk_err *err)
{
    if (vk_streq(options->engine, "simulated")) {
        struct engine_simulated_config config = {.pod_cidr = options->pod_cidr,
                                                 .pull_ms = options->pull_latency_ms};

        return engine_simulated_new(loop, &config, ret, err);
    }
    return engine_runc_new(loop,
                           &(struct engine_runc_config){
                               .state_dir = options->state_dir,
                               .pod_cidr = options->pod_cidr,
                               .registry_mirror = options->registry_mirror,
                               .git_mirror = options->git_mirror,
                           },
                           ret, err);
}

static int run(const struct emulator_options *options, struct vk_err *err)
{
    struct vk_loop *loop = vk_loop_new();
    struct engine *engine = NULL;
    struct emulator *emulator = NULL;
    int r;

    vk_loop_on_signal(loop, SIGTERM, on_stop_signal, loop);
    vk_loop_on_signal(loop, SIGINT, on_stop_signal, loop);
    r = new_engine(loop, options, &engine, err);
    if (r == 0)
        r = emulator_new(loop, options, engine, &emulator, err);
    if (r == 0) {
        log_info("Serving Azure Container Instances", LS("listen", options->listen),
                 LS("engine", options->engine), LS("subscription", options->subscription),
                 LS("location", options->location));
        vk_loop_run(loop);
        emulator_free(emulator);
    }
    vk_loop_free(loop);
    return r;
}

int main(int argc, char **argv)
{
    struct vk_arena *arena = vk_arena_new();
    struct emulator_options options;
    struct vk_err err;
    int r;

    signal(SIGPIPE, SIG_IGN);
    r = emulator_options_parse(argc, argv, arena, &options, &err);
    if (r == 0 && options.help) {
        emulator_options_help(stdout);
    } else if (r < 0 && vk_streq(err.reason, "Version")) {
        printf("aci-emulator %s\n", VK_VERSION);
        r = 0;
    } else if (r == 0) {
        log_init(vk_streq(options.log_format, "json") ? LOG_JSON : LOG_TEXT,
                 (int)options.verbosity);
        r = run(&options, &err);
    }
    if (r < 0)
        fprintf(stderr, "aci-emulator: %s\n", err.msg);
    vk_arena_free(arena);
    return r < 0 ? 1 : 0;
}
