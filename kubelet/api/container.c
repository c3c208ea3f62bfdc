/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/api/container.h"

#include "kubelet/api/json_fields.h"

#define JSON_INT32(type, member, key) JSON_INT(type, member, key, 0, INT32_MIN, INT32_MAX)

const struct json_field key_selector_fields[] = {
    JSON_STR(struct key_selector, name, "name", 0),
    JSON_STR(struct key_selector, key, "key", JSON_REQUIRED),
    JSON_BOOLEAN(struct key_selector, optional, "optional"),
    JSON_END,
};
const struct json_field field_ref_fields[] = {
    JSON_STR(struct field_ref, api_version, "apiVersion", 0),
    JSON_STR(struct field_ref, field_path, "fieldPath", JSON_REQUIRED),
    JSON_END,
};
const struct json_field resource_field_ref_fields[] = {
    JSON_STR(struct resource_field_ref, container_name, "containerName", 0),
    JSON_STR(struct resource_field_ref, resource, "resource", JSON_REQUIRED),
    JSON_CUSTOM(struct resource_field_ref, divisor, "divisor", json_decode_int_or_string),
    JSON_END,
};

/* valueFrom lives in struct env_var itself. */
static const struct json_field env_source_fields[] = {
    JSON_OBJ_PTR(struct env_var, config_map_key, "configMapKeyRef", key_selector_fields,
                 struct key_selector),
    JSON_OBJ_PTR(struct env_var, secret_key, "secretKeyRef", key_selector_fields,
                 struct key_selector),
    JSON_OBJ_PTR(struct env_var, field, "fieldRef", field_ref_fields, struct field_ref),
    JSON_OBJ_PTR(struct env_var, resource_field, "resourceFieldRef", resource_field_ref_fields,
                 struct resource_field_ref),
    JSON_END,
};
static int decode_env_source(const struct json *v, void *out, struct vk_arena *arena,
                             const char *path, struct vk_err *err)
{
    struct env_var *env = out;

    env->has_unknown_source = json_unknown_member(v, env_source_fields) != NULL;
    return json_decode(v, env_source_fields, env, arena, path, err);
}
static const struct json_field env_var_fields[] = {
    /* name is the first member, so that the function below is given the whole struct. */
    JSON_CUSTOM_OF(struct env_var, name, "valueFrom", decode_env_source, env_source_fields),
    JSON_STR(struct env_var, name, "name", JSON_REQUIRED),
    JSON_STR(struct env_var, value, "value", 0),
    JSON_END,
};
_Static_assert(offsetof(struct env_var, name) == 0, "valueFrom is decoded into the whole struct");

static const struct json_field env_config_map_fields[] = {
    JSON_STR(struct env_from_source, config_map, "name", 0),
    JSON_BOOLEAN(struct env_from_source, optional, "optional"),
    JSON_END,
};
static const struct json_field env_secret_fields[] = {
    JSON_STR(struct env_from_source, secret, "name", 0),
    JSON_BOOLEAN(struct env_from_source, optional, "optional"),
    JSON_END,
};
static const struct json_field env_from_fields[] = {
    JSON_STR(struct env_from_source, prefix, "prefix", 0),
    JSON_FLAT("configMapRef", env_config_map_fields),
    JSON_FLAT("secretRef", env_secret_fields),
    JSON_END,
};
static const struct json_field port_fields[] = {
    JSON_STR(struct container_port, name, "name", 0),
    JSON_INT(struct container_port, container_port, "containerPort", JSON_REQUIRED, 1, 65535),
    JSON_INT(struct container_port, host_port, "hostPort", 0, 0, 65535),
    JSON_STR(struct container_port, protocol, "protocol", 0),
    JSON_UNREAD("hostIP"), /* nothing without hostPort */
    JSON_END,
};
static const struct json_field volume_mount_fields[] = {
    JSON_STR(struct volume_mount, name, "name", JSON_REQUIRED),
    JSON_STR(struct volume_mount, mount_path, "mountPath", JSON_REQUIRED),
    JSON_STR(struct volume_mount, sub_path, "subPath", 0),
    JSON_STR(struct volume_mount, sub_path_expr, "subPathExpr", 0),
    JSON_STR(struct volume_mount, mount_propagation, "mountPropagation", 0),
    JSON_BOOLEAN(struct volume_mount, read_only, "readOnly"),
    JSON_STR(struct volume_mount, recursive_read_only, "recursiveReadOnly", 0),
    JSON_END,
};
const struct json_field resource_list_fields[] = {
    JSON_MAP(struct resource_list, requests, "requests"),
    JSON_MAP(struct resource_list, limits, "limits"),
    JSON_UNREAD("claims"), /* of the pod's resourceClaims */
    JSON_END,
};

static const struct json_field http_header_fields[] = {
    JSON_STR(struct http_header_field, name, "name", 0),
    JSON_STR(struct http_header_field, value, "value", 0),
    JSON_END,
};
static const struct json_field exec_fields[] = {
    JSON_STRINGS(struct probe_handler, exec_command, "command"),
    JSON_END,
};
static const struct json_field http_get_fields[] = {
    JSON_STR(struct probe_handler, http_path, "path", 0),
    JSON_CUSTOM(struct probe_handler, http_port, "port", json_decode_int_or_string),
    JSON_STR(struct probe_handler, http_host, "host", 0),
    JSON_STR(struct probe_handler, http_scheme, "scheme", 0),
    JSON_ARR(struct probe_handler, http_headers, "httpHeaders", http_header_fields,
             struct http_header_field),
    JSON_STR(struct probe_handler, http_protocol, "protocol", 0),
    JSON_END,
};
static const struct json_field tcp_socket_fields[] = {
    JSON_CUSTOM(struct probe_handler, tcp_port, "port", json_decode_int_or_string),
    JSON_STR(struct probe_handler, tcp_host, "host", 0),
    JSON_END,
};
static const struct json_field grpc_fields[] = {
    JSON_INT(struct probe_handler, grpc_port, "port", 0, 1, 65535),
    JSON_STR(struct probe_handler, grpc_service, "service", 0),
    JSON_STR(struct probe_handler, grpc_mode, "mode", 0),
    JSON_END,
};
static const struct json_field sleep_fields[] = {
    JSON_INT(struct probe_handler, sleep_seconds, "seconds", 0, 0, INT64_MAX),
    JSON_END,
};
static const struct json_field probe_handler_fields[] = {
    JSON_FLAT_HAS(struct probe_handler, has_exec, "exec", exec_fields),
    JSON_FLAT_HAS(struct probe_handler, has_http_get, "httpGet", http_get_fields),
    JSON_FLAT_HAS(struct probe_handler, has_tcp_socket, "tcpSocket", tcp_socket_fields),
    JSON_FLAT_HAS(struct probe_handler, has_grpc, "grpc", grpc_fields),
    JSON_FLAT_HAS(struct probe_handler, has_sleep, "sleep", sleep_fields),
    JSON_END,
};
static const struct json_field probe_fields[] = {
    /* The handler's members stand beside the others; handler is the first member. */
    JSON_FLAT_HAS(struct probe, handler.has_exec, "exec", exec_fields),
    JSON_FLAT_HAS(struct probe, handler.has_http_get, "httpGet", http_get_fields),
    JSON_FLAT_HAS(struct probe, handler.has_tcp_socket, "tcpSocket", tcp_socket_fields),
    JSON_FLAT_HAS(struct probe, handler.has_grpc, "grpc", grpc_fields),
    JSON_INT32(struct probe, initial_delay_seconds, "initialDelaySeconds"),
    JSON_INT32(struct probe, timeout_seconds, "timeoutSeconds"),
    JSON_INT32(struct probe, period_seconds, "periodSeconds"),
    JSON_INT32(struct probe, success_threshold, "successThreshold"),
    JSON_INT32(struct probe, failure_threshold, "failureThreshold"),
    JSON_INT_HAS(struct probe, termination_grace_period_seconds, has_termination_grace_period,
                 "terminationGracePeriodSeconds", INT64_MIN, INT64_MAX),
    JSON_END,
};
_Static_assert(offsetof(struct probe, handler) == 0, "tables of the handler serve the probe");

static const struct json_field lifecycle_fields[] = {
    JSON_OBJ_PTR(struct lifecycle, post_start, "postStart", probe_handler_fields,
                 struct probe_handler),
    JSON_OBJ_PTR(struct lifecycle, pre_stop, "preStop", probe_handler_fields, struct probe_handler),
    JSON_STR(struct lifecycle, stop_signal, "stopSignal", 0),
    JSON_END,
};

static const struct json_field capabilities_fields[] = {
    JSON_STRINGS(struct container_security_context, capabilities_add, "add"),
    JSON_STRINGS(struct container_security_context, capabilities_drop, "drop"),
    JSON_END,
};
static const struct json_field seccomp_fields[] = {
    JSON_STR(struct container_security_context, seccomp_type, "type", 0),
    JSON_STR(struct container_security_context, seccomp_localhost_profile, "localhostProfile", 0),
    JSON_END,
};
static const struct json_field app_armor_fields[] = {
    JSON_STR(struct container_security_context, app_armor_type, "type", 0),
    JSON_UNREAD("localhostProfile"),
    JSON_END,
};
static const struct json_field security_context_fields[] = {
    JSON_INT_HAS(struct container_security_context, run_as_user, has_run_as_user, "runAsUser", 0,
                 INT64_MAX),
    JSON_INT_HAS(struct container_security_context, run_as_group, has_run_as_group, "runAsGroup", 0,
                 INT64_MAX),
    JSON_BOOLEAN_HAS(struct container_security_context, run_as_non_root, has_run_as_non_root,
                     "runAsNonRoot"),
    JSON_BOOLEAN_HAS(struct container_security_context, privileged, has_privileged, "privileged"),
    JSON_BOOLEAN_HAS(struct container_security_context, allow_privilege_escalation,
                     has_allow_privilege_escalation, "allowPrivilegeEscalation"),
    JSON_BOOLEAN_HAS(struct container_security_context, read_only_root_filesystem,
                     has_read_only_root_filesystem, "readOnlyRootFilesystem"),
    JSON_FLAT("capabilities", capabilities_fields),
    JSON_FLAT("seccompProfile", seccomp_fields),
    JSON_FLAT("appArmorProfile", app_armor_fields),
    JSON_STR(struct container_security_context, proc_mount, "procMount", 0),
    JSON_PRESENT(struct container_security_context, has_se_linux_options, "seLinuxOptions"),
    JSON_PRESENT(struct container_security_context, has_windows_options, "windowsOptions"),
    JSON_END,
};

const struct json_field container_fields[] = {
    JSON_STR(struct container, name, "name", JSON_REQUIRED),
    JSON_STR(struct container, image, "image", 0),
    JSON_STR(struct container, image_pull_policy, "imagePullPolicy", 0),
    JSON_STR(struct container, working_dir, "workingDir", 0),
    JSON_STRINGS(struct container, command, "command"),
    JSON_STRINGS(struct container, args, "args"),
    JSON_ARR(struct container, env, "env", env_var_fields, struct env_var),
    JSON_ARR(struct container, env_from, "envFrom", env_from_fields, struct env_from_source),
    JSON_ARR(struct container, ports, "ports", port_fields, struct container_port),
    JSON_ARR(struct container, volume_mounts, "volumeMounts", volume_mount_fields,
             struct volume_mount),
    JSON_CUSTOM(struct container, volume_device_count, "volumeDevices", json_decode_count),
    JSON_OBJ(struct container, resources, "resources", resource_list_fields),
    JSON_OBJ_PTR(struct container, liveness_probe, "livenessProbe", probe_fields, struct probe),
    JSON_OBJ_PTR(struct container, readiness_probe, "readinessProbe", probe_fields, struct probe),
    JSON_OBJ_PTR(struct container, startup_probe, "startupProbe", probe_fields, struct probe),
    JSON_OBJ_PTR(struct container, lifecycle, "lifecycle", lifecycle_fields, struct lifecycle),
    JSON_OBJ_PTR(struct container, security_context, "securityContext", security_context_fields,
                 struct container_security_context),
    JSON_STR(struct container, restart_policy, "restartPolicy", 0),
    JSON_STR(struct container, termination_message_path, "terminationMessagePath", 0),
    JSON_STR(struct container, termination_message_policy, "terminationMessagePolicy", 0),
    JSON_BOOLEAN(struct container, stdin_, "stdin"),
    JSON_BOOLEAN(struct container, stdin_once, "stdinOnce"),
    JSON_BOOLEAN(struct container, tty, "tty"),
    JSON_UNREAD("resizePolicy"),        /* how to resize what can't be resized */
    JSON_UNREAD("targetContainerName"), /* of ephemeral containers, which are named */
    JSON_END,
};

bool container_is_sidecar(const struct container *init_container)
{
    return vk_streq(init_container->restart_policy, "Always");
}
