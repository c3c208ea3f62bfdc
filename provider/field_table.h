/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of a pod's fields: who does what of each. The README's table is printed from it, and a
 * test holds it to the golden translations.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

struct field_row {
    const char *field;
    const char *aci;     /* what ACI does, or NULL */
    const char *kubelet; /* what the kubelet does, or NULL */
    const char *refused; /* why some or all of it is refused, or only named in an Event; or NULL */
    const char
        *golden[3]; /* cases of tests/data/translate that show it; none: the kubelet's alone */
};
extern const struct field_row field_table[];
extern const size_t field_table_count;

/* The README's table, behind a line that counts its rows. */
void field_table_markdown(FILE *to);
