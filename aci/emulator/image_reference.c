/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/image_reference.h"

#include "base/str.h"

static bool is_host(struct vk_str s)
{
    return memchr(s.p, '.', s.n) || memchr(s.p, ':', s.n) || vk_str_is(s, "localhost");
}

/* "host" or "host:port". */
static bool is_registry(struct vk_str s)
{
    struct vk_str port;
    int64_t number;
    struct vk_str host = vk_str_cut(s, ':', &port);
    return host.n && (!port.p || vk_str_int64(port, 1, 65535, &number));
}

/* Letters, digits and `more`; an empty text is not allowed. */
static bool has_only(struct vk_str s, bool upper, const char *more)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (upper && c >= 'A' && c <= 'Z') ||
              (c && strchr(more, c))))
            return false;
    }
    return s.n > 0;
}

static bool copy(struct vk_str s, char *out, size_t size)
{
    if (s.n >= size)
        return false;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

static bool split(const char *image, struct image_reference *r)
{
    struct vk_str rest, digest;
    struct vk_str name = vk_str_cut(vk_str_of(image), '@', &digest);
    struct vk_str first = vk_str_cut(name, '/', &rest);
    struct vk_str registry = VK_STR("docker.io");
    if (rest.p && is_host(first)) {
        registry = vk_str_is(first, "index.docker.io") ? registry : first;
        name = rest;
    }
    struct vk_str tag;
    struct vk_str path = vk_str_cut(name, ':', &tag);
    if (!has_only(registry, true, ".:-") || !is_registry(registry) ||
        !has_only(path, false, "._-/") || path.p[0] == '/' || path.p[path.n - 1] == '/' ||
        (tag.p && !has_only(tag, true, "._-")) || (digest.p && !has_only(digest, true, ":+._-")))
        return false;
    if (!copy(registry, r->registry, sizeof(r->registry)))
        return false;
    bool official = vk_str_is(registry, "docker.io") && !memchr(path.p, '/', path.n);
    int n = snprintf(r->path, sizeof(r->path), "%s%.*s", official ? "library/" : "", (int)path.n,
                     path.p);
    int m = snprintf(r->version, sizeof(r->version), "%s%.*s%s%.*s", tag.p || !digest.p ? ":" : "",
                     tag.p ? (int)tag.n : (digest.p ? 0 : 6), tag.p ? tag.p : "latest",
                     digest.p ? "@" : "", (int)digest.n, digest.p ? digest.p : "");
    return n > 0 && (size_t)n < sizeof(r->path) && m > 0 && (size_t)m < sizeof(r->version);
}

int image_reference_parse(const char *image, struct image_reference *ret, struct vk_err *err)
{
    struct image_reference r;
    if (!split(image, &r))
        return vk_err_set(err, VK_NOT_FOUND, "\"%.200s\" is not a valid image name", image);
    *ret = r;
    return 0;
}
