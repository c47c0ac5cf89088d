// The process's heap and heaps of their own.
#include <arenite.h>

#include <pthread.h>

#include "../check.h"

static void *free_here(void *block) {
    OK(arenite_free(block));
    CODE(arenite_free(block), ARENITE_DOUBLE_FREE);
    return NULL;
}

static void general(void) {
    static const size_t sizes[] = {0, 1, 15, 16, 17, 100, 1000, 1025, 5000, 33000, 100000, 900000, 3 << 20, 20 << 20};
    arenite_heap_stats before, stats;
    OK(arenite_alloc_figures(ARENITE_UNTAGGED, &before));
    for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++) {
        size_t size = sizes[which];
        unsigned char *block = arenite_alloc(size);
        CHECK(block != NULL && ALIGNED(block, 16) && arenite_usable_size(block) >= size && arenite_owns(block));
        memset(block, 0x5A, size);
        CODE(arenite_free(block + 1), ARENITE_MISALIGNED);
        if (size > 32) CODE(arenite_free(block + 16), ARENITE_MISALIGNED);
        OK(arenite_free(block));
        CHECK(arenite_free(block) == ARENITE_DOUBLE_FREE || (size > 1 << 20 && arenite_last_error() == ARENITE_FOREIGN));
        CHECK(arenite_usable_size(block) == 0);
        for (size_t align = 1; align <= 1 << 20; align *= 2) {
            void *aligned = arenite_alloc_aligned(size, align);
            CHECK(aligned != NULL && ALIGNED(aligned, align) && arenite_usable_size(aligned) >= size);
            OK(arenite_free(aligned));
        }
        unsigned char *zero = arenite_alloc_zeroed(size, 1);
        for (size_t at = 0; at < size; at++) CHECK(zero[at] == 0);
        OK(arenite_free(zero));
    }
    int here = 0;
    void *other = malloc(100), *page = malloc(10 << 20);
    CODE(arenite_free(&here), ARENITE_FOREIGN);
    CODE(arenite_free(other), ARENITE_FOREIGN);
    CODE(arenite_free(page), ARENITE_FOREIGN);
    NONE(arenite_realloc(other, 10), ARENITE_FOREIGN);
    CHECK(!arenite_owns(other) && arenite_usable_size(other) == 0 && arenite_usable_size(NULL) == 0);
    // The program's own heap is its own.
    memset(other, 1, 100);
    free(other);
    free(page);
    CODE(arenite_free((void *)(size_t)16), ARENITE_FOREIGN);
    CODE(arenite_free((void *)SIZE_MAX), ARENITE_FOREIGN);
    OK(arenite_free(NULL));

    unsigned char *grown = arenite_realloc(NULL, 10);
    for (size_t size = 10; size < 5 << 20; size = size * 3 / 2) {
        grown[size - 10] = (unsigned char)size;
        unsigned char *moved = arenite_realloc(grown, size * 3 / 2);
        CHECK(moved != NULL && moved[size - 10] == (unsigned char)size);
        if (moved != grown) CHECK(arenite_free(grown) != ARENITE_OK);
        grown = moved;
    }
    grown = arenite_realloc(grown, 20);
    CHECK(grown != NULL && ALIGNED(arenite_realloc_aligned(NULL, 10, 128), 128));
    grown = arenite_realloc_aligned(grown, 30, 4096);
    CHECK(ALIGNED(grown, 4096));
    NONE(arenite_realloc(grown, SIZE_MAX / 2), ARENITE_TOO_LARGE);
    NONE(arenite_realloc(grown, SIZE_MAX / 4), ARENITE_SYSTEM);
    NONE(arenite_realloc_aligned(grown, 10, 3), ARENITE_INVALID_ARGUMENT);
    OK(arenite_free(grown));
    NONE(arenite_realloc(grown, 10), ARENITE_DOUBLE_FREE);
    NONE(arenite_alloc(SIZE_MAX), ARENITE_TOO_LARGE);
    NONE(arenite_alloc(SIZE_MAX / 4), ARENITE_SYSTEM);
    NONE(arenite_alloc_zeroed(SIZE_MAX / 2, 3), ARENITE_TOO_LARGE);
    NONE(arenite_alloc_aligned(1, 3), ARENITE_INVALID_ARGUMENT);

    pthread_t thread;
    void *block = arenite_alloc(333);
    CHECK(pthread_create(&thread, NULL, free_here, block) == 0 && pthread_join(thread, NULL) == 0);
    OK(arenite_alloc_figures(ARENITE_UNTAGGED, &stats));
    // One was left behind on purpose, above.
    CHECK(stats.live_blocks == before.live_blocks + 1 && stats.allocs > before.allocs && stats.frees > before.frees);
    CHECK(stats.live_bytes > before.live_bytes);
    CODE(arenite_alloc_figures(99999, &stats), ARENITE_BAD_TAG);
    arenite_trim();

    arenite_tag tag;
    OK(arenite_tag_register("tight", &tag));
    OK(arenite_budget_set_hard(tag, 256 << 10, 0));
    arenite_tag previous;
    OK(arenite_tag_enter(tag, &previous));
    NONE(arenite_alloc(1 << 20), ARENITE_OVER_BUDGET);
    CHECK(strstr(arenite_last_message(), "tight") != NULL);
    NONE(arenite_alloc_zeroed(1 << 20, 1), ARENITE_OVER_BUDGET);
    NONE(arenite_alloc_aligned(1 << 20, 64), ARENITE_OVER_BUDGET);
    OK(arenite_tag_enter(previous, NULL));
}

static int survivors;
static size_t survived;

static void on_survivor(void *user, const arenite_survivor *survivor) {
    CHECK(user == &survivors);
    survivors++;
    survived += survivor->size;
    CHECK(arenite_heap_usable_size(NULL, survivor->address) == 0);
}

static void *in_heap(void *heap) {
    void *blocks[100];
    for (int round = 0; round < 20; round++) {
        for (int at = 0; at < 100; at++) CHECK((blocks[at] = arenite_heap_alloc(heap, (size_t)at * 37)) != NULL);
        for (int at = 0; at < 100; at++) OK(arenite_heap_free(heap, blocks[at]));
        CODE(arenite_heap_free(heap, blocks[50]), ARENITE_DOUBLE_FREE);
    }
    return NULL;
}

static void named(int track) {
    arenite_tag tag;
    arenite_heap *heap, *other;
    OK(arenite_tag_register(track ? "level-tracked" : "level", &tag));
    arenite_heap_options options = {.tag = tag, .track_blocks = track, .purge_delay = -1};
    OK(arenite_heap_create(&options, &heap));
    OK(arenite_heap_create(NULL, &other));
    unsigned char *block = arenite_heap_alloc(heap, 100), *foreign = arenite_heap_alloc(other, 100);
    CHECK(block != NULL && ALIGNED(block, 16) && arenite_heap_owns(heap, block) && !arenite_heap_owns(heap, foreign));
    memset(block, 3, 100);
    CHECK(arenite_heap_usable_size(heap, block) >= 100 && arenite_heap_usable_size(heap, foreign) == 0);
    CODE(arenite_heap_free(heap, foreign), ARENITE_FOREIGN);
    CODE(arenite_heap_free(heap, block + 16), ARENITE_MISALIGNED);
    CODE(arenite_free(block), ARENITE_FOREIGN);
    void *system = malloc(10);
    CODE(arenite_heap_free(heap, system), ARENITE_FOREIGN);
    NONE(arenite_heap_realloc(heap, system, 10, 0), ARENITE_FOREIGN);
    free(system);
    unsigned char *moved = arenite_heap_realloc(heap, block, 10000, 0);
    CHECK(moved != NULL && moved != block && moved[99] == 3);
    CODE(arenite_heap_free(heap, block), ARENITE_DOUBLE_FREE);
    OK(arenite_heap_free(heap, moved));
    CODE(arenite_heap_free(heap, moved), ARENITE_DOUBLE_FREE);
    OK(arenite_heap_free(heap, NULL));
    void *aligned = arenite_heap_alloc_aligned(heap, 100, 4096);
    CHECK(ALIGNED(aligned, 4096));
    OK(arenite_heap_free(heap, aligned));
    unsigned char *zero = arenite_heap_alloc_zeroed(heap, 30, 30);
    for (int at = 0; at < 900; at++) CHECK(zero[at] == 0);
    NONE(arenite_heap_alloc_zeroed(heap, SIZE_MAX, 30), ARENITE_TOO_LARGE);
    NONE(arenite_heap_alloc(heap, SIZE_MAX), ARENITE_TOO_LARGE);
    NONE(arenite_heap_alloc(NULL, 1), ARENITE_NULL_ARGUMENT);
    NONE(arenite_heap_alloc_aligned(heap, 1, 9), ARENITE_INVALID_ARGUMENT);
    CODE(arenite_heap_free(NULL, zero), ARENITE_NULL_ARGUMENT);

    pthread_t threads[2];
    for (int at = 0; at < 2; at++) CHECK(pthread_create(&threads[at], NULL, in_heap, heap) == 0);
    for (int at = 0; at < 2; at++) CHECK(pthread_join(threads[at], NULL) == 0);

    arenite_heap_stats stats;
    OK(arenite_heap_figures(heap, &stats));
    CHECK(stats.live_blocks == 1 && stats.live_bytes >= 900 && stats.allocs == stats.frees + 1);
    char report[4096];
    CHECK(arenite_heap_report(heap, report, sizeof report) == strlen(report) && strstr(report, "level") != NULL);
    survivors = 0;
    survived = 0;
    CODE(arenite_heap_discard(heap, on_survivor, &survivors), ARENITE_STILL_LIVE);
    CHECK(track ? survivors == 1 && survived == 900 : survivors == 0);
    CODE(arenite_heap_discard(heap, NULL, NULL), ARENITE_STILL_LIVE);
    OK(arenite_heap_free(heap, zero));
    arenite_heap_trim(heap);
    OK(arenite_heap_discard(heap, on_survivor, &survivors));
    CODE(arenite_heap_discard(heap, NULL, NULL), ARENITE_INVALID_OBJECT);
    NONE(arenite_heap_alloc(heap, 1), ARENITE_INVALID_OBJECT);
    OK(arenite_heap_destroy(other));
    CODE(arenite_heap_destroy(other), ARENITE_INVALID_OBJECT);
    OK(arenite_heap_destroy(NULL));
    OK(arenite_heap_discard(NULL, NULL, NULL));
    arenite_account account;
    OK(arenite_tag_account(tag, &account));
    CHECK(account.committed == 0 && account.reserved == 0);
    options.limit = 8 << 20;
    OK(arenite_heap_create(&options, &heap));
    NONE(arenite_heap_alloc(heap, 20 << 20), ARENITE_EXHAUSTED);
    OK(arenite_heap_destroy(heap));
    options.limit = 1000;
    CODE(arenite_heap_create(&options, &heap), ARENITE_EXHAUSTED);
    CODE(arenite_heap_create(NULL, NULL), ARENITE_NULL_ARGUMENT);
}

int main(void) {
    general();
    named(0);
    named(1);
    return 0;
}
