/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gitRepo volumes: a clone of a repository, made before any container of the group runs. Only https
 * is spoken, nothing is asked on a terminal, and no configuration of the machine counts. Source:
 * Microsoft.ContainerInstance 2025-09-01 GitRepoVolume; what directory and revision do, from
 * Kubernetes pkg/volume/git_repo.
 */
#pragma once

#include "aci/emulator/engine.h"

struct engine_sandbox;
struct runc_clone;

/* Remembers what is to be cloned. */
void runc_git_prepare(struct engine_sandbox *s, const struct engine_sandbox_spec *spec);
/* One after the other; done with s->err set where one failed, at once where there is none. */
void runc_git_clone(struct engine_sandbox *s, void (*done)(struct engine_sandbox *s));
void runc_git_release(struct engine_sandbox *s);

/* Pure. Errors: VK_INVALID for what leads out of the volume or is no https URL. */
VK_MUST_CHECK int runc_git_check(const struct engine_git *git, struct vk_err *err);
/* Pure: the folder of the volume that the clone is made in; the caller frees. */
char *runc_git_folder(const struct engine_git *git);
