/* SPDX-License-Identifier: Apache-2.0 */
/* What `aci-kubelet check` found, kept in a fixed order and written for people or programs. Pure.
 */
#pragma once

#include "base/buf.h"
#include "base/finding.h"

struct check_report;

/* names: static, the order of the report; a finding of another name comes last. */
struct check_report *check_report_new(const char *const *names, size_t count);
/* NULL is fine. */
void check_report_free(struct check_report *r);
/* finding_fn; user: struct check_report. The finding is copied. */
void check_report_add(void *user, const struct finding *finding);
/* For each name without a finding: failed, with that detail. */
void check_report_give_up(struct check_report *r, const char *detail);
/* How many are in that state. */
size_t check_report_count(const struct check_report *r, enum finding_state state);
/* A line for each finding, its remedy below it, a last line with counts. */
void check_report_table(const struct check_report *r, bool colour, struct vk_buf *out);
/* {"ok":false,"checks":[{"name":"quota","state":"failed","detail":"...","remedy":"..."}]} */
void check_report_json(const struct check_report *r, struct vk_buf *out);
