// Random programs against models that know where each block may be and what it should say: offsets under each fit, a heap that defragments itself
// with pins, a space whose moves are answered late, or after their block was freed, pinned or resized, and the ring. With what a wrong program would
// do thrown in.
//
//   api_fits_random [SEED [STEPS]]
#include <arenite.h>

#include "../check.h"

static uint64_t state;

static size_t below(size_t limit) {
    const uint64_t high = check_random(&state);
    return (size_t)((high << 31 | check_random(&state)) % limit);
}

static arenite_tag tag;

// How much has moved, and how moves ended: a program in which nothing does would show nothing.
static uint64_t moved_bytes, ends[3];

// Who has each granule of a range; 0 is nobody.
enum { GRANULE = 64, GRANULES = 1 << 14, RANGE = GRANULE * GRANULES };
static int owners[GRANULES];

static void claim(uint64_t offset, uint64_t size, int from, int to) {
    CHECK(offset % GRANULE == 0 && offset + size <= RANGE);
    for (uint64_t at = offset / GRANULE; at < (offset + size + GRANULE - 1) / GRANULE; at++) {
        CHECK(owners[at] == from);
        owners[at] = to;
    }
}

// How much is free, and the longest run of it.
static void tally(uint64_t *free_, uint64_t *longest) {
    uint64_t run = 0;
    *free_ = *longest = 0;
    for (int at = 0; at < GRANULES; at++) {
        run = owners[at] == 0 ? run + GRANULE : 0;
        if (run > 0) *free_ += GRANULE;
        if (run > *longest) *longest = run;
    }
}

static uint64_t some_size(void) { return below(8) == 0 ? 1 + below(RANGE / 16) : 1 + below(4000); }

enum { MOST = 400 };

static void ranges(arenite_fit fit, int steps) {
    static arenite_offset_block blocks[MOST];
    arenite_offsets *range;
    arenite_offsets_options options = {.tag = tag, .fit = fit, .granularity = GRANULE, .capacity = RANGE};
    OK(arenite_offsets_create(&options, &range));
    memset(blocks, 0, sizeof blocks);
    memset(owners, 0, sizeof owners);
    uint64_t gone = 0, unused, longest;
    for (int step = 0; step < steps; step++) {
        const int at = (int)below(MOST);
        arenite_offset_block *block = &blocks[at], seen;
        if (block->id == 0) {
            const uint64_t size = some_size(), align = (uint64_t)1 << below(14);
            const arenite_error code = arenite_offsets_allocate(range, size, align, block);
            if (code == ARENITE_OK) {
                CHECK(block->size == (size + GRANULE - 1) / GRANULE * GRANULE && block->offset % align == 0);
                claim(block->offset, block->size, 0, at + 1);
            } else {
                tally(&unused, &longest);
                const uint64_t rounded = (size + GRANULE - 1) / GRANULE * GRANULE;
                CHECK(code == (rounded > unused ? ARENITE_OUT_OF_ROOM : ARENITE_FRAGMENTED));
                // Trees find what there is; classes may miss it by a thirty-second. What is aligned needs more.
                CHECK(longest < rounded + align || (fit == ARENITE_FIT_TLSF && longest < (rounded + align) * 17 / 16));
                block->id = 0;
            }
        } else if (below(4) == 0) {
            const uint64_t size = some_size();
            const arenite_offset_block before = *block;
            if (size > before.size) {
                const arenite_error code = arenite_offsets_grow(range, before.id, size, &seen);
                if (code == ARENITE_OK) claim(before.offset + before.size, seen.size - before.size, 0, at + 1);
                else CHECK(code == ARENITE_OUT_OF_ROOM || code == ARENITE_FRAGMENTED);
            } else {
                OK(arenite_offsets_shrink(range, before.id, size, &seen));
                claim(seen.offset + seen.size, before.size - seen.size, at + 1, 0);
            }
            OK(arenite_offsets_get(range, before.id, block));
            CHECK(block->offset == before.offset && block->id == before.id && block->size >= (size < before.size ? size : before.size));
        } else {
            OK(arenite_offsets_free(range, block->id));
            claim(block->offset, block->size, at + 1, 0);
            gone = block->id;
            block->id = 0;
        }
        if (gone != 0 && below(8) == 0) {
            CODE(arenite_offsets_free(range, gone), ARENITE_STALE);
            CODE(arenite_offsets_get(range, gone, &seen), ARENITE_STALE);
            CODE(arenite_offsets_free(range, (uint64_t)below(SIZE_MAX)), ARENITE_STALE);
        }
        if (below(256) == 0) {
            arenite_fit_stats stats;
            OK(arenite_offsets_figures(range, &stats));
            tally(&unused, &longest);
            CHECK(stats.free == unused && stats.largest_free == longest && stats.used == RANGE - unused);
        }
    }
    for (int at = 0; at < MOST; at++)
        if (blocks[at].id != 0) OK(arenite_offsets_free(range, blocks[at].id));
    arenite_fit_stats stats;
    OK(arenite_offsets_figures(range, &stats));
    CHECK(stats.free == RANGE && stats.largest_free == RANGE && stats.free_blocks == 1);
    OK(arenite_offsets_destroy(range));
}

typedef struct {
    arenite_defrag_handle handle;
    size_t size, align;
    unsigned char stamp;
    int pins;
    unsigned char *pinned_at;
} sound;

enum { PINS = 16 };

static void look(const arenite_defrag *heap, const sound *block) {
    size_t size;
    const unsigned char *bytes = arenite_defrag_get(heap, block->handle, &size);
    CHECK(bytes != NULL && size == block->size && ALIGNED(bytes, block->align) && (block->pins == 0 || bytes == block->pinned_at));
    for (size_t at = 0; at < size; at++) CHECK(bytes[at] == block->stamp);
}

static void heap(arenite_move_policy policy, int steps) {
    static sound sounds[MOST];
    struct {
        arenite_block_pin *pin;
        sound *of;
    } pins[PINS] = {{NULL, NULL}};
    arenite_defrag *heap;
    arenite_defrag_handle gone = {0, 0};
    arenite_defrag_options options = {.tag = tag, .policy = policy, .reserve = 2 << 20};
    // Only of several segments the last one can be evacuated.
    if (policy == ARENITE_MOVES_EVACUATE_LAST || below(2)) options.segment = 256 << 10;
    OK(arenite_defrag_create(&options, &heap));
    memset(sounds, 0, sizeof sounds);
    for (int step = 0; step < steps; step++) {
        sound *block = &sounds[below(MOST)];
        const size_t size = below(10) == 0 ? below(60000) : below(8000);
        const size_t what = below(12), place = below(PINS);
        if (what == 0) {
            // A budget holds.
            const uint64_t bytes = below(40000);
            arenite_move_report report;
            OK(arenite_defrag_run(heap, bytes, below(2) ? UINT64_MAX : below(100), &report));
            CHECK(report.moved_bytes <= bytes);
            moved_bytes += report.moved_bytes;
        } else if (what == 1 && pins[place].pin != NULL) {
            OK(arenite_defrag_unpin(pins[place].pin));
            if (--pins[place].of->pins == 0) pins[place].of->pinned_at = NULL;
            pins[place].pin = NULL;
        } else if (block->handle.name == 0) {
            const size_t align = below(5) == 0 ? (size_t)1 << below(13) : 16;
            unsigned char *bytes = below(2) ? arenite_defrag_alloc(heap, size, align, &block->handle)
                                            : arenite_defrag_alloc_or_run(heap, size, align, 100000, UINT64_MAX, &block->handle);
            if (bytes == NULL) {
                const arenite_error code = arenite_last_error();
                CHECK(code == ARENITE_OUT_OF_ROOM || code == ARENITE_FRAGMENTED);
                block->handle.name = 0;
                continue;
            }
            for (size_t at = 0; at < size; at++) CHECK(bytes[at] == 0);
            *block = (sound){block->handle, size, align, (unsigned char)(1 + below(255)), 0, NULL};
            memset(bytes, block->stamp, size);
        } else if (what < 4 && pins[place].pin == NULL) {
            void *address;
            look(heap, block);
            pins[place].pin = arenite_defrag_pin(heap, block->handle, &address);
            CHECK(pins[place].pin != NULL && (block->pins == 0 || block->pinned_at == address));
            pins[place].of = block;
            block->pinned_at = address;
            block->pins++;
        } else if (what < 6) {
            const arenite_error code = arenite_defrag_resize(heap, block->handle, size);
            if (block->pins > 0) CHECK(code == ARENITE_BUSY);
            else if (code != ARENITE_OK) CHECK(code == ARENITE_OUT_OF_ROOM || code == ARENITE_FRAGMENTED);
            else {
                unsigned char *bytes = arenite_defrag_get(heap, block->handle, NULL);
                for (size_t at = block->size; at < size; at++) CHECK(bytes[at] == 0);
                if (size > block->size) memset(bytes + block->size, block->stamp, size - block->size);
                block->size = size;
            }
            look(heap, block);
        } else if (block->pins > 0) {
            CODE(arenite_defrag_free(heap, block->handle), ARENITE_BUSY);
            look(heap, block);
        } else {
            look(heap, block);
            OK(arenite_defrag_free(heap, block->handle));
            gone = block->handle;
            block->handle.name = 0;
        }
        if (gone.name != 0 && below(16) == 0) {
            CODE(arenite_defrag_free(heap, gone), ARENITE_STALE);
            CODE(arenite_defrag_resize(heap, gone, 1), ARENITE_STALE);
            NONE(arenite_defrag_get(heap, gone, NULL), ARENITE_STALE);
            NONE(arenite_defrag_get(heap, (arenite_defrag_handle){gone.heap + 1, gone.name}, NULL), ARENITE_FOREIGN);
        }
        if (below(1000) == 0)
            for (int at = 0; at < MOST; at++)
                if (sounds[at].handle.name != 0) look(heap, &sounds[at]);
    }
    OK(arenite_defrag_run_fully(heap, NULL));
    for (int at = 0; at < MOST; at++)
        if (sounds[at].handle.name != 0) look(heap, &sounds[at]);
    // Some pins outlive it.
    const int before = (int)below(2);
    if (before) OK(arenite_defrag_destroy(heap));
    for (int at = 0; at < PINS; at++) {
        if (pins[at].pin == NULL) continue;
        for (size_t byte = 0; byte < pins[at].of->size; byte++) CHECK(pins[at].of->pinned_at[byte] == pins[at].of->stamp);
        OK(arenite_defrag_unpin(pins[at].pin));
    }
    if (!before) OK(arenite_defrag_destroy(heap));
}

typedef struct {
    arenite_space_handle handle;
    uint64_t size, align;
    unsigned char stamp;
    int pins;
} buffer;

static unsigned char device[RANGE];
enum { WAITING = 64 };
static arenite_space_move waiting[WAITING];
static int waits;

static void begin(void *user, const arenite_space_move *step) {
    CHECK(user == waiting && step->to % GRANULE == 0 && step->to + step->size <= RANGE);
    CHECK(step->to + step->size <= step->from || step->from + step->size <= step->to);
    // One at a time, so that there is room.
    CHECK(waits < WAITING);
    waiting[waits++] = *step;
}

static void found(const arenite_space *space, const buffer *block) {
    arenite_space_place place;
    OK(arenite_space_locate(space, block->handle, &place));
    CHECK(place.size == block->size && place.offset % block->align == 0);
    for (uint64_t at = 0; at < place.size; at++) CHECK(device[place.offset + at] == block->stamp);
}

static void answer(arenite_space *space, buffer *buffers) {
    const int at = (int)below((size_t)waits);
    const arenite_space_move step = waiting[at];
    waiting[at] = waiting[--waits];
    buffer *block = NULL;
    for (int each = 0; each < MOST; each++)
        if (buffers[each].handle == step.handle) block = &buffers[each];
    arenite_move_end end;
    if (below(4) == 0) {
        OK(arenite_space_cancel(space, step.id, &end));
        CHECK(end == (block == NULL ? ARENITE_MOVE_FREED : ARENITE_MOVE_CANCELLED));
    } else {
        memcpy(device + step.to, device + step.from, step.size);
        OK(arenite_space_done(space, step.id, &end));
        CHECK(block != NULL || end == ARENITE_MOVE_FREED);
        arenite_space_place place;
        if (block != NULL) {
            OK(arenite_space_locate(space, block->handle, &place));
            CHECK(place.offset == (end == ARENITE_MOVE_MOVED ? step.to : step.from));
        }
    }
    ends[end]++;
    CODE(arenite_space_done(space, step.id, NULL), ARENITE_STALE);
    if (block != NULL) found(space, block);
}

static void spaces(int steps) {
    static buffer buffers[MOST];
    arenite_space *space;
    arenite_space_handle gone = 0;
    arenite_space_options options = {.tag = tag, .policy = (arenite_move_policy)below(2), .granularity = GRANULE, .capacity = RANGE};
    OK(arenite_space_create(&options, &space));
    memset(buffers, 0, sizeof buffers);
    waits = 0;
    for (int step = 0; step < steps; step++) {
        buffer *block = &buffers[below(MOST)];
        const size_t what = below(10);
        const uint64_t size = some_size();
        if (what < 2 && waits < WAITING) {
            arenite_move_report report;
            // So large a part that a few of them are all.
            const uint64_t bytes = (uint64_t)below(8192);
            const int before = waits;
            if (waits + 40 < WAITING) {
                OK(arenite_space_begin_moves(space, below(2) ? bytes : 64, begin, waiting, &report));
                CHECK(report.moved_blocks == (uint64_t)(waits - before) && report.moved_bytes <= 8192);
            }
            CHECK(arenite_space_moving(space) == (size_t)waits);
        } else if (what < 5 && waits > 0) {
            answer(space, buffers);
        } else if (block->handle == 0) {
            const uint64_t align = (uint64_t)GRANULE << below(6);
            const arenite_error code = arenite_space_allocate(space, size, align, &block->handle);
            if (code != ARENITE_OK) {
                CHECK((code == ARENITE_OUT_OF_ROOM || code == ARENITE_FRAGMENTED) && block->handle == 0);
                continue;
            }
            *block = (buffer){block->handle, size, align, (unsigned char)below(256), 0};
            arenite_space_place place;
            OK(arenite_space_locate(space, block->handle, &place));
            memset(device + place.offset, block->stamp, size);
        } else if (what == 5) {
            OK(arenite_space_pin(space, block->handle));
            block->pins++;
        } else if (what == 6) {
            CODE(arenite_space_unpin(space, block->handle), block->pins > 0 ? ARENITE_OK : ARENITE_INVALID_ARGUMENT);
            if (block->pins > 0) block->pins--;
        } else if (what == 7) {
            const arenite_error code = arenite_space_resize(space, block->handle, size);
            CHECK(code == ARENITE_OK || code == ARENITE_OUT_OF_ROOM || code == ARENITE_FRAGMENTED);
            if (code == ARENITE_OK) {
                arenite_space_place place;
                OK(arenite_space_locate(space, block->handle, &place));
                if (size > block->size) memset(device + place.offset + block->size, block->stamp, size - block->size);
                block->size = size;
            }
            found(space, block);
        } else {
            found(space, block);
            OK(arenite_space_free(space, block->handle));
            gone = block->handle;
            block->handle = 0;
        }
        if (gone != 0 && below(16) == 0) {
            arenite_space_place place;
            CODE(arenite_space_free(space, gone), ARENITE_STALE);
            CODE(arenite_space_locate(space, gone, &place), ARENITE_STALE);
            CODE(arenite_space_free(space, (uint64_t)below(SIZE_MAX)), ARENITE_STALE);
        }
        if (below(2000) == 0) {
            CHECK(arenite_space_cancel_all(space) == (size_t)waits);
            waits = 0;
        }
    }
    CHECK(arenite_space_cancel_all(space) == (size_t)waits);
    for (int at = 0; at < MOST; at++) {
        if (buffers[at].handle == 0) continue;
        found(space, &buffers[at]);
        OK(arenite_space_free(space, buffers[at].handle));
    }
    arenite_fit_stats stats;
    OK(arenite_space_figures(space, &stats));
    CHECK(stats.free == RANGE && stats.largest_free == RANGE && stats.free_blocks == 1);
    OK(arenite_space_destroy(space));
}

static void rings(int steps) {
    struct {
        uint64_t offset, size, fence;
    } pieces[MOST];
    arenite_ring *ring;
    OK(arenite_ring_create(RANGE, &ring));
    memset(owners, 0, sizeof owners);
    int count = 0;
    uint64_t fence = 1, passed = 0;
    for (int step = 0; step < steps; step++) {
        const size_t what = below(8);
        if (what < 5 && count < MOST) {
            const uint64_t size = GRANULE * (1 + below(GRANULES / 8)), align = (uint64_t)GRANULE << below(8);
            uint64_t offset, until = 0;
            const arenite_error code = arenite_ring_allocate(ring, size, align, &offset, &until);
            if (code == ARENITE_OUT_OF_ROOM) {
                CHECK(until > passed && until < fence);
            } else if (code == ARENITE_BUSY) {
                OK(arenite_ring_submit(ring, fence++));
            } else {
                OK(code);
                CHECK(offset % align == 0);
                claim(offset, size, 0, count + 1);
                pieces[count].offset = offset, pieces[count].size = size, pieces[count++].fence = fence;
            }
        } else if (what < 7) {
            OK(arenite_ring_submit(ring, fence++));
        } else {
            // Nobody has what was in use before; more than 32 submissions are told apart no further.
            if (passed + 1 < fence) passed += 1 + below((size_t)(fence - passed - 1));
            OK(arenite_ring_retire(ring, passed, NULL));
            int left = 0;
            for (int at = 0; at < count; at++) {
                for (uint64_t granule = 0; granule < pieces[at].size / GRANULE; granule++)
                    owners[pieces[at].offset / GRANULE + granule] = pieces[at].fence <= passed ? 0 : left + 1;
                if (pieces[at].fence > passed) pieces[left++] = pieces[at];
            }
            count = left;
        }
    }
    OK(arenite_ring_submit(ring, fence));
    OK(arenite_ring_retire(ring, fence, NULL));
    arenite_ring_stats stats;
    OK(arenite_ring_figures(ring, &stats));
    CHECK(stats.used == 0 && !stats.waits);
    OK(arenite_ring_destroy(ring));
}

int main(int count, char **arguments) {
    const uint64_t seed = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
    const int steps = count > 2 ? atoi(arguments[2]) : 20000;
    state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    for (int warm = 0; warm < 8; warm++) below(2);
    OK(arenite_tag_register("random", &tag));
    for (arenite_fit fit = ARENITE_FIT_TLSF; fit <= ARENITE_FIT_WORST; fit++) ranges(fit, steps);
    for (arenite_move_policy policy = ARENITE_MOVES_SLIDE; policy <= ARENITE_MOVES_EVACUATE_LAST; policy++) heap(policy, steps);
    spaces(steps);
    rings(steps);
    arenite_account account;
    OK(arenite_tag_account(tag, &account));
    CHECK(account.committed == 0 && account.reserved == 0);
    printf("seed %llu: %d steps of each; %llu bytes moved; moves made %llu, cancelled %llu, of blocks that were freed %llu\n", (unsigned long long)seed, steps,
           (unsigned long long)moved_bytes, (unsigned long long)ends[0], (unsigned long long)ends[1], (unsigned long long)ends[2]);
    CHECK(steps < 20000 || (moved_bytes > 1 << 20 && ends[0] > 100 && ends[1] > 100 && ends[2] > 10));
    return 0;
}
