/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod's spec holds beside the tables of the API types, so that a field which this version
 * does not read (a younger one of the API, or a rare one) can be named instead of dropped. Fields
 * that other components act on, and fields that mean nothing here, stand in the tables as
 * JSON_UNREAD.
 */
#pragma once

#include "kubelet/api/pod.h"

#define UNKNOWN_FIELDS_MAX 32

/*
 * Their paths below spec, "containers[web].resizePolicy": elements of a list by their name, else by
 * their number. Empty ones (null, {}, [] and "") say nothing and are left out, and what comes
 * behind the first UNKNOWN_FIELDS_MAX. Reads the object's text once more.
 */
struct json_strs unknown_fields_of_pod(const struct pod *pod, struct vk_arena *arena);
