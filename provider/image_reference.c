/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/image_reference.h"

#include <ctype.h>

#include "kubelet/provider.h"

#define IMAGE_MAX 512
#define DIGEST_PREFIX "sha256:"
#define DIGEST_LEN (sizeof(DIGEST_PREFIX) - 1 + 64)

static int bad(const char *image, const char *why, struct vk_err *err)
{
    vk_err_set(err, VK_INVALID, "image '%s': %s", image, why);
    return vk_err_reason(err, PROVIDER_REASON_IMAGE_NAME);
}

/* The part before the first slash is a registry if it looks like a host (Docker's rule). */
static bool is_host(struct vk_str part)
{
    return vk_str_is(part, "localhost") || memchr(part.p, '.', part.n) ||
           memchr(part.p, ':', part.n);
}

static bool is_repository(struct vk_str s)
{
    if (!s.n || s.p[0] == '/' || s.p[s.n - 1] == '/')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!islower((unsigned char)c) && !isdigit((unsigned char)c) && !strchr("._-/", c))
            return false;
        if (c == '/' && s.p[i - 1] == '/')
            return false;
    }
    return true;
}

static bool is_tag(struct vk_str s)
{
    if (!s.n || s.n > 128 || s.p[0] == '.' || s.p[0] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && !strchr("._-", s.p[i]))
            return false;
    return true;
}

static bool is_digest(struct vk_str s)
{
    if (s.n != DIGEST_LEN || !vk_str_starts(s, VK_STR(DIGEST_PREFIX)))
        return false;
    for (size_t i = sizeof(DIGEST_PREFIX) - 1; i < s.n; i++)
        if (!isdigit((unsigned char)s.p[i]) && (s.p[i] < 'a' || s.p[i] > 'f'))
            return false;
    return true;
}

/* Splits at the last `sep` behind the last slash. */
static struct vk_str cut_tag(struct vk_str s, struct vk_str *rest)
{
    for (size_t i = s.n; i > 0 && s.p[i - 1] != '/'; i--)
        if (s.p[i - 1] == ':') {
            *rest = (struct vk_str){s.p + i, s.n - i};
            return (struct vk_str){s.p, i - 1};
        }
    *rest = (struct vk_str){0};
    return s;
}

int image_reference_parse(const char *image, struct vk_arena *arena, struct image_reference *ret,
                          struct vk_err *err)
{
    struct image_reference r = {0};
    struct vk_str name, digest, tag, rest;
    struct vk_str first;

    if (vk_str_empty(image) || strlen(image) > IMAGE_MAX)
        return bad(image ? image : "", "empty or too long", err);
    name = vk_str_cut(vk_str_of(image), '@', &digest);
    if (digest.p && !is_digest(digest))
        return bad(image, "the digest must be sha256: and 64 hexadecimal digits", err);
    name = cut_tag(name, &tag);
    if (tag.p && !is_tag(tag))
        return bad(image, "bad tag", err);
    first = vk_str_cut(name, '/', &rest);
    if (rest.p && is_host(first)) {
        r.registry = registry_normalized(vk_arena_str(arena, first), arena);
        name = rest;
    } else {
        r.registry = "docker.io";
    }
    if (!is_repository(name))
        return bad(image, "the repository must be lower case letters, digits and . _ - /", err);
    r.repository = vk_arena_str(arena, name);
    if (vk_streq(r.registry, "docker.io") && !strchr(r.repository, '/'))
        r.repository = vk_arena_printf(arena, "library/%s", r.repository);
    r.digest = digest.p ? vk_arena_str(arena, digest) : NULL;
    r.tag = tag.p ? vk_arena_str(arena, tag) : digest.p ? NULL : "latest";
    *ret = r;
    return 0;
}

const char *registry_normalized(const char *server, struct vk_arena *arena)
{
    struct vk_str s = vk_str_trim(vk_str_of(server));
    struct vk_str rest;
    char *name;

    if (vk_str_starts(s, VK_STR("https://")))
        s = (struct vk_str){s.p + 8, s.n - 8};
    else if (vk_str_starts(s, VK_STR("http://")))
        s = (struct vk_str){s.p + 7, s.n - 7};
    s = vk_str_cut(s, '/', &rest);
    name = vk_arena_str(arena, s);
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (vk_streq(name, "index.docker.io") || vk_streq(name, "registry-1.docker.io"))
        return "docker.io";
    return name;
}
