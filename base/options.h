/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One static table of options drives flags, environment, configuration file, --help and the
 * README's table. Precedence: flag, environment <PREFIX>_<NAME>, configuration file, other
 * environment names (those of the Go provider), default. Flags: --name value, --name=value, --name
 * for booleans, --name=false; -n value, -n=value, -nvalue for names of one letter. Unknown flag,
 * bad value and duplicate configuration key are errors that name the option, the value and the way
 * out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/vk_err.h"

enum option_kind {
    OPTION_STRING,
    OPTION_INT,      /* int64_t in [min, max] */
    OPTION_BOOL,     /* bool */
    OPTION_STRINGS,  /* struct json_strs; repeated or comma-separated */
    OPTION_DURATION, /* int64_t ms; "10s", "1m30s", "250ms" (Go syntax) */
    OPTION_ENUM,     /* const char *, one of `choices` ("text|json") */
};
struct option_def {
    const char *name; /* "nodename": --nodename, ACI_KUBELET_NODENAME */
    enum option_kind kind;
    size_t offset;        /* into the caller's struct */
    const char *fallback; /* default as text, NULL for none */
    const char *choices;  /* OPTION_ENUM */
    int64_t min, max;
    const char *other_env; /* comma-separated names that count below the file, or NULL */
    const char *group;     /* heading in --help */
    const char *arg;       /* "FILE", "ADDRESS" ... for --help */
    const char *help;      /* one or two sentences */
    bool secret;           /* value never printed */
};
struct option_set {
    const struct option_def *defs;
    size_t count;
    const char *program;    /* "aci-kubelet" */
    const char *env_prefix; /* "ACI_KUBELET" */
    const char *synopsis;   /* usage line and introduction for --help */
    const char *epilogue;   /* examples for --help */
};
/*
 * Fills `out` (zeroed struct). getenv_fn lets tests supply an environment. config_flag names the
 * option that holds the configuration file's path ("config") or NULL; the file is YAML, keys are
 * option names. Strings live in the arena. ret_rest: arguments that are no flags, argc_rest of them
 * (borrowed from argv).
 */
VK_MUST_CHECK int options_parse(const struct option_set *set, int argc, char *const *argv,
                                const char *(*getenv_fn)(const char *), const char *config_flag,
                                void *out, struct vk_arena *arena, const char ***ret_rest,
                                size_t *ret_rest_count, struct vk_err *err);
void options_help(const struct option_set *set, FILE *to);
/* The README's table: | option | environment | default | meaning | */
void options_markdown(const struct option_set *set, FILE *to);
