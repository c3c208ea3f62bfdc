/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/check_report.h"

#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/json_writer.h"

#define RESET "\033[0m"

struct check_report {
    struct vk_arena *arena;
    const char *const *names;
    size_t name_count;
    struct finding *findings;
    size_t count, cap;
};

static const struct {
    const char *word, *shown, *colour;
} states[] = {
    [FINDING_OK] = {"ok", "ok", "\033[32m"},
    [FINDING_WARNING] = {"warning", "WARNING", "\033[33m"},
    [FINDING_FAILED] = {"failed", "FAILED", "\033[31m"},
    [FINDING_SKIPPED] = {"skipped", "skipped", "\033[2m"},
};

struct check_report *check_report_new(const char *const *names, size_t count)
{
    struct check_report *r = vk_calloc(1, sizeof(*r));

    r->arena = vk_arena_new();
    r->names = names;
    r->name_count = count;
    return r;
}

void check_report_free(struct check_report *r)
{
    if (!r)
        return;
    vk_arena_free(r->arena);
    vk_free(r->findings);
    vk_free(r);
}

static size_t rank_of(const struct check_report *r, const char *name)
{
    size_t i = 0;

    while (i < r->name_count && !vk_streq(r->names[i], name))
        i++;
    return i;
}

void check_report_add(void *user, const struct finding *finding)
{
    struct check_report *r = user;
    const size_t rank = rank_of(r, finding->name);
    size_t at = r->count;

    r->findings = vk_grow(r->findings, &r->cap, r->count + 1, sizeof(*r->findings));
    while (at > 0 && rank_of(r, r->findings[at - 1].name) > rank)
        at--;
    memmove(&r->findings[at + 1], &r->findings[at], (r->count - at) * sizeof(*r->findings));
    r->findings[at] = (struct finding){
        .state = finding->state,
        .name = vk_arena_strdup(r->arena, finding->name),
        .detail = vk_arena_strdup(r->arena, finding->detail),
        .remedy = vk_arena_strdup(r->arena, finding->remedy),
    };
    r->count++;
}

static bool has(const struct check_report *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (vk_streq(r->findings[i].name, name))
            return true;
    return false;
}

void check_report_give_up(struct check_report *r, const char *detail)
{
    for (size_t i = 0; i < r->name_count; i++)
        if (!has(r, r->names[i]))
            check_report_add(r, &(struct finding){.state = FINDING_FAILED,
                                                  .name = r->names[i],
                                                  .detail = detail,
                                                  .remedy = "see the checks above"});
}

size_t check_report_count(const struct check_report *r, enum finding_state state)
{
    size_t n = 0;

    for (size_t i = 0; i < r->count; i++)
        n += r->findings[i].state == state;
    return n;
}

/* Peers had a hand in the texts: no control character reaches the terminal. */
static void put_text(struct vk_buf *out, const char *text)
{
    for (; *text; text++)
        vk_buf_addc(out, (unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
}

static int name_width(const struct check_report *r)
{
    size_t width = 0;

    for (size_t i = 0; i < r->count; i++)
        width = strlen(r->findings[i].name) > width ? strlen(r->findings[i].name) : width;
    return (int)width;
}

void check_report_table(const struct check_report *r, bool colour, struct vk_buf *out)
{
    const int width = name_width(r);

    for (size_t i = 0; i < r->count; i++) {
        const struct finding *f = &r->findings[i];

        vk_buf_printf(out, "%s%-7s%s  %-*s  ", colour ? states[f->state].colour : "",
                      states[f->state].shown, colour ? RESET : "", width, f->name);
        put_text(out, f->detail);
        vk_buf_addc(out, '\n');
        if (*f->remedy) {
            vk_buf_printf(out, "%*s-> ", 7 + 2 + width + 2, "");
            put_text(out, f->remedy);
            vk_buf_addc(out, '\n');
        }
    }
    vk_buf_printf(out, "%zu checks: %zu ok, %zu warnings, %zu failed, %zu skipped\n", r->count,
                  check_report_count(r, FINDING_OK), check_report_count(r, FINDING_WARNING),
                  check_report_count(r, FINDING_FAILED), check_report_count(r, FINDING_SKIPPED));
}

void check_report_json(const struct check_report *r, struct vk_buf *out)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w, NULL);
    json_put_bool(&w, "ok", check_report_count(r, FINDING_FAILED) == 0);
    json_begin_array(&w, "checks");
    for (size_t i = 0; i < r->count; i++) {
        const struct finding *f = &r->findings[i];

        json_begin_object(&w, NULL);
        json_put_string(&w, "name", f->name);
        json_put_string(&w, "state", states[f->state].word);
        json_put_string(&w, "detail", f->detail);
        json_put_string_if(&w, "remedy", f->remedy);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    vk_buf_addc(out, '\n');
}
