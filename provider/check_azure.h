/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at Azure as the provider will need it: a token, the resource group, what the identity may
 * do, the resource provider and its region, quotas, subnets and their delegation, the clock. Reads
 * only. One failure hides no other, but without a token nothing else can be asked.
 */
#pragma once

#include "aci/arm_client.h"
#include "base/finding.h"
#include "base/json.h"

struct check_azure;

/* Borrowed until check_azure_free. */
struct check_azure_config {
    struct token_source *tokens;
    struct arm_client *arm;
    const char *subscription, *resource_group, *location, *api_version;
    struct json_strs subnets; /* resource ids */
    finding_fn found;
    void (*done)(void *user); /* once, after all findings, never from inside check_azure_new */
    void *user;
};

/* Each request has a deadline of its own; all are sent at once. */
struct check_azure *check_azure_new(const struct check_azure_config *config);
/* NULL is fine. */
void check_azure_free(struct check_azure *c);
