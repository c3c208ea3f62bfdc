/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `aci-kubelet COMMAND [OPTION]...`: each command is a file of this room that exports one struct
 * subcommand, and a line of the table in main.c. A command has its own options, --help included,
 * and its own loop where it needs one.
 */
#pragma once

/* Exit codes of the program and of its commands; a command may add more and says so in --help. */
enum { EXIT_OK, EXIT_CANNOT_RUN, EXIT_USAGE };

struct subcommand {
    const char *name;    /* "drain" */
    const char *summary; /* one line for aci-kubelet --help */
    /*
     * argv[0] is the command's name, what follows is its own. SIGPIPE is ignored, the log is not
     * set up. Returns the exit code; writes results to stdout, what is wrong to stderr.
     */
    int (*run)(int argc, char **argv);
};
