/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/runc_capabilities.h"

#include <strings.h>
#include <sys/prctl.h>

#include "base/alloc.h"

/* By number. Source: Linux include/uapi/linux/capability.h. */
static const char *const names[] = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};

/* Docker's defaults: CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE
 * NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP. */
static const uint8_t defaults[] = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31};
#define ALL_KNOWN ((UINT64_C(1) << VK_COUNT(names)) - 1)

static uint64_t ours(void)
{
    uint64_t set = 0;
    for (unsigned i = 0; i < VK_COUNT(names); i++)
        if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1)
            set |= UINT64_C(1) << i;
    return set;
}

static int bits_of(const char *name, uint64_t *ret, struct vk_err *err)
{
    if (vk_strieq(name, "ALL")) {
        *ret = ALL_KNOWN;
        return 0;
    }
    const char *bare = strncasecmp(name, "CAP_", 4) == 0 ? name + 4 : name;
    for (size_t i = 0; i < VK_COUNT(names); i++) {
        if (vk_strieq(bare, names[i] + 4)) {
            *ret = UINT64_C(1) << i;
            return 0;
        }
    }
    return vk_err_set(err, VK_INVALID, "unknown capability \"%.64s\"", name);
}

int runc_capabilities_of(const struct engine_container_spec *spec, uint64_t *ret,
                         struct vk_err *err)
{
    uint64_t set = 0, bits = 0;
    for (size_t i = 0; i < VK_COUNT(defaults); i++)
        set |= UINT64_C(1) << defaults[i];
    for (size_t i = 0; i < spec->drop_capability_count; i++) {
        int rc = bits_of(spec->drop_capabilities[i], &bits, err);
        if (rc < 0)
            return rc;
        set &= ~bits;
    }
    for (size_t i = 0; i < spec->add_capability_count; i++) {
        int rc = bits_of(spec->add_capabilities[i], &bits, err);
        if (rc < 0)
            return rc;
        set |= bits;
    }
    if (spec->privileged)
        set = ALL_KNOWN;
    *ret = set & ours();
    return 0;
}

void runc_capabilities_put(struct json_writer *w, const char *key, uint64_t set)
{
    json_begin_array(w, key);
    for (size_t i = 0; i < VK_COUNT(names); i++)
        if (set & (UINT64_C(1) << i))
            json_put_string(w, NULL, names[i]);
    json_end_array(w);
}
