/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/top.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/url.h"
#include "kubelet/client/rest.h"
#include "provider/options.h"
#include "provider/top_view.h"

#define USER_AGENT "aci-kubelet-top/" VK_VERSION
#define DEADLINE_MS 10000
#define MAX_TEXT (1u << 20)
/* "Lately" is this long. */
#define LATELY_MS 30000
#define HISTORY 64
#define ALTERNATE_SCREEN "\033[?1049h\033[?25l"
#define NORMAL_SCREEN "\033[?25h\033[?1049l"
#define CLEAR "\033[H\033[J"

struct top_options {
    struct aci_kubelet_options kubelet; /* first: the table's offsets hold */
    int64_t interval_ms;
    bool once;
    const char *output;
};

static const struct option_def own_defs[] = {
    {.name = "interval",
     .kind = OPTION_DURATION,
     .offset = offsetof(struct top_options, interval_ms),
     .fallback = "2s",
     .min = 200,
     .max = 60ll * 60 * 1000,
     .group = "Top",
     .arg = "DURATION",
     .help = "Time between two looks."},
    {.name = "once",
     .kind = OPTION_BOOL,
     .offset = offsetof(struct top_options, once),
     .group = "Top",
     .help = "Look once, print the table and end."},
    {.name = "output",
     .kind = OPTION_ENUM,
     .choices = "table|json",
     .offset = offsetof(struct top_options, output),
     .fallback = "table",
     .group = "Top",
     .arg = "FORMAT",
     .help = "For people, or one JSON object a line for programs."},
};

static const char *const shown[] = {"kubeconfig", "context", "nodename"};

static const char synopsis[] =
    "Usage: aci-kubelet top [OPTION]...\n"
    "\n"
    "Shows a burst as it goes on: pods by the state of their start, container groups, quotas,\n"
    "what is left of ARM's limits, and the seconds that each phase of a start takes: of all pods\n"
    "since aci-kubelet began, and of those of the last half minute. On a terminal the table is\n"
    "drawn anew; elsewhere each look is a line.";

static const char epilogue[] =
    "It reads /metrics of the kubelet port through the API server: the kubeconfig's user needs\n"
    "`get` on nodes/proxy. Phases: bound (until the kubelet knows), resolve (what the pod refers\n"
    "to), put (until Azure has accepted), provisioning, pull, start, ready.\n"
    "\n"
    "Exit codes: 0 ended by a signal, or --once has shown it; 1 could not; 2 wrong options.\n"
    "\n"
    "  aci-kubelet top --kubeconfig ~/.kube/config --nodename burst-1\n"
    "  aci-kubelet top --once --output json | jq .pods";

struct program {
    struct vk_arena *arena;
    struct top_options options;
    struct cluster_config cluster;
    struct subcommand_loop run; /* first of what is made, last of what is freed */
    struct rest_client *client;
    struct rest_call *call;
    struct vk_timer timer;
    char *path;
    struct top_sample history[HISTORY]; /* a ring; the last one is at (count - 1) % HISTORY */
    size_t count;
    bool is_drawn_anew;
    int exit_code;
};

/* The oldest look that is still "lately", other than the last one; NULL: there is none. */
static const struct top_sample *before_of(const struct program *p)
{
    const struct top_sample *now = &p->history[(p->count - 1) % HISTORY], *found = NULL;

    for (size_t back = 1; back < HISTORY && back < p->count; back++) {
        const struct top_sample *s = &p->history[(p->count - 1 - back) % HISTORY];

        if (now->wall_ms - s->wall_ms > LATELY_MS && found)
            break;
        found = s;
    }
    return found;
}

static size_t terminal_columns(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static void show(struct program *p)
{
    const struct top_sample *now = &p->history[(p->count - 1) % HISTORY], *before = before_of(p);
    const char *node = p->options.kubelet.nodename;
    struct vk_buf out VK_BUF_AUTO;

    vk_buf_init(&out, MAX_TEXT);
    if (vk_streq(p->options.output, "json"))
        top_view_json(node, now, before, &out);
    else if (p->options.once || p->is_drawn_anew)
        top_view_table(node, now, before, p->is_drawn_anew ? terminal_columns() : 0, &out);
    else
        top_view_line(now, before, &out);
    if (p->is_drawn_anew)
        fputs(CLEAR, stdout);
    fputs(vk_buf_peek(&out), stdout);
    fflush(stdout);
}

/* What is shown stays; the next look may do better. */
static void complain(struct program *p, const struct vk_err *err)
{
    if (p->is_drawn_anew) {
        printf("\n%s\033[K\r\033[A", err->msg);
        fflush(stdout);
    } else {
        fprintf(stderr, "aci-kubelet top: %s\n", err->msg);
    }
    /* Who was never shown anything is told and can act. */
    if (p->options.once || !p->count) {
        p->exit_code = EXIT_CANNOT_RUN;
        vk_loop_stop(p->run.loop);
    }
}

static void on_metrics(void *user, struct vk_str body, const struct vk_err *err)
{
    struct program *p = user;
    struct vk_err bad;

    p->call = NULL;
    if (!err && top_sample_read(body, vk_wall_ms(), &p->history[p->count % HISTORY], &bad) < 0)
        err = &bad;
    if (err) {
        complain(p, err);
    } else {
        p->count++;
        show(p);
        if (p->options.once)
            vk_loop_stop(p->run.loop);
    }
    vk_timer_arm(&p->timer, p->options.interval_ms);
}

static void on_timer(void *user)
{
    struct program *p = user;

    p->call = rest_start(p->client, &(struct rest_request){
                                        .method = "GET",
                                        .path = p->path,
                                        .deadline_ms = DEADLINE_MS,
                                        .what = "read the kubelet's metrics",
                                        .on_done = on_metrics,
                                        .user = p,
                                    });
}

static void on_signal(void *user, int signo)
{
    struct program *p = user;

    (void)signo;
    vk_loop_stop(p->run.loop);
}

static void loop_until_told(struct program *p)
{
    p->is_drawn_anew =
        isatty(STDOUT_FILENO) && !p->options.once && vk_streq(p->options.output, "table");
    if (p->is_drawn_anew)
        fputs(ALTERNATE_SCREEN, stdout);
    vk_timer_arm(&p->timer, 0);
    vk_loop_run(p->run.loop);
    if (!p->is_drawn_anew)
        return;
    /* The last look stays on the screen. */
    fputs(NORMAL_SCREEN, stdout);
    p->is_drawn_anew = false;
    p->options.once = true;
    if (p->count)
        show(p);
}

static int run(struct program *p)
{
    const struct aci_kubelet_options *o = &p->options.kubelet;
    struct vk_buf path VK_BUF_AUTO;
    struct vk_err err;

    vk_buf_init(&path, 4096);
    vk_buf_adds(&path, "/api/v1/nodes/");
    url_encode(&path, vk_str_of(o->nodename));
    vk_buf_adds(&path, "/proxy/metrics");
    p->path = vk_buf_peek(&path);
    subcommand_loop_open(&p->run, on_signal, p);
    vk_timer_init(&p->timer, p->run.loop, "top", on_timer, p);
    if (subcommand_cluster_read(o, p->arena, &p->cluster, &err) < 0 ||
        rest_client_new(p->run.http, &p->cluster, USER_AGENT, &p->client, &err) < 0) {
        fprintf(stderr, "aci-kubelet top: %s\n", err.msg);
        p->exit_code = EXIT_CANNOT_RUN;
    } else {
        loop_until_told(p);
    }
    vk_timer_disarm(&p->timer);
    rest_cancel(p->call);
    rest_client_free(p->client);
    subcommand_loop_close(&p->run);
    return p->exit_code;
}

static int top_main(int argc, char **argv)
{
    static const struct subcommand_options options = {
        .program = "aci-kubelet top",
        .own = own_defs,
        .own_count = VK_COUNT(own_defs),
        .shown = shown,
        .shown_count = VK_COUNT(shown),
        .synopsis = synopsis,
        .epilogue = epilogue,
    };
    struct program p = {.arena = vk_arena_new()};
    int exit_code = subcommand_options_read(&options, argc, argv, &p.options, p.arena);

    if (exit_code < 0)
        exit_code = run(&p);
    vk_arena_free(p.arena);
    return exit_code;
}

const struct subcommand top_subcommand = {
    .name = "top",
    .summary = "A burst live in the terminal: pods by state, tokens left, seconds per phase.",
    .run = top_main,
};
