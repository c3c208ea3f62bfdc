/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define OFFSET(member) offsetof(struct emulator_options, member)
#define SERVING "Serving"
#define CONTAINERS "Containers"
#define TIMES "Times"
#define AZURE "The emulated Azure"
#define LOGGING "Logging"

static const struct option_def defs[] = {
    {.name = "listen",
     .kind = OPTION_STRING,
     .offset = OFFSET(listen),
     .fallback = "127.0.0.1:8443",
     .group = SERVING,
     .arg = "HOST:PORT",
     .help = "Where ARM and the Entra token endpoint are served, over TLS."},
    {.name = "tls-cert-file",
     .kind = OPTION_STRING,
     .offset = OFFSET(tls_cert_file),
     .group = SERVING,
     .arg = "FILE",
     .help = "Certificate chain of that address, PEM. Required: clients send their tokens over TLS "
             "only."},
    {.name = "tls-private-key-file",
     .kind = OPTION_STRING,
     .offset = OFFSET(tls_key_file),
     .group = SERVING,
     .arg = "FILE",
     .help = "Private key of the certificate, PEM. Required."},
    {.name = "control-listen",
     .kind = OPTION_STRING,
     .offset = OFFSET(control_listen),
     .group = SERVING,
     .arg = "HOST:PORT",
     .help = "Plain HTTP for tests: what is counted and what goes wrong, see below."},
    {.name = "imds-listen",
     .kind = OPTION_STRING,
     .offset = OFFSET(imds_listen),
     .group = SERVING,
     .arg = "HOST:PORT",
     .help = "Plain HTTP for managed identity tokens, as at 169.254.169.254."},
    {.name = "engine",
     .kind = OPTION_ENUM,
     .offset = OFFSET(engine),
     .fallback = "runc",
     .choices = "runc|simulated",
     .group = CONTAINERS,
     .help = "runc runs real containers (needs root, runc, podman); simulated only keeps time, and "
             "its exec repeats what is typed until Ctrl-D."},
    {.name = "pod-cidr",
     .kind = OPTION_STRING,
     .offset = OFFSET(pod_cidr),
     .fallback = "10.244.0.0/16",
     .group = CONTAINERS,
     .arg = "RANGE",
     .help = "Addresses of container groups."},
    {.name = "registry-mirror",
     .kind = OPTION_STRING,
     .offset = OFFSET(registry_mirror),
     .group = CONTAINERS,
     .arg = "LIST",
     .help = "Registry, plain HTTP, that answers for every registry name: HOST:PORT; and for one "
             "alone: NAME=HOST:PORT, separated by commas."},
    {.name = "git-mirror",
     .kind = OPTION_STRING,
     .offset = OFFSET(git_mirror),
     .group = CONTAINERS,
     .arg = "FOLDER",
     .help = "Where gitRepo volumes are cloned from instead of the network: HOST/PATH below it for "
             "https://HOST/PATH."},
    {.name = "state-dir",
     .kind = OPTION_STRING,
     .offset = OFFSET(state_dir),
     .fallback = "/var/lib/aci-emulator",
     .group = CONTAINERS,
     .arg = "DIR",
     .help = "Images, root file systems, logs, file shares. One emulator per directory."},
    {.name = "put-latency",
     .kind = OPTION_DURATION,
     .offset = OFFSET(put_latency_ms),
     .fallback = "0s",
     .max = 3600000,
     .group = TIMES,
     .arg = "DURATION",
     .help = "Least time until a PUT is answered; the images are pulled meanwhile."},
    {.name = "start-latency",
     .kind = OPTION_DURATION,
     .offset = OFFSET(start_latency_ms),
     .fallback = "0s",
     .max = 3600000,
     .group = TIMES,
     .arg = "DURATION",
     .help = "Least time from the answer to the group's first container."},
    {.name = "delete-latency",
     .kind = OPTION_DURATION,
     .offset = OFFSET(delete_latency_ms),
     .fallback = "0s",
     .max = 3600000,
     .group = TIMES,
     .arg = "DURATION",
     .help = "Least time that a deletion takes."},
    {.name = "stop-grace",
     .kind = OPTION_DURATION,
     .offset = OFFSET(stop_grace_ms),
     .fallback = "10s",
     .max = 3600000,
     .group = TIMES,
     .arg = "DURATION",
     .help = "From SIGTERM to SIGKILL when a group is stopped."},
    {.name = "pull-latency",
     .kind = OPTION_DURATION,
     .offset = OFFSET(pull_latency_ms),
     .fallback = "0s",
     .max = 3600000,
     .group = TIMES,
     .arg = "DURATION",
     .help = "What a pull takes on the simulated engine."},
    {.name = "subscription",
     .kind = OPTION_STRING,
     .offset = OFFSET(subscription),
     .fallback = "00000000-0000-0000-0000-000000000000",
     .group = AZURE,
     .arg = "ID",
     .help = "The only subscription."},
    {.name = "resource-group",
     .kind = OPTION_STRINGS,
     .offset = OFFSET(resource_groups),
     .fallback = "aci",
     .group = AZURE,
     .arg = "NAME",
     .help = "A resource group that exists; may be repeated."},
    {.name = "location",
     .kind = OPTION_STRING,
     .offset = OFFSET(location),
     .fallback = "westeurope",
     .group = AZURE,
     .arg = "REGION",
     .help = "Region of the resource groups."},
    {.name = "storage-account",
     .kind = OPTION_STRINGS,
     .offset = OFFSET(storage_accounts),
     .group = AZURE,
     .arg = "NAME=KEY",
     .secret = true,
     .help = "Key that opens the file shares of a storage account; may be repeated. Accounts that "
             "are not named take any key."},
    {.name = "tenant",
     .kind = OPTION_STRING,
     .offset = OFFSET(tenant),
     .fallback = "11111111-1111-1111-1111-111111111111",
     .group = AZURE,
     .arg = "ID",
     .help = "The only Entra tenant."},
    {.name = "client-id",
     .kind = OPTION_STRING,
     .offset = OFFSET(client_id),
     .fallback = "22222222-2222-2222-2222-222222222222",
     .group = AZURE,
     .arg = "ID",
     .help = "The application, and the managed identity, that may have tokens."},
    {.name = "client-secret",
     .kind = OPTION_STRING,
     .offset = OFFSET(client_secret),
     .fallback = "aci-emulator",
     .group = AZURE,
     .arg = "TEXT",
     .secret = true,
     .help = "Its client secret."},
    {.name = "token-lifetime",
     .kind = OPTION_DURATION,
     .offset = OFFSET(token_lifetime_ms),
     .fallback = "1h",
     .min = 1000,
     .max = 86400000,
     .group = AZURE,
     .arg = "DURATION",
     .help = "How long a token is good."},
    {.name = "lro-style",
     .kind = OPTION_ENUM,
     .offset = OFFSET(lro_style),
     .fallback = "azure-async",
     .choices = "azure-async|location",
     .group = AZURE,
     .help = "Header of long-running operations: Azure-AsyncOperation, as recorded from the "
             "service, or Location, as its description declares."},
    {.name = "page-size",
     .kind = OPTION_INT,
     .offset = OFFSET(page_size),
     .fallback = "100",
     .min = 1,
     .max = 1000,
     .group = AZURE,
     .arg = "N",
     .help = "Groups on a page of a list; nextLink leads on."},
    {.name = "quota-groups",
     .kind = OPTION_INT,
     .offset = OFFSET(quota_groups),
     .fallback = "100",
     .min = 0,
     .max = 1000000,
     .group = AZURE,
     .arg = "N",
     .help = "Container groups allowed; one more is refused with ContainerGroupQuotaReached."},
    {.name = "quota-cores",
     .kind = OPTION_INT,
     .offset = OFFSET(quota_cores),
     .fallback = "100",
     .min = 0,
     .max = 1000000,
     .group = AZURE,
     .arg = "N",
     .help = "Cores allowed in all container groups together."},
    {.name = "metrics-delay",
     .kind = OPTION_DURATION,
     .offset = OFFSET(metrics_delay_ms),
     .fallback = "2m",
     .min = 0,
     .max = 3600000,
     .group = AZURE,
     .arg = "DURATION",
     .help = "How long after a minute's end Azure Monitor answers with its figures."},
    {.name = "exec-input-limit",
     .kind = OPTION_INT,
     .offset = OFFSET(exec_input_limit),
     .fallback = "0",
     .min = 0,
     .max = 1048576,
     .group = AZURE,
     .arg = "N",
     .help = "Only the first N bytes of a message to an exec arrive, as one user of the service "
             "reported for 50; 0 for all."},
    {.name = "arm-buckets",
     .kind = OPTION_STRING,
     .offset = OFFSET(arm_buckets),
     .fallback = "off",
     .group = AZURE,
     .arg = "LIST",
     .help = "ARM's token buckets: on (reads=250+25,writes=200+10,deletes=200+10: size and rate a "
             "second), off, or other numbers. What is too much is answered 429; "
             "x-ms-ratelimit-remaining headers say what is left."},
    {.name = "create-limits",
     .kind = OPTION_STRING,
     .offset = OFFSET(create_limits),
     .fallback = "off",
     .group = AZURE,
     .arg = "LIST",
     .help = "How many container groups may be created within a time, such as the service's "
             "100/5m,300/1h, or 100/10s,300/60s for a test in a hurry; off."},
    {.name = "delete-limits",
     .kind = OPTION_STRING,
     .offset = OFFSET(delete_limits),
     .fallback = "off",
     .group = AZURE,
     .arg = "LIST",
     .help = "The same for deletions."},
    {.name = "log-format",
     .kind = OPTION_ENUM,
     .offset = OFFSET(log_format),
     .fallback = "text",
     .choices = "text|json",
     .group = LOGGING,
     .help = "Form of log lines."},
    {.name = "v",
     .kind = OPTION_INT,
     .offset = OFFSET(verbosity),
     .fallback = "1",
     .min = 0,
     .max = 10,
     .group = LOGGING,
     .arg = "LEVEL",
     .help = "Verbosity: 2 logs each request, 3 each step of a container group."},
    {.name = "config",
     .kind = OPTION_STRING,
     .offset = OFFSET(config),
     .group = LOGGING,
     .arg = "FILE",
     .help = "YAML file with these options as keys."},
    {.name = "help",
     .kind = OPTION_BOOL,
     .offset = OFFSET(help),
     .group = LOGGING,
     .help = "Shows this text."},
};

static const struct option_set set = {
    .defs = defs,
    .count = VK_COUNT(defs),
    .program = "aci-emulator",
    .env_prefix = "ACI_EMULATOR",
    .synopsis = "aci-emulator --tls-cert-file FILE --tls-private-key-file FILE [OPTION...]\n\n"
                "Azure Container Instances on one machine: the same REST API over TLS, with real\n"
                "containers behind it.",
    .epilogue =
        "Make a certificate, start, ask for a token, list container groups:\n\n"
        "  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \\\n"
        "    -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out "
        "cert.pem\n"
        "  aci-emulator --engine simulated --tls-cert-file cert.pem --tls-private-key-file key.pem "
        "&\n"
        "  curl --cacert cert.pem https://127.0.0.1:8443/TENANT/oauth2/v2.0/token \\\n"
        "    -d grant_type=client_credentials -d client_id=CLIENT -d client_secret=SECRET \\\n"
        "    -d scope=https://management.azure.com/.default\n"
        "  curl --cacert cert.pem -H 'Authorization: Bearer TOKEN' \\\n"
        "    'https://127.0.0.1:8443/subscriptions/ID/resourceGroups/aci/providers/"
        "Microsoft.ContainerInstance/containerGroups?api-version=2025-09-01'\n\n"
        "What goes wrong is ordered with JSON at the control listener (--control-listen):\n\n"
        "  POST /faults     the next COUNT requests that match (0: all; operations and groups "
        "left\n"
        "                   out match any; a trailing * in a group matches the rest):\n"
        "    "
        "{\"operation\":\"ContainerGroups_Get\",\"group\":\"web-*\",\"count\":3,\"action\":ACTION}"
        "\n"
        "    where ACTION has one or more of\n"
        "      \"delayMs\":2000   a slow answer; then whatever else is asked for\n"
        "      \"status\":429,\"code\":\"TooManyRequests\",\"message\":TEXT,\"retryAfter\":10\n"
        "                       refused, with any status from 400, code and Retry-After\n"
        "      \"lost\":true      carried out, but the connection is cut instead of an answer\n"
        "      \"hide\":true      a GET does not find the group, a LIST leaves the matching out\n"
        "      \"ghost\":true     a DELETE is answered as done, and the group stays\n"
        "  GET, DELETE /faults   what is left of them; no faults any more, and\n"
        "                   what is delayed is delayed no longer\n"
        "  POST /incidents  what happens to groups without a request of their owner:\n"
        "    {\"incident\":\"delete\",\"group\":\"web-1\"}    somebody else deletes it\n"
        "    {\"incident\":\"restart\",\"group\":\"web-1\",\"exitCode\":7148}\n"
        "                   the platform ends it and runs it again: 7147 it asked, 7148 it killed\n"
        "    {\"incident\":\"rerun\",\"group\":\"web-1\"}     containers that failed run again in "
        "spite\n"
        "                   of restartPolicy Never\n"
        "  DELETE /tokens   all bearer tokens are past their time; see also --token-lifetime\n"
        "  POST /attach     {\"replay\":\"all\"}: an attach begins with the whole log; \"none\"\n"
        "  POST /out-of-memory   {\"detailStatus\":\"OOMKilled\"}: what a container says that the\n"
        "                   kernel killed for its memory; \"Error\" unless set\n"
        "  POST /quotas     {\"groups\":100,\"cores\":100}: what the subscription may have\n"
        "  POST /surroundings   {\"registrationState\":TEXT,\"delegation\":TEXT,\"actions\":[TEXT],"
        "\n"
        "                   \"notActions\":[TEXT],\"clockSkewSeconds\":N}: the resource provider, "
        "the\n"
        "                   subnets, what the caller may do, and what ARM says the time is\n"
        "  POST /storage-accounts   {\"name\":\"files\",\"key\":KEY}: from now on only this key "
        "opens "
        "its\n"
        "                   file shares\n"
        "  GET /stats       requests by operation, PUTs by group, what lives\n"
        "  GET /groups      every group with exact start times\n",
};

static const char *read_environment(const char *name)
{
    return getenv(name);
}

static int require(const char *value, const char *flag, struct vk_err *err)
{
    if (!vk_str_empty(value))
        return 0;
    return vk_err_set(err, VK_INVALID,
                      "--%s is required: clients of ARM send tokens over TLS only; `aci-emulator "
                      "--help` shows how to make a certificate",
                      flag);
}

int emulator_options_parse(int argc, char *const *argv, struct vk_arena *arena,
                           struct emulator_options *ret, struct vk_err *err)
{
    struct emulator_options o = {0};
    const char **rest;
    size_t rest_count;

    if (options_parse(&set, argc, argv, read_environment, "config", &o, arena, &rest, &rest_count,
                      err) < 0)
        return -1;
    if (rest_count)
        return vk_err_set(err, VK_INVALID, "'%s' is no flag; `aci-emulator --help` lists them",
                          rest[0]);
    if (!o.help && (require(o.tls_cert_file, "tls-cert-file", err) < 0 ||
                    require(o.tls_key_file, "tls-private-key-file", err) < 0))
        return -1;
    *ret = o;
    return 0;
}

void emulator_options_help(FILE *to)
{
    options_help(&set, to);
}

int emulator_options_endpoint(const char *flag, const char *text, struct vk_arena *arena,
                              const char **ret_host, int *ret_port, struct vk_err *err)
{
    const char *colon = strrchr(text, ':');
    struct vk_str host = {.p = text, .n = colon ? (size_t)(colon - text) : 0};
    int64_t port;

    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
        host.p++;
        host.n -= 2;
    }
    if (!vk_str_int64(vk_str_of(colon ? colon + 1 : text), 0, 65535, &port))
        return vk_err_set(err, VK_INVALID, "--%s '%s' is no HOST:PORT, such as 127.0.0.1:8443",
                          flag, text);
    *ret_host = vk_arena_str(arena, host);
    *ret_port = (int)port;
    return 0;
}
