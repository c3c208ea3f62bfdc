/* SPDX-License-Identifier: Apache-2.0 */
#include "base/options.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/options_value.h"
#include "base/yaml.h"

#define MAX_CONFIG_BYTES ((size_t)1 << 20)

/* Where a value came from; the higher one wins. */
enum rank { RANK_NONE, RANK_DEFAULT, RANK_OTHER_ENV, RANK_FILE, RANK_ENV, RANK_FLAG };

struct source {
    enum rank rank;
    const char **texts;
    size_t count, cap;
    const char *origin;
};

struct parse {
    const struct option_set *set;
    struct source *sources; /* one per option */
    struct vk_arena *arena;
    struct vk_err *err;
};

/* A later text of the same rank replaces the earlier one, except in lists of flags. */
static void offer(struct parse *p, size_t index, enum rank rank, const char *text,
                  const char *origin)
{
    struct source *s = &p->sources[index];

    if (rank < s->rank)
        return;
    if (rank > s->rank || p->set->defs[index].kind != OPTION_STRINGS)
        s->count = 0;
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 1;
        const char **texts = vk_arena_array(p->arena, cap, sizeof(texts[0]));

        if (s->count)
            memcpy(texts, s->texts, s->count * sizeof(texts[0]));
        s->texts = texts;
        s->cap = cap;
    }
    s->texts[s->count++] = text;
    s->rank = rank;
    s->origin = origin;
}

static bool find_option(const struct option_set *set, struct vk_str name, size_t *ret)
{
    for (size_t i = 0; i < set->count; i++) {
        if (vk_str_is(name, set->defs[i].name)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* Levenshtein distance; names longer than the table are simply far away. */
static size_t distance(struct vk_str a, struct vk_str b)
{
    size_t row[64];

    if (b.n >= VK_COUNT(row) || a.n >= VK_COUNT(row))
        return SIZE_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t best = diagonal + (a.p[i - 1] != b.p[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.n];
}

/* The option that was probably meant, or NULL. */
static const char *nearest(const struct option_set *set, struct vk_str name)
{
    size_t best = name.n / 3 < 2 ? 2 : name.n / 3;
    const char *found = NULL;

    for (size_t i = 0; i < set->count; i++) {
        size_t d = distance(name, vk_str_of(set->defs[i].name));

        /* A name of one or two letters is near everything. */
        if (d <= best && d < name.n) {
            found = set->defs[i].name;
            best = d ? d - 1 : 0;
        }
    }
    return found;
}

static int unknown_flag(struct parse *p, struct vk_str name, const char *dashes)
{
    const char *meant = nearest(p->set, name);

    if (meant)
        return vk_err_set(p->err, VK_INVALID,
                          "unknown flag %s%.*s: did you mean --%s? See %s --help", dashes,
                          (int)(name.n < 100 ? name.n : 100), name.p, meant, p->set->program);
    return vk_err_set(p->err, VK_INVALID, "unknown flag %s%.*s: see %s --help", dashes,
                      (int)(name.n < 100 ? name.n : 100), name.p, p->set->program);
}

static int asked(struct parse *p, const char *what)
{
    vk_err_set(p->err, VK_CANCELLED, "%s was asked for", what);
    return vk_err_reason(p->err, what);
}

/* The whole name behind its dashes. */
static bool is_known(const struct parse *p, struct vk_str name)
{
    size_t index;

    return find_option(p->set, name, &index) || vk_str_is(name, "help") ||
           vk_str_is(name, "version");
}

/* "-f-", "-otable": the value of an option of one letter behind it, as kubectl takes it. */
static bool split_letter(const struct parse *p, struct vk_str *name, struct vk_str *value)
{
    const struct vk_str letter = {.p = name->p, .n = 1};
    size_t index;

    if (name->n < 2 || is_known(p, *name) || !find_option(p->set, letter, &index) ||
        p->set->defs[index].kind == OPTION_BOOL)
        return false;
    *value = vk_str_of(name->p + 1);
    *name = letter;
    return true;
}

/* One argument that begins with '-'; moves *i on when its value is the next one. */
static int take_flag(struct parse *p, int argc, char *const *argv, int *i)
{
    const char *arg = argv[*i];
    const char *dashes = arg[1] == '-' ? "--" : "-";
    struct vk_str value;
    struct vk_str name = vk_str_cut(vk_str_of(arg + strlen(dashes)), '=', &value);
    const struct option_def *def;
    size_t index;

    if (!dashes[1])
        (void)split_letter(p, &name, &value);
    if (!find_option(p->set, name, &index) || (dashes[1] == '\0' && name.n != 1)) {
        if (vk_str_is(name, "help") || vk_streq(arg, "-h"))
            return asked(p, "Help");
        if (vk_str_is(name, "version") && dashes[1])
            return asked(p, "Version");
        return unknown_flag(p, name, dashes);
    }
    def = &p->set->defs[index];
    if (!value.p && def->kind == OPTION_BOOL) {
        value = VK_STR("true");
    } else if (!value.p) {
        if (*i + 1 >= argc)
            return vk_err_set(p->err, VK_INVALID, "--%s needs a value: --%s=%s", def->name,
                              def->name, def->arg ? def->arg : "VALUE");
        value = vk_str_of(argv[++*i]);
    }
    /* value ends where its argument ends, so it is terminated. */
    offer(p, index, RANK_FLAG, value.p, vk_arena_printf(p->arena, "--%s", def->name));
    return 0;
}

static int take_arguments(struct parse *p, int argc, char *const *argv, const char **rest,
                          size_t *rest_count)
{
    bool flags_over = false;

    for (int i = 1; i < argc; i++) {
        if (!flags_over && vk_streq(argv[i], "--")) {
            flags_over = true;
        } else if (flags_over || argv[i][0] != '-' || argv[i][1] == '\0') {
            rest[(*rest_count)++] = argv[i];
        } else if (take_flag(p, argc, argv, &i) < 0) {
            return -(int)p->err->code;
        }
    }
    return 0;
}

/* Empty counts as not set: charts pass variables that nobody filled in. */
static void offer_env(struct parse *p, const char *(*getenv_fn)(const char *), size_t index,
                      enum rank rank, const char *name)
{
    const char *value = getenv_fn(name);

    if (!vk_str_empty(value))
        offer(p, index, rank, vk_arena_strdup(p->arena, value),
              vk_arena_printf(p->arena, "environment variable %s", name));
}

static void take_environment(struct parse *p, const char *(*getenv_fn)(const char *))
{
    for (size_t i = 0; i < p->set->count; i++) {
        const struct option_def *def = &p->set->defs[i];
        struct vk_str rest = vk_str_of(def->other_env);

        offer_env(p, getenv_fn, i, RANK_ENV,
                  option_env_name(p->set->env_prefix, def->name, p->arena));
        /* The first name that is set counts. */
        while (rest.n && p->sources[i].rank < RANK_OTHER_ENV) {
            struct vk_str name = vk_str_trim(vk_str_cut(rest, ',', &rest));

            offer_env(p, getenv_fn, i, RANK_OTHER_ENV, vk_arena_str(p->arena, name));
        }
        if (def->fallback)
            offer(p, i, RANK_DEFAULT, def->fallback,
                  vk_arena_printf(p->arena, "default of --%s", def->name));
    }
}

static int take_member(struct parse *p, const struct json *member, const char *path)
{
    const char *key = json_key(member);
    const char *origin = vk_arena_printf(p->arena, "%s: %s", path, key);
    const char *text = json_string(member);
    size_t index;

    if (!find_option(p->set, vk_str_of(key), &index)) {
        const char *meant = nearest(p->set, vk_str_of(key));

        return vk_err_set(p->err, VK_INVALID, "%s: unknown option \"%.100s\"%s%s%s", path, key,
                          meant ? ": did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "");
    }
    if (text) {
        offer(p, index, RANK_FILE, text, origin);
        return 0;
    }
    if (json_type_of(member) == JSON_NULL)
        return 0;
    if (json_type_of(member) != JSON_ARRAY || p->set->defs[index].kind != OPTION_STRINGS)
        return vk_err_set(p->err, VK_INVALID, "%s: expected %s", origin,
                          p->set->defs[index].kind == OPTION_STRINGS ? "a list of texts"
                                                                     : "a single value");
    for (const struct json *e = json_first(member); e; e = json_next(e)) {
        text = json_string(e);
        if (!text)
            return vk_err_set(p->err, VK_INVALID, "%s: expected a list of texts", origin);
        offer(p, index, RANK_FILE, text, origin);
    }
    return 0;
}

static int take_file(struct parse *p, const char *path)
{
    const struct json *doc;
    struct vk_str text;

    if (file_read(path, MAX_CONFIG_BYTES, p->arena, &text, p->err) < 0)
        return vk_err_wrap(p->err, "configuration file");
    if (yaml_parse_texts(text, MAX_CONFIG_BYTES, p->arena, &doc, p->err) < 0)
        return vk_err_wrap(p->err, "configuration file %s", path);
    if (!doc)
        return 0;
    if (json_type_of(doc) != JSON_OBJECT)
        return vk_err_set(p->err, VK_INVALID,
                          "configuration file %s: expected lines of the form \"option: value\"",
                          path);
    for (const struct json *member = json_first(doc); member; member = json_next(member)) {
        if (take_member(p, member, path) < 0)
            return -(int)p->err->code;
    }
    return 0;
}

/* The file's path is itself an option: it comes from a flag or the environment. */
static int take_config(struct parse *p, const char *config_flag)
{
    size_t index;

    if (!config_flag)
        return 0;
    if (!find_option(p->set, vk_str_of(config_flag), &index))
        return vk_err_set(p->err, VK_INTERNAL, "there is no option --%s", config_flag);
    if (p->sources[index].count == 0 || vk_str_empty(p->sources[index].texts[0]))
        return 0;
    return take_file(p, p->sources[index].texts[0]);
}

int options_parse(const struct option_set *set, int argc, char *const *argv,
                  const char *(*getenv_fn)(const char *), const char *config_flag, void *out,
                  struct vk_arena *arena, const char ***ret_rest, size_t *ret_rest_count,
                  struct vk_err *err)
{
    struct parse p = {.set = set, .arena = arena, .err = err};
    size_t slots = argc > 0 ? (size_t)argc : 1;
    const char **rest = vk_arena_array(arena, slots, sizeof(rest[0]));
    size_t rest_count = 0;

    p.sources = vk_arena_array(arena, set->count, sizeof(p.sources[0]));
    if (take_arguments(&p, argc, argv, rest, &rest_count) < 0)
        return -(int)err->code;
    take_environment(&p, getenv_fn);
    if (take_config(&p, config_flag) < 0)
        return -(int)err->code;
    for (size_t i = 0; i < set->count; i++) {
        const struct source *s = &p.sources[i];

        if (s->count &&
            option_set_value(&set->defs[i], s->texts, s->count, s->origin, out, arena, err) < 0)
            return -(int)err->code;
    }
    *ret_rest = rest;
    *ret_rest_count = rest_count;
    return 0;
}
