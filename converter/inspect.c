/* inspect.c - a model file in words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "files/safetensors.h"

static void print_entry(const safetensors_entry *entry)
{
    char shape[64] = "";
    for (uint32_t i = 0; i < entry->rank; i++)
        snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%u", i ? " x " : "",
                 entry->shape[i]);
    printf("%-40s %-4s %-22s %12zu\n", entry->name, entry->dtype, shape, entry->end - entry->start);
}

bool inspect(const char *path, fault_text *fault)
{
    safetensors model;
    bool ok = safetensors_open(path, &model, fault);
    if (ok) {
        static const char *const keys[] = {"name", "revision", "dtype", "format_version",
                                           "source_sha256"};
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            printf("%-16s%s\n", keys[i], safetensors_metadata(&model, keys[i]));
        char *config = cJSON_Print(model.config);
        printf("config %s\n\n", config);
        free(config);
        for (size_t i = 0; i < model.n_entries; i++)
            print_entry(&model.entries[i]);
        printf(
            "\n%zu tensors, %zu bytes of data, %zu bytes in all; every chunk's SHA-256 is right\n",
            model.n_entries, model.data_bytes, model.file.n_bytes);
    }
    safetensors_close(&model);
    return ok;
}
