/*
 * convert.c - the converter as flat functions of numbers and addresses, for js/convert/. One
 * instance of the module is one conversion: it is thrown away after it, and its memory with it.
 *
 *     convert_option() for each; convert_open(); then, until convert_done() is convert_total(),
 * what convert_n_needs() and the like name is brought and convert_step() called
 *
 * Functions that can fail return 0; convert_fault() then says why.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "conversion.h"
#include "convert_host.h"

#define EXPORT(name) __attribute__((export_name(#name))) name

static fault_text fault;
static const char *outputs[WEIGHTS_MAX_OUTPUTS];
static convert_options options = {.dtype = PACK_Q8, .outputs = {.names = outputs}};
static conversion *the_conversion;
static bool is_short;

/* Version of the package: JavaScript refuses a module of another one. */
const char *EXPORT(convert_version)(void)
{
    return BERT_VERSION;
}

/* Room for what JavaScript passes; NULL without memory. Never given back. */
void *EXPORT(convert_alloc)(uint32_t n_bytes)
{
    return malloc(n_bytes);
}

const char *EXPORT(convert_fault)(void)
{
    return fault.text;
}

/* ---------------------------------------------------------------------------------- memory -- */

/* Emscripten's malloc() calls this for more, up to `size` bytes in all: the linker leads it here.
 */
int __real_emscripten_resize_heap(size_t size);

int __wrap_emscripten_resize_heap(size_t size)
{
    int is_resized = __real_emscripten_resize_heap(size);
    is_short = !is_resized;
    return is_resized;
}

/* Whether the last call for memory was refused. */
uint32_t EXPORT(convert_is_short)(void)
{
    return is_short;
}

/* cJSON leaves out what it has no memory for: no file may be written like that. */
static void *alloc_or_end(size_t n_bytes)
{
    void *memory = malloc(n_bytes);
    if (!memory)
        abort();
    return memory;
}

/* ----------------------------------------------------------------------------------- steps -- */

/* Texts stay where they are. "output" may be given several times. */
uint32_t EXPORT(convert_option)(const char *name, const char *value)
{
    if (strcmp(name, "dtype") == 0) {
        options.dtype = 0;
        while (options.dtype < PACK_DTYPE_COUNT &&
               strcmp(value, pack_dtype_name(options.dtype)) != 0)
            options.dtype++;
        return options.dtype < PACK_DTYPE_COUNT ||
               fault_set(&fault, "dtype must be f32, f16, q8, q7 or q4, not '%s'", value);
    }
    if (strcmp(name, "output") == 0) {
        if (options.outputs.n == WEIGHTS_MAX_OUTPUTS)
            return fault_set(&fault, "outputs must be at most %d names", WEIGHTS_MAX_OUTPUTS);
        outputs[options.outputs.n++] = value;
        return true;
    }
    if (strcmp(name, "name") == 0)
        options.name = value;
    else if (strcmp(name, "revision") == 0)
        options.revision = value;
    else if (strcmp(name, "base") == 0)
        options.base = value;
    else if (strcmp(name, "calibrate") == 0)
        options.calibrate = value;
    else
        return fault_set(&fault, "there is no option '%s'", name);
    return true;
}

/* Once. `model`: a folder, or a file in it. */
uint32_t EXPORT(convert_open)(const char *model)
{
    cJSON_Hooks hooks = {.malloc_fn = alloc_or_end, .free_fn = free};
    cJSON_InitHooks(&hooks);
    the_conversion = conversion_open(model, "", &options, &fault);
    return the_conversion != NULL;
}

/* Bytes of memory that it will take, about; 0: it failed. */
double EXPORT(convert_memory)(void)
{
    return (double)conversion_memory(the_conversion, &fault);
}

uint32_t EXPORT(convert_step)(void)
{
    return conversion_step(the_conversion, &fault);
}

uint32_t EXPORT(convert_done)(void)
{
    uint32_t n_done, n_steps;
    conversion_progress(the_conversion, &n_done, &n_steps);
    return n_done;
}

uint32_t EXPORT(convert_total)(void)
{
    uint32_t n_done, n_steps;
    conversion_progress(the_conversion, &n_done, &n_steps);
    return n_steps;
}

/* ----------------------------------------------------------------------------------- needs -- */

static file_need *needs;

/* What the next step reads: how many ranges; then the file, the first byte and the one after the
 * last of each, which stay until the next call. */
uint32_t EXPORT(convert_n_needs)(void)
{
    size_t n = conversion_needs(the_conversion, NULL, 0);
    free(needs);
    needs = alloc_or_end((n + 1) * sizeof *needs);
    return (uint32_t)conversion_needs(the_conversion, needs, n);
}

int32_t EXPORT(convert_need_file)(uint32_t i)
{
    return host_find(needs[i].path);
}

double EXPORT(convert_need_start)(uint32_t i)
{
    return (double)needs[i].offset;
}

double EXPORT(convert_need_end)(uint32_t i)
{
    return (double)(needs[i].offset + needs[i].n_bytes);
}
