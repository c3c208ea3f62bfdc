/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes and mounts of a group, as planned. Files become ACI secret volumes: base64 values, a flat
 * tmpfs, never echoed by a GET, of modes that ACI chooses. A volume that nobody mounts is not sent.
 */
#pragma once

#include "base/json_writer.h"
#include "provider/volume_plan.h"

#define VOLUME_NAME_MAX 63

/*
 * ACI's name for a volume: the pod's own where ACI takes it (5 to 63 of [a-z0-9-], no "--", no
 * hyphen at either end), else a readable part and 8 hex digits of SHA-256(name).
 */
void volumes_name(const char *name, char out[VOLUME_NAME_MAX + 1]);
bool volumes_is_mounted(const struct resolved_pod *pod, const char *name);
/* The resolved files of a volume, or NULL. */
const struct resolved_volume *volumes_find_files(const struct resolved_pod *pod, const char *name);
/* Writes "volumes" of the group and "volumeMounts" of one container; nothing where there is none.
 */
void volumes_write(struct json_writer *w, const struct volume_plan *plan);
void volumes_write_mounts(struct json_writer *w, const struct group_mounts *mounts);
