// The hot functions of arenite.h, as often as bench/src/pins/c.rs calls the same ones from Rust and in the same order: for callgrind, by
// which ci/c counts what a call costs.
#include <arenite.h>

#include <stdio.h>

enum { BATCH = 64, BATCHES = 1000, SIZE = 64 };

#define REQUIRE(what)                                  \
    do {                                               \
        if (!(what)) {                                 \
            fprintf(stderr, "failed: %s\n", #what);    \
            return 1;                                  \
        }                                              \
    } while (0)

#define BATCHES_OF(take, give)                                               \
    for (int batch = 0; batch < BATCHES; batch++) {                          \
        for (int at = 0; at < BATCH; at++) REQUIRE(blocks[at] = (take));     \
        for (int at = 0; at < BATCH; at++) REQUIRE((give) == ARENITE_OK);    \
    }

int main(void) {
    size_t room = (size_t)2 * BATCH * BATCHES * SIZE;
    arenite_frame_options options = {.presize = room};
    arenite_frame *frame;
    arenite_scratch *scratch;
    arenite_scope scope;
    arenite_pool *pool;
    arenite_heap *heap;
    arenite_fit_heap *fit_heap;
    void *blocks[BATCH];
    REQUIRE(arenite_frame_create(&options, &frame) == ARENITE_OK && arenite_frame_begin(frame) == ARENITE_OK);
    REQUIRE(arenite_scratch_create(0, room, &scratch) == ARENITE_OK);
    // Memory for all of it, at once.
    REQUIRE(arenite_scratch_alloc_zeroed(scratch, room / 2) && arenite_scratch_reset(scratch) == ARENITE_OK);
    REQUIRE(arenite_scratch_enter(scratch, &scope) == ARENITE_OK);
    for (int at = 0; at < BATCH * BATCHES; at++)
        REQUIRE(arenite_frame_alloc(frame, SIZE) && arenite_scratch_alloc(scratch, SIZE));

    REQUIRE(arenite_pool_create(0, SIZE, 16, 1000, &pool) == ARENITE_OK);
    REQUIRE(arenite_heap_create(NULL, &heap) == ARENITE_OK && arenite_fit_heap_create(NULL, &fit_heap) == ARENITE_OK);
    BATCHES_OF(arenite_pool_alloc(pool), arenite_pool_free(pool, blocks[at]))
    BATCHES_OF(arenite_alloc(SIZE), arenite_free(blocks[at]))
    BATCHES_OF(arenite_heap_alloc(heap, SIZE), arenite_heap_free(heap, blocks[at]))
    BATCHES_OF(arenite_fit_heap_alloc(fit_heap, SIZE), arenite_fit_heap_free(fit_heap, blocks[at]))
    return 0;
}
