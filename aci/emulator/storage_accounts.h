/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storage accounts of file shares and their keys. An account that nobody named takes any key, so
 * that shares work without preparation; of a named one only its key opens them.
 */
#pragma once

#include <stdbool.h>

#include "base/json_writer.h"
#include "base/vk_err.h"

struct storage_accounts;

struct storage_accounts *storage_accounts_new(void);
/* Wipes the keys. NULL is fine. */
void storage_accounts_free(struct storage_accounts *s);
/* Names an account, or gives it another key. Errors: VK_INVALID for a name that Azure does not take
 * (3 to 24 lower-case letters and digits) and for no key. */
VK_MUST_CHECK int storage_accounts_set(struct storage_accounts *s, const char *name,
                                       const char *key, struct vk_err *err);
/* NAME=KEY; a key is base64 and may end in '='. */
VK_MUST_CHECK int storage_accounts_parse(struct storage_accounts *s, const char *text,
                                         struct vk_err *err);
/* key NULL: the group refers to one in a Key Vault, which is taken for the right one. */
bool storage_accounts_opens(const struct storage_accounts *s, const char *name, const char *key);
/* An array of names; keys are never shown. */
void storage_accounts_write(const struct storage_accounts *s, struct json_writer *w,
                            const char *member);
