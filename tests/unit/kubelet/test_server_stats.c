/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics/resource, /metrics/cadvisor and /stats/summary, from a provider's figures to the answer.
 */
#include "kubelet/stats/cadvisor_metrics.h"
#include "kubelet/stats/resource_metrics.h"
#include "kubelet/stats/summary.h"
#include "tests/unit/kubelet/streaming_world.h"

#define SECOND_NS 1000000000ll

static struct container_stats containers[] = {
    {"app",
     {.sampled_wall_ns = 1700000100123456789,
      .start_wall_ns = 1700000000000000000,
      .cpu_ns = (1ull << 53) + 1,
      .cpu_nano_cores = 250000000,
      .memory_bytes = 3000,
      .working_set_bytes = 2000,
      .rss_bytes = 1000}},
    {"late", {0}},
};
static struct pod_stats pods[] = {
    {.id = {"shop", "web-0", "u1"},
     .usage = {.sampled_wall_ns = 1700000100123456789, .cpu_ns = 5 * SECOND_NS},
     .network = {"eth0", 1, 2, 3, 4},
     .containers = containers,
     .container_count = 2},
    {.id = {"shop", "web-1", "u2"}},
};
static const struct provider_stats stats = {
    .node = {.sampled_wall_ns = 1700000100999000000,
             .start_wall_ns = 1700000000000000000,
             .cpu_ns = UINT64_MAX,
             .working_set_bytes = 2000},
    .pods = pods,
    .pod_count = 2,
    .without_figures = 1,
};

static void memory_stats(void *p, struct vk_arena *arena, struct provider_stats *ret)
{
    (void)p, (void)arena;
    *ret = stats;
}

static bool has_line(const struct vk_buf *text, const char *line)
{
    struct vk_str rest = vk_buf_str(text);

    while (rest.n) {
        if (vk_str_is(vk_str_cut(rest, '\n', &rest), line))
            return true;
    }
    return false;
}

static void each_figure_has_its_own_time_and_nothing_is_rounded(void **state)
{
    static const char *const lines[] = {
        "container_cpu_usage_seconds_total{namespace=\"shop\",pod=\"web-0\",container=\"app\"} "
        "9007199.254740993 1700000100123",
        "container_memory_working_set_bytes{namespace=\"shop\",pod=\"web-0\",container=\"app\"} "
        "2000 1700000100123",
        "container_start_time_seconds{namespace=\"shop\",pod=\"web-0\",container=\"app\"} "
        "1700000000.000000000",
        "pod_cpu_usage_seconds_total{namespace=\"shop\",pod=\"web-0\"} 5.000000000 1700000100123",
        "node_cpu_usage_seconds_total 18446744073.709551615 1700000100999",
        "node_memory_working_set_bytes 2000 1700000100999",
        "scrape_error 0",
        "resource_scrape_error 0",
    };
    struct vk_buf out;

    (void)state;
    vk_buf_init(&out, 1 << 16);
    resource_metrics_write(&stats, &out);
    for (size_t i = 0; i < VK_COUNT(lines); i++) {
        if (!has_line(&out, lines[i]))
            fail_msg("no line %s in\n%s", lines[i], vk_buf_peek(&out));
    }
    /* Of what is not known nothing is said: zero would be a figure. */
    assert_null(strstr(vk_buf_peek(&out), "late"));
    assert_null(strstr(vk_buf_peek(&out), "web-1"));
    vk_buf_release(&out);
}

static const char *image_of(void *user, const struct pod_identity *id, const char *container)
{
    assert_ptr_equal(user, &stats);
    assert_string_equal(id->uid, "u1");
    return vk_streq(container, "app") ? "web:1" : NULL;
}

static void cadvisors_names_have_an_image_and_the_network(void **state)
{
#define APP "{namespace=\"shop\",pod=\"web-0\",container=\"app\",image=\"web:1\"} "
#define NETWORK "{namespace=\"shop\",pod=\"web-0\",interface=\"eth0\"} "
#define AT " 1700000100123"
    static const char *const lines[] = {
        "container_cpu_usage_seconds_total" APP "9007199.254740993" AT,
        "container_memory_usage_bytes" APP "3000" AT,
        "container_memory_working_set_bytes" APP "2000" AT,
        "container_memory_rss" APP "1000" AT,
        "container_start_time_seconds" APP "1700000000.000000000",
        "container_network_receive_bytes_total" NETWORK "1" AT,
        "container_network_receive_errors_total" NETWORK "2" AT,
        "container_network_transmit_bytes_total" NETWORK "3" AT,
        "container_network_transmit_errors_total" NETWORK "4" AT,
    };
    struct vk_buf out;

    (void)state;
    vk_buf_init(&out, 1 << 16);
    cadvisor_metrics_write(&stats, image_of, (void *)(uintptr_t)&stats, &out);
    for (size_t i = 0; i < VK_COUNT(lines); i++) {
        if (!has_line(&out, lines[i]))
            fail_msg("no line %s in\n%s", lines[i], vk_buf_peek(&out));
    }
    assert_null(strstr(vk_buf_peek(&out), "late"));
    assert_null(strstr(vk_buf_peek(&out), "web-1"));
    vk_buf_release(&out);
}

static void a_node_of_which_nothing_is_known_says_so(void **state)
{
    struct provider_stats none = {.pods = &pods[1], .pod_count = 1, .without_figures = 1};
    struct vk_buf out;

    (void)state;
    vk_buf_init(&out, 1 << 16);
    resource_metrics_write(&none, &out);
    assert_true(has_line(&out, "scrape_error 1"));
    vk_buf_clear(&out);
    none.pod_count = none.without_figures = 0;
    resource_metrics_write(&none, &out);
    assert_true(has_line(&out, "scrape_error 0"));
    vk_buf_release(&out);
}

static void the_summary_is_what_go_reads(void **state)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    const struct json *root, *pod, *app;
    struct json_writer w;
    struct vk_buf out;
    struct vk_err err;
    char digits[32];

    (void)state;
    vk_buf_init(&out, 1 << 16);
    json_writer_init(&w, &out);
    summary_write(&stats, "aci-1", false, &w);
    assert_true(json_writer_done(&w));
    assert_int_equal(json_parse(vk_buf_str(&out), 1 << 16, arena, &root, &err), 0);
    assert_string_equal(json_string_or(json_get(root, "node"), "nodeName", ""), "aci-1");
    assert_string_equal(
        json_number_text(json_get(json_get(json_get(root, "node"), "cpu"), "usageCoreNanoSeconds"),
                         digits, sizeof(digits)),
        "18446744073709551615");
    pod = json_first(json_get(root, "pods"));
    assert_string_equal(json_string_or(json_get(pod, "podRef"), "uid", ""), "u1");
    app = json_first(json_get(pod, "containers"));
    assert_int_equal(json_int64_or(json_get(app, "cpu"), "usageNanoCores", 0), 250000000);
    assert_string_equal(json_string_or(json_get(app, "cpu"), "time", ""), "2023-11-14T22:15:00Z");
    assert_int_equal(json_int64_or(json_get(app, "memory"), "workingSetBytes", 0), 2000);
    assert_int_equal(json_int64_or(json_get(pod, "network"), "txErrors", 0), 4);
    /* A pod without figures is there, without them. */
    pod = json_next(pod);
    assert_string_equal(json_string_or(json_get(pod, "podRef"), "name", ""), "web-1");
    assert_null(json_get(pod, "cpu"));
    vk_buf_release(&out);
}

struct answer {
    bool done;
    int status;
    struct vk_buf text;
};

static void on_answer(void *user, const struct http_response *response, const struct vk_err *err)
{
    struct answer *a = user;

    assert_null(err);
    a->status = response->status;
    vk_buf_addstr(&a->text, response->body);
    a->done = true;
}

/* The status; the body replaces what is in `a`. */
static int get(struct streaming_world *s, const char *path, struct answer *a)
{
    char *base VK_AUTOFREE = vk_asprintf("http://127.0.0.1:%d", http_server_port(s->server.http));
    struct http_client *client = http_client_new(s->w->loop);
    struct http_host *host =
        http_host_new(client, &(struct http_host_config){.base_url = base, .no_proxy = true});

    vk_buf_clear(&a->text);
    a->done = false;
    http_call_start(
        host,
        &(struct http_request){
            .method = "GET", .path = path, .deadline_ms = 60000, .on_done = on_answer, .user = a});
    UNTIL(s, a->done);
    http_host_free(host);
    http_client_free(client);
    return a->status;
}

static void both_are_served_and_nothing_beside_them(void **state)
{
    struct streaming_world *s = *state;
    struct answer a = {0};

    vk_buf_init(&a.text, 1 << 20);
    assert_int_equal(get(s, "/metrics/resource", &a), 501);
    s->ops.get_stats = memory_stats;
    assert_int_equal(get(s, "/metrics/resource", &a), 200);
    assert_true(has_line(&a.text, "node_memory_working_set_bytes 2000 1700000100999"));
    assert_int_equal(get(s, "/stats/summary", &a), 200);
    assert_non_null(strstr(vk_buf_peek(&a.text), "\"network\""));
    assert_int_equal(get(s, "/stats/summary?only_cpu_and_memory=true", &a), 200);
    assert_null(strstr(vk_buf_peek(&a.text), "\"network\""));
    assert_int_equal(get(s, "/stats", &a), 404);
    assert_int_equal(get(s, "/stats/other", &a), 404);
    assert_int_equal(get(s, "/metrics/other", &a), 404);
    assert_int_equal(get(s, "/metrics/probes", &a), 200);
    assert_non_null(strstr(vk_buf_peek(&a.text), "# TYPE prober_probe_total counter\n"));
    assert_int_equal(get(s, "/metrics/cadvisor", &a), 200);
    assert_non_null(strstr(vk_buf_peek(&a.text), "\ncontainer_memory_rss{"));
    vk_buf_release(&a.text);
}

static void the_process_tells_of_itself(void **state)
{
    static const char *const lines[] = {
        "kubelet_running_pods 1",
        "kubelet_running_containers{container_state=\"running\"} 1",
        "aci_kubelet_pods{state=\"running\"} 1",
        "kubelet_node_name{node=\"burst-1\"} 1",
        "aci_kubelet_pod_watch_failing 0",
        "aci_kubelet_pod_lists_total 1",
        "aci_kubelet_pod_watches_total 1",
        "aci_kubelet_pod_watch_failures_total 0",
        "aci_kubelet_streams{kind=\"remote-command\"} 0",
        "aci_kubelet_events_dropped_total{reason=\"budget\"} 0",
        "aci_kubelet_events_dropped_total{reason=\"no-room\"} 0",
        "aci_kubelet_events_dropped_total{reason=\"refused\"} 0",
        "kubelet_http_requests_total{path=\"/livez\"} 1",
    };
    struct streaming_world *s = *state;
    struct answer a = {0};

    vk_buf_init(&a.text, 1 << 20);
    s->server.context.node_name = "burst-1";
    s->server.context.events = s->w->events;
    s->server.request_counts = (struct request_counts){
        .paths = route_paths, .requests = s->server.requests, .count = ROUTES};
    s->server.context.requests = &s->server.request_counts;
    assert_int_equal(get(s, "/livez", &a), 200);
    assert_int_equal(get(s, "/readyz", &a), 200);
    assert_non_null(strstr(vk_buf_peek(&a.text), "[+]provider-synced ok\n"));
    assert_int_equal(get(s, "/statusz", &a), 200);
    assert_non_null(strstr(vk_buf_peek(&a.text), "Node: burst-1\n"));
    assert_int_equal(get(s, "/configz", &a), 200);
    assert_non_null(strstr(vk_buf_peek(&a.text), "\"KubeletConfiguration\""));
    assert_int_equal(get(s, "/metrics", &a), 200);
    for (size_t i = 0; i < VK_COUNT(lines); i++) {
        if (!has_line(&a.text, lines[i]))
            fail_msg("no line %s in\n%s", lines[i], vk_buf_peek(&a.text));
    }
    vk_buf_release(&a.text);
}

static void an_open_session_is_counted_until_it_ends(void **state)
{
    struct streaming_world *s = *state;
    struct wire w;

    streaming_connect(s, &w);
    assert_non_null(
        strstr(streaming_ask(
                   s, &w, WEBSOCKET_HEAD("/exec/default/web/c?command=cat&input=1&output=1", "")),
               " 101 "));
    assert_int_equal(s->server.remote_commands, 1);
    assert_int_equal(s->server.port_forwards, 0);
    wire_release(&w);
    UNTIL(s, s->server.remote_commands == 0);
}

static bool never_synced(void *p)
{
    (void)p;
    return false;
}

static void who_knows_no_groups_is_not_ready(void **state)
{
    struct streaming_world *s = *state;
    struct answer a = {0};

    vk_buf_init(&a.text, 1 << 20);
    s->ops.is_synced = never_synced;
    assert_int_equal(get(s, "/readyz", &a), 503);
    assert_int_equal(get(s, "/livez", &a), 200);
    vk_buf_release(&a.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_figure_has_its_own_time_and_nothing_is_rounded),
        cmocka_unit_test(cadvisors_names_have_an_image_and_the_network),
        cmocka_unit_test(a_node_of_which_nothing_is_known_says_so),
        cmocka_unit_test(the_summary_is_what_go_reads),
        cmocka_unit_test_setup_teardown(both_are_served_and_nothing_beside_them, streaming_setup,
                                        streaming_teardown),
        cmocka_unit_test_setup_teardown(the_process_tells_of_itself, streaming_setup,
                                        streaming_teardown),
        cmocka_unit_test_setup_teardown(an_open_session_is_counted_until_it_ends, streaming_setup,
                                        streaming_teardown),
        cmocka_unit_test_setup_teardown(who_knows_no_groups_is_not_ready, streaming_setup,
                                        streaming_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
