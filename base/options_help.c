/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/options.h"
#include "base/options_value.h"

#define LINE_COLUMNS 96
#define TEXT_COLUMN 34
#define MAX_TEXT_BYTES ((size_t)65536)

/* Words of `text` in lines that begin at TEXT_COLUMN; the cursor stands at `column`. */
static void put_wrapped(FILE *to, const char *text, size_t column)
{
    struct vk_str rest = vk_str_of(text);
    bool at_start = true;

    /* Two blanks at least between an option and its text. */
    if (column + 2 > TEXT_COLUMN) {
        fputc('\n', to);
        column = 0;
    }
    fprintf(to, "%*s", (int)(TEXT_COLUMN - column), "");
    column = TEXT_COLUMN;
    while (rest.n) {
        struct vk_str word = vk_str_cut(rest, ' ', &rest);

        if (word.n == 0)
            continue;
        if (!at_start && column + 1 + word.n > LINE_COLUMNS) {
            fprintf(to, "\n%*s", TEXT_COLUMN, "");
            column = TEXT_COLUMN;
            at_start = true;
        }
        fprintf(to, "%s%.*s", at_start ? "" : " ", (int)word.n, word.p);
        column += word.n + (at_start ? 0 : 1);
        at_start = false;
    }
    fputc('\n', to);
}

static const char *argument_of(const struct option_def *def)
{
    if (def->arg)
        return def->arg;
    switch (def->kind) {
    case OPTION_INT:
        return "NUMBER";
    case OPTION_BOOL:
        return NULL;
    case OPTION_STRINGS:
        return "LIST";
    case OPTION_DURATION:
        return "DURATION";
    case OPTION_ENUM:
        return def->choices;
    case OPTION_STRING:
    default:
        return "TEXT";
    }
}

static void put_option(const struct option_set *set, const struct option_def *def, FILE *to)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_buf text VK_BUF_AUTO;
    const char *arg = argument_of(def);
    int column = fprintf(to, "  --%s%s%s", def->name, arg ? " " : "", arg ? arg : "");

    vk_buf_init(&text, MAX_TEXT_BYTES);
    vk_buf_adds(&text, def->help ? def->help : "");
    if (def->kind == OPTION_ENUM && def->arg)
        vk_buf_printf(&text, " One of %s.", def->choices);
    if (def->fallback && *def->fallback)
        vk_buf_printf(&text, " (default %s)", def->fallback);
    vk_buf_printf(&text, " [%s", option_env_name(set->env_prefix, def->name, arena));
    if (def->other_env)
        vk_buf_printf(&text, ", %s", def->other_env);
    vk_buf_addc(&text, ']');
    put_wrapped(to, vk_buf_peek(&text), column < 0 ? 0 : (size_t)column);
}

/* The first option of its heading; headings come in the order in which the table names them. */
static bool opens_group(const struct option_set *set, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (vk_streq(set->defs[i].group, set->defs[index].group))
            return false;
    }
    return true;
}

void options_help(const struct option_set *set, FILE *to)
{
    if (set->synopsis)
        fprintf(to, "%s\n", set->synopsis);
    for (size_t first = 0; first < set->count; first++) {
        const char *group = set->defs[first].group;

        if (!opens_group(set, first))
            continue;
        fprintf(to, "\n%s:\n", vk_str_empty(group) ? "Options" : group);
        for (size_t i = first; i < set->count; i++) {
            if (vk_streq(set->defs[i].group, group))
                put_option(set, &set->defs[i], to);
        }
    }
    fputs("\nOther:\n", to);
    put_wrapped(to, "Print this text and exit.", (size_t)fprintf(to, "  --help"));
    put_wrapped(to, "Print the version and exit.", (size_t)fprintf(to, "  --version"));
    if (set->epilogue)
        fprintf(to, "\n%s\n", set->epilogue);
}

/* A cell of a Markdown table: no bars, no line ends. */
static void put_cell(FILE *to, const char *text)
{
    for (const char *p = text ? text : ""; *p; p++) {
        if (*p == '|')
            fputs("\\|", to);
        else
            fputc(*p == '\n' ? ' ' : *p, to);
    }
}

static void put_names(FILE *to, const char *names)
{
    struct vk_str rest = vk_str_of(names);

    while (rest.n) {
        struct vk_str name = vk_str_trim(vk_str_cut(rest, ',', &rest));

        fprintf(to, ", `%.*s`", (int)name.n, name.p);
    }
}

void options_markdown(const struct option_set *set, FILE *to)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();

    fputs("| option | environment | default | meaning |\n|---|---|---|---|\n", to);
    for (size_t i = 0; i < set->count; i++) {
        const struct option_def *def = &set->defs[i];

        fprintf(to, "| `--%s` | `%s`", def->name,
                option_env_name(set->env_prefix, def->name, arena));
        put_names(to, def->other_env);
        fputs(" | ", to);
        if (!vk_str_empty(def->fallback)) {
            fputc('`', to);
            put_cell(to, def->fallback);
            fputc('`', to);
        }
        fputs(" | ", to);
        put_cell(to, def->help);
        if (def->kind == OPTION_ENUM) {
            fputs(" One of `", to);
            put_cell(to, def->choices);
            fputs("`.", to);
        }
        fputs(" |\n", to);
    }
}
