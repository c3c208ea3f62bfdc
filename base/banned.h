/* SPDX-License-Identifier: Apache-2.0 */
/* Force-included everywhere: functions with a better one of ours fail to compile. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef VK_ALLOC_IMPLEMENTATION
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok atoi atol atoll gets
#pragma GCC poison gmtime localtime ctime asctime
#endif
