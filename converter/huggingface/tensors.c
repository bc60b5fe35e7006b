/* tensors.c - see tensors.h. */
#include "huggingface/tensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/json.h"
#include "files/text.h"

/* ------------------------------------------------------------------------------------- types -- */

typedef struct dtype_row {
    const char *name;
    uint32_t n_bytes;
    bool is_weight;
    stored_type type; /* of weights */
} dtype_row;

static const dtype_row dtypes[] = {
    {"F32", 4, true, STORED_F32},
    {"F16", 2, true, STORED_F16},
    {"BF16", 2, true, STORED_BF16},
    /* Of these only the size matters: buffers that nothing reads, or weights that are refused. */
    {"F64", 8, false, STORED_F64},
    {"I64", 8, false, STORED_I64},
    {"U64", 8, false, STORED_I64},
    {"I32", 4, false, STORED_I32},
    {"U32", 4, false, STORED_I32},
    {"I16", 2, false, STORED_F16},
    {"U16", 2, false, STORED_F16},
    {"I8", 1, false, STORED_I8},
    {"U8", 1, false, STORED_U8},
    {"BOOL", 1, false, STORED_BOOL},
    {"F8_E4M3", 1, false, STORED_U8},
    {"F8_E5M2", 1, false, STORED_U8},
};

static const dtype_row *find_dtype(const cJSON *item)
{
    for (size_t i = 0; cJSON_IsString(item) && i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(item->valuestring, dtypes[i].name) == 0)
            return &dtypes[i];
    return NULL;
}

/* ------------------------------------------------------------------------------------- names -- */

/* Removes every `part` that starts the text or stands behind a dot. */
static void remove_parts(char *text, const char *part)
{
    size_t n = strlen(part);
    for (char *at = text; (at = strstr(at, part));) {
        if (at == text || at[-1] == '.')
            memmove(at, at + n, strlen(at + n) + 1);
        else
            at += n;
    }
}

/* The name as today's transformers has it. free() it. */
static char *canonical_name(const char *name)
{
    char *made = malloc(strlen(name) + sizeof "weight");
    if (!made)
        abort();
    strcpy(made, name);
    remove_parts(made, "_orig_mod.");
    while (strncmp(made, "module.", 7) == 0)
        memmove(made, made + 7, strlen(made + 7) + 1);
    if (text_ends_with(made, ".gamma"))
        strcpy(made + strlen(made) - 5, "weight");
    else if (text_ends_with(made, ".beta"))
        strcpy(made + strlen(made) - 4, "bias");
    return made;
}

shape_text tensors_shape(const stored_tensor *tensor)
{
    shape_text shape = {"["};
    for (uint32_t i = 0; i < tensor->rank; i++) {
        size_t n = strlen(shape.text);
        snprintf(shape.text + n, sizeof shape.text - n, "%s%llu", i ? ", " : "",
                 (unsigned long long)tensor->dims[i]);
    }
    size_t n = strlen(shape.text);
    snprintf(shape.text + n, sizeof shape.text - n, "]");
    return shape;
}

/* ------------------------------------------------------------------------------------ header -- */

/* A whole number of at most 2^53. */
static bool read_size(const cJSON *item, uint64_t *size)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 0x1p53))
        return false;
    *size = (uint64_t)item->valuedouble;
    return (double)*size == item->valuedouble;
}

static named_tensor *add_tensor(tensor_table *table)
{
    if (table->n_tensors == table->capacity) {
        table->capacity *= 2;
        table->tensors = realloc(table->tensors, table->capacity * sizeof *table->tensors);
        if (!table->tensors)
            abort();
    }
    named_tensor *tensor = &table->tensors[table->n_tensors++];
    *tensor = (named_tensor){0};
    return tensor;
}

static bool read_shape(const char *path, const cJSON *item, stored_tensor *stored,
                       fault_text *fault)
{
    const cJSON *dim, *shape = cJSON_GetObjectItemCaseSensitive(item, "shape");
    if (!cJSON_IsArray(shape) || cJSON_GetArraySize(shape) > STORED_MAX_RANK)
        return fault_set(fault, "%s: tensor '%.200s' needs a shape of at most %d dimensions", path,
                         item->string, STORED_MAX_RANK);
    stored->count = 1;
    cJSON_ArrayForEach(dim, shape)
    {
        uint64_t n;
        if (!read_size(dim, &n))
            return fault_set(fault,
                             "%s: tensor '%.200s' has a dimension that is not a whole number", path,
                             item->string);
        if (n && stored->count > (UINT64_C(1) << 53) / n)
            return fault_set(fault, "%s: tensor '%.200s' has an absurd shape", path, item->string);
        stored->dims[stored->rank++] = n;
        stored->count *= n;
    }
    return true;
}

/* Reads an entry of the header; offsets are those in the data, which starts at `data`. */
static bool read_entry(const range_file *file, const cJSON *item, uint64_t data,
                       named_tensor *tensor, fault_text *fault)
{
    const char *path = file->path;
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const dtype_row *row = find_dtype(dtype);
    uint64_t start, end;
    tensor->name = canonical_name(item->string);
    if (!row)
        return fault_set(fault, "%s: tensor '%.200s' has the dtype '%.32s', which is not known",
                         path, item->string, cJSON_IsString(dtype) ? dtype->valuestring : "");
    if (!read_shape(path, item, &tensor->stored, fault))
        return false;
    if (cJSON_GetArraySize(offsets) != 2 || !cJSON_IsArray(offsets) ||
        !read_size(offsets->child, &start) || !read_size(offsets->child->next, &end) || end < start)
        return fault_set(fault, "%s: tensor '%.200s' needs data_offsets: where it starts and ends",
                         path, item->string);
    if (end - start != tensor->stored.count * row->n_bytes)
        return fault_set(fault, "%s: tensor '%.200s' has %llu bytes, its shape %s of %s needs %llu",
                         path, item->string, (unsigned long long)(end - start),
                         tensors_shape(&tensor->stored).text, row->name,
                         (unsigned long long)(tensor->stored.count * row->n_bytes));
    tensor->dtype = row->name;
    tensor->is_weight = row->is_weight;
    tensor->stored.name = item->string;
    tensor->stored.type = row->type;
    tensor->stored.form = STORED_PLAIN;
    tensor->stored.file = file;
    tensor->stored.offset = data + start;
    tensor->stored.n_bytes = end - start;
    return true;
}

static int by_offset(const void *a, const void *b)
{
    const stored_tensor *x = &((const named_tensor *)a)->stored;
    const stored_tensor *y = &((const named_tensor *)b)->stored;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->n_bytes != y->n_bytes ? (x->n_bytes < y->n_bytes ? -1 : 1) : strcmp(x->name, y->name);
}

/* Tensors lie one behind the other, without holes, to the end of the file. */
static bool check_places(const range_file *file, named_tensor *tensors, size_t n, uint64_t data,
                         fault_text *fault)
{
    uint64_t end = data;
    qsort(tensors, n, sizeof *tensors, by_offset);
    for (size_t i = 0; i < n; i++) {
        const stored_tensor *stored = &tensors[i].stored;
        if (stored->offset != end)
            return fault_set(fault,
                             "%s: tensor '%.200s' starts at %llu of the data, the one before it "
                             "ends at %llu",
                             file->path, stored->name, (unsigned long long)(stored->offset - data),
                             (unsigned long long)(end - data));
        end += stored->n_bytes;
    }
    return end == file->n_bytes ||
           fault_set(fault, "%s: has %llu bytes of data, its tensors have %llu%s", file->path,
                     (unsigned long long)(file->n_bytes - data), (unsigned long long)(end - data),
                     file->n_bytes < end ? ": it is cut off" : "");
}

static bool check_metadata(const range_file *file, const cJSON *metadata, fault_text *fault)
{
    const cJSON *item, *format = cJSON_GetObjectItemCaseSensitive(metadata, "format");
    bool ok = !metadata || cJSON_IsObject(metadata);
    cJSON_ArrayForEach(item, metadata) ok = ok && cJSON_IsString(item);
    if (!ok)
        return fault_set(fault, "%s: its __metadata__ is not an object of strings", file->path);
    if (!format || strcmp(format->valuestring, "bert-wasm") != 0)
        return true;
    return fault_set(fault,
                     "%s: is a model file that bert-convert wrote: it can be loaded as it is, and "
                     "needs no conversion",
                     file->path);
}

static cJSON *read_header(const range_file *file, uint64_t *data, fault_text *fault)
{
    uint8_t size[8];
    uint64_t n_bytes = 0;
    if (file->n_bytes < sizeof size) {
        fault_set(fault, "%s: has %llu bytes, too few for a safetensors file", file->path,
                  (unsigned long long)file->n_bytes);
        return NULL;
    }
    if (!range_read(file, 0, sizeof size, size, fault))
        return NULL;
    for (int i = 0; i < 8; i++)
        n_bytes |= (uint64_t)size[i] << 8 * i;
    if (n_bytes < 2 || n_bytes > TENSORS_MAX_HEADER_BYTES) {
        fault_set(fault,
                  "%s: is not a safetensors file: its first eight bytes are no length of a "
                  "header",
                  file->path);
        return NULL;
    }
    if (n_bytes > file->n_bytes - sizeof size) {
        fault_set(fault, "%s: is cut off in its header", file->path);
        return NULL;
    }
    *data = sizeof size + n_bytes;
    char *text = malloc((size_t)n_bytes);
    cJSON *header = NULL;
    if (!text)
        fault_set(fault, "%s: out of memory", file->path);
    else if (range_read(file, sizeof size, (size_t)n_bytes, text, fault))
        header = json_strict_object(file->path, "header", text, (size_t)n_bytes, fault);
    free(text);
    return header;
}

/* Adds the tensors of one file to the table. */
static bool add_file(const char *path, tensor_table *table, fault_text *fault)
{
    uint64_t data;
    size_t first = table->n_tensors;
    range_file *file = calloc(1, sizeof *file);
    if (!file)
        abort();
    table->files[table->n_files] = file;
    table->headers[table->n_files++] = NULL;
    if (!range_open(path, file, fault))
        return false;
    cJSON *header = table->headers[table->n_files - 1] = read_header(file, &data, fault);
    const cJSON *item, *metadata = cJSON_GetObjectItemCaseSensitive(header, "__metadata__");
    if (!header || !check_metadata(file, metadata, fault))
        return false;
    cJSON_ArrayForEach(item, header)
    {
        if (item != metadata && !read_entry(file, item, data, add_tensor(table), fault))
            return false;
    }
    return check_places(file, table->tensors + first, table->n_tensors - first, data, fault);
}

/* ------------------------------------------------------------------------------------- shards -- */

/* A file of the index's own folder: nothing else may be reached by a name that somebody wrote. */
static bool is_plain_name(const char *name)
{
    return *name && *name != '.' && !strpbrk(name, "/\\:") && text_ends_with(name, ".safetensors");
}

static size_t find_file(const tensor_table *table, const char *path)
{
    size_t i = 0;
    while (i < table->n_files && strcmp(table->files[i]->path, path) != 0)
        i++;
    return i;
}

/* Opens each file that the index names. */
static bool add_shards(const char *path, const cJSON *map, tensor_table *table, fault_text *fault)
{
    const cJSON *item;
    const char *slash = strrchr(path, '/');
    int n_folder = slash ? (int)(slash - path) + 1 : 0;
    cJSON_ArrayForEach(item, map)
    {
        char shard[FILE_MAX_PATH];
        const char *name = cJSON_IsString(item) ? item->valuestring : "";
        if (!is_plain_name(name))
            return fault_set(fault,
                             "%s: the weight_map names the file '%.200s' for '%.200s': it must be "
                             "a .safetensors file of the same folder",
                             path, name, item->string);
        if ((size_t)snprintf(shard, sizeof shard, "%.*s%s", n_folder, path, name) >= sizeof shard)
            return fault_set(fault, "%s: the path of '%.200s' is too long", path, name);
        if (find_file(table, shard) < table->n_files)
            continue;
        if (table->n_files == TENSORS_MAX_FILES)
            return fault_set(fault, "%s: names more than %d files", path, TENSORS_MAX_FILES);
        if (file_find(shard) != FILE_REGULAR)
            return fault_set(fault, "%s: names the file '%.200s', which is not there", path, name);
        if (!add_file(shard, table, fault))
            return false;
    }
    return table->n_files > 0 || fault_set(fault, "%s: its weight_map names no file", path);
}

/* Whether each tensor is in the file that the index says. */
static bool check_map(const char *path, const cJSON *map, const tensor_table *table,
                      fault_text *fault)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, map)
    {
        char *name = canonical_name(item->string);
        const named_tensor *tensor = tensors_find(table, name);
        const char *file = tensor ? strrchr(tensor->stored.file->path, '/') : NULL;
        file = tensor ? (file ? file + 1 : tensor->stored.file->path) : "";
        free(name);
        if (strcmp(file, item->valuestring) != 0)
            return fault_set(fault, "%s: the tensor '%.200s' must be in %.200s, but is not", path,
                             item->string, item->valuestring);
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const named_tensor *)a)->name, ((const named_tensor *)b)->name);
}

/* Brings tensors into the order of names, each of which must be one tensor's alone. */
static bool sort_tensors(tensor_table *table, fault_text *fault)
{
    qsort(table->tensors, table->n_tensors, sizeof *table->tensors, by_name);
    for (size_t i = 1; i < table->n_tensors; i++) {
        const named_tensor *a = &table->tensors[i - 1], *b = a + 1;
        if (strcmp(a->name, b->name) == 0)
            return fault_set(fault, "%s: the tensors '%.200s' and '%.200s'%s%s are both '%.200s'",
                             a->stored.file->path, a->stored.name, b->stored.name,
                             a->stored.file == b->stored.file ? "" : " of ",
                             a->stored.file == b->stored.file ? "" : b->stored.file->path, a->name);
    }
    return true;
}

static bool open_index(const char *path, tensor_table *table, fault_text *fault)
{
    whole_file file;
    cJSON *index = NULL;
    if (file_open(path, &file, fault))
        index = json_strict_object(path, "", file.data, file.n_bytes, fault);
    file_close(&file);
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(index, "weight_map");
    bool ok = index && (cJSON_IsObject(map) ||
                        fault_set(fault, "%s: needs a weight_map: tensor to file", path));
    ok = ok && add_shards(path, map, table, fault) && sort_tensors(table, fault) &&
         check_map(path, map, table, fault);
    cJSON_Delete(index);
    return ok;
}

bool tensors_open(const char *path, tensor_table *table, fault_text *fault)
{
    *table = (tensor_table){.files = calloc(TENSORS_MAX_FILES, sizeof *table->files),
                            .headers = calloc(TENSORS_MAX_FILES, sizeof *table->headers),
                            .capacity = 512};
    table->tensors = malloc(table->capacity * sizeof *table->tensors);
    if (!table->files || !table->headers || !table->tensors)
        abort();
    if (text_ends_with(path, ".json"))
        return open_index(path, table, fault);
    return add_file(path, table, fault) && sort_tensors(table, fault);
}

void tensors_close(tensor_table *table)
{
    for (size_t i = 0; i < table->n_files; i++) {
        range_close(table->files[i]);
        free(table->files[i]);
        cJSON_Delete(table->headers[i]);
    }
    for (size_t i = 0; i < table->n_tensors; i++)
        free(table->tensors[i].name);
    free(table->files);
    free(table->headers);
    free(table->tensors);
    *table = (tensor_table){0};
}

named_tensor *tensors_find(const tensor_table *table, const char *name)
{
    named_tensor key = {.name = (char *)name};
    return table->tensors ? bsearch(&key, table->tensors, table->n_tensors, sizeof key, by_name)
                          : NULL;
}

void tensors_hash(const tensor_table *table, hash_state *hash)
{
    for (size_t i = 0; i < table->n_tensors; i++) {
        const named_tensor *tensor = &table->tensors[i];
        shape_text shape = tensors_shape(&tensor->stored);
        const char *const words[] = {tensor->name, tensor->dtype, shape.text};
        for (size_t k = 0; k < 3; k++)
            hash_add(hash, words[k], strlen(words[k]) + 1);
    }
}
