/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/arm_catalog.h"

#include "aci/emulator/limits.h"
#include "base/alloc.h"

#define MAX_ANSWER (256 * 1024)

static void begin(struct vk_buf *out, struct json_writer *w)
{
    vk_buf_init(out, MAX_ANSWER);
    json_writer_init(w, out);
}

static void finish(struct arm_request *r, struct vk_buf *out)
{
    arm_reply_json(r, 200, vk_buf_str(out));
    vk_buf_release(out);
}

void arm_catalog_usages(struct arm_request *r)
{
    const struct emulator_options *o = r->emulator->options;
    struct limits_config quota = {.groups = r->emulator->quota_groups,
                                  .cores = r->emulator->quota_cores,
                                  .location = o->location};
    struct json_writer w;
    struct vk_buf out;

    begin(&out, &w);
    limits_write_usages(&quota, r->emulator->groups, o->subscription, &w);
    finish(r, &out);
}

void arm_catalog_capabilities(struct arm_request *r)
{
    static const char *const address_types[] = {"Public", "Private"};
    struct json_writer w;
    struct vk_buf out;

    begin(&out, &w);
    json_begin_object(&w, NULL);
    json_begin_array(&w, "value");
    for (size_t i = 0; i < VK_COUNT(address_types); i++) {
        json_begin_object(&w, NULL);
        json_put_string(&w, "resourceType", "containerGroups");
        json_put_string(&w, "osType", "Linux");
        json_put_string(&w, "location", r->location);
        json_put_string(&w, "ipAddressType", address_types[i]);
        json_put_string(&w, "gpu", "None");
        json_put_raw(&w, "capabilities",
                     VK_STR("{\"maxMemoryInGB\":256.0,\"maxCpu\":32.0,\"maxGpuCount\":0.0}"));
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    finish(r, &out);
}

void arm_catalog_cached_images(struct arm_request *r)
{
    arm_reply_json(r, 200, VK_STR("{\"value\":[]}"));
}

void arm_catalog_operations(struct arm_request *r)
{
    static const struct {
        const char *name, *operation, *description;
    } operations[] = {
        {"read", "Get Container Groups", "Get all container groups."},
        {"write", "Create or Update Container Group", "Create or update a container group."},
        {"delete", "Delete Container Group", "Delete the container group."},
        {"restart/action", "Restart Container Group", "Restart all containers of the group."},
        {"stop/action", "Stop Container Group", "Stop the container group."},
        {"start/action", "Start Container Group", "Start the container group."},
    };
    struct json_writer w;
    struct vk_buf out;

    begin(&out, &w);
    json_begin_object(&w, NULL);
    json_begin_array(&w, "value");
    for (size_t i = 0; i < VK_COUNT(operations); i++) {
        json_begin_object(&w, NULL);
        json_put_string(&w, "name",
                        vk_arena_printf(r->arena, "Microsoft.ContainerInstance/containerGroups/%s",
                                        operations[i].name));
        json_begin_object(&w, "display");
        json_put_string(&w, "provider", "Microsoft Container Instance");
        json_put_string(&w, "resource", "Container Group");
        json_put_string(&w, "operation", operations[i].operation);
        json_put_string(&w, "description", operations[i].description);
        json_end_object(&w);
        json_put_string(&w, "origin", "User");
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    finish(r, &out);
}

static void write_subscription(const struct arm_request *r, struct json_writer *w)
{
    const struct emulator_options *o = r->emulator->options;

    json_begin_object(w, NULL);
    json_put_string(w, "id", vk_arena_printf(r->arena, "/subscriptions/%s", o->subscription));
    json_put_string(w, "subscriptionId", o->subscription);
    json_put_string(w, "tenantId", o->tenant);
    json_put_string(w, "displayName", "aci-emulator");
    json_put_string(w, "state", "Enabled");
    json_end_object(w);
}

void arm_catalog_subscription(struct arm_request *r)
{
    struct json_writer w;
    struct vk_buf out;

    begin(&out, &w);
    write_subscription(r, &w);
    finish(r, &out);
}

void arm_catalog_subscriptions(struct arm_request *r)
{
    struct json_writer w;
    struct vk_buf out;

    begin(&out, &w);
    json_begin_object(&w, NULL);
    json_begin_array(&w, "value");
    write_subscription(r, &w);
    json_end_array(&w);
    json_end_object(&w);
    finish(r, &out);
}

void arm_catalog_resource_group(struct arm_request *r)
{
    const struct emulator_options *o = r->emulator->options;
    struct json_writer w;
    struct vk_buf out;

    begin(&out, &w);
    json_begin_object(&w, NULL);
    json_put_string(&w, "id",
                    vk_arena_printf(r->arena, "/subscriptions/%s/resourceGroups/%s",
                                    o->subscription, r->resource_group));
    json_put_string(&w, "name", r->resource_group);
    json_put_string(&w, "type", "Microsoft.Resources/resourceGroups");
    json_put_string(&w, "location", o->location);
    json_put_raw(&w, "properties", VK_STR("{\"provisioningState\":\"Succeeded\"}"));
    json_end_object(&w);
    finish(r, &out);
}

void arm_catalog_endpoints(struct arm_request *r)
{
    const char *origin = arm_request_origin(r);
    struct json_writer w;
    struct vk_buf out;

    begin(&out, &w);
    json_begin_object(&w, NULL);
    json_put_string(&w, "name", "aci-emulator");
    json_begin_object(&w, "authentication");
    json_put_string(&w, "loginEndpoint", origin);
    json_begin_array(&w, "audiences");
    json_put_string(&w, NULL, "https://management.azure.com/");
    json_put_string(&w, NULL, "https://management.core.windows.net/");
    json_end_array(&w);
    json_put_string(&w, "tenant", r->emulator->options->tenant);
    json_end_object(&w);
    json_put_string(&w, "resourceManager", origin);
    json_put_string(&w, "graphAudience", "https://graph.windows.net/");
    json_begin_object(&w, "suffixes");
    json_end_object(&w);
    json_end_object(&w);
    finish(r, &out);
}
