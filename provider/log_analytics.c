/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/log_analytics.h"

#include "base/str.h"

void log_analytics_write(struct json_writer *w, const struct pod *pod,
                         const struct pod_annotations *annotations, const struct provider_env *env)
{
    const struct group_settings *s = &env->settings;
    if (vk_str_empty(s->log_workspace_id) || !s->log_workspace_key ||
        vk_streq(annotations->log_analytics, "off"))
        return;
    json_begin_object(w, "diagnostics");
    json_begin_object(w, "logAnalytics");
    json_put_string(w, "workspaceId", s->log_workspace_id);
    json_put_str(w, "workspaceKey", vk_secret_reveal(s->log_workspace_key));
    json_put_string_if(w, "logType",
                       annotations->log_analytics ? annotations->log_analytics : s->log_type);
    json_begin_object(w, "metadata");
    json_put_string(w, "pod-uuid", pod->meta.uid);
    json_put_string(w, "node-name", env->node_name);
    json_put_string_if(w, "cluster-resource-id", s->cluster_resource_id);
    json_put_string(w, "pod-namespace", pod->meta.namespace_);
    json_put_string(w, "pod-name", pod->meta.name);
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
}
