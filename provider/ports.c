/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/ports.h"

#include "base/alloc.h"
#include "base/str.h"

/* Source: ACI FAQ, ports reserved by the service; 443 and 80 are free for groups. */
static const struct {
    int64_t first, last;
} reserved[] = {
    {22, 22},       {1025, 1027},   {3389, 3399},   {9999, 9999},   {19000, 19000},
    {19080, 19080}, {19100, 19100}, {19390, 19390}, {20000, 30000}, {49152, 65534},
};

bool ports_is_reserved(int64_t port)
{
    for (size_t i = 0; i < VK_COUNT(reserved); i++) {
        if (port >= reserved[i].first && port <= reserved[i].last)
            return true;
    }
    return false;
}

static const struct container_port *port_at(const struct group_layout *layout, size_t container,
                                            size_t port)
{
    return (const struct container_port *)layout->containers[container].spec->ports.v + port;
}

bool ports_is_duplicate(const struct group_layout *layout, size_t container, size_t port)
{
    const struct container_port *p = port_at(layout, container, port);
    for (size_t c = 0; c <= container; c++) {
        const size_t end = c == container ? port : layout->containers[c].spec->ports.n;
        for (size_t i = 0; i < end; i++) {
            const struct container_port *other = port_at(layout, c, i);
            if (other->container_port == p->container_port &&
                vk_streq(other->protocol, p->protocol))
                return true;
        }
    }
    return false;
}

static void write_port(struct json_writer *w, const struct container_port *p)
{
    json_begin_object(w, NULL);
    json_put_int(w, "port", p->container_port);
    json_put_string(w, "protocol", vk_streq(p->protocol, "UDP") ? "UDP" : "TCP");
    json_end_object(w);
}

void ports_write_container(struct json_writer *w, const struct group_layout *layout,
                           size_t container)
{
    bool open = false;
    for (size_t i = 0; i < layout->containers[container].spec->ports.n; i++) {
        if (ports_is_duplicate(layout, container, i))
            continue;
        if (!open)
            json_begin_array(w, "ports");
        open = true;
        write_port(w, port_at(layout, container, i));
    }
    if (open)
        json_end_array(w);
}

static bool is_exposed(const struct group_layout *layout, size_t container, size_t port)
{
    return !ports_is_reserved(port_at(layout, container, port)->container_port) &&
           !ports_is_duplicate(layout, container, port);
}

size_t ports_count_exposed(const struct group_layout *layout)
{
    size_t n = 0;
    for (size_t c = 0; c < layout->container_count; c++) {
        for (size_t i = 0; i < layout->containers[c].spec->ports.n; i++)
            n += is_exposed(layout, c, i);
    }
    return n;
}

void ports_write_exposed(struct json_writer *w, const struct group_layout *layout)
{
    json_begin_array(w, "ports");
    for (size_t c = 0; c < layout->container_count; c++) {
        for (size_t i = 0; i < layout->containers[c].spec->ports.n; i++) {
            if (is_exposed(layout, c, i))
                write_port(w, port_at(layout, c, i));
        }
    }
    json_end_array(w);
}
