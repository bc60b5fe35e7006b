/*
 * main.c - the command line of bert-convert. Results on standard output, messages on standard
 * error. Exit codes: 0; 1 for bad input; 2 for a wrong command line.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "conversion.h"

static const char usage_text[] =
    "usage: bert-convert DIR_OR_FILE -o OUT.safetensors [--dtype f32|f16|q8|q7|q4]\n"
    "                    [--name N] [--revision R] [--calibrate TEXTS.jsonl] [--base DIR]\n"
    "                    [--output NAME]...\n"
    "       bert-convert --inspect FILE.safetensors\n"
    "       bert-convert --verify GOLDEN.json [--tolerance T] FILE.safetensors\n"
    "\n"
    "Converts an encoder, model.safetensors as transformers writes it or model.onnx, with the\n"
    "config.json and tokenizer.json beside it, into the one file that bert-wasm loads. The\n"
    "default dtype is q8. TEXTS.jsonl are texts as `bert-wasm tokenize` writes them: a hundred\n"
    "typical ones make q8, and above all q4, more exact. --base is the folder of the model that\n"
    "a LoRA adapter in DIR is for, where it is another. Of an ONNX graph's outputs those become\n"
    "the model's that are an encoder's, or the ones that are chosen with --output.\n";

static int usage(const char *problem)
{
    fprintf(stderr, "bert-convert: %s\n\n%s", problem, usage_text);
    return 2;
}

static bool convert(const char *in, const char *out, const convert_options *options,
                    fault_text *fault)
{
    conversion *it = conversion_open(in, out, options, fault);
    bool ok = it != NULL;
    while (ok && !conversion_is_done(it))
        ok = conversion_step(it, fault);
    conversion_close(it);
    return ok;
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"output", required_argument, NULL, 'u'},
        {"dtype", required_argument, NULL, 'd'},
        {"name", required_argument, NULL, 'n'},
        {"revision", required_argument, NULL, 'r'},
        {"calibrate", required_argument, NULL, 'c'},
        {"base", required_argument, NULL, 'b'},
        {"inspect", required_argument, NULL, 'i'},
        {"verify", required_argument, NULL, 'v'},
        {"tolerance", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *out = NULL, *inspected = NULL, *golden = NULL;
    convert_options options = {.dtype = PACK_Q8};
    double tolerance = 1e-4;
    const char *outputs[WEIGHTS_MAX_OUTPUTS];
    options.outputs.names = outputs;
    int option;
    while ((option = getopt_long(argc, argv, "o:h", long_options, NULL)) != -1) {
        char *end;
        switch (option) {
        case 'o':
            out = optarg;
            break;
        case 'd':
            options.dtype = 0;
            while (options.dtype < PACK_DTYPE_COUNT &&
                   strcmp(optarg, pack_dtype_name(options.dtype)) != 0)
                options.dtype++;
            if (options.dtype == PACK_DTYPE_COUNT)
                return usage("--dtype must be f32, f16, q8, q7 or q4");
            break;
        case 'n':
            options.name = optarg;
            break;
        case 'r':
            options.revision = optarg;
            break;
        case 'c':
            options.calibrate = optarg;
            break;
        case 'u':
            if (options.outputs.n == WEIGHTS_MAX_OUTPUTS)
                return usage("there are too many --output");
            outputs[options.outputs.n++] = optarg;
            break;
        case 'b':
            options.base = optarg;
            break;
        case 'i':
            inspected = optarg;
            break;
        case 'v':
            golden = optarg;
            break;
        case 't':
            tolerance = strtod(optarg, &end);
            if (end == optarg || *end || !(tolerance >= 0))
                return usage("--tolerance must be a number >= 0");
            break;
        case 'h':
            fputs(usage_text, stdout);
            return 0;
        default:
            return usage("see above");
        }
    }
    int n_files = argc - optind;
    fault_text fault = {{0}};
    bool ok;
    if (inspected) {
        if (n_files || golden || out)
            return usage("--inspect takes one file and nothing else");
        ok = inspect(inspected, &fault);
    } else if (golden) {
        if (n_files != 1 || out)
            return usage("--verify takes a golden.json and one model file");
        ok = verify(golden, argv[optind], tolerance, &fault);
    } else {
        if (n_files != 1 || !out)
            return usage("one model and -o OUT.safetensors are needed");
        if (options.calibrate && !pack_is_quantised(options.dtype))
            return usage("--calibrate is for --dtype q8, q7 and q4");
        ok = convert(argv[optind], out, &options, &fault);
    }
    if (fflush(stdout) != 0)
        ok = fault_set(&fault, "standard output cannot be written");
    if (!ok)
        fprintf(stderr, "bert-convert: %s\n", fault.text);
    return ok ? 0 : 1;
}
