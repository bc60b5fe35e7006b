/*
 * model_path.h - which files a user's path stands for.
 */
#ifndef CONVERTER_MODEL_PATH_H
#define CONVERTER_MODEL_PATH_H

#include "files/file.h"

#define MODEL_MAX_FOLDERS 4

/* Paths; "" where there is none. There is an ONNX file or one of safetensors, or both. */
typedef struct model_path {
    char onnx[FILE_MAX_PATH];
    char safetensors[FILE_MAX_PATH]; /* model.safetensors, or the index of its shards */
    char adapter[FILE_MAX_PATH];     /* adapter_model.safetensors */
    /* Where the files beside them are: in the first folder that has them. */
    char folders[MODEL_MAX_FOLDERS][FILE_MAX_PATH];
    size_t n_folders;
} model_path;

/*
 * `given` is a folder with model.safetensors, model.onnx or onnx/model.onnx, or such a file; or the
 * folder of an adapter, whose model is in the same folder or in `base`. `base` NULL: none. `inner`
 * is the folder within that has the encoder (of sentence-transformers); "": itself.
 */
bool model_path_find(const char *given, const char *base, const char *inner, model_path *path,
                     fault_text *fault);

/* The file `name` beside the model, and in which of the folders it is, if that is not NULL. False
 * if there is none. */
bool model_path_beside(const model_path *path, const char *name, char found[FILE_MAX_PATH],
                       size_t *folder);

#endif
