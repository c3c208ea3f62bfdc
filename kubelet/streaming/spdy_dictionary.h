/* SPDX-License-Identifier: Apache-2.0 */
/* The preset dictionary of SPDY/3 header blocks (SPDY Protocol draft 3.1, section 2.6.10.1). */
#pragma once

#include <stdint.h>

#define SPDY_DICTIONARY_SIZE 1423
#define SPDY_DICTIONARY_ADLER32 0xE3C6A7C2u

/* Static; built on the first call. */
const uint8_t *spdy_dictionary(void);
