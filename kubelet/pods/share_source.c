/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/pods/share_source.h"

#include "base/alloc.h"
#include "base/json.h"

#define DRIVER "file.csi.azure.com"
#define REASON "UnsupportedPodField"
#define MAX_OBJECT_BYTES (1u << 20)
#define KEY_OF_ACCOUNT "azurestorageaccountname"
#define KEY_OF_KEY "azurestorageaccountkey"

bool share_source_is(const struct volume *v)
{
    return v->azure_file || v->persistent_volume_claim ||
           (v->csi && vk_streq(v->csi->driver, DRIVER));
}

static int unsupported(struct vk_err *err, const char *volume, const char *what)
{
    vk_err_set(err, VK_UNSUPPORTED, "spec.volumes[%s]: %s", volume, what);
    return vk_err_reason(err, REASON);
}

/* The driver's parameters are named without regard to case. */
static const char *attribute(const struct json_pairs *attributes, const char *name)
{
    for (size_t i = 0; i < attributes->n; i++)
        if (vk_strieq(attributes->v[i].key, name) && !vk_str_empty(attributes->v[i].value))
            return attributes->v[i].value;
    return NULL;
}

/* The Secret that the driver makes for an account of its own. */
static const char *default_secret(const char *account, struct vk_arena *arena)
{
    return account ? vk_arena_printf(arena, "azure-storage-account-%s-secret", account) : NULL;
}

static int check(const struct share_source *s, struct vk_err *err)
{
    if (vk_str_empty(s->share))
        return unsupported(err, s->volume, "names no file share (shareName)");
    if (vk_str_empty(s->secret_name))
        return unsupported(err, s->volume,
                           "names no Secret with the account's key (secretName); ACI mounts shares "
                           "by key");
    return 0;
}

static int of_inline_csi(const struct pod *pod, const struct volume *v, struct vk_arena *arena,
                         struct share_source *out, struct vk_err *err)
{
    const struct json_pairs *a = &v->csi->attributes;
    const char *namespace_ = attribute(a, "secretNamespace");

    out->share = attribute(a, "shareName");
    out->account = attribute(a, "storageAccount");
    out->secret_name = attribute(a, "secretName");
    if (!out->secret_name)
        out->secret_name =
            v->csi->secret_name ? v->csi->secret_name : default_secret(out->account, arena);
    out->read_only = v->csi->read_only;
    /* Else a pod could use Secrets that its author may not read. */
    if (namespace_ && !vk_streq(namespace_, pod->meta.namespace_))
        return unsupported(err, v->name,
                           "csi.volumeAttributes.secretNamespace must be the pod's own; use a "
                           "claim for a Secret elsewhere");
    return 0;
}

int share_source_of_volume(const struct pod *pod, const struct volume *v, struct vk_arena *arena,
                           struct share_source *ret, struct vk_err *err)
{
    struct share_source out = {.volume = v->name, .secret_namespace = pod->meta.namespace_};

    if (v->azure_file) {
        out.share = v->azure_file->share_name;
        out.secret_name = v->azure_file->secret_name;
        out.read_only = v->azure_file->read_only;
    } else if (of_inline_csi(pod, v, arena, &out, err) < 0) {
        return -(int)err->code;
    }
    if (check(&out, err) < 0)
        return -(int)err->code;
    *ret = out;
    return 0;
}

static int parse(struct vk_str text, const char *what, const char *name, struct vk_arena *arena,
                 const struct json **ret, struct vk_err *err)
{
    struct vk_err bad;

    if (json_parse(text, MAX_OBJECT_BYTES, arena, ret, &bad) < 0)
        return vk_err_set(err, VK_PROTOCOL, "%s %s: %s", what, name, bad.msg);
    return 0;
}

int share_source_bound_volume(const struct pod *pod, const struct volume *v, struct vk_str claim,
                              struct vk_arena *arena, const char **ret, struct vk_err *err)
{
    const char *name = v->persistent_volume_claim->claim_name;
    struct vk_arena *tree VK_ARENA_AUTO = vk_arena_new();
    const struct json *doc;
    const char *bound;

    if (parse(claim, "PersistentVolumeClaim", name, tree, &doc, err) < 0)
        return -(int)err->code;
    bound = json_string_or(json_get(doc, "spec"), "volumeName", "");
    if (!*bound || !vk_streq(json_string_or(json_get(doc, "status"), "phase", ""), "Bound")) {
        vk_err_set(err, VK_NOT_FOUND, "PersistentVolumeClaim %s/%s is not bound to a volume yet",
                   pod->meta.namespace_, name);
        return vk_err_reason(err, "PersistentVolumeClaimNotBound");
    }
    *ret = vk_arena_strdup(arena, bound);
    return 0;
}

/* "resource-group#account#share#..." of the driver. */
static const char *part_of_handle(const char *handle, unsigned index, struct vk_arena *arena)
{
    struct vk_str rest = vk_str_of(handle), part = {0};

    for (unsigned i = 0; i <= index; i++)
        part = vk_str_cut(rest, '#', &rest);
    return part.n ? vk_arena_str(arena, part) : NULL;
}

static struct json_pairs strings_of(const struct json *object, struct vk_arena *arena)
{
    struct json_pairs out = {.v = vk_arena_array(arena, json_len(object) + 1, sizeof(*out.v))};

    for (const struct json *m = json_first(object); m; m = json_next(m))
        if (json_string(m))
            out.v[out.n++] = (struct json_pair){.key = vk_arena_strdup(arena, json_key(m)),
                                                .value = vk_arena_strdup(arena, json_string(m))};
    return out;
}

static const char *copy_of(const struct json *object, const char *key, struct vk_arena *arena)
{
    const char *text = json_string_or(object, key, NULL);

    return vk_str_empty(text) ? NULL : vk_arena_strdup(arena, text);
}

static void of_csi(const struct json *csi, const struct pod *pod, struct vk_arena *arena,
                   struct share_source *out)
{
    struct json_pairs a = strings_of(json_get(csi, "volumeAttributes"), arena);
    const struct json *stage = json_get(csi, "nodeStageSecretRef");
    const char *handle = json_string_or(csi, "volumeHandle", "");
    const char *claim_namespace = attribute(&a, "csi.storage.k8s.io/pvc/namespace");

    out->share = attribute(&a, "shareName");
    if (!out->share)
        out->share = part_of_handle(handle, 2, arena);
    out->account = attribute(&a, "storageAccount");
    if (!out->account)
        out->account = part_of_handle(handle, 1, arena);
    out->secret_name = copy_of(stage, "name", arena);
    out->secret_namespace = copy_of(stage, "namespace", arena);
    if (!out->secret_name)
        out->secret_name = attribute(&a, "secretName");
    if (!out->secret_name)
        out->secret_name = default_secret(out->account, arena);
    if (!out->secret_namespace)
        out->secret_namespace = attribute(&a, "secretNamespace");
    if (!out->secret_namespace)
        out->secret_namespace = claim_namespace ? claim_namespace : pod->meta.namespace_;
    out->read_only = json_bool_or(csi, "readOnly", false);
}

static void of_azure_file(const struct json *file, const struct pod *pod, struct vk_arena *arena,
                          struct share_source *out)
{
    out->share = copy_of(file, "shareName", arena);
    out->secret_name = copy_of(file, "secretName", arena);
    out->secret_namespace = copy_of(file, "secretNamespace", arena);
    if (!out->secret_namespace)
        out->secret_namespace = pod->meta.namespace_;
    out->read_only = json_bool_or(file, "readOnly", false);
}

/* What kind of storage a persistent volume is: the member of its spec that is no common one. */
static const char *kind_of(const struct json *spec)
{
    static const char *const common[] = {"capacity",     "accessModes",  "claimRef",
                                         "mountOptions", "nodeAffinity", "volumeMode"};

    for (const struct json *m = json_first(spec); m; m = json_next(m)) {
        bool is_common = json_type_of(m) != JSON_OBJECT;

        for (size_t i = 0; i < VK_COUNT(common); i++)
            is_common |= vk_streq(json_key(m), common[i]);
        if (!is_common)
            return json_key(m);
    }
    return "none";
}

static bool only_reads(const struct json *modes)
{
    bool reads = false;

    for (const struct json *m = json_first(modes); m; m = json_next(m)) {
        if (!vk_streq(json_string(m), "ReadOnlyMany"))
            return false;
        reads = true;
    }
    return reads;
}

int share_source_of_persistent_volume(const struct pod *pod, const struct volume *v,
                                      struct vk_str persistent_volume, struct vk_arena *arena,
                                      struct share_source *ret, struct vk_err *err)
{
    const struct persistent_volume_claim_volume *claim = v->persistent_volume_claim;
    struct vk_arena *tree VK_ARENA_AUTO = vk_arena_new();
    struct share_source out = {.volume = v->name};
    const struct json *doc, *spec, *owner;
    const char *driver;

    if (parse(persistent_volume, "PersistentVolume of claim", claim->claim_name, tree, &doc, err) <
        0)
        return -(int)err->code;
    spec = json_get(doc, "spec");
    owner = json_get(spec, "claimRef");
    driver = json_string_or(json_get(spec, "csi"), "driver", "");
    if (!vk_streq(json_string_or(owner, "name", ""), claim->claim_name) ||
        !vk_streq(json_string_or(owner, "namespace", ""), pod->meta.namespace_))
        return unsupported(err, v->name, "the volume of the claim belongs to another claim");
    if (vk_streq(json_string_or(spec, "volumeMode", ""), "Block"))
        return unsupported(err, v->name, "ACI has no block devices");
    if (vk_streq(driver, DRIVER)) {
        of_csi(json_get(spec, "csi"), pod, arena, &out);
    } else if (json_get(spec, "azureFile")) {
        of_azure_file(json_get(spec, "azureFile"), pod, arena, &out);
    } else {
        return unsupported(err, v->name,
                           vk_arena_printf(arena,
                                           "the claim is bound to storage of %.60s, ACI mounts "
                                           "Azure file shares only; use a storage class of " DRIVER,
                                           *driver ? driver : kind_of(spec)));
    }
    out.read_only |= claim->read_only || only_reads(json_get(spec, "accessModes"));
    if (check(&out, err) < 0)
        return -(int)err->code;
    *ret = out;
    return 0;
}

int share_source_resolve(const struct share_source *source, const struct object_data *secret,
                         struct vk_arena *arena, struct resolved_share *ret, struct vk_err *err)
{
    const struct object_entry *key = object_data_get(secret, KEY_OF_KEY);
    const struct object_entry *account = object_data_get(secret, KEY_OF_ACCOUNT);

    if (!key || (!account && !source->account)) {
        vk_err_set(err, VK_NOT_FOUND, "Secret %s/%s of volume %s has no key " KEY_OF_KEY,
                   source->secret_namespace, source->secret_name, source->volume);
        return vk_err_reason(err, "MandatorySecretKeyNotFound");
    }
    *ret = (struct resolved_share){
        .volume = source->volume,
        .account = account ? vk_arena_str(arena, account->value) : source->account,
        .share = source->share,
        .key = vk_arena_secret(arena, key->value.p, key->value.n),
        .read_only = source->read_only,
    };
    return 0;
}
