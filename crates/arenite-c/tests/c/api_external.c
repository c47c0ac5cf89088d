// External heaps: blocks of chunks that this program hands out, their counts, and what is refused.
#include <arenite.h>

#include <pthread.h>
#include <stdatomic.h>

#include "../check.h"

static arenite_tag tag;

// A device: chunks are numbers.
typedef struct {
    atomic_int inside;
    uintptr_t made;
    int chunks, ended, refuses;
    uint64_t bytes;
    arenite_external *heap;
    arenite_external_block *drop;
} device;

static int32_t allocate(void *user, uint64_t size, uint64_t align, void **memory) {
    device *device = user;
    CHECK(atomic_fetch_add(&device->inside, 1) == 0 && align >= 4096);
    if (device->heap != NULL) {
        // The heap that calls is busy; letting go of a block is fine.
        arenite_external_block *block;
        arenite_external_stats stats;
        CODE(arenite_external_allocate(device->heap, 1, 1, &block), ARENITE_BUSY);
        CODE(arenite_external_figures(device->heap, &stats), ARENITE_BUSY);
        CODE(arenite_external_destroy(device->heap), ARENITE_BUSY);
        OK(arenite_external_release(device->drop));
        device->drop = NULL;
    }
    int refuses = device->refuses;
    if (refuses == 0) {
        *memory = (void *)++device->made;
        device->chunks++;
        device->bytes += size;
    }
    atomic_fetch_sub(&device->inside, 1);
    return refuses;
}

static void take_back(void *user, void *memory, uint64_t size) {
    device *device = user;
    CHECK(atomic_fetch_add(&device->inside, 1) == 0 && (uintptr_t)memory <= device->made && !device->ended);
    device->chunks--;
    device->bytes -= size;
    atomic_fetch_sub(&device->inside, 1);
}

static void end(void *user) {
    device *device = user;
    CHECK(device->chunks == 0 && device->bytes == 0);
    device->ended++;
}

static arenite_external_options over(device *device) {
    arenite_external_options options = {.tag = tag, .chunk = 1 << 20, .align = 4096, .allocate = allocate, .release = take_back, .end = end, .user = device};
    return options;
}

static void blocks(void) {
    device device = {0};
    arenite_external_options options = over(&device);
    arenite_external *heap;
    arenite_external_block *one, *two, *many[64];
    arenite_external_place place, other;
    arenite_external_stats stats;
    arenite_account account;
    OK(arenite_external_create(&options, &heap));
    CHECK(device.chunks == 0);
    OK(arenite_external_allocate(heap, 1000, 4096, &one));
    OK(arenite_external_allocate(heap, 1000, 4096, &two));
    OK(arenite_external_locate(one, &place));
    OK(arenite_external_locate(two, &other));
    CHECK(device.chunks == 1 && place.memory == other.memory && place.memory == (void *)1 && place.offset != other.offset);
    CHECK(place.size == 1024 && place.offset % 4096 == 0 && other.offset % 4096 == 0 && place.holders == 1 && !place.dedicated);
    OK(arenite_external_figures(heap, &stats));
    CHECK(stats.chunks == 1 && stats.capacity == 1 << 20 && stats.used == 2048 && stats.blocks == 2 && stats.dedicated == 0 && stats.bookkeeping > 0);
    OK(arenite_tag_account(tag, &account));
    CHECK(account.own_committed == (1 << 20) + stats.bookkeeping);

    // Counted.
    OK(arenite_external_retain(one));
    OK(arenite_external_locate(one, &place));
    CHECK(place.holders == 2);
    OK(arenite_external_release(one));
    OK(arenite_external_locate(one, &place));
    CHECK(place.holders == 1);
    OK(arenite_external_release(one));
    CODE(arenite_external_release(one), ARENITE_INVALID_OBJECT);
    CODE(arenite_external_retain(one), ARENITE_INVALID_OBJECT);
    CODE(arenite_external_locate(one, &place), ARENITE_INVALID_OBJECT);

    // A chunk of its own, because of its size or its alignment.
    OK(arenite_external_allocate(heap, 600 << 10, 1, &one));
    OK(arenite_external_locate(one, &place));
    CHECK(place.dedicated && place.offset == 0 && place.size == 600 << 10 && device.chunks == 2);
    OK(arenite_external_release(one));
    CHECK(device.chunks == 1);
    OK(arenite_external_allocate(heap, 1, 8192, &one));
    OK(arenite_external_locate(one, &place));
    CHECK(place.dedicated && place.size == 256);
    OK(arenite_external_release(one));

    // As many chunks as are needed; one is kept.
    for (int at = 0; at < 64; at++) OK(arenite_external_allocate(heap, 64 << 10, 0, &many[at]));
    CHECK(device.chunks == 5);
    for (int at = 0; at < 64; at++) OK(arenite_external_release(many[at]));
    CHECK(device.chunks == 2);
    OK(arenite_external_release(two));
    CHECK(device.chunks == 1);
    OK(arenite_external_trim(heap));
    CHECK(device.chunks == 0);

    // Refused.
    device.refuses = 7;
    CODE(arenite_external_allocate(heap, 1, 1, &one), ARENITE_CALLBACK);
    CHECK(strstr(arenite_last_message(), "7") != NULL);
    device.refuses = 0;
    OK(arenite_budget_set_hard(tag, 512 << 10, 0));
    CODE(arenite_external_allocate(heap, 1, 1, &one), ARENITE_OVER_BUDGET);
    OK(arenite_budget_clear(tag));
    CODE(arenite_external_allocate(heap, UINT64_MAX, 1, &one), ARENITE_TOO_LARGE);
    CODE(arenite_external_allocate(heap, 1, 3, &one), ARENITE_INVALID_ARGUMENT);
    CODE(arenite_external_allocate(heap, 1, 1, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_external_allocate(NULL, 1, 1, &one), ARENITE_NULL_ARGUMENT);
    CODE(arenite_external_figures(heap, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_external_trim(NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_external_locate(NULL, &place), ARENITE_NULL_ARGUMENT);
    CODE(arenite_external_retain(NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_external_retain((arenite_external_block *)heap), ARENITE_INVALID_OBJECT);
    OK(arenite_external_release(NULL));

    // A provider that calls back.
    OK(arenite_external_allocate(heap, 100, 1, &device.drop));
    device.heap = heap;
    OK(arenite_external_allocate(heap, 1 << 20, 1, &one));
    device.heap = NULL;
    CHECK(device.drop == NULL);
    OK(arenite_external_figures(heap, &stats));
    CHECK(stats.blocks == 1 && stats.dedicated == 1);

    // A block outlives the heap, and the provider the block.
    OK(arenite_external_destroy(heap));
    CODE(arenite_external_destroy(heap), ARENITE_INVALID_OBJECT);
    CODE(arenite_external_allocate(heap, 1, 1, &two), ARENITE_INVALID_OBJECT);
    CHECK(!device.ended);
    OK(arenite_external_locate(one, &place));
    OK(arenite_external_release(one));
    CHECK(device.ended == 1 && device.chunks == 0);
    OK(arenite_tag_account(tag, &account));
    CHECK(account.own_committed == 0);
}

static void wrong_options(void) {
    device device = {0};
    arenite_external *heap = NULL;
    arenite_external_options options = over(&device);
    CODE(arenite_external_create(NULL, &heap), ARENITE_NULL_ARGUMENT);
    CODE(arenite_external_create(&options, NULL), ARENITE_NULL_ARGUMENT);
    options.allocate = NULL;
    CODE(arenite_external_create(&options, &heap), ARENITE_NULL_ARGUMENT);
    options = over(&device);
    options.granularity = 3;
    CODE(arenite_external_create(&options, &heap), ARENITE_INVALID_ARGUMENT);
    options = over(&device);
    options.align = 100;
    CODE(arenite_external_create(&options, &heap), ARENITE_INVALID_ARGUMENT);
    options = over(&device);
    options.chunk = UINT64_MAX;
    CODE(arenite_external_create(&options, &heap), ARENITE_INVALID_ARGUMENT);
    options = over(&device);
    options.tag = 255;
    CODE(arenite_external_create(&options, &heap), ARENITE_BAD_TAG);
    CHECK(heap == NULL && device.ended == 0);
    OK(arenite_external_destroy(NULL));
    // No chunk is kept; nothing else is wanted of a provider than to allocate.
    options = over(&device);
    options.spare = -1;
    arenite_external_block *block;
    OK(arenite_external_create(&options, &heap));
    OK(arenite_external_allocate(heap, 1, 1, &block));
    OK(arenite_external_release(block));
    CHECK(device.chunks == 0);
    OK(arenite_external_destroy(heap));
    CHECK(device.ended == 1);
    options.release = NULL;
    options.end = NULL;
    OK(arenite_external_create(&options, &heap));
    OK(arenite_external_allocate(heap, 1, 1, &block));
    OK(arenite_external_release(block));
    OK(arenite_external_destroy(heap));
}

typedef struct {
    arenite_external *heap;
    arenite_external_block *shared;
} worker;

static void *share(void *user) {
    worker *work = user;
    uint64_t state = (uintptr_t)&state;
    arenite_external_block *blocks[32] = {0};
    arenite_external_place place;
    for (int step = 0; step < 5000; step++) {
        uint32_t at = check_random(&state) % 32;
        if (blocks[at] != NULL) {
            OK(arenite_external_locate(blocks[at], &place));
            OK(arenite_external_release(blocks[at]));
            blocks[at] = NULL;
        } else if (step % 3 == 0) {
            OK(arenite_external_retain(blocks[at] = work->shared));
        } else {
            OK(arenite_external_allocate(work->heap, 1 + check_random(&state) % 50000, 256, &blocks[at]));
        }
    }
    for (int at = 0; at < 32; at++) OK(arenite_external_release(blocks[at]));
    OK(arenite_external_release(work->shared));
    return NULL;
}

static void threads(void) {
    device device = {0};
    arenite_external_options options = over(&device);
    worker work;
    pthread_t many[4];
    OK(arenite_external_create(&options, &work.heap));
    OK(arenite_external_allocate(work.heap, 100, 1, &work.shared));
    for (int at = 1; at < 4; at++) OK(arenite_external_retain(work.shared));
    for (int at = 0; at < 4; at++) CHECK(pthread_create(&many[at], NULL, share, &work) == 0);
    for (int at = 0; at < 4; at++) CHECK(pthread_join(many[at], NULL) == 0);
    arenite_external_stats stats;
    OK(arenite_external_figures(work.heap, &stats));
    CHECK(stats.blocks == 0 && stats.used == 0 && stats.chunks <= 1);
    CODE(arenite_external_locate(work.shared, &(arenite_external_place){0}), ARENITE_INVALID_OBJECT);
    OK(arenite_external_destroy(work.heap));
    CHECK(device.ended == 1);
}

int main(void) {
    OK(arenite_tag_register("external", &tag));
    blocks();
    wrong_options();
    threads();
    return 0;
}
