/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/sandbox_net.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>

#include "aci/emulator/runc_process.h"
#include "base/alloc.h"
#include "base/str.h"

#define IP_DEADLINE_MS 30000
/* Where iproute2 keeps the names of namespaces. */
#define NETNS_DIRECTORY "/run/netns"

int sandbox_net_init(struct sandbox_net *net, const char *name, const char *cidr,
                     struct vk_err *err)
{
    struct vk_str length;
    struct vk_str address = vk_str_cut(vk_str_of(cidr), '/', &length);
    char text[SANDBOX_IP_MAX] = "";
    struct in_addr in;
    int64_t bits;
    if (address.n < sizeof(text))
        memcpy(text, address.p, address.n);
    if (inet_pton(AF_INET, text, &in) != 1 || !vk_str_int64(length, 8, 29, &bits))
        return vk_err_set(err, VK_INVALID,
                          "pod CIDR \"%s\": expected an IPv4 range such as 10.244.0.0/16 with a "
                          "prefix length of 8 to 29",
                          cidr);
    uint32_t count = UINT32_C(1) << (32 - bits);
    *net = (struct sandbox_net){
        .base = ntohl(in.s_addr) & ~(count - 1),
        .count = count,
        .prefix_len = (unsigned)bits,
        .next = 2,
        .used = vk_calloc(count / 8, 1),
    };
    (void)vk_strcpy_to(net->name, sizeof(net->name), name);
    return 0;
}

void sandbox_net_release(struct sandbox_net *net)
{
    vk_free(net->used);
    net->used = NULL;
}

int sandbox_net_take(struct sandbox_net *net, uint32_t *ret_index, struct vk_err *err)
{
    /* Not the network's own address, the bridge's, nor the broadcast address. */
    for (uint32_t i = 0; i < net->count - 3; i++) {
        uint32_t index = 2 + (net->next - 2 + i) % (net->count - 3);
        if (net->used[index / 8] & (1U << index % 8))
            continue;
        net->used[index / 8] |= (uint8_t)(1U << index % 8);
        net->next = index + 1;
        *ret_index = index;
        return 0;
    }
    return vk_err_set(err, VK_UNAVAILABLE, "all %u addresses of the pod CIDR are taken",
                      (unsigned)net->count - 3);
}

void sandbox_net_give_back(struct sandbox_net *net, uint32_t index)
{
    net->used[index / 8] &= (uint8_t) ~(1U << index % 8);
}

void sandbox_net_ip(const struct sandbox_net *net, uint32_t index, char out[SANDBOX_IP_MAX])
{
    struct in_addr in = {.s_addr = htonl(net->base + index)};
    (void)inet_ntop(AF_INET, &in, out, SANDBOX_IP_MAX);
}

void sandbox_net_namespace(const struct sandbox_net *net, uint32_t index, char out[32])
{
    (void)snprintf(out, 32, "%s-%" PRIu32, net->name, index);
}

/* At most 15 characters: a device of ours is the prefix and the index in base 16 (or "br"). */
void sandbox_net_outer_script(const struct sandbox_net *net, uint32_t index, struct vk_buf *out)
{
    char ns[32];
    sandbox_net_namespace(net, index, ns);
    vk_buf_printf(out,
                  "netns add %s\n"
                  "link add %s%x type veth peer name eth0 netns %s\n"
                  "link set %s%x master %sbr up\n",
                  ns, net->name, (unsigned)index, ns, net->name, (unsigned)index, net->name);
}

void sandbox_net_inner_script(const struct sandbox_net *net, uint32_t index, struct vk_buf *out)
{
    char ip[SANDBOX_IP_MAX], bridge[SANDBOX_IP_MAX];
    sandbox_net_ip(net, index, ip);
    sandbox_net_ip(net, 1, bridge);
    vk_buf_printf(out,
                  "link set lo up\n"
                  "addr add %s/%u dev eth0\n"
                  "link set eth0 up\n"
                  "route add default via %s\n",
                  ip, net->prefix_len, bridge);
}

/* The kernel takes a namespace apart some time after its name has gone; the device goes at once. */
void sandbox_net_remove_script(const struct sandbox_net *net, uint32_t index, struct vk_buf *out)
{
    char ns[32];
    sandbox_net_namespace(net, index, ns);
    vk_buf_printf(out, "link del %s%x\nnetns del %s\n", net->name, (unsigned)index, ns);
}

static int check_free(const struct sandbox_net *net, struct vk_err *err)
{
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) < 0)
        return 0;
    int rc = 0;
    for (const struct ifaddrs *i = list; i && rc == 0; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET)
            continue;
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)i->ifa_addr;
        uint32_t address = ntohl(in->sin_addr.s_addr);
        if (address - net->base < net->count)
            rc = vk_err_set(err, VK_CONFLICT,
                            "device %s has an address of the pod CIDR already; choose another "
                            "range or stop what uses it",
                            i->ifa_name);
    }
    freeifaddrs(list);
    return rc;
}

int sandbox_net_up(const struct sandbox_net *net, struct vk_err *err)
{
    static const char *const argv[] = {"ip", "-batch", "-", NULL};
    int rc = check_free(net, err);
    if (rc < 0)
        return rc;
    char ip[SANDBOX_IP_MAX];
    sandbox_net_ip(net, 1, ip);
    struct vk_buf script VK_BUF_AUTO;
    vk_buf_init(&script, 1024);
    vk_buf_printf(&script,
                  "link set lo up\n"
                  "link add %sbr type bridge\n"
                  "addr add %s/%u dev %sbr\n"
                  "link set %sbr up\n",
                  net->name, ip, net->prefix_len, net->name, net->name);
    int code = runc_process_run_now(argv, vk_buf_str(&script), IP_DEADLINE_MS);
    if (code)
        return vk_err_set(
            err, VK_INTERNAL,
            "bridge %sbr: `ip -batch` ended with %d; is iproute2 installed and are we "
            "root?",
            net->name, code);
    return 0;
}

void sandbox_net_clean(const char *name)
{
    static const char *const argv[] = {"ip", "-force", "-batch", "-", NULL};
    struct vk_buf script VK_BUF_AUTO;
    vk_buf_init(&script, 16 << 20);
    struct if_nameindex *devices = if_nameindex();
    for (const struct if_nameindex *d = devices; d && d->if_index; d++)
        if (vk_starts(d->if_name, name))
            vk_buf_printf(&script, "link del %s\n", d->if_name);
    if (devices)
        if_freenameindex(devices);
    DIR *names = opendir(NETNS_DIRECTORY);
    for (const struct dirent *e; names && (e = readdir(names));)
        if (vk_starts(e->d_name, name))
            vk_buf_printf(&script, "netns del %s\n", e->d_name);
    if (names)
        closedir(names);
    if (vk_buf_len(&script))
        (void)runc_process_run_now(argv, vk_buf_str(&script), IP_DEADLINE_MS);
}

/* Number `index` of a line of numbers. */
static bool counter_at(struct vk_str numbers, unsigned index, int64_t *ret)
{
    struct vk_str rest = vk_str_trim(numbers);
    while (index-- > 0) {
        (void)vk_str_cut(rest, ' ', &rest);
        rest = vk_str_trim(rest);
    }
    return vk_str_int64(vk_str_trim(vk_str_cut(rest, ' ', &rest)), 0, INT64_MAX, ret);
}

bool sandbox_net_counters(int pid, int64_t *ret_rx_bytes, int64_t *ret_tx_bytes)
{
    char path[64], line[512];
    (void)snprintf(path, sizeof(path), "/proc/%d/net/dev", pid);
    FILE *f = fopen(path, "re");
    bool found = false;
    while (f && !found && fgets(line, sizeof(line), f)) {
        struct vk_str counters;
        struct vk_str device = vk_str_trim(vk_str_cut(vk_str_of(line), ':', &counters));
        found = vk_str_is(device, "eth0") && counter_at(counters, 0, ret_rx_bytes) &&
                counter_at(counters, 8, ret_tx_bytes);
    }
    if (f)
        fclose(f);
    return found;
}
