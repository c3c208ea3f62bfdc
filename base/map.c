/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/crypto.h"

/* Removed entries stay as tombstones (key NULL, `removed`), which keeps iteration in its place. */
struct slot {
    char *key;
    void *value;
    uint64_t hash;
    bool removed;
};

struct vk_map {
    struct slot *slots;
    size_t cap; /* power of two, or 0 */
    size_t len;
    size_t used; /* entries and tombstones */
};

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = ROTL(v[1], 13) ^ v[0];
    v[0] = ROTL(v[0], 32);
    v[2] += v[3];
    v[3] = ROTL(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = ROTL(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = ROTL(v[1], 17) ^ v[2];
    v[2] = ROTL(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein), so that nobody can choose keys that collide. */
static uint64_t hash_of(const char *key)
{
    static uint64_t seed[2];
    static bool seeded;
    size_t n = strlen(key);
    uint64_t last = (uint64_t)n << 56;
    uint64_t v[4];
    size_t i = 0;

    if (!seeded) {
        crypto_random(seed, sizeof(seed));
        seeded = true;
    }
    v[0] = seed[0] ^ 0x736f6d6570736575ULL;
    v[1] = seed[1] ^ 0x646f72616e646f6dULL;
    v[2] = seed[0] ^ 0x6c7967656e657261ULL;
    v[3] = seed[1] ^ 0x7465646279746573ULL;
    for (; i + 8 <= n; i += 8) {
        uint64_t word;

        memcpy(&word, key + i, sizeof(word));
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (unsigned shift = 0; i < n; i++, shift += 8)
        last |= (uint64_t)(unsigned char)key[i] << shift;
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int round = 0; round < 3; round++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct vk_map *vk_map_new(void)
{
    return vk_calloc(1, sizeof(struct vk_map));
}

void vk_map_free(struct vk_map *map, void (*free_value)(void *))
{
    if (!map)
        return;
    for (size_t i = 0; i < map->cap; i++) {
        if (map->slots[i].key && free_value)
            free_value(map->slots[i].value);
        vk_free(map->slots[i].key);
    }
    vk_free(map->slots);
    vk_free(map);
}

static struct slot *find(const struct vk_map *map, const char *key, uint64_t hash)
{
    if (map->cap == 0)
        return NULL;
    for (size_t i = hash & (map->cap - 1);; i = (i + 1) & (map->cap - 1)) {
        struct slot *slot = &map->slots[i];

        if (slot->key) {
            if (slot->hash == hash && strcmp(slot->key, key) == 0)
                return slot;
        } else if (!slot->removed) {
            return NULL;
        }
    }
}

/* The slot must not be there yet; there is room. */
static struct slot *first_free(struct slot *slots, size_t cap, uint64_t hash)
{
    size_t i = hash & (cap - 1);

    while (slots[i].key)
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

static void rehash(struct vk_map *map)
{
    size_t cap = 8;
    struct slot *slots;

    while (cap < (map->len + 1) * 2)
        cap *= 2;
    slots = vk_calloc(cap, sizeof(slots[0]));
    for (size_t i = 0; i < map->cap; i++) {
        if (map->slots[i].key)
            *first_free(slots, cap, map->slots[i].hash) = map->slots[i];
    }
    vk_free(map->slots);
    map->slots = slots;
    map->cap = cap;
    map->used = map->len;
}

void *vk_map_put(struct vk_map *map, const char *key, void *value)
{
    uint64_t hash = hash_of(key);
    struct slot *slot = find(map, key, hash);

    assert(value);
    if (slot) {
        void *before = slot->value;

        slot->value = value;
        return before;
    }
    if ((map->used + 1) * 4 > map->cap * 3)
        rehash(map);
    slot = first_free(map->slots, map->cap, hash);
    if (!slot->removed)
        map->used++;
    *slot = (struct slot){.key = vk_strdup(key), .value = value, .hash = hash};
    map->len++;
    return NULL;
}

void *vk_map_get(const struct vk_map *map, const char *key)
{
    struct slot *slot = map->len ? find(map, key, hash_of(key)) : NULL;

    return slot ? slot->value : NULL;
}

void *vk_map_remove(struct vk_map *map, const char *key)
{
    struct slot *slot = map->len ? find(map, key, hash_of(key)) : NULL;
    void *value;

    if (!slot)
        return NULL;
    value = slot->value;
    vk_free(slot->key);
    *slot = (struct slot){.removed = true};
    map->len--;
    return value;
}

size_t vk_map_len(const struct vk_map *map)
{
    return map->len;
}

bool vk_map_next(const struct vk_map *map, size_t *it, const char **ret_key, void **ret_value)
{
    for (; *it < map->cap; ++*it) {
        const struct slot *slot = &map->slots[*it];

        if (!slot->key)
            continue;
        if (ret_key)
            *ret_key = slot->key;
        if (ret_value)
            *ret_value = slot->value;
        ++*it;
        return true;
    }
    return false;
}
