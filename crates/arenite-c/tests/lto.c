// What a block costs a loop of C that takes (and gives back) many: `lto KIND BATCHES`. ci/c counts the instructions of two runs of
// different length, linked with the static library as it is and with link-time optimisation across languages; the difference of the
// runs is the loop's alone. Every function is called at two places, so that it is not inlined just because it is called once.
#include <arenite.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, SIZE = 64 };

#define REQUIRE(what)                                  \
    do {                                               \
        if (!(what)) {                                 \
            fprintf(stderr, "failed: %s\n", #what);    \
            exit(1);                                   \
        }                                              \
    } while (0)

// What a game would do with a block: write to it.
static void *used(void *block) {
    REQUIRE(block != NULL);
    *(volatile char *)block = 1;
    return block;
}

#define PAIRS_OF(take, give)                                                     \
    for (long batch = 0; batch < batches; batch++) {                             \
        void *blocks[BATCH];                                                     \
        for (int at = 0; at < BATCH; at += 2) {                                  \
            blocks[at] = used(take);                                             \
            blocks[at + 1] = used(take);                                         \
        }                                                                        \
        for (int at = 0; at < BATCH; at += 2) {                                  \
            REQUIRE(give(blocks[at]) == ARENITE_OK);                             \
            REQUIRE(give(blocks[at + 1]) == ARENITE_OK);                         \
        }                                                                        \
    }

static void frames(long batches) {
    size_t room = (size_t)batches * BATCH * SIZE;
    arenite_frame_options options = {.presize = room};
    arenite_frame *frame;
    REQUIRE(arenite_frame_create(&options, &frame) == ARENITE_OK && arenite_frame_begin(frame) == ARENITE_OK);
    for (long batch = 0; batch < batches; batch++)
        for (int at = 0; at < BATCH; at += 2) {
            used(arenite_frame_alloc(frame, SIZE));
            used(arenite_frame_alloc(frame, SIZE));
        }
    REQUIRE(arenite_frame_destroy(frame) == ARENITE_OK);
}

static void scopes(long batches) {
    arenite_scratch *scratch;
    REQUIRE(arenite_scratch_create(0, (size_t)1 << 30, &scratch) == ARENITE_OK);
    for (long batch = 0; batch < batches; batch++) {
        arenite_scope scope;
        REQUIRE(arenite_scratch_enter(scratch, &scope) == ARENITE_OK);
        for (int at = 0; at < BATCH; at += 2) {
            used(arenite_scratch_alloc(scratch, SIZE));
            used(arenite_scratch_alloc(scratch, SIZE));
        }
        REQUIRE(arenite_scratch_leave(scratch, scope) == ARENITE_OK);
    }
    REQUIRE(arenite_scratch_destroy(scratch) == ARENITE_OK);
}

static void pools(long batches) {
    arenite_pool *pool;
    REQUIRE(arenite_pool_create(0, SIZE, 16, 1000, &pool) == ARENITE_OK);
#define GIVE(block) arenite_pool_free(pool, block)
    PAIRS_OF(arenite_pool_alloc(pool), GIVE)
#undef GIVE
    REQUIRE(arenite_pool_destroy(pool) == ARENITE_OK);
}

static void general(long batches) {
    PAIRS_OF(arenite_alloc(SIZE), arenite_free)
}

static void heaps(long batches) {
    arenite_heap *heap;
    REQUIRE(arenite_heap_create(NULL, &heap) == ARENITE_OK);
#define GIVE(block) arenite_heap_free(heap, block)
    PAIRS_OF(arenite_heap_alloc(heap, SIZE), GIVE)
#undef GIVE
    REQUIRE(arenite_heap_discard(heap, NULL, NULL) == ARENITE_OK);
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: lto frame|scratch|pool|general|heap BATCHES\n");
        return 2;
    }
    long batches = strtol(arguments[2], NULL, 10);
    const char *kind = arguments[1];
    if (strcmp(kind, "frame") == 0) frames(batches);
    else if (strcmp(kind, "scratch") == 0) scopes(batches);
    else if (strcmp(kind, "pool") == 0) pools(batches);
    else if (strcmp(kind, "general") == 0) general(batches);
    else if (strcmp(kind, "heap") == 0) heaps(batches);
    else return 2;
    return 0;
}
