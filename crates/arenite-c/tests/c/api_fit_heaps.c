// Fit heaps: what they do with each fit, in a buffer or in memory that grows, and what they refuse.
#include <arenite.h>

#include <pthread.h>

#include "../check.h"

static arenite_tag tag;

typedef struct {
    size_t used, unused, blocks, pieces, after;
    arenite_fit_heap *heap;
} sums;

static void add_up(void *user, const arenite_fit_block *block) {
    sums *sum = user;
    arenite_fit_stats stats;
    CHECK((size_t)block->address > sum->after);
    sum->after = (size_t)block->address;
    sum->pieces++;
    if (block->used) sum->blocks++, sum->used += block->size;
    else sum->unused += block->size;
    // It is being looked at.
    NONE(arenite_fit_heap_alloc(sum->heap, 1), ARENITE_BUSY);
    CODE(arenite_fit_heap_free(sum->heap, block->address), ARENITE_BUSY);
    CODE(arenite_fit_heap_figures(sum->heap, &stats), ARENITE_BUSY);
    CODE(arenite_fit_heap_destroy(sum->heap), ARENITE_BUSY);
    CHECK(strstr(arenite_last_message(), "in the middle") != NULL);
}

static _Alignas(16) unsigned char buffer[1 << 18];

// One heap of each kind: the same calls.
static void heap(arenite_fit_heap_options options) {
    arenite_fit_heap *heap;
    arenite_fit_stats stats;
    arenite_fit_calls calls;
    unsigned char *blocks[64], *one;
    size_t head = options.apart ? 0 : 8, offset = 77;
    OK(arenite_fit_heap_create(&options, &heap));
    for (int at = 0; at < 64; at++) {
        size_t align = (size_t)1 << (at % 10);
        CHECK((blocks[at] = at % 2 ? arenite_fit_heap_alloc_aligned(heap, 1000, align) : arenite_fit_heap_alloc(heap, 1000)) != NULL);
        CHECK(ALIGNED(blocks[at], at % 2 && align > 16 ? align : 16));
        memset(blocks[at], at + 1, 1000);
        CHECK(arenite_fit_heap_usable_size(heap, blocks[at]) >= 1000 && arenite_fit_heap_owns(heap, blocks[at]));
        CHECK(options.buffer == NULL || (blocks[at] >= buffer && blocks[at] + 1000 <= buffer + sizeof buffer));
    }
    for (int at = 0; at < 64; at++)
        for (int byte = 0; byte < 1000; byte++) CHECK(blocks[at][byte] == at + 1);
    for (int at = 0; at < 64; at += 2) OK(arenite_fit_heap_free(heap, blocks[at]));

    // What is no block.
    CODE(arenite_fit_heap_free(heap, blocks[0]), ARENITE_DOUBLE_FREE);
    CODE(arenite_fit_heap_free(heap, blocks[1] + 16), ARENITE_MISALIGNED);
    CODE(arenite_fit_heap_free(heap, blocks[1] + 1), ARENITE_MISALIGNED);
    CODE(arenite_fit_heap_free(heap, &heap), ARENITE_FOREIGN);
    CODE(arenite_fit_heap_free(heap, (void *)(uintptr_t)16), ARENITE_FOREIGN);
    CODE(arenite_fit_heap_free(heap, (void *)(UINTPTR_MAX - 15)), ARENITE_FOREIGN);
    OK(arenite_fit_heap_free(heap, NULL));
    CODE(arenite_fit_heap_resize(heap, blocks[0], 10), ARENITE_DOUBLE_FREE);
    CODE(arenite_fit_heap_resize(heap, NULL, 10), ARENITE_FOREIGN);
    NONE(arenite_fit_heap_realloc(heap, blocks[0], 10, 0), ARENITE_DOUBLE_FREE);
    NONE(arenite_fit_heap_realloc(heap, &heap, 10, 0), ARENITE_FOREIGN);
    CHECK(arenite_fit_heap_usable_size(heap, blocks[0]) == 0 && arenite_last_error() == ARENITE_DOUBLE_FREE);
    CHECK(arenite_fit_heap_usable_size(heap, NULL) == 0 && arenite_last_error() == ARENITE_FOREIGN);
    CHECK(!arenite_fit_heap_owns(heap, &heap) && !arenite_fit_heap_owns(heap, NULL));
    NONE(arenite_fit_heap_alloc(heap, SIZE_MAX), ARENITE_TOO_LARGE);
    NONE(arenite_fit_heap_alloc(heap, SIZE_MAX / 2), ARENITE_TOO_LARGE);
    NONE(arenite_fit_heap_alloc_aligned(heap, 1, 3), ARENITE_INVALID_ARGUMENT);
    NONE(arenite_fit_heap_alloc_aligned(heap, 1, (size_t)2 << 20), ARENITE_INVALID_ARGUMENT);
    NONE(arenite_fit_heap_alloc_zeroed(heap, SIZE_MAX / 2, 3), ARENITE_TOO_LARGE);
    NONE(arenite_fit_heap_alloc(heap, (size_t)1 << 32), ARENITE_OUT_OF_ROOM);

    // Where they are.
    OK(arenite_fit_heap_offset_of(heap, blocks[1], &offset));
    CHECK(offset % 16 == 0 && arenite_fit_heap_block_at(heap, offset) == blocks[1]);
    CODE(arenite_fit_heap_offset_of(heap, blocks[0], &offset), ARENITE_DOUBLE_FREE);
    CODE(arenite_fit_heap_offset_of(heap, blocks[1], NULL), ARENITE_NULL_ARGUMENT);
    NONE(arenite_fit_heap_block_at(heap, offset + 16), ARENITE_MISALIGNED);
    NONE(arenite_fit_heap_block_at(heap, SIZE_MAX), ARENITE_FOREIGN);

    // Figures, and all pieces.
    OK(arenite_fit_heap_figures(heap, &stats));
    CHECK(stats.used_blocks == 32 && stats.used + stats.free == stats.capacity && stats.segments == 1 && stats.largest_free <= stats.free);
    CHECK(stats.used >= 32 * (1000 + head));
    sums sum = {.heap = heap};
    OK(arenite_fit_heap_walk(heap, add_up, &sum));
    CHECK(sum.blocks == 32 && sum.used == stats.used - 32 * head && sum.pieces == 32 + stats.free_blocks);
    CHECK(sum.unused == stats.free - stats.free_blocks * head);
    if (options.count_calls) {
        OK(arenite_fit_heap_calls(heap, &calls));
        CHECK(calls.allocs == 64 && calls.frees == 32 && calls.live_blocks == 32 && calls.failures > 0 && calls.mistakes > 0);
        CHECK(calls.live_bytes == sum.used && calls.peak_bytes >= 64000 && calls.sizes[9] == 64 && calls.sizes[32] == 1);
    } else {
        CODE(arenite_fit_heap_calls(heap, &calls), ARENITE_INVALID_ARGUMENT);
    }

    // Another size, here or there.
    CHECK((one = arenite_fit_heap_realloc(heap, NULL, 100, 64)) != NULL && ALIGNED(one, 64));
    memset(one, 0xAB, 100);
    OK(arenite_fit_heap_resize(heap, one, 10));
    CHECK((one = arenite_fit_heap_realloc(heap, one, 20000, 256)) != NULL && ALIGNED(one, 256));
    for (int byte = 0; byte < 10; byte++) CHECK(one[byte] == 0xAB);
    CODE(arenite_fit_heap_resize(heap, blocks[1], (size_t)1 << 32), ARENITE_OUT_OF_ROOM);
    NONE(arenite_fit_heap_realloc(heap, one, (size_t)1 << 33, 0), ARENITE_OUT_OF_ROOM);
    OK(arenite_fit_heap_free(heap, one));
    CHECK((one = arenite_fit_heap_alloc_zeroed(heap, 100, 50)) != NULL);
    for (int byte = 0; byte < 5000; byte++) CHECK(one[byte] == 0);
    OK(arenite_fit_heap_free(heap, one));
    CHECK((one = arenite_fit_heap_alloc(heap, 0)) != NULL);
    OK(arenite_fit_heap_free(heap, one));
    for (int at = 1; at < 64; at += 2) {
        for (int byte = 0; byte < 1000; byte++) CHECK(blocks[at][byte] == at + 1);
        OK(arenite_fit_heap_free(heap, blocks[at]));
    }
    OK(arenite_fit_heap_figures(heap, &stats));
    CHECK(stats.used_blocks == 0 && stats.free_blocks == 1 && stats.free == stats.capacity && stats.fragmentation == 0);

    if (options.buffer != NULL) {
        // Full, and torn.
        int count = 0;
        static unsigned char *all[1 << 12];
        while ((one = arenite_fit_heap_alloc(heap, 1000)) != NULL) all[count++] = one;
        CODE(arenite_last_error(), ARENITE_OUT_OF_ROOM);
        CHECK(count > 240 && strstr(arenite_last_message(), "are free") != NULL);
        for (int at = 0; at < count; at += 2) OK(arenite_fit_heap_free(heap, all[at]));
        NONE(arenite_fit_heap_alloc(heap, 2000 + 1000), ARENITE_FRAGMENTED);
        CODE(arenite_fit_heap_resize(heap, all[1], 3000), ARENITE_FRAGMENTED);
        CHECK(arenite_fit_heap_trim(heap, 0) == 0);
    } else {
        CHECK((one = arenite_fit_heap_alloc(heap, 8 << 20)) != NULL);
        memset(one, 1, 8 << 20);
        arenite_account account;
        OK(arenite_tag_account(options.tag, &account));
        CHECK(account.own_committed >= 8 << 20);
        OK(arenite_fit_heap_free(heap, one));
        CHECK(arenite_fit_heap_trim(heap, 1 << 20) > 6 << 20);
        OK(arenite_tag_account(options.tag, &account));
        CHECK(account.own_committed < 3 << 20);
    }
    CHECK(arenite_fit_heap_alloc(heap, 10) != NULL);
    OK(arenite_fit_heap_destroy(heap));
    CODE(arenite_fit_heap_destroy(heap), ARENITE_INVALID_OBJECT);
    CODE(arenite_fit_heap_free(heap, blocks[0]), ARENITE_INVALID_OBJECT);
    CODE(arenite_fit_heap_figures(heap, &stats), ARENITE_INVALID_OBJECT);
    NONE(arenite_fit_heap_alloc(heap, 10), ARENITE_INVALID_OBJECT);
    arenite_account account;
    OK(arenite_tag_account(options.tag, &account));
    CHECK(account.own_committed == 0);
}

// A heap's memory and its books, and then another heap that goes on with both.
static void saved(arenite_fit_heap_options options) {
    arenite_fit_heap *heap, *loaded;
    unsigned char *blocks[50], *start, *there;
    size_t offsets[50], size, room;
    options.apart = 1;
    OK(arenite_fit_heap_create(&options, &heap));
    for (int at = 0; at < 50; at++) {
        CHECK((blocks[at] = arenite_fit_heap_alloc(heap, 100 + (size_t)at * 37)) != NULL);
        memset(blocks[at], at + 1, 100);
        OK(arenite_fit_heap_offset_of(heap, blocks[at], &offsets[at]));
    }
    for (int at = 0; at < 50; at += 3) OK(arenite_fit_heap_free(heap, blocks[at]));
    size_t length = arenite_fit_heap_save(heap, NULL, 0);
    char *text = malloc(length + 1), few[10];
    CHECK(length > 100 && text != NULL && arenite_fit_heap_save(heap, text, length + 1) == length && strlen(text) == length);
    CHECK(arenite_fit_heap_save(heap, few, sizeof few) == length && strlen(few) == 9 && strncmp(few, text, 9) == 0);
    OK(arenite_fit_heap_memory(heap, (void **)&start, &size));
    OK(arenite_fit_heap_memory(heap, NULL, NULL));
    CHECK(start + offsets[1] == blocks[1]);
    unsigned char *image = malloc(size), *other = malloc(size + 16);
    CHECK(image != NULL && other != NULL);
    memcpy(image, start, size);
    OK(arenite_fit_heap_destroy(heap));

    if (options.buffer != NULL) options.buffer = other, options.buffer_size = size + 16;
    options.state = text;
    options.fit = ARENITE_FIT_WORST;
    OK(arenite_fit_heap_create(&options, &loaded));
    OK(arenite_fit_heap_memory(loaded, (void **)&there, &room));
    CHECK(room >= size);
    memcpy(there, image, size);
    for (int at = 0; at < 50; at++) {
        unsigned char *block = arenite_fit_heap_block_at(loaded, offsets[at]);
        CHECK((block != NULL) == (at % 3 != 0));
        if (block == NULL) continue;
        CHECK(block == there + offsets[at] && arenite_fit_heap_usable_size(loaded, block) >= 100);
        for (int byte = 0; byte < 100; byte++) CHECK(block[byte] == at + 1);
    }
    CHECK(arenite_fit_heap_alloc(loaded, 50) != NULL);
    for (int at = 0; at < 50; at++)
        if (at % 3 != 0) OK(arenite_fit_heap_free(loaded, arenite_fit_heap_block_at(loaded, offsets[at])));
    OK(arenite_fit_heap_destroy(loaded));

    // What was not saved so.
    static const char *wrong[] = {"", "{}", "[1]", "{\"granule\":16,\"end\":10,\"used\":[[9,2]]}", "{\"granule\":16,\"end\":10,\"used\":[[2,2],[3,1]]}",
                                  "{\"granule\":16,\"end\":10,\"used\":[[2,0]]}", "{\"granule\":8,\"end\":10,\"used\":[]}", "\xFF"};
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        options.state = wrong[at];
        CODE(arenite_fit_heap_create(&options, &loaded), ARENITE_INVALID_ARGUMENT);
    }
    options.state = "{\"granule\":16,\"end\":4000000000,\"used\":[]}";
    CODE(arenite_fit_heap_create(&options, &loaded), ARENITE_EXHAUSTED);
    options.state = text;
    options.apart = 0;
    CODE(arenite_fit_heap_create(&options, &loaded), ARENITE_INVALID_ARGUMENT);
    options.state = NULL;
    OK(arenite_fit_heap_create(&options, &loaded));
    CHECK(arenite_fit_heap_save(loaded, few, sizeof few) == 0 && arenite_last_error() == ARENITE_INVALID_ARGUMENT);
    OK(arenite_fit_heap_destroy(loaded));
    free(text), free(image), free(other);
}

static void wrong_options(void) {
    arenite_fit_heap *heap = NULL;
    arenite_fit_heap_options options = {.tag = tag, .fit = 17};
    CODE(arenite_fit_heap_create(&options, &heap), ARENITE_INVALID_ARGUMENT);
    options = (arenite_fit_heap_options){.tag = 255};
    CODE(arenite_fit_heap_create(&options, &heap), ARENITE_BAD_TAG);
    options = (arenite_fit_heap_options){.tag = tag, .buffer = buffer, .buffer_size = 20};
    CODE(arenite_fit_heap_create(&options, &heap), ARENITE_EXHAUSTED);
    options.buffer_size = 0;
    CODE(arenite_fit_heap_create(&options, &heap), ARENITE_EXHAUSTED);
    CODE(arenite_fit_heap_create(&options, NULL), ARENITE_NULL_ARGUMENT);
    CHECK(heap == NULL);
    // At any address, and nothing beyond it.
    for (size_t start = 1; start < 40; start++) {
        memset(buffer, 0x5A, 2000);
        options = (arenite_fit_heap_options){.tag = tag, .buffer = buffer + start, .buffer_size = 1000 + start};
        OK(arenite_fit_heap_create(&options, &heap));
        void *block;
        while ((block = arenite_fit_heap_alloc(heap, start)) != NULL) memset(block, 1, start);
        OK(arenite_fit_heap_destroy(heap));
        for (size_t at = 0; at < 2000; at++) CHECK((at >= start && at < 1000 + 2 * start) || buffer[at] == 0x5A);
    }
    OK(arenite_fit_heap_create(NULL, &heap));
    CHECK(arenite_fit_heap_alloc(heap, 100) != NULL);
    // Another kind of object is none.
    CODE(arenite_pool_destroy((arenite_pool *)heap), ARENITE_INVALID_OBJECT);
    OK(arenite_fit_heap_destroy(heap));
    arenite_ring *ring;
    OK(arenite_ring_create(100, &ring));
    CODE(arenite_fit_heap_destroy((arenite_fit_heap *)ring), ARENITE_INVALID_OBJECT);
    CODE(arenite_fit_heap_free((arenite_fit_heap *)ring, buffer), ARENITE_INVALID_OBJECT);
    NONE(arenite_fit_heap_alloc((arenite_fit_heap *)ring, 1), ARENITE_INVALID_OBJECT);
    OK(arenite_ring_destroy(ring));
    OK(arenite_fit_heap_destroy(NULL));
    NONE(arenite_fit_heap_alloc(NULL, 1), ARENITE_NULL_ARGUMENT);
    NONE(arenite_fit_heap_alloc_aligned(NULL, 1, 1), ARENITE_NULL_ARGUMENT);
    NONE(arenite_fit_heap_alloc_zeroed(NULL, 1, 1), ARENITE_NULL_ARGUMENT);
    NONE(arenite_fit_heap_realloc(NULL, buffer, 1, 1), ARENITE_NULL_ARGUMENT);
    CODE(arenite_fit_heap_free(NULL, buffer), ARENITE_NULL_ARGUMENT);
    CODE(arenite_fit_heap_walk(NULL, add_up, NULL), ARENITE_NULL_ARGUMENT);
    CHECK(arenite_fit_heap_trim(NULL, 0) == 0 && !arenite_fit_heap_owns(NULL, buffer));
}

// While a heap grows, its tag's callback runs: it may use other heaps, and this one is busy.
typedef struct {
    arenite_fit_heap *grows, *other;
    void *block, *of_other;
    int called;
} reached;

static void under_pressure(void *user, const arenite_pressure *pressure) {
    reached *reach = user;
    (void)pressure;
    reach->called++;
    NONE(arenite_fit_heap_alloc(reach->grows, 10), ARENITE_BUSY);
    CODE(arenite_fit_heap_free(reach->grows, reach->block), ARENITE_BUSY);
    NONE(arenite_fit_heap_realloc(reach->grows, reach->block, 1, 0), ARENITE_BUSY);
    CODE(arenite_fit_heap_destroy(reach->grows), ARENITE_BUSY);
    CODE(arenite_fit_heap_destroy(reach->other), ARENITE_BUSY);
    if (reach->of_other != NULL) OK(arenite_fit_heap_free(reach->other, reach->of_other));
    reach->of_other = NULL;
}

static void pressure(int locked) {
    arenite_tag tight;
    arenite_fit_heap_options options = {.locked = locked};
    reached reach = {0};
    OK(arenite_tag_register(locked ? "fits/tight-locked" : "fits/tight", &tight));
    options.tag = tag;
    OK(arenite_fit_heap_create(&options, &reach.other));
    options.tag = tight;
    OK(arenite_fit_heap_create(&options, &reach.grows));
    reach.block = arenite_fit_heap_alloc(reach.grows, 100);
    reach.of_other = arenite_fit_heap_alloc(reach.other, 100);
    CHECK(reach.block != NULL && reach.of_other != NULL);
    OK(arenite_on_pressure(tight, under_pressure, &reach));
    OK(arenite_budget_set_hard(tight, 4 << 20, 0.5));
    void *large = arenite_fit_heap_alloc(reach.grows, 3 << 20);
    CHECK(large != NULL && reach.called > 0 && reach.of_other == NULL);
    NONE(arenite_fit_heap_alloc(reach.grows, 3 << 20), ARENITE_OVER_BUDGET);
    // It is as it was.
    OK(arenite_fit_heap_free(reach.grows, reach.block));
    OK(arenite_fit_heap_free(reach.grows, large));
    OK(arenite_fit_heap_destroy(reach.grows));
    OK(arenite_fit_heap_destroy(reach.other));
}

static void *elsewhere(void *user) {
    arenite_fit_stats stats;
    CODE(arenite_fit_heap_figures(user, &stats), ARENITE_WRONG_THREAD);
    NONE(arenite_fit_heap_alloc_aligned(user, 1, 64), ARENITE_WRONG_THREAD);
    CODE(arenite_fit_heap_destroy(user), ARENITE_WRONG_THREAD);
    return NULL;
}

static void *churn(void *user) {
    uint64_t state = (uintptr_t)&state;
    unsigned char *blocks[64] = {0};
    for (int step = 0; step < 20000; step++) {
        uint32_t at = check_random(&state) % 64;
        if (blocks[at] != NULL) {
            CHECK(blocks[at][0] == at && blocks[at][9] == at);
            OK(arenite_fit_heap_free(user, blocks[at]));
            blocks[at] = NULL;
        } else {
            size_t size = 10 + check_random(&state) % 500;
            CHECK((blocks[at] = arenite_fit_heap_alloc(user, size)) != NULL);
            memset(blocks[at], (int)at, size);
        }
    }
    for (int at = 0; at < 64; at++) OK(arenite_fit_heap_free(user, blocks[at]));
    return NULL;
}

static void threads(void) {
    arenite_fit_heap *heap;
    pthread_t many[4];
    OK(arenite_fit_heap_create(&(arenite_fit_heap_options){.tag = tag}, &heap));
    CHECK(pthread_create(&many[0], NULL, elsewhere, heap) == 0 && pthread_join(many[0], NULL) == 0);
    OK(arenite_fit_heap_destroy(heap));
    for (int apart = 0; apart < 2; apart++) {
        arenite_fit_heap_options options = {.tag = tag, .locked = 1, .apart = apart, .count_calls = 1};
        arenite_fit_calls calls;
        OK(arenite_fit_heap_create(&options, &heap));
        for (int at = 0; at < 4; at++) CHECK(pthread_create(&many[at], NULL, churn, heap) == 0);
        for (int at = 0; at < 4; at++) CHECK(pthread_join(many[at], NULL) == 0);
        OK(arenite_fit_heap_calls(heap, &calls));
        CHECK(calls.live_blocks == 0 && calls.live_bytes == 0 && calls.allocs == calls.frees && calls.allocs > 20000 && calls.mistakes == 0);
        OK(arenite_fit_heap_destroy(heap));
    }
}

int main(void) {
    OK(arenite_tag_register("fits", &tag));
    for (int kind = 0; kind < 16; kind++)
        for (arenite_fit fit = ARENITE_FIT_TLSF; fit <= ARENITE_FIT_WORST; fit++) {
            arenite_fit_heap_options options = {.tag = tag, .fit = fit, .apart = kind & 1, .locked = kind >> 1 & 1, .count_calls = kind >> 2 & 1};
            if (kind & 8) options.buffer = buffer, options.buffer_size = sizeof buffer;
            heap(options);
        }
    for (int kind = 0; kind < 8; kind++) {
        arenite_fit_heap_options options = {.tag = tag, .locked = kind & 1, .count_calls = kind >> 1 & 1};
        if (kind & 4) options.buffer = buffer, options.buffer_size = sizeof buffer;
        saved(options);
    }
    wrong_options();
    pressure(0);
    pressure(1);
    threads();
    return 0;
}
