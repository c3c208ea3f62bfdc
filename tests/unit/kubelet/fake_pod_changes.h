/* SPDX-License-Identifier: Apache-2.0 */
/* What users change on a pod of the fake API server. */
#pragma once

#include "tests/unit/kubelet/fake_pods_api.h"

static FAKE_UNUSED void fake_delete_within(struct fake_api *a, struct fake_pod *p, int64_t seconds)
{
    p->grace_seconds = seconds;
    p->deleted_at_ns = vk_wall_ns() + seconds * 1000000000;
    fake_begin_deletion(a, p);
}

/* Somebody changes the pod's spec. */
static FAKE_UNUSED void fake_set_spec(struct fake_api *a, struct fake_pod *p, const char *spec)
{
    vk_free(p->spec);
    p->spec = vk_strdup(spec);
    p->generation++;
    fake_send_event(a, "MODIFIED", p);
}
