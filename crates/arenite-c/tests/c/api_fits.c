// Ranges, heaps that defragment themselves, blocks that the program moves, and the upload ring: what they do, and what they refuse.
#include <arenite.h>

#include <pthread.h>

#include "../check.h"

static arenite_tag tag;

// What a map says, added up; and that the object can be looked at meanwhile, and not changed.
typedef struct {
    uint64_t used, free, aside, pinned, moving, target, blocks, end;
    arenite_offsets *offsets;
    arenite_defrag *heap;
    arenite_space *space;
} sums;

static void add_up(void *user, const arenite_piece *piece) {
    sums *sum = user;
    CHECK(piece->size > 0 && piece->offset >= sum->end && piece->asked <= piece->size);
    sum->end = piece->offset + piece->size;
    switch (piece->state) {
    case ARENITE_PIECE_FREE: sum->free += piece->size; break;
    case ARENITE_PIECE_ASIDE: sum->aside += piece->size; break;
    case ARENITE_PIECE_PINNED: sum->pinned += piece->size; // fallthrough
    case ARENITE_PIECE_USED: sum->used += piece->size; break;
    case ARENITE_PIECE_MOVING: sum->moving += piece->size; break;
    default: CHECK(piece->state == ARENITE_PIECE_TARGET); sum->target += piece->size;
    }
    if (piece->state == ARENITE_PIECE_USED) {
        CHECK(piece->name != 0);
        sum->blocks++;
    }
    arenite_fit_stats stats;
    if (sum->offsets != NULL) {
        arenite_offset_block block;
        OK(arenite_offsets_figures(sum->offsets, &stats));
        CODE(arenite_offsets_allocate(sum->offsets, 1, 1, &block), ARENITE_BUSY);
        CODE(arenite_offsets_destroy(sum->offsets), ARENITE_BUSY);
        if (piece->state == ARENITE_PIECE_USED) {
            OK(arenite_offsets_get(sum->offsets, piece->name, &block));
            CHECK(block.offset == piece->offset && block.id == piece->name);
            CODE(arenite_offsets_free(sum->offsets, piece->name), ARENITE_BUSY);
        }
    }
    if (sum->heap != NULL) {
        OK(arenite_defrag_figures(sum->heap, &stats));
        CODE(arenite_defrag_run_fully(sum->heap, NULL), ARENITE_BUSY);
        CODE(arenite_defrag_destroy(sum->heap), ARENITE_BUSY);
    }
    if (sum->space != NULL) {
        OK(arenite_space_figures(sum->space, &stats));
        CODE(arenite_space_destroy(sum->space), ARENITE_BUSY);
    }
}

static void offsets(arenite_fit fit) {
    arenite_offsets *range, *other;
    arenite_fit_stats stats;
    arenite_offset_block blocks[64], one, same;
    arenite_offsets_options options = {.tag = tag, .fit = fit, .granularity = 256, .capacity = 1 << 20};
    OK(arenite_offsets_create(&options, &range));
    OK(arenite_offsets_create(&options, &other));
    for (int at = 0; at < 64; at++) {
        OK(arenite_offsets_allocate(range, 16 << 10, 256, &blocks[at]));
        CHECK(blocks[at].offset % 256 == 0 && blocks[at].size == 16 << 10 && blocks[at].id != 0);
        for (int before = 0; before < at; before++)
            CHECK(blocks[at].offset + blocks[at].size <= blocks[before].offset || blocks[before].offset + blocks[before].size <= blocks[at].offset);
    }
    CODE(arenite_offsets_allocate(range, 1, 0, &one), ARENITE_OUT_OF_ROOM);
    CHECK(strstr(arenite_last_message(), "are free") != NULL);
    for (int at = 0; at < 64; at += 2) OK(arenite_offsets_free(range, blocks[at].id));
    CODE(arenite_offsets_free(range, blocks[0].id), ARENITE_STALE);
    CODE(arenite_offsets_get(range, blocks[0].id, &one), ARENITE_STALE);
    CODE(arenite_offsets_grow(range, blocks[0].id, 1, &one), ARENITE_STALE);
    CODE(arenite_offsets_shrink(range, blocks[0].id, 1, &one), ARENITE_STALE);
    CODE(arenite_offsets_free(range, 0), ARENITE_STALE);
    CODE(arenite_offsets_free(range, UINT64_MAX), ARENITE_STALE);
    // Another one's blocks, which have the same places in its books.
    for (int at = 0; at < 64; at++) {
        OK(arenite_offsets_allocate(other, 16 << 10, 0, &same));
        CODE(arenite_offsets_free(range, same.id), ARENITE_STALE);
        CODE(arenite_offsets_free(other, blocks[at].id), ARENITE_STALE);
    }
    CODE(arenite_offsets_allocate(range, 32 << 10, 1, &one), ARENITE_FRAGMENTED);
    OK(arenite_offsets_figures(range, &stats));
    CHECK(stats.capacity == 1 << 20 && stats.used == 512 << 10 && stats.free == 512 << 10 && stats.free_blocks == 32);
    CHECK(stats.largest_free == 16 << 10 && stats.fragmentation > 0.96 && stats.used_blocks == 32 && stats.segments == 1 && stats.bookkeeping > 0);
    sums sum = {.offsets = range};
    OK(arenite_offsets_walk(range, add_up, &sum));
    CHECK(sum.used == 512 << 10 && sum.free == 512 << 10 && sum.blocks == 32 && sum.end == 1 << 20);

    // In place.
    OK(arenite_offsets_grow(range, blocks[1].id, 20 << 10, &one));
    CHECK(one.id == blocks[1].id && one.offset == blocks[1].offset && one.size == 20 << 10);
    CODE(arenite_offsets_grow(range, blocks[1].id, 64 << 10, NULL), ARENITE_FRAGMENTED);
    CODE(arenite_offsets_grow(range, blocks[1].id, 4 << 20, NULL), ARENITE_OUT_OF_ROOM);
    OK(arenite_offsets_shrink(range, blocks[1].id, 300, &one));
    CHECK(one.size == 512);
    OK(arenite_offsets_shrink(range, blocks[1].id, 1 << 20, NULL));
    OK(arenite_offsets_get(range, blocks[1].id, &one));
    CHECK(one.size == 512);

    // Segments.
    arenite_segment more, first;
    uint64_t offset, size;
    OK(arenite_offsets_append(range, 1 << 20, &more));
    OK(arenite_offsets_segment(range, 0, &first, NULL, NULL));
    OK(arenite_offsets_segment(range, 1, &same.id, &offset, &size));
    CHECK(same.id == more && first != more && offset == 1 << 20 && size == 1 << 20);
    CODE(arenite_offsets_segment(range, 2, NULL, NULL, NULL), ARENITE_STALE);
    OK(arenite_offsets_allocate(range, 512 << 10, 1, &one));
    CHECK(one.offset >= 1 << 20);
    OK(arenite_offsets_drain(range, more, 1));
    CODE(arenite_offsets_allocate(range, 512 << 10, 1, &same), ARENITE_FRAGMENTED);
    OK(arenite_offsets_figures(range, &stats));
    CHECK(stats.aside == 512 << 10);
    CODE(arenite_offsets_remove(range, more), ARENITE_STILL_LIVE);
    OK(arenite_offsets_free(range, one.id));
    OK(arenite_offsets_remove(range, more));
    CODE(arenite_offsets_remove(range, more), ARENITE_STALE);
    CODE(arenite_offsets_drain(range, more, 1), ARENITE_STALE);
    CODE(arenite_offsets_drain(other, first, 1), ARENITE_STALE);
    CODE(arenite_offsets_drain(range, 0, 1), ARENITE_STALE);
    CODE(arenite_offsets_append(range, 255, &more), ARENITE_TOO_LARGE);
    CODE(arenite_offsets_append(range, UINT64_MAX, &more), ARENITE_TOO_LARGE);
    for (int at = 1; at < 64; at += 2) OK(arenite_offsets_free(range, blocks[at].id));
    OK(arenite_offsets_figures(range, &stats));
    CHECK(stats.free_blocks == 1 && stats.largest_free == 1 << 20 && stats.used == 0 && stats.fragmentation == 0);

    CODE(arenite_offsets_allocate(range, 1, 3, &one), ARENITE_INVALID_ARGUMENT);
    CODE(arenite_offsets_allocate(range, 1, UINT64_C(1) << 63, &one), ARENITE_TOO_LARGE);
    CODE(arenite_offsets_allocate(range, UINT64_MAX, 1, &one), ARENITE_OUT_OF_ROOM);
    CODE(arenite_offsets_allocate(range, 1, 1, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_offsets_allocate(NULL, 1, 1, &one), ARENITE_NULL_ARGUMENT);
    CODE(arenite_offsets_walk(range, NULL, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_offsets_figures(range, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_offsets_get((arenite_offsets *)(void *)&one, 1, &same), ARENITE_INVALID_OBJECT);
    CODE(arenite_space_free((arenite_space *)(void *)range, 1), ARENITE_INVALID_OBJECT);
    OK(arenite_offsets_destroy(range));
    OK(arenite_offsets_destroy(other));
    OK(arenite_offsets_destroy(NULL));
    CODE(arenite_offsets_destroy(range), ARENITE_INVALID_OBJECT);
    CODE(arenite_offsets_free(range, blocks[1].id), ARENITE_INVALID_OBJECT);
}

static void offset_options(void) {
    arenite_offsets *range;
    arenite_offset_block block;
    arenite_segment segment;
    // Without options there is no segment.
    OK(arenite_offsets_create(NULL, &range));
    CODE(arenite_offsets_allocate(range, 1, 1, &block), ARENITE_OUT_OF_ROOM);
    OK(arenite_offsets_append(range, 64, &segment));
    OK(arenite_offsets_allocate(range, 1, 1, &block));
    CHECK(block.size == 16);
    OK(arenite_offsets_destroy(range));
    // Numbers, and as many bytes as there are.
    arenite_offsets_options options = {.tag = tag, .granularity = 1, .capacity = 10};
    OK(arenite_offsets_create(&options, &range));
    OK(arenite_offsets_allocate(range, 3, 0, &block));
    CHECK(block.size == 3 && block.offset == 0);
    OK(arenite_offsets_destroy(range));
    options.granularity = UINT64_C(1) << 32;
    options.capacity = UINT64_MAX;
    OK(arenite_offsets_create(&options, &range));
    OK(arenite_offsets_allocate(range, UINT64_MAX / 2, 0, &block));
    OK(arenite_offsets_destroy(range));
    options.granularity = 1;
    CODE(arenite_offsets_create(&options, &range), ARENITE_TOO_LARGE);
    options.granularity = 24;
    CODE(arenite_offsets_create(&options, &range), ARENITE_INVALID_ARGUMENT);
    options.granularity = UINT64_C(1) << 33;
    CODE(arenite_offsets_create(&options, &range), ARENITE_INVALID_ARGUMENT);
    options = (arenite_offsets_options){.fit = 5};
    CODE(arenite_offsets_create(&options, &range), ARENITE_INVALID_ARGUMENT);
    options = (arenite_offsets_options){.blocks = SIZE_MAX};
    CODE(arenite_offsets_create(&options, &range), ARENITE_INVALID_ARGUMENT);
    options = (arenite_offsets_options){.tag = 100000};
    CODE(arenite_offsets_create(&options, &range), ARENITE_BAD_TAG);
    CODE(arenite_offsets_create(NULL, NULL), ARENITE_NULL_ARGUMENT);
}

static void *use_elsewhere(void *heap) {
    arenite_defrag_handle handle;
    NONE(arenite_defrag_alloc(heap, 16, 0, &handle), ARENITE_WRONG_THREAD);
    CODE(arenite_defrag_destroy(heap), ARENITE_WRONG_THREAD);
    return NULL;
}

static void *unpin_elsewhere(void *pin) {
    OK(arenite_defrag_unpin(pin));
    return NULL;
}

static void on_thread(void *(*work)(void *), void *with) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, with) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

enum { SOUNDS = 200 };

static size_t length(int sound) { return 100 + (size_t)sound * 37; }

static void defrag(void) {
    arenite_defrag *heap, *other;
    arenite_defrag_handle sounds[SOUNDS], none = {0, 0}, same;
    arenite_fit_stats before, after;
    arenite_move_report report;
    arenite_defrag_options options = {.tag = tag, .reserve = 64 << 20, .keep = 4096};
    OK(arenite_defrag_create(&options, &heap));
    OK(arenite_defrag_create(NULL, &other));
    for (int at = 0; at < SOUNDS; at++) {
        size_t align = at % 10 == 0 ? 4096 : 0;
        unsigned char *bytes = arenite_defrag_alloc(heap, length(at), align, &sounds[at]);
        CHECK(bytes != NULL && ALIGNED(bytes, align ? align : 16));
        for (size_t byte = 0; byte < length(at); byte++) CHECK(bytes[byte] == 0);
        memset(bytes, at + 1, length(at));
    }
    CHECK(arenite_defrag_alloc(other, 100, 0, &same) != NULL);
    NONE(arenite_defrag_get(heap, same, NULL), ARENITE_FOREIGN);
    CODE(arenite_defrag_free(heap, same), ARENITE_FOREIGN);
    NONE(arenite_defrag_pin(other, sounds[3], NULL), ARENITE_FOREIGN);
    CODE(arenite_defrag_resize(other, sounds[3], 10), ARENITE_FOREIGN);

    void *address, *again;
    arenite_block_pin *playing = arenite_defrag_pin(heap, sounds[101], &address), *second = arenite_defrag_pin(heap, sounds[101], &again);
    CHECK(playing != NULL && second != NULL && address == again && address == arenite_defrag_get(heap, sounds[101], NULL));
    CODE(arenite_defrag_free(heap, sounds[101]), ARENITE_BUSY);
    CODE(arenite_defrag_resize(heap, sounds[101], 1), ARENITE_BUSY);
    for (int at = 0; at < SOUNDS; at += 2) OK(arenite_defrag_free(heap, sounds[at]));
    CODE(arenite_defrag_free(heap, sounds[0]), ARENITE_STALE);
    CODE(arenite_defrag_resize(heap, sounds[0], 1), ARENITE_STALE);
    NONE(arenite_defrag_get(heap, sounds[0], NULL), ARENITE_STALE);
    NONE(arenite_defrag_pin(heap, sounds[0], NULL), ARENITE_STALE);
    NONE(arenite_defrag_get(heap, none, NULL), ARENITE_STALE);
    OK(arenite_defrag_figures(heap, &before));
    CHECK(before.free_blocks > 50 && before.used_blocks == 100);
    sums sum = {.heap = heap};
    OK(arenite_defrag_map(heap, add_up, &sum));
    CHECK(sum.used == before.used && sum.free == before.free && sum.pinned >= length(101) && sum.blocks == 99);

    // No budget, nothing moves. Then a little at a time, never more than was said.
    OK(arenite_defrag_run(heap, 0, UINT64_MAX, &report));
    CHECK(report.moved_bytes == 0 && report.too_large > 0);
    int calls = 0;
    do {
        OK(arenite_defrag_run(heap, 16 << 10, UINT64_MAX, &report));
        CHECK(report.moved_bytes <= 16 << 10 && ++calls < 1000);
    } while (!report.done);
    CHECK(calls > 5);
    OK(arenite_defrag_run(heap, UINT64_MAX, 50, NULL));
    OK(arenite_defrag_figures(heap, &after));
    CHECK(after.free_blocks < before.free_blocks && after.used == before.used);
    CHECK(arenite_defrag_get(heap, sounds[101], NULL) == address);
    OK(arenite_defrag_unpin(second));
    CODE(arenite_defrag_unpin(second), ARENITE_INVALID_OBJECT);
    OK(arenite_defrag_run_fully(heap, NULL));
    CHECK(arenite_defrag_get(heap, sounds[101], NULL) == address);
    on_thread(unpin_elsewhere, playing);
    OK(arenite_defrag_run_fully(heap, &report));
    CHECK(report.done && report.moved_blocks > 0 && arenite_defrag_get(heap, sounds[101], NULL) != address);
    OK(arenite_defrag_figures(heap, &after));
    CHECK(after.free_blocks <= 1 && after.capacity < before.capacity);

    // Handles outlive moves and resizes.
    OK(arenite_defrag_resize(heap, sounds[5], 100000));
    OK(arenite_defrag_resize(heap, sounds[7], 10));
    for (int at = 1; at < SOUNDS; at += 2) {
        size_t size, old = length(at);
        unsigned char *bytes = arenite_defrag_get(heap, sounds[at], &size);
        CHECK(bytes != NULL && size == (at == 5 ? 100000 : at == 7 ? 10 : old));
        for (size_t byte = 0; byte < size; byte++) CHECK(bytes[byte] == (byte < old ? (unsigned char)(at + 1) : 0));
    }
    CODE(arenite_defrag_resize(heap, sounds[7], SIZE_MAX), ARENITE_TOO_LARGE);
    CODE(arenite_defrag_resize(heap, sounds[7], 100 << 20), ARENITE_OUT_OF_ROOM);
    CHECK(arenite_defrag_alloc(heap, 0, 0, &same) != NULL);
    OK(arenite_defrag_free(heap, same));
    on_thread(use_elsewhere, heap);

    NONE(arenite_defrag_alloc(heap, 100 << 20, 0, &same), ARENITE_OUT_OF_ROOM);
    NONE(arenite_defrag_alloc(heap, SIZE_MAX, 0, &same), ARENITE_TOO_LARGE);
    NONE(arenite_defrag_alloc(heap, 8, 7, &same), ARENITE_INVALID_ARGUMENT);
    NONE(arenite_defrag_alloc(heap, 8, 0, NULL), ARENITE_NULL_ARGUMENT);
    NONE(arenite_defrag_alloc(NULL, 8, 0, &same), ARENITE_NULL_ARGUMENT);
    NONE(arenite_defrag_get(NULL, same, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_defrag_map(heap, NULL, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_defrag_run(NULL, 1, 1, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_defrag_unpin((arenite_block_pin *)(void *)heap), ARENITE_INVALID_OBJECT);
    OK(arenite_defrag_unpin(NULL));

    // A pin outlives its heap.
    arenite_block_pin *last = arenite_defrag_pin(heap, sounds[9], &address);
    OK(arenite_defrag_destroy(heap));
    CODE(arenite_defrag_destroy(heap), ARENITE_INVALID_OBJECT);
    NONE(arenite_defrag_get(heap, sounds[9], NULL), ARENITE_INVALID_OBJECT);
    for (size_t byte = 0; byte < length(9); byte++) CHECK(((unsigned char *)address)[byte] == 10);
    OK(arenite_defrag_unpin(last));
    OK(arenite_defrag_destroy(other));
    OK(arenite_defrag_destroy(NULL));
    arenite_account account;
    OK(arenite_tag_account(tag, &account));
    CHECK(account.committed == 0 && account.reserved == 0);

    options.policy = 3;
    CODE(arenite_defrag_create(&options, &heap), ARENITE_INVALID_ARGUMENT);
    options = (arenite_defrag_options){.blocks = SIZE_MAX};
    CODE(arenite_defrag_create(&options, &heap), ARENITE_INVALID_ARGUMENT);
    options = (arenite_defrag_options){.tag = 100000};
    CODE(arenite_defrag_create(&options, &heap), ARENITE_BAD_TAG);
    options = (arenite_defrag_options){.tag = tag, .reserve = SIZE_MAX};
    CHECK(arenite_defrag_create(&options, &heap) != ARENITE_OK);
    CODE(arenite_defrag_create(NULL, NULL), ARENITE_NULL_ARGUMENT);
}

// No more memory, every other block free: a budget makes the difference.
static void torn(void) {
    arenite_defrag *heap;
    arenite_defrag_handle all[1024], large;
    arenite_defrag_options options = {.tag = tag, .reserve = 4 << 20, .segment = 1 << 20, .policy = ARENITE_MOVES_EVACUATE_LAST};
    OK(arenite_defrag_create(&options, &heap));
    OK(arenite_defrag_destroy(heap));
    options.segment = 0;
    options.policy = ARENITE_MOVES_SLIDE;
    OK(arenite_defrag_create(&options, &heap));
    int count = 0;
    while (count < 1024 && arenite_defrag_alloc(heap, 16 << 10, 0, &all[count]) != NULL) count++;
    CODE(arenite_last_error(), ARENITE_OUT_OF_ROOM);
    for (int at = 0; at < count; at += 2) OK(arenite_defrag_free(heap, all[at]));
    NONE(arenite_defrag_alloc(heap, 1 << 20, 0, &large), ARENITE_FRAGMENTED);
    NONE(arenite_defrag_alloc_or_run(heap, 1 << 20, 0, 0, UINT64_MAX, &large), ARENITE_FRAGMENTED);
    CHECK(arenite_defrag_alloc_or_run(heap, 1 << 20, 0, UINT64_MAX, UINT64_MAX, &large) != NULL);
    NONE(arenite_defrag_alloc_or_run(heap, 4 << 20, 0, UINT64_MAX, UINT64_MAX, &large), ARENITE_OUT_OF_ROOM);
    OK(arenite_defrag_destroy(heap));
}

static arenite_space *moving;
static arenite_space_move moves[64];
static int begun;

static void note(void *user, const arenite_space_move *step) {
    CHECK(user == &begun && step->size > 0 && (step->to + step->size <= step->from || step->from + step->size <= step->to));
    arenite_space_place place;
    CODE(arenite_space_locate(moving, step->handle, &place), ARENITE_BUSY);
    CODE(arenite_space_done(moving, step->id, NULL), ARENITE_BUSY);
    CODE(arenite_space_destroy(moving), ARENITE_BUSY);
    moves[begun++] = *step;
}

static void spaces(void) {
    arenite_space *space, *other;
    arenite_space_handle blocks[16], same;
    arenite_space_place place;
    arenite_fit_stats stats;
    arenite_move_report report;
    arenite_move_end ended;
    arenite_space_options options = {.tag = tag, .granularity = 256, .capacity = 1 << 20};
    OK(arenite_space_create(&options, &space));
    OK(arenite_space_create(&options, &other));
    moving = space;
    for (int at = 0; at < 16; at++) {
        OK(arenite_space_allocate(space, 60000, 256, &blocks[at]));
        OK(arenite_space_allocate(other, 60000, 256, &same));
        CODE(arenite_space_free(space, same), ARENITE_STALE);
        CODE(arenite_space_locate(other, blocks[at], &place), ARENITE_STALE);
    }
    CODE(arenite_space_allocate(space, 100000, 256, &same), ARENITE_OUT_OF_ROOM);
    for (int at = 0; at < 16; at += 2) OK(arenite_space_free(space, blocks[at]));
    CODE(arenite_space_allocate(space, 200000, 256, &same), ARENITE_FRAGMENTED);
    CODE(arenite_space_free(space, blocks[0]), ARENITE_STALE);
    CODE(arenite_space_pin(space, blocks[0]), ARENITE_STALE);
    CODE(arenite_space_unpin(space, blocks[0]), ARENITE_STALE);
    CODE(arenite_space_unpin(space, blocks[1]), ARENITE_INVALID_ARGUMENT);
    CODE(arenite_space_resize(space, blocks[0], 1), ARENITE_STALE);

    // Nothing fits a byte; then all that is told is told once, and pinning, freeing and resizing meanwhile is fine.
    OK(arenite_space_begin_moves(space, 1, note, &begun, &report));
    CHECK(begun == 0 && report.moved_blocks == 0 && report.too_large > 0);
    OK(arenite_space_begin_moves(space, 250000, note, &begun, &report));
    CHECK(begun == 4 && report.moved_blocks == 4 && report.moved_bytes == 240000 && arenite_space_moving(space) == 4);
    sums sum = {.space = space};
    OK(arenite_space_map(space, add_up, &sum));
    CHECK(sum.moving > 0 && sum.moving == sum.target);
    OK(arenite_space_locate(space, moves[0].handle, &place));
    CHECK(place.offset == moves[0].from && place.size == 60000);
    OK(arenite_space_done(space, moves[0].id, &ended));
    CHECK(ended == ARENITE_MOVE_MOVED);
    OK(arenite_space_locate(space, moves[0].handle, &place));
    CHECK(place.offset == moves[0].to);
    CODE(arenite_space_done(space, moves[0].id, NULL), ARENITE_STALE);
    CODE(arenite_space_done(other, moves[1].id, NULL), ARENITE_STALE);
    OK(arenite_space_pin(space, moves[1].handle));
    OK(arenite_space_done(space, moves[1].id, &ended));
    CHECK(ended == ARENITE_MOVE_CANCELLED);
    OK(arenite_space_unpin(space, moves[1].handle));
    OK(arenite_space_free(space, moves[2].handle));
    OK(arenite_space_done(space, moves[2].id, &ended));
    CHECK(ended == ARENITE_MOVE_FREED);
    CODE(arenite_space_locate(space, moves[2].handle, &place), ARENITE_STALE);
    OK(arenite_space_cancel(space, moves[3].id, &ended));
    CHECK(ended == ARENITE_MOVE_CANCELLED && arenite_space_moving(space) == 0);
    CODE(arenite_space_cancel(space, moves[3].id, NULL), ARENITE_STALE);
    CODE(arenite_space_cancel(space, (arenite_move_id){UINT64_MAX, UINT64_MAX}, NULL), ARENITE_STALE);
    CODE(arenite_space_cancel(space, (arenite_move_id){0, 0}, NULL), ARENITE_STALE);
    // The device is lost.
    begun = 0;
    OK(arenite_space_begin_moves(space, 1 << 20, note, &begun, NULL));
    CHECK(begun > 0 && arenite_space_cancel_all(space) == (size_t)begun && arenite_space_moving(space) == 0);
    CODE(arenite_space_done(space, moves[0].id, NULL), ARENITE_STALE);
    // To the end.
    for (int round = 0; round < 100; round++) {
        begun = 0;
        OK(arenite_space_begin_moves(space, 1 << 20, note, &begun, &report));
        for (int at = 0; at < begun; at++) OK(arenite_space_done(space, moves[at].id, NULL));
        if (begun == 0 && report.done) break;
    }
    OK(arenite_space_figures(space, &stats));
    CHECK(stats.free_blocks == 1 && stats.used_blocks == 7);
    OK(arenite_space_resize(space, blocks[1], 100));
    CODE(arenite_space_resize(space, blocks[1], 200000), ARENITE_FRAGMENTED);
    OK(arenite_space_locate(space, blocks[1], &place));
    CHECK(place.size == 100);

    CODE(arenite_space_begin_moves(space, 1, NULL, NULL, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_space_begin_moves(NULL, 1, note, NULL, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_space_map(space, NULL, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_space_allocate(space, 1, 3, &same), ARENITE_INVALID_ARGUMENT);
    CODE(arenite_space_allocate(space, 1, 1, NULL), ARENITE_NULL_ARGUMENT);
    CHECK(arenite_space_moving(NULL) == 0 && arenite_space_cancel_all(NULL) == 0);
    OK(arenite_space_destroy(space));
    OK(arenite_space_destroy(other));
    OK(arenite_space_destroy(NULL));
    CODE(arenite_space_destroy(space), ARENITE_INVALID_OBJECT);
    CODE(arenite_space_free(space, blocks[1]), ARENITE_INVALID_OBJECT);

    // The last segment is emptied, and goes.
    arenite_segment last, evacuated;
    options.policy = ARENITE_MOVES_EVACUATE_LAST;
    OK(arenite_space_create(&options, &space));
    moving = space;
    for (int at = 0; at < 16; at++) OK(arenite_space_allocate(space, 65536, 0, &blocks[at]));
    OK(arenite_space_append(space, 1 << 20, &last));
    OK(arenite_space_allocate(space, 65536, 0, &same));
    OK(arenite_space_evacuated(space, &evacuated));
    CHECK(evacuated == 0);
    CODE(arenite_space_remove(space, last), ARENITE_STILL_LIVE);
    for (int at = 0; at < 16; at += 2) OK(arenite_space_free(space, blocks[at]));
    for (int round = 0; round < 10 && evacuated == 0; round++) {
        begun = 0;
        OK(arenite_space_begin_moves(space, 1 << 20, note, &begun, NULL));
        for (int at = 0; at < begun; at++) OK(arenite_space_done(space, moves[at].id, NULL));
        OK(arenite_space_evacuated(space, &evacuated));
    }
    CHECK(evacuated == last);
    OK(arenite_space_remove(space, last));
    CODE(arenite_space_remove(space, last), ARENITE_STALE);
    OK(arenite_space_locate(space, same, &place));
    CHECK(place.offset < 1 << 20);
    OK(arenite_space_destroy(space));
    options.policy = 17;
    CODE(arenite_space_create(&options, &space), ARENITE_INVALID_ARGUMENT);
    CODE(arenite_space_create(NULL, NULL), ARENITE_NULL_ARGUMENT);
}

static void rings(void) {
    arenite_ring *ring;
    arenite_ring_stats stats;
    uint64_t offset, fence = 77, freed;
    OK(arenite_ring_create(1 << 20, &ring));
    OK(arenite_ring_allocate(ring, 600000, 256, &offset, NULL));
    CHECK(offset == 0);
    CODE(arenite_ring_allocate(ring, 600000, 256, &offset, &fence), ARENITE_BUSY);
    CHECK(fence == 77);
    OK(arenite_ring_submit(ring, 5));
    CODE(arenite_ring_allocate(ring, 600000, 256, &offset, &fence), ARENITE_OUT_OF_ROOM);
    CHECK(fence == 5 && strstr(arenite_last_message(), "fence 5") != NULL);
    OK(arenite_ring_allocate(ring, 1000, 4096, &offset, NULL));
    CHECK(offset % 4096 == 0 && offset >= 600000);
    CODE(arenite_ring_submit(ring, 4), ARENITE_INVALID_ARGUMENT);
    OK(arenite_ring_submit(ring, 6));
    OK(arenite_ring_figures(ring, &stats));
    CHECK(stats.capacity == 1 << 20 && stats.used >= 601000 && stats.waits && stats.oldest_fence == 5);
    OK(arenite_ring_retire(ring, 5, &freed));
    CHECK(freed == 600000);
    OK(arenite_ring_retire(ring, 6, NULL));
    OK(arenite_ring_figures(ring, &stats));
    CHECK(stats.used == 0 && !stats.waits);
    OK(arenite_ring_allocate(ring, 1 << 20, 0, &offset, NULL));
    CODE(arenite_ring_allocate(ring, (1 << 20) + 1, 0, &offset, NULL), ARENITE_TOO_LARGE);
    CODE(arenite_ring_allocate(ring, 1, 3, &offset, NULL), ARENITE_INVALID_ARGUMENT);
    CODE(arenite_ring_allocate(ring, 1, 1, NULL, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_ring_submit(NULL, 1), ARENITE_NULL_ARGUMENT);
    CODE(arenite_ring_retire(NULL, 1, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_ring_figures(ring, NULL), ARENITE_NULL_ARGUMENT);
    OK(arenite_ring_destroy(ring));
    CODE(arenite_ring_destroy(ring), ARENITE_INVALID_OBJECT);
    CODE(arenite_ring_submit(ring, 9), ARENITE_INVALID_OBJECT);
    OK(arenite_ring_destroy(NULL));
    CODE(arenite_ring_create(UINT64_MAX, &ring), ARENITE_TOO_LARGE);
    CODE(arenite_ring_create(1, NULL), ARENITE_NULL_ARGUMENT);
}

int main(void) {
    OK(arenite_tag_register("fits", &tag));
    for (arenite_fit fit = ARENITE_FIT_TLSF; fit <= ARENITE_FIT_WORST; fit++) offsets(fit);
    offset_options();
    defrag();
    torn();
    spaces();
    rings();
    return 0;
}
