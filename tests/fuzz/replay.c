/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for libFuzzer where there is no clang: runs the target once per file of the corpus
 * folders given. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    struct vk_arena *arena VK_ARENA_AUTO = vk_arena_new();
    struct vk_err err;
    struct vk_str text;

    if (file_read(path, 1 << 20, arena, &text, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return -1;
    }
    LLVMFuzzerTestOneInput((const uint8_t *)text.p, text.n);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned files = 0;

    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
            char path[4096];

            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
            if (replay_file(path) < 0)
                return 1;
            files++;
        }
        if (dir)
            closedir(dir);
    }
    printf("%u inputs replayed\n", files);
    return files == 0;
}
