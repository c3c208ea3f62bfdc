/* SPDX-License-Identifier: Apache-2.0 */
#include "aci/emulator/group_put.h"

#include <ctype.h>
#include <string.h>

#include "aci/emulator/arm_error.h"
#include "aci/emulator/group_validate.h"
#include "aci/emulator/limits.h"
#include "aci/emulator/operation_reply.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

struct put {
    struct vk_list link;
    struct arm_request *r;
    char *key; /* owned */
    uint64_t uid;
    bool is_new;
    struct group_spec *spec;     /* owned until adopted */
    struct group_image *images;  /* owned until adopted */
    struct pulling *pulls;       /* owned; one per image */
    size_t image_count, waiting; /* pulls that have not ended */
    bool has_failed;
    struct vk_err failure;
    struct vk_timer latency;
};
struct pulling {
    struct put *put;
    size_t index;
};

static void free_put(struct put *p)
{
    vk_list_remove(&p->link);
    vk_timer_disarm(&p->latency);
    group_spec_free(p->spec);
    group_images_free(p->images, p->images ? p->image_count : 0);
    vk_free(p->pulls);
    vk_free(p->key);
    vk_free(p);
}

void group_put_abandon_all(struct emulator *e)
{
    VK_LIST_FOREACH(it, &e->puts)
    free_put(VK_LIST_ENTRY(it, struct put, link));
}

/* --- the answer --- */

static void refuse(struct put *p, const struct vk_err *err)
{
    arm_reply_error(p->r, err);
    free_put(p);
}

static void accept(struct put *p, struct group *g)
{
    struct arm_request *r = p->r;

    group_adopt_spec(g, p->spec, p->images, p->image_count);
    p->spec = NULL;
    p->images = NULL;
    g->updating = false;
    g->puts++;
    lifecycle_run(g, p->is_new ? "Pending" : "Updating");
    log_v(2, "Accepted container group", LS("group", g->key), LB("new", p->is_new),
          LI("containers", g->container_count));
    operation_reply_header(
        r, operations_add(r->emulator->operations, OPERATION_RUN, g, g->generation));
    arm_reply_group(r, p->is_new ? 201 : 200, g);
    free_put(p);
}

static void on_cleared(void *user, struct group *g)
{
    struct put *p = user;
    struct vk_err err;

    if (g->phase != GROUP_DELETING) {
        accept(p, g);
        return;
    }
    arm_error_transitioning(&err, g->name);
    refuse(p, &err);
}

static void maybe_finish(struct put *p)
{
    struct group *g;
    struct vk_err err;

    if (p->waiting || vk_timer_is_armed(&p->latency))
        return;
    g = groups_find_uid(p->r->emulator->groups, p->key, p->uid);
    if (!g || g->phase == GROUP_DELETING) {
        arm_error_transitioning(&err, p->r->group);
        refuse(p, &err);
    } else if (p->has_failed) {
        if (p->is_new)
            groups_remove(p->r->emulator->groups, g);
        else
            g->updating = false;
        refuse(p, &p->failure);
    } else if (p->is_new) {
        accept(p, g);
    } else {
        lifecycle_clear(g, on_cleared, p);
    }
}

static void on_latency(void *user)
{
    maybe_finish(user);
}

/* --- images --- */

static void set_failure(struct put *p, const char *image, const struct vk_err *err)
{
    struct vk_str rest, registry = vk_str_cut(vk_str_of(image), '/', &rest);

    log_v(2, "Cannot pull image", LS("group", p->key), LS("image", image), LERR(err));
    p->has_failed = true;
    if (err->code == VK_NOT_FOUND || err->code == VK_UNAUTHENTICATED || err->code == VK_FORBIDDEN ||
        err->code == VK_INVALID) {
        arm_error_set(&p->failure, 400, "InaccessibleImage",
                      "The image '%s' in container group '%s' is not accessible. Please check the "
                      "image and registry credential.",
                      image, p->r->group);
        return;
    }
    if (!rest.p || (!memchr(registry.p, '.', registry.n) && !memchr(registry.p, ':', registry.n)))
        registry = VK_STR("index.docker.io");
    arm_error_set(&p->failure, 409, "RegistryErrorResponse",
                  "An error response is received from the docker registry '%.*s'. Please retry "
                  "later.",
                  (int)registry.n, registry.p);
}

static void on_pulled(void *user, const struct engine_image *image, const struct vk_err *err)
{
    struct pulling *pulling = user;
    struct put *p = pulling->put;
    struct group_image *to = &p->images[pulling->index];

    to->pulled_ns = vk_wall_ns();
    if (err)
        set_failure(p, to->image, err);
    else
        to->id = vk_strdup(image->id);
    p->waiting--;
    maybe_finish(p);
}

static bool has_image(const struct put *p, const char *image)
{
    for (size_t i = 0; i < p->image_count; i++) {
        if (vk_streq(p->images[i].image, image))
            return true;
    }
    return false;
}

static void pull_images(struct put *p)
{
    struct engine *e = p->r->emulator->engine;
    size_t count = group_spec_container_count(p->spec);
    const struct container_spec *c;
    bool is_init;

    p->images = vk_calloc(count, sizeof(*p->images));
    p->pulls = vk_calloc(count, sizeof(*p->pulls));
    for (size_t i = 0; (c = group_spec_container(p->spec, i, &is_init)); i++) {
        struct group_image *image = &p->images[p->image_count];

        if (has_image(p, c->properties.image))
            continue;
        image->image = vk_strdup(c->properties.image);
        image->pulling_ns = vk_wall_ns();
        p->pulls[p->image_count] = (struct pulling){.put = p, .index = p->image_count};
        p->image_count++;
    }
    p->waiting = p->image_count;
    for (size_t i = 0; i < p->image_count; i++) {
        const struct credential_spec *login = group_spec_credential(p->spec, p->images[i].image);
        struct engine_image_spec spec = {.image = p->images[i].image};

        if (login && login->password) {
            spec.username = login->username;
            spec.password = login->password;
        }
        e->ops->pull(e, &spec, on_pulled, &p->pulls[i]);
    }
}

/* --- the request --- */

/* Regions compare without blanks: "West Europe" is westeurope. */
static bool same_location(const char *a, const char *b)
{
    for (;;) {
        while (*a == ' ')
            a++;
        while (*b == ' ')
            b++;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
        a++;
        b++;
    }
}

static int check_existing(const struct group *g, const struct group_spec *spec, struct vk_err *err)
{
    if (g->phase == GROUP_CHECKING || group_is_in_transition(g))
        return arm_error_transitioning(err, g->name);
    if (!same_location(g->spec->location, spec->location))
        return arm_error_set(err, 409, "InvalidResourceLocation",
                             "The resource '%s' already exists in location '%s' in resource group "
                             "'%s'. A resource with the same name cannot be created in location "
                             "'%s'. Please select a new resource name.",
                             g->name, g->spec->location, g->resource_group, spec->location);
    return group_validate_update(g->name, g->spec, spec, err);
}

static int check(struct arm_request *r, const struct group *g, const struct group_spec *spec,
                 struct vk_err *err)
{
    struct limits_config quota = {.groups = r->emulator->quota_groups,
                                  .cores = r->emulator->quota_cores,
                                  .location = r->emulator->options->location};

    if (group_validate(r->group, spec, err) < 0)
        return -1;
    if (g)
        return check_existing(g, spec, err);
    return limits_check_new(&quota, r->emulator->groups, spec, err);
}

void group_put_handle(struct arm_request *r)
{
    struct emulator *e = r->emulator;
    struct group *g = groups_find(e->groups, r->resource_group, r->group);
    struct group_spec *spec;
    struct vk_err err;
    struct put *p;

    request_stats_put(e->stats, r->group);
    if (group_spec_parse(arm_request_body(r), &spec, &err) < 0) {
        arm_reply_error(r, &err);
        return;
    }
    if (check(r, g, spec, &err) < 0) {
        group_spec_free(spec);
        arm_reply_error(r, &err);
        return;
    }
    p = vk_calloc(1, sizeof(*p));
    p->r = r;
    p->spec = spec;
    p->is_new = !g;
    if (p->is_new) {
        g = groups_add(e->groups, e->loop, e->lifecycle, r->resource_group, r->group);
        g->cpu_milli = group_spec_requests(spec).cpu_milli;
    } else {
        g->updating = true;
    }
    p->key = vk_strdup(g->key);
    p->uid = g->uid;
    vk_list_init(&p->link);
    vk_list_add_tail(&e->puts, &p->link);
    vk_timer_init(&p->latency, e->loop, "PUT latency", on_latency, p);
    vk_timer_arm(&p->latency, e->options->put_latency_ms);
    pull_images(p);
}
