// Random programs of allocating, resizing and freeing, against a model that knows what each block should say; with what a wrong program
// would do thrown in: double frees, foreign and misaligned pointers, each of which must be told and change nothing.
//
//   api_random [SEED [STEPS]]
#include <arenite.h>

#include "../check.h"

#define MOST 300

static uint64_t state;

static uint64_t draw(void) {
    state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t mixed = state;
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ mixed >> 31;
}

static size_t below(size_t limit) { return (size_t)(draw() % limit); }

// What a block should say, and where it is from.
typedef struct {
    unsigned char *at;
    size_t size, align;
    unsigned char stamp;
    int from;
} entry;

static entry model[MOST];
static int count;
static arenite_heap *heaps[2];
static arenite_pool *pool;
enum { POOL = 3, BLOCK = 72 };

static size_t some_size(void) {
    switch (below(10)) {
    case 0: return below(4);
    case 1: return below(200000);
    case 2: return below(40000);
    case 3: return 1 + below(3 << 20);
    default: return below(1200);
    }
}

static void fill(entry *block) { memset(block->at, block->stamp, block->size); }

static void look(const entry *block, size_t bytes) {
    // The ends, and some of the middle: all of it would take too long for large ones.
    size_t step = bytes > 4096 ? 97 : 1;
    for (size_t at = 0; at < bytes; at += step) CHECK(block->at[at] == block->stamp);
    if (bytes > 0) CHECK(block->at[bytes - 1] == block->stamp);
}

static void *take(int from, size_t size, size_t align) {
    switch (from) {
    case 0: return align == 0 ? arenite_alloc(size) : arenite_alloc_aligned(size, align);
    case POOL: return arenite_pool_alloc(pool);
    default: return align == 0 ? arenite_heap_alloc(heaps[from - 1], size) : arenite_heap_alloc_aligned(heaps[from - 1], size, align);
    }
}

static arenite_error give(int from, void *block) {
    switch (from) {
    case 0: return arenite_free(block);
    case POOL: return arenite_pool_free(pool, block);
    default: return arenite_heap_free(heaps[from - 1], block);
    }
}

static void add(void) {
    entry block = {NULL, some_size(), below(4) == 0 ? (size_t)1 << below(13) : 0, (unsigned char)draw(), (int)below(4)};
    if (block.from == POOL) block.size = BLOCK, block.align = 0;
    block.at = take(block.from, block.size, block.align);
    CHECK(block.at != NULL && ALIGNED(block.at, block.align ? block.align : 8));
    for (int at = 0; at < count; at++)
        CHECK(block.at + block.size <= model[at].at || model[at].at + model[at].size <= block.at);
    fill(&block);
    model[count++] = block;
}

static void resize(void) {
    entry *block = &model[below((size_t)count)];
    if (block->from == POOL) return;
    size_t size = some_size(), common = size < block->size ? size : block->size;
    void *moved = block->from == 0 ? arenite_realloc_aligned(block->at, size, block->align)
                                   : arenite_heap_realloc(heaps[block->from - 1], block->at, size, block->align);
    CHECK(moved != NULL && ALIGNED(moved, block->align ? block->align : 16));
    block->at = moved;
    look(block, common);
    block->size = size;
    block->stamp = (unsigned char)draw();
    fill(block);
}

static void end(void) {
    size_t which = below((size_t)count);
    entry block = model[which];
    model[which] = model[--count];
    look(&block, block.size);
    OK(give(block.from, block.at));
    // A second time, at once: nobody has it again yet.
    arenite_error told = give(block.from, block.at);
    CHECK(told == ARENITE_DOUBLE_FREE || (told == ARENITE_FOREIGN && block.size > 500000));
}

static void err(void) {
    entry *block = &model[below((size_t)count)];
    size_t inside = block->size > 1 ? 1 + below(block->size - 1) : 1;
    int other = (block->from + 1 + (int)below(3)) % 4;
    switch (below(3)) {
    case 0: CODE(give(block->from, block->at + inside), ARENITE_MISALIGNED); break;
    case 1: CODE(give(other, block->at), ARENITE_FOREIGN); break;
    default: {
        void *system = malloc(block->size + 1);
        CODE(give(block->from, system), ARENITE_FOREIGN);
        free(system);
        CODE(give(block->from, &model[0]), ARENITE_FOREIGN);
    }
    }
    look(block, block->size);
}

int main(int arguments, char **argument) {
    uint64_t seed = arguments > 1 ? strtoull(argument[1], NULL, 0) : 1;
    long steps = arguments > 2 ? strtol(argument[2], NULL, 0) : 20000;
    state = seed;
    arenite_tag tag;
    OK(arenite_tag_register("random", &tag));
    arenite_heap_options options = {.tag = tag, .track_blocks = 1};
    OK(arenite_heap_create(NULL, &heaps[0]));
    OK(arenite_heap_create(&options, &heaps[1]));
    OK(arenite_pool_create(tag, BLOCK, 8, MOST, &pool));
    for (long step = 0; step < steps; step++) {
        size_t what = below(10);
        if (count == 0 || (what < 4 && count < MOST)) add();
        else if (what < 6) resize();
        else if (what < 9) end();
        else err();
    }
    while (count > 0) end();
    for (int at = 0; at < 2; at++) OK(arenite_heap_discard(heaps[at], NULL, NULL));
    arenite_pool_stats stats;
    OK(arenite_pool_figures(pool, &stats));
    CHECK(stats.live == 0);
    OK(arenite_pool_destroy(pool));
    printf("seed %llu: %ld steps as the model says\n", (unsigned long long)seed, steps);
    return 0;
}
