// Random programs over fit heaps of every kind. Each block is written in full with a stamp of its own, which is looked at before it goes or changes.
#include <arenite.h>

#include "../check.h"

enum { MOST = 300, STEPS = 12000, ROOM = 1 << 19 };

static uint64_t state;
static _Alignas(16) unsigned char buffer[ROOM];

static size_t below(size_t end) { return check_random(&state) % end; }

typedef struct {
    unsigned char *bytes;
    size_t size, align, offset;
    unsigned char stamp;
} block;

static size_t some_size(void) { return below(8) == 0 ? below(20000) : below(600); }

static void look(arenite_fit_heap *heap, const block *one, size_t size) {
    CHECK(ALIGNED(one->bytes, one->align) && arenite_fit_heap_usable_size(heap, one->bytes) >= one->size);
    for (size_t at = 0; at < size; at++) CHECK(one->bytes[at] == one->stamp);
}

static void stamp(arenite_fit_heap *heap, block *one) {
    one->stamp = (unsigned char)below(256);
    memset(one->bytes, one->stamp, one->size);
    OK(arenite_fit_heap_offset_of(heap, one->bytes, &one->offset));
    CHECK(arenite_fit_heap_block_at(heap, one->offset) == one->bytes);
}

typedef struct {
    size_t used, pieces;
    unsigned char *end;
} sums;

static void add_up(void *user, const arenite_fit_block *piece) {
    sums *sum = user;
    CHECK((unsigned char *)piece->address >= sum->end);
    sum->end = (unsigned char *)piece->address + piece->size;
    sum->used += piece->used != 0;
    sum->pieces++;
}

static void is_refused(arenite_error code) { CHECK(code == ARENITE_OUT_OF_ROOM || code == ARENITE_FRAGMENTED); }

static void heap(arenite_fit_heap_options options) {
    arenite_fit_heap *heap;
    static block blocks[MOST];
    unsigned char *gone = NULL;
    size_t live = 0;
    memset(blocks, 0, sizeof blocks);
    OK(arenite_fit_heap_create(&options, &heap));
    for (int step = 0; step < STEPS; step++) {
        block *one = &blocks[below(MOST)];
        if (one->bytes == NULL) {
            *one = (block){.size = some_size(), .align = (size_t)1 << below(9)};
            one->bytes = below(2) && one->align <= 16 ? arenite_fit_heap_alloc(heap, one->size) : arenite_fit_heap_alloc_aligned(heap, one->size, one->align);
            if (one->bytes == NULL) {
                is_refused(arenite_last_error());
                continue;
            }
            live++;
            if (one->bytes == gone) gone = NULL;
            stamp(heap, one);
        } else if (below(3) == 0) {
            look(heap, one, one->size);
            const size_t size = some_size(), both = size < one->size ? size : one->size;
            if (below(2)) {
                const arenite_error code = arenite_fit_heap_resize(heap, one->bytes, size);
                if (code != ARENITE_OK) is_refused(code);
                else one->size = size;
            } else {
                const size_t align = (size_t)1 << below(9);
                unsigned char *moved = arenite_fit_heap_realloc(heap, one->bytes, size, align);
                if (moved == NULL) {
                    is_refused(arenite_last_error());
                } else {
                    if (moved != one->bytes) gone = one->bytes;
                    one->bytes = moved, one->size = size, one->align = align;
                }
            }
            look(heap, one, both < one->size ? both : one->size);
            stamp(heap, one);
        } else {
            look(heap, one, one->size);
            OK(arenite_fit_heap_free(heap, one->bytes));
            gone = one->bytes;
            one->bytes = NULL;
            live--;
        }
        if (gone != NULL && below(8) == 0) {
            int other = 0;
            for (int at = 0; at < MOST; at++) other |= blocks[at].bytes == gone;
            if (!other) {
                const arenite_error code = arenite_fit_heap_free(heap, gone);
                CHECK(code == ARENITE_DOUBLE_FREE || code == ARENITE_MISALIGNED || code == ARENITE_FOREIGN);
            }
        }
        if (below(512) == 0) {
            arenite_fit_stats stats;
            sums sum = {0};
            if (options.buffer == NULL && below(2)) arenite_fit_heap_trim(heap, below(1 << 20));
            OK(arenite_fit_heap_figures(heap, &stats));
            OK(arenite_fit_heap_walk(heap, add_up, &sum));
            CHECK(sum.used == live && stats.used_blocks == live && sum.pieces == live + stats.free_blocks && stats.used + stats.free == stats.capacity);
        }
    }
    for (int at = 0; at < MOST; at++) {
        if (blocks[at].bytes == NULL) continue;
        look(heap, &blocks[at], blocks[at].size);
        OK(arenite_fit_heap_free(heap, blocks[at].bytes));
    }
    arenite_fit_stats stats;
    OK(arenite_fit_heap_figures(heap, &stats));
    CHECK(stats.used == 0 && stats.free_blocks <= 1 && stats.free == stats.capacity);
    OK(arenite_fit_heap_destroy(heap));
}

int main(int count, char **arguments) {
    state = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
    arenite_tag tag;
    OK(arenite_tag_register("fits/random", &tag));
    for (int kind = 0; kind < 8; kind++) {
        arenite_fit_heap_options options = {.tag = tag, .apart = kind & 1, .locked = kind >> 1 & 1, .fit = (arenite_fit)below(5)};
        if (kind & 4) options.buffer = buffer, options.buffer_size = ROOM;
        heap(options);
    }
    heap((arenite_fit_heap_options){.tag = tag});
    return 0;
}
