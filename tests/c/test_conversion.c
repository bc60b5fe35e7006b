/*
 * test_conversion.c - a conversion in steps: what is left where it stops, and what each step reads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conversion.h"
#include "files/file.h"
#include "harness.h"

static const char MODEL[] = "tests/golden/bert-seqcls";

static char folder[] = "/tmp/conversion-XXXXXX";
static char out[64];

/* Files in the folder, temporary ones too. */
static int n_files(void)
{
    char command[128];
    int n = -1;
    snprintf(command, sizeof command, "ls -A %s | wc -l", folder);
    FILE *pipe = popen(command, "r");
    CHECK(pipe && fscanf(pipe, "%d", &n) == 1, "cannot list");
    pclose(pipe);
    return n;
}

static void check_needs(const conversion *it, bool is_last)
{
    file_need needs[2];
    size_t n = conversion_needs(it, needs, 2);
    CHECK(n == !is_last && conversion_needs(it, NULL, 0) == n, "%zu needs", n);
    if (n == 1)
        CHECK(strstr(needs[0].path, "model.onnx") && needs[0].offset == 0 &&
                  needs[0].n_bytes > 10000,
              "needs %llu bytes of %s", (unsigned long long)needs[0].n_bytes, needs[0].path);
}

TEST(a_conversion_may_stop_after_any_step)
{
    fault_text fault = {{0}};
    convert_options options = {.dtype = PACK_Q8};
    CHECK(mkdtemp(folder), "no folder");
    snprintf(out, sizeof out, "%s/out", folder);
    uint32_t n_done, n_steps = 1;
    for (uint32_t stop = 0; stop <= n_steps; stop++) {
        conversion *it = conversion_open(MODEL, out, &options, &fault);
        CHECK(it, "%s", fault.text);
        for (uint32_t k = 0; k < stop; k++) {
            check_needs(it, k + 1 == n_steps);
            CHECK(!conversion_is_done(it) && conversion_step(it, &fault), "step %u: %s", k,
                  fault.text);
        }
        conversion_progress(it, &n_done, &n_steps);
        CHECK(n_done == stop && conversion_is_done(it) == (stop == n_steps), "%u of %u steps",
              n_done, n_steps);
        conversion_close(it);
        CHECK(n_files() == (stop == n_steps), "after %u steps there are files", stop);
    }
    /* Opening, the proof, embeddings, layers, heads, the header. */
    CHECK(n_steps > 4, "only %u steps", n_steps);
    CHECK(file_find(out) == FILE_REGULAR, "there is no file");

    /* What was there before stays. */
    conversion *again = conversion_open(MODEL, out, &options, &fault);
    CHECK(again && conversion_step(again, &fault) && conversion_step(again, &fault), "%s",
          fault.text);
    conversion_close(again);
    CHECK(n_files() == 1 && file_find(out) == FILE_REGULAR, "the file before is lost");
    unlink(out);
    rmdir(folder);
}

TEST(what_cannot_be_read_is_refused)
{
    fault_text fault = {{0}};
    convert_options options = {.dtype = PACK_Q8};
    CHECK(!conversion_open("tests/golden/refuse-gpt2", "/tmp/none", &options, &fault) &&
              fault.text[0],
          "a decoder is opened");
    fault = (fault_text){{0}};
    conversion *it = conversion_open(MODEL, "/tmp/no/such/folder/out", &options, &fault);
    CHECK(it && !conversion_step(it, &fault) && strstr(fault.text, "cannot be written"), "%s",
          fault.text);
    conversion_close(it);
    conversion_close(NULL);
}
