/* model_path.c - see model_path.h. */
#include "source/model_path.h"

#include <stdio.h>
#include <string.h>

#include "files/text.h"

/* Writes "folder/name"; false if nothing is there, or the path is too long. */
static bool join(const char *folder, const char *name, char path[FILE_MAX_PATH])
{
    int n = snprintf(path, FILE_MAX_PATH, "%s%s%s", folder, *folder ? "/" : "", name);
    if (n < FILE_MAX_PATH && file_find(path) != FILE_NOTHING)
        return true;
    path[0] = '\0';
    return false;
}

static void add_folder(model_path *path, const char *folder)
{
    for (size_t i = 0; i < path->n_folders; i++)
        if (strcmp(path->folders[i], folder) == 0)
            return;
    if (path->n_folders < MODEL_MAX_FOLDERS)
        snprintf(path->folders[path->n_folders++], FILE_MAX_PATH, "%s", folder);
}

/* The folder of a file; "" where its path has none. */
static void folder_of(const char *file, char folder[FILE_MAX_PATH])
{
    const char *slash = strrchr(file, '/');
    snprintf(folder, FILE_MAX_PATH, "%.*s", slash ? (int)(slash - file) : 0, file);
}

/* Finds the weights in a folder. */
static void find_weights(const char *folder, const char *inner, model_path *path)
{
    char of_encoder[FILE_MAX_PATH];
    snprintf(of_encoder, sizeof of_encoder, "%s%s%s", folder, *inner ? "/" : "", inner);
    add_folder(path, folder);
    add_folder(path, of_encoder);
    if (!join(of_encoder, "model.safetensors", path->safetensors))
        join(of_encoder, "model.safetensors.index.json", path->safetensors);
    if (!join(folder, "model.onnx", path->onnx))
        join(folder, "onnx/model.onnx", path->onnx);
}

/* A file: what stands beside it is in its folder, or, of onnx/model.onnx, in the one above. */
static void take_file(const char *given, model_path *path)
{
    char folder[FILE_MAX_PATH];
    bool is_safetensors =
        text_ends_with(given, ".safetensors") || text_ends_with(given, ".safetensors.index.json");
    folder_of(given, folder);
    add_folder(path, folder);
    if (!is_safetensors && text_ends_with(folder, "/onnx")) {
        folder[strlen(folder) - strlen("/onnx")] = '\0';
        add_folder(path, folder);
    }
    snprintf(is_safetensors ? path->safetensors : path->onnx, FILE_MAX_PATH, "%s", given);
}

bool model_path_find(const char *given, const char *base, const char *inner, model_path *path,
                     fault_text *fault)
{
    file_kind kind = file_find(given);
    char config[FILE_MAX_PATH];
    *path = (model_path){0};
    if (strlen(given) + strlen(inner) + 32 > FILE_MAX_PATH ||
        (base && strlen(base) + 32 > FILE_MAX_PATH))
        return fault_set(fault, "%s: the path is too long", given);
    if (kind == FILE_NOTHING)
        return fault_set(fault, "%s: there is no such file or folder", given);
    if (kind != FILE_FOLDER) {
        take_file(given, path);
        return !base || fault_set(fault, "--base is for a folder with an adapter, not for a file");
    }
    find_weights(given, inner, path);
    bool is_adapter = join(given, "adapter_config.json", config);
    if (is_adapter && !join(given, "adapter_model.safetensors", path->adapter))
        return fault_set(fault,
                         "%s: the folder has an adapter_config.json, but no "
                         "adapter_model.safetensors",
                         given);
    if (base && !is_adapter)
        return fault_set(fault, "%s: the folder has no adapter_config.json: --base is for adapters",
                         given);
    if (base && file_find(base) != FILE_FOLDER)
        return fault_set(fault, "%s: is no folder: --base names that of the adapter's model", base);
    if (base)
        find_weights(base, "", path);
    if (is_adapter && !path->safetensors[0])
        return fault_set(fault,
                         "%s: the adapter needs the model.safetensors of the model that it "
                         "was trained with: name its folder with --base",
                         given);
    if (is_adapter)
        path->onnx[0] = '\0'; /* a graph has no names to add it by */
    if (path->safetensors[0] || path->onnx[0])
        return true;
    if (join(given, "pytorch_model.bin", config))
        return fault_set(
            fault,
            "%s: the folder has a pytorch_model.bin, which is not read: save the model "
            "with save_pretrained(), which writes model.safetensors",
            given);
    return fault_set(fault, "%s: the folder has no model.safetensors and no model.onnx", given);
}

bool model_path_beside(const model_path *path, const char *name, char found[FILE_MAX_PATH],
                       size_t *folder)
{
    for (size_t i = 0; i < path->n_folders; i++) {
        if (!join(path->folders[i], name, found))
            continue;
        if (folder)
            *folder = i;
        return true;
    }
    return false;
}
