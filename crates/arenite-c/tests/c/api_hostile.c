// What a wrong program does, and what a surprised one: blocks and objects given to functions they are not for, callbacks that come back in and
// take away what their caller is at, threads that end. Each mistake is told, and changes nothing.
#include <arenite.h>
#include <compat/mem_pool.h>
#include <compat/memory_wrapper.h>
#include <compat/win32_memory.h>

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"

static arenite_heap *heap, *tracked;
static arenite_pool *pool;
static arenite_frame *frame;
static HANDLE win32_heap;

enum { GENERAL, HEAP, TRACKED, PLATFORM, ALIGNED_PLATFORM, LOCKED, WRAPPER, WIN32, GLOBAL, POOL, FACES };

static void *take(int face, size_t size) {
    switch (face) {
    case GENERAL: return arenite_alloc(size);
    case HEAP: return arenite_heap_alloc(heap, size);
    case TRACKED: return arenite_heap_alloc(tracked, size);
    case PLATFORM: return Platform_Alloc(size, 0);
    case ALIGNED_PLATFORM: return Platform_Alloc_Aligned(size, 64, 0);
    case LOCKED: return Platform_Alloc(size, PLATFORM_MEM_LOCK);
    case WRAPPER: return Alloc(size, MEM_NORMAL);
    case WIN32: return HeapAlloc(win32_heap, 0, size);
    case GLOBAL: return GlobalAlloc(0, size);
    default: return arenite_pool_alloc(pool);
    }
}

static int is_platform(int face) { return face >= PLATFORM && face <= WRAPPER; }

// 1 if it was taken back.
static int give(int face, void *block) {
    switch (face) {
    case GENERAL: return arenite_free(block) == ARENITE_OK;
    case HEAP: return arenite_heap_free(heap, block) == ARENITE_OK;
    case TRACKED: return arenite_heap_free(tracked, block) == ARENITE_OK;
    case PLATFORM:
    case ALIGNED_PLATFORM:
    case LOCKED:
    case WRAPPER: {
        size_t before = Platform_Mem_GetCount();
        Platform_Free(block, 0);
        return Platform_Mem_GetCount() != before;
    }
    case WIN32: return HeapFree(win32_heap, 0, block) != 0;
    case GLOBAL: return GlobalFree(block) == NULL;
    default: return arenite_pool_free(pool, block) == ARENITE_OK;
    }
}

static int resize(int face, void *block, size_t size) {
    switch (face) {
    case GENERAL: return arenite_realloc(block, size) != NULL;
    case HEAP: return arenite_heap_realloc(heap, block, size, 0) != NULL;
    case TRACKED: return arenite_heap_realloc(tracked, block, size, 0) != NULL;
    case WIN32: return HeapReAlloc(win32_heap, 0, block, size) != NULL;
    case GLOBAL: return GlobalReAlloc(block, size, GMEM_MOVEABLE) != NULL;
    case POOL: return 0;
    default: return Platform_Realloc(block, 0, size) != NULL;
    }
}

// Each face's block through every other face. Of each size a row, so that neighbours would be hit.
static void wrong_faces(void) {
    static const size_t sizes[] = {0, 1, 16, 17, 32, 48, 100, 1000, 5000, 70000, 900000, 5 << 20};
    enum { ROW = 4 };
    for (int face = 0; face < FACES; face++) {
        for (size_t which = 0; which < sizeof sizes / sizeof *sizes; which++) {
            size_t size = face == POOL ? 72 : sizes[which];
            unsigned char *row[ROW];
            for (int at = 0; at < ROW; at++) {
                CHECK((row[at] = take(face, size)) != NULL);
                memset(row[at], 0x30 + at, size);
            }
            for (int other = 0; other < FACES; other++) {
                // Of the same heap: a fixed block of GlobalAlloc is one of the process's.
                if (other == face || (is_platform(face) && is_platform(other))) continue;
                for (int at = 0; at < ROW; at++) {
                    CHECK(!give(other, row[at]) && !resize(other, row[at], size + 100));
                    CHECK(!give(other, row[at] + 1) && (size <= 16 || !give(other, row[at] + 16)));
                }
            }
            // As if nothing had happened: the content, and that each goes back once.
            for (int at = 0; at < ROW; at++) {
                for (size_t byte = 0; byte < size; byte++) CHECK(row[at][byte] == 0x30 + at);
                CHECK(give(face, row[at]) && !give(face, row[at]));
            }
        }
    }
    CHECK(Platform_Mem_GetCount() == 0 && Platform_Mem_GetAllocated() == 0);
    arenite_heap_stats stats;
    OK(arenite_heap_figures(heap, &stats));
    CHECK(stats.live_blocks == 0 && stats.live_bytes == 0);
    OK(arenite_heap_figures(tracked, &stats));
    CHECK(stats.live_blocks == 0);
    arenite_pool_stats figures;
    OK(arenite_pool_figures(pool, &figures));
    CHECK(figures.live == 0);
}

// An object is no block of the program's, for no face.
static void objects_as_blocks(void) {
    void *objects[] = {heap, tracked, pool, frame};
    for (int at = 0; at < 4; at++) {
        for (int face = 0; face < FACES; face++) CHECK(!give(face, objects[at]) && !resize(face, objects[at], 5000));
        CHECK(arenite_usable_size(objects[at]) == 0 && Platform_Mem_GetSize(objects[at]) == 0);
        CODE(arenite_free(objects[at]), ARENITE_MISALIGNED);
    }
    CHECK(arenite_heap_alloc(heap, 0) != NULL && arenite_pool_alloc(pool) != NULL && arenite_frame_alloc(frame, 10) != NULL);
    // Nor is one kind another, a block an object, or the middle of one.
    CODE(arenite_pool_destroy((arenite_pool *)frame), ARENITE_INVALID_OBJECT);
    CODE(arenite_frame_destroy((arenite_frame *)heap), ARENITE_INVALID_OBJECT);
    CODE(arenite_cache_unpin((arenite_pin *)heap), ARENITE_INVALID_OBJECT);
    void *block = arenite_alloc_zeroed(1, 1000), *system = malloc(500);
    for (int ahead = 0; ahead < 64; ahead += 8) {
        CODE(arenite_frame_destroy((arenite_frame *)((char *)block + ahead)), ARENITE_INVALID_OBJECT);
        if (ahead > 0) CODE(arenite_frame_destroy((arenite_frame *)((char *)frame + ahead)), ARENITE_INVALID_OBJECT);
        CODE(arenite_heap_destroy((arenite_heap *)((char *)system + ahead)), ARENITE_INVALID_OBJECT);
    }
    CODE(arenite_snapshot_destroy((arenite_snapshot *)(size_t)8), ARENITE_INVALID_OBJECT);
    CODE(arenite_snapshot_destroy((arenite_snapshot *)SIZE_MAX), ARENITE_INVALID_OBJECT);
    free(system);
    OK(arenite_free(block));
}

// A refused call leaves nothing behind.
static void nowhere_to_write(void) {
    arenite_tag tag, found;
    arenite_account account;
    OK(arenite_tag_register("nowhere", &tag));
    arenite_heap_options options = {.tag = tag};
    CODE(arenite_heap_create(&options, NULL), ARENITE_NULL_ARGUMENT);
    arenite_frame_options frames = {.tag = tag};
    CODE(arenite_frame_create(&frames, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_scratch_create(tag, 0, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_pool_create(tag, 10, 0, 10, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_handles_create(tag, 10, 0, 10, NULL), ARENITE_NULL_ARGUMENT);
    OK(arenite_tag_account(tag, &account));
    CHECK(account.reserved == 0 && account.committed == 0);
    CODE(arenite_tag_register("never", NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_tag_child(tag, "never", NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_tag_find("never", &found), ARENITE_BAD_TAG);
    CODE(arenite_tag_find("nowhere/never", &found), ARENITE_BAD_TAG);
    arenite_frame_stats before, after;
    OK(arenite_frame_figures(frame, &before));
    NONE(arenite_frame_keep(frame, 100, 0, NULL), ARENITE_NULL_ARGUMENT);
    OK(arenite_frame_figures(frame, &after));
    CHECK(after.used == before.used);
    char buffer[] = "xx";
    CHECK(arenite_tag_name(tag, buffer, 0) == 7 && buffer[0] == 'x');
    CHECK(arenite_tag_name(tag, buffer, 1) == 7 && buffer[0] == 0 && buffer[1] == 'x');
}

static void sizes(void) {
    static const size_t huge[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 16, SIZE_MAX - 4096, SIZE_MAX / 2 + 1, SIZE_MAX / 2, SIZE_MAX / 2 - 15,
                                  (size_t)1 << 47};
    for (size_t at = 0; at < sizeof huge / sizeof *huge; at++) {
        size_t size = huge[at];
        for (int face = 0; face < POOL; face++) {
            CHECK(take(face, size) == NULL);
            void *block = take(face, 10);
            CHECK(!resize(face, block, size) && give(face, block));
        }
        for (size_t align = 1; align <= 1 << 20; align <<= 5) {
            CHECK(arenite_alloc_aligned(size, align) == NULL && arenite_heap_alloc_aligned(heap, size, align) == NULL);
            CHECK(arenite_heap_alloc_aligned(tracked, size, align) == NULL && Platform_Alloc_Aligned(size, align, 0) == NULL);
            CHECK(arenite_frame_alloc_aligned(frame, size, align) == NULL);
        }
        CHECK(arenite_alloc_zeroed(1, size) == NULL && arenite_alloc_zeroed(size, size) == NULL);
        CHECK(arenite_heap_alloc_zeroed(tracked, 1, size) == NULL && Platform_Alloc(size, PLATFORM_MEM_CLEAR | PLATFORM_MEM_LOCK) == NULL);
        CHECK(arenite_frame_alloc(frame, size) == NULL && arenite_frame_alloc_zeroed(frame, size) == NULL);
        arenite_pool *none = NULL;
        CHECK(arenite_pool_create(0, size, 0, 100, &none) != ARENITE_OK && none == NULL);
        CHECK(arenite_pool_create(0, 16, 0, size, &none) != ARENITE_OK && none == NULL);
        arenite_handles *nothing = NULL;
        CHECK(arenite_handles_create(0, size, 0, 100, &nothing) != ARENITE_OK && nothing == NULL);
        arenite_scratch *scratch = NULL;
        if (arenite_scratch_create(0, size, &scratch) == ARENITE_OK) {
            // As much as there is: the size is halved until the system agrees.
            CHECK(arenite_scratch_alloc(scratch, SIZE_MAX / 2) == NULL);
            OK(arenite_scratch_destroy(scratch));
        }
    }
    static const size_t wrong[] = {3, 5, 24, 48, SIZE_MAX, SIZE_MAX / 2 + 1, 2 << 20, 12288};
    for (size_t at = 0; at < sizeof wrong / sizeof *wrong; at++) {
        NONE(arenite_alloc_aligned(8, wrong[at]), ARENITE_INVALID_ARGUMENT);
        NONE(arenite_heap_alloc_aligned(heap, 8, wrong[at]), ARENITE_INVALID_ARGUMENT);
        NONE(arenite_frame_alloc_aligned(frame, 8, wrong[at]), ARENITE_INVALID_ARGUMENT);
        arenite_pool *none;
        CODE(arenite_pool_create(0, 8, wrong[at], 8, &none), ARENITE_INVALID_ARGUMENT);
    }
    arenite_frame *none;
    arenite_frame_options options = {.presize = ((size_t)1 << 30) + 1};
    CODE(arenite_frame_create(&options, &none), ARENITE_INVALID_ARGUMENT);
    arenite_manager *nobody;
    arenite_manager_options most = {.frame_presize = SIZE_MAX};
    CODE(arenite_manager_create(&most, &nobody), ARENITE_INVALID_ARGUMENT);
    // Another alignment than the block was made with, in a heap that keeps what it was.
    for (int which = 0; which < 2; which++) {
        arenite_heap *one = which ? tracked : heap;
        unsigned char *block = arenite_heap_alloc(one, 100);
        memset(block, 7, 100);
        for (size_t align = 1; align <= 1 << 20; align *= 4) {
            CHECK((block = arenite_heap_realloc(one, block, 100 + align % 97, align)) != NULL && ALIGNED(block, align));
            for (int byte = 0; byte < 100; byte++) CHECK(block[byte] == 7);
        }
        OK(arenite_heap_free(one, block));
        CHECK(arenite_heap_free(one, block) != ARENITE_OK);
    }
}

// Pressure: what runs in it frees the very block that is being resized.
static int rescued;
static void *filler, *victim;
static int victim_face;
static arenite_error told;

static void take_away(void *user, const arenite_pressure *pressure) {
    CHECK(user == &rescued);
    if (pressure->level != ARENITE_PRESSURE_REFUSED || victim == NULL) return;
    rescued++;
    give(victim_face, victim);
    told = arenite_last_error();
    victim = NULL;
    if (filler != NULL) CHECK(give(victim_face, filler));
    filler = NULL;
    arenite_trim();
    arenite_heap_trim(heap);
}

static void resized_and_freed(void) {
    static const struct { int face; const char *tag; } faces[] = {
        {GENERAL, "narrow"}, {HEAP, "hostile/heap"}, {TRACKED, "hostile/tracked"}, {PLATFORM, "platform"}, {ALIGNED_PLATFORM, "platform"}};
    for (size_t which = 0; which < sizeof faces / sizeof *faces; which++) {
        arenite_tag tag, previous;
        OK(arenite_tag_register(faces[which].tag, &tag));
        if (which != 4) OK(arenite_on_pressure(tag, take_away, &rescued));
        victim_face = faces[which].face;
        OK(arenite_tag_enter(tag, &previous));
        // Small ones are copied, large ones grow where they are, huge ones move with their pages.
        for (size_t size = 10000; size < 64 << 20; size *= 3) {
            unsigned char *block = take(victim_face, size);
            filler = take(victim_face, 4 << 20);
            CHECK(block != NULL && filler != NULL);
            memset(block, 1, size);
            victim = block;
            rescued = 0;
            arenite_account account;
            OK(arenite_tag_account(tag, &account));
            OK(arenite_budget_set_hard(tag, account.committed + (size > 2 << 20 ? size / 2 : 0), 0));
            void *moved = NULL;
            switch (victim_face) {
            case GENERAL: moved = arenite_realloc(block, size * 2 + (3 << 20)); break;
            case HEAP: moved = arenite_heap_realloc(heap, block, size * 2 + (3 << 20), 0); break;
            case TRACKED: moved = arenite_heap_realloc(tracked, block, size * 2 + (3 << 20), 0); break;
            default: moved = Platform_Realloc(block, 0, size * 2 + (3 << 20)); break;
            }
            CHECK(rescued == 1);
            OK(arenite_budget_clear(tag));
            // Whichever came first: the block is one block, or none.
            if (moved != NULL) {
                CHECK(give(victim_face, moved) && !give(victim_face, moved));
            } else {
                give(victim_face, block);
            }
            CHECK(!give(victim_face, block));
            if (filler != NULL) CHECK(give(victim_face, filler));
            filler = victim = NULL;
            arenite_trim();
        }
        OK(arenite_tag_enter(previous, NULL));
        // What is handed out from here on is nobody else's.
        enum { MANY = 200 };
        unsigned char *blocks[MANY];
        for (int at = 0; at < MANY; at++) CHECK((blocks[at] = take(victim_face, 3000)) != NULL && memset(blocks[at], at, 3000));
        for (int at = 0; at < MANY; at++) {
            for (int byte = 0; byte < 3000; byte++) CHECK(blocks[at][byte] == (unsigned char)at);
            CHECK(give(victim_face, blocks[at]));
        }
        arenite_heap_stats stats;
        if (victim_face == GENERAL) {
            OK(arenite_alloc_figures(tag, &stats));
            CHECK(stats.live_blocks == 0 && stats.live_bytes == 0);
        }
    }
    CHECK(Platform_Mem_GetCount() == 0 && Platform_Mem_GetAllocated() == 0);
}

// Pools in buffers, used while a list of them grows.
static char buffers[200][128];
static int visited;

static void use_a_pool(void *user, const arenite_pressure *pressure) {
    (void)user;
    (void)pressure;
    visited++;
    CHECK(Mem_Avail(buffers[0]) > 0);
}

static void pools_under_pressure(void) {
    arenite_tag tag, previous;
    OK(arenite_tag_register("pools", &tag));
    CHECK(Mem_Init(buffers[0], sizeof buffers[0]) == 1);
    OK(arenite_on_pressure(tag, use_a_pool, NULL));
    OK(arenite_budget_set_soft(tag, 1, 0));
    OK(arenite_tag_enter(tag, &previous));
    for (int at = 1; at < 200; at++) CHECK(Mem_Init(buffers[at], sizeof buffers[at]) == 1);
    OK(arenite_tag_enter(previous, NULL));
    OK(arenite_budget_clear(tag));
    for (int at = 0; at < 200; at++) CHECK(Mem_Alloc(buffers[at], 16, (unsigned long)at) != NULL && Mem_Get_ID(buffers[at], Mem_Find(buffers[at], (unsigned long)at)) == (unsigned long)at);
    // Tiny, huge, negative, nowhere, at the end of all addresses.
    CHECK(!Mem_Init(NULL, 1000) && !Mem_Init(buffers[3] + 1, 0) && !Mem_Init(buffers[4], -1) && !Mem_Init(buffers[5] + 1, 80));
    CHECK(!Mem_Init((void *)(SIZE_MAX - 100), 5000) && !Mem_Init((void *)SIZE_MAX, 0));
    CHECK(Mem_Alloc(buffers[5], 1, 1) == NULL && Platform_Last_Error() == ARENITE_INVALID_OBJECT);
    CHECK(Mem_Alloc(buffers[6], -1, 1) == NULL && Mem_Alloc(buffers[6], (long)(SIZE_MAX / 2), 1) == NULL);
    CHECK(!Mem_Free(buffers[6], Mem_Find(buffers[7], 7)) && !Mem_Free(buffers[6], NULL) && !Mem_Free(buffers[6], buffers[6]));
    CHECK(Mem_Free(buffers[6], Mem_Find(buffers[6], 6)) && Mem_Avail(buffers[6]) == Mem_Pool_Size(buffers[6]));
    // A pool over its neighbour ends that one.
    CHECK(Mem_Init(buffers[8], 2 * sizeof buffers[8]) == 1 && Mem_Avail(buffers[9]) == 0);
}

// Callbacks that end what they are called by.
static arenite_manager *manager;
static arenite_scene *scene;
static arenite_cache *cache;
static int ended;

static void end_heap(void *user, const arenite_survivor *survivor) {
    CHECK(survivor->size == 77);
    CODE(arenite_heap_destroy(user), ARENITE_BUSY);
    CODE(arenite_heap_discard(user, NULL, NULL), ARENITE_STILL_LIVE);
    OK(arenite_heap_free(user, (void *)survivor->address));
    CODE(arenite_heap_discard(user, NULL, NULL), ARENITE_BUSY);
    ended++;
}

static void end_manager(void *user, void *data, size_t size) {
    CHECK(user == &ended && data != NULL && size == 8);
    CODE(arenite_manager_shutdown(manager, NULL, 0, NULL), ARENITE_BUSY);
    CODE(arenite_manager_begin_frame(manager), ARENITE_BUSY);
    NONE(arenite_manager_alloc(manager, 10), ARENITE_BUSY);
    ended++;
}

static void end_scene(void *user, void *data, size_t size) {
    arenite_resource name;
    CHECK(user == &ended && data != NULL && size == 8);
    CODE(arenite_scene_destroy(scene), ARENITE_BUSY);
    NONE(arenite_scene_insert(scene, NULL, 8, 0, NULL, NULL, &name), ARENITE_BUSY);
    ended++;
}

static int32_t load(void *user, const void *key, size_t size, arenite_room *room, void **value) {
    (void)user;
    (void)key;
    (void)size;
    CODE(arenite_free(room), ARENITE_MISALIGNED);
    CODE(arenite_cache_unpin((arenite_pin *)room), ARENITE_INVALID_OBJECT);
    *value = room;
    OK(arenite_cache_claim(room, 100));
    CODE(arenite_cache_claim(room, SIZE_MAX), ARENITE_OVER_BUDGET);
    return ARENITE_OK;
}

static void unload(void *user, void *value) {
    (void)user;
    (void)value;
    CODE(arenite_cache_destroy(cache), ARENITE_BUSY);
    NONE(arenite_cache_pin(cache, "other", 5, NULL), ARENITE_BUSY);
    ended++;
}

static void callbacks_that_end(void) {
    arenite_tag tag;
    OK(arenite_tag_register("ends", &tag));
    arenite_heap *one;
    arenite_heap_options options = {.tag = tag, .track_blocks = 1};
    OK(arenite_heap_create(&options, &one));
    CHECK(arenite_heap_alloc(one, 77) != NULL);
    CODE(arenite_heap_discard(one, end_heap, one), ARENITE_STILL_LIVE);
    CHECK(ended == 1);
    OK(arenite_heap_discard(one, end_heap, one));

    OK(arenite_manager_create(NULL, &manager));
    arenite_resource name;
    CHECK(arenite_manager_insert(manager, NULL, 8, 0, end_manager, &ended, &name) != NULL);
    OK(arenite_manager_load_scene(manager, &scene));
    CHECK(arenite_scene_insert(scene, NULL, 8, 0, end_scene, &ended, &name) != NULL);
    OK(arenite_scene_destroy(scene));
    CHECK(ended == 2);
    CODE(arenite_scene_destroy(scene), ARENITE_INVALID_OBJECT);
    OK(arenite_manager_shutdown(manager, NULL, 0, NULL));
    CHECK(ended == 3);
    CODE(arenite_manager_shutdown(manager, NULL, 0, NULL), ARENITE_INVALID_OBJECT);

    arenite_cache_options caches = {.tag = tag, .load = load, .unload = unload};
    OK(arenite_cache_create(&caches, &cache));
    OK(arenite_cache_unpin(arenite_cache_pin(cache, "one", 3, NULL)));
    NONE(arenite_cache_pin(cache, "one", SIZE_MAX, NULL), ARENITE_TOO_LARGE);
    NONE(arenite_cache_pin(cache, NULL, 1, NULL), ARENITE_NULL_ARGUMENT);
    OK(arenite_cache_destroy(cache));
    CHECK(ended == 4);
    arenite_account account;
    OK(arenite_tag_account(tag, &account));
    CHECK(account.committed == 0 && account.reserved == 0);
}

// A thread that ends leaves its blocks behind, good for others.
static void *left[POOL][50];

static void *leave(void *unused) {
    (void)unused;
    for (int face = 0; face < POOL; face++) {
        for (int at = 0; at < 50; at++) {
            CHECK((left[face][at] = take(face, (size_t)at * 300)) != NULL);
            memset(left[face][at], at, (size_t)at * 300);
        }
    }
    CODE(arenite_pool_destroy(pool), ARENITE_WRONG_THREAD);
    CODE(arenite_frame_destroy(frame), ARENITE_WRONG_THREAD);
    CODE(arenite_frame_begin(frame), ARENITE_WRONG_THREAD);
    return NULL;
}

// Destructors of a thread's data run when what this library had of the thread has gone already.
static pthread_key_t key;
static int late;

static void after_the_end(void *value) {
    arenite_tag tag = ARENITE_UNTAGGED, previous;
    OK(arenite_tag_register("late", &tag));
    if (arenite_tag_enter(tag, &previous) == ARENITE_OK) OK(arenite_tag_enter(previous, NULL));
    for (int face = 0; face < POOL; face++) {
        for (size_t size = 1; size < 8 << 20; size *= 40) {
            unsigned char *block = take(face, size);
            CHECK(block != NULL);
            memset(block, 5, size);
            // Left behind, wherever it went.
            CHECK(resize(face, block, size) && arenite_free((void *)SIZE_MAX) == ARENITE_FOREIGN);
        }
    }
    CHECK(give(GENERAL, value) && arenite_last_message()[0] != 0);
    SetLastError(7);
    CHECK(GetLastError() == 7 && Mem_Avail(buffers[0]) > 0);
    arenite_frame *mine;
    OK(arenite_frame_create(NULL, &mine));
    CHECK(arenite_frame_alloc(mine, 100000) != NULL);
    OK(arenite_frame_destroy(mine));
    late++;
}

static void *leave_late(void *block) {
    // So that there is something to go. (Of a thread that begins with its last breath the system calls no destructor any more.)
    for (int face = 0; face < POOL; face++) CHECK(give(face, take(face, 10)));
    CHECK(pthread_setspecific(key, block) == 0);
    return NULL;
}

static void threads_that_end(void) {
    pthread_t last;
    CHECK(pthread_key_create(&key, after_the_end) == 0);
    CHECK(pthread_create(&last, NULL, leave_late, arenite_alloc(10)) == 0 && pthread_join(last, NULL) == 0);
    CHECK(late == 1);
    size_t kept = Platform_Mem_GetCount();
    CHECK(kept > 0);
    for (int round = 0; round < 3; round++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, leave, NULL) == 0 && pthread_join(thread, NULL) == 0);
        for (int face = 0; face < POOL; face++) {
            for (int at = 0; at < 50; at++) {
                unsigned char *block = left[face][at];
                for (int byte = 0; byte < at * 300; byte++) CHECK(block[byte] == at);
                CHECK(give(face, block) && !give(face, block));
            }
        }
    }
    CHECK(Platform_Mem_GetCount() == kept);
}

// A child of a program of one thread goes on.
static void forks(void) {
    void *block = arenite_alloc(100), *other = Platform_Alloc(100, 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(give(GENERAL, block) && give(PLATFORM, other) && arenite_frame_alloc(frame, 5000) != NULL);
        for (int face = 0; face < FACES; face++) {
            void *mine = take(face, 5000);
            CHECK(mine != NULL && give(face, mine));
        }
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(give(GENERAL, block) && give(PLATFORM, other));
}

int main(void) {
    arenite_tag tag;
    OK(arenite_tag_register("hostile/heap", &tag));
    arenite_heap_options options = {.tag = tag};
    OK(arenite_heap_create(&options, &heap));
    OK(arenite_tag_register("hostile/tracked", &options.tag));
    options.track_blocks = 1;
    OK(arenite_heap_create(&options, &tracked));
    OK(arenite_pool_create(tag, 72, 0, 1000, &pool));
    OK(arenite_frame_create(NULL, &frame));
    CHECK((win32_heap = HeapCreate(0, 0, 0)) != NULL);
    wrong_faces();
    objects_as_blocks();
    nowhere_to_write();
    sizes();
    resized_and_freed();
    pools_under_pressure();
    callbacks_that_end();
    threads_that_end();
    forks();
    return 0;
}
