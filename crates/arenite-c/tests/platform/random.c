/* Random programs of platform.h, memory_wrapper.h and mem_pool.h against a model, with mistakes among them.
 *
 *   random [seed [programs]]     prints the seed of a program that fails
 */
#include "compat/mem_pool.h"
#include "compat/memory_wrapper.h"

#include <string.h>

#include "../check.h"

/* ---- Blocks of both faces ---- */

enum { SLOTS = 200, STEPS = 3000 };

struct block {
    unsigned char *at;
    size_t size;
    size_t align;
    unsigned char fill;
};

static size_t draw_size(uint64_t *random) {
    switch (check_random(random) % 8) {
    case 0: return 0;
    case 1: return check_random(random) % 2000000;
    case 2: return check_random(random) % 40000;
    case 3: return 990 + check_random(random) % 40;
    default: return check_random(random) % 600;
    }
}

static void whole(const struct block *block) {
    CHECK(((uintptr_t)block->at & 15) == 0 && ((uintptr_t)block->at & (block->align - 1)) == 0);
    const size_t step = block->size > 5000 ? 97 : 1;
    for (size_t i = 0; i < block->size; i += step) CHECK(block->at[i] == block->fill);
    if (block->size) CHECK(block->at[block->size - 1] == block->fill);
}

static void blocks(uint64_t *random) {
    static struct block slots[SLOTS];
    Platform_Mem_Stats start, now;
    Platform_Mem_GetStats(&start);
    CHECK(start.count == 0 && start.allocated == 0);
    size_t live = 0, bytes = 0, peak = start.peak;
    uint64_t hints = start.wrong_sizes, twice = start.double_frees, foreign = start.foreign_pointers;
    char *outside = (char *)malloc(1000);
    void *gone = NULL;
    CHECK(outside);
    for (int step = 0; step < STEPS; step++) {
        struct block *block = &slots[check_random(random) % SLOTS];
        const size_t size = draw_size(random);
        const uint32_t kind = check_random(random) % 32;
        if (kind < 14 && !block->at) {
            const int clear = check_random(random) % 4 == 0, lock = check_random(random) % 40 == 0;
            block->align = 16;
            switch (check_random(random) % 4) {
            case 0:
                block->at = (unsigned char *)Platform_Alloc(size, (clear ? PLATFORM_MEM_CLEAR : 0) | (lock ? PLATFORM_MEM_LOCK : 0));
                break;
            case 1:
                block->at = (unsigned char *)Platform_Alloc_Debug(size, clear ? PLATFORM_MEM_CLEAR : 0, "random.c", (int)(size % 50));
                break;
            case 2:
                block->align = (size_t)1 << check_random(random) % 14;
                block->at = (unsigned char *)Platform_Alloc_Aligned(size, block->align, clear ? PLATFORM_MEM_CLEAR : 0);
                break;
            default:
                block->at = (unsigned char *)Alloc(size, (MemoryFlagType)((clear ? MEM_CLEAR : 0) | (lock ? MEM_LOCK : 0) | MEM_TEMP));
            }
            CHECK(block->at);
            for (size_t i = 0; clear && i < size; i++) CHECK(block->at[i] == 0);
            block->size = size;
            block->fill = (unsigned char)step;
            memset(block->at, block->fill, size);
            live++;
            bytes += size;
        } else if (kind < 20 && block->at) {
            whole(block);
            unsigned char *at;
            if (kind % 2) {
                at = (unsigned char *)Resize_Alloc(block->at, size);
            } else {
                const size_t hint = check_random(random) % 3 ? block->size : check_random(random) % 100;
                hints += hint != 0 && hint != block->size;
                at = (unsigned char *)Platform_Realloc(block->at, hint, size);
            }
            CHECK(at);
            bytes = bytes - block->size + size;
            block->at = at;
            if (block->size > size) block->size = size;
            whole(block);
            block->size = size;
            block->fill = (unsigned char)(step + 1);
            memset(at, block->fill, size);
        } else if (kind < 28 && block->at) {
            whole(block);
            if (kind % 2) {
                Free(block->at);
            } else {
                const size_t hint = check_random(random) % 3 ? 0 : check_random(random) % 1000;
                hints += hint != 0 && hint != block->size;
                Platform_Free(block->at, hint);
            }
            CHECK(Platform_Last_Error() == PLATFORM_OK);
            gone = block->at;
            live--;
            bytes -= block->size;
            block->at = NULL;
            if (check_random(random) % 2 == 0) {
                Platform_Free(gone, 0);
                CHECK(Platform_Last_Error() == PLATFORM_ERROR_DOUBLE_FREE);
                twice++;
                Platform_Clear_Error();
            }
        } else if (kind == 28) {
            Free(outside + check_random(random) % 1000);
            CHECK(Platform_Last_Error() == PLATFORM_ERROR_FOREIGN);
            CHECK(!Resize_Alloc(outside, size) && Platform_Last_Error() == PLATFORM_ERROR_FOREIGN);
            foreign += 2;
            Platform_Clear_Error();
        } else if (kind == 29 && block->at && block->size > 1) {
            Platform_Free(block->at + 1 + check_random(random) % (block->size - 1), 0);
            CHECK(Platform_Last_Error() == PLATFORM_ERROR_MISALIGNED);
            foreign++;
            Platform_Clear_Error();
        } else if (kind == 30 && block->at) {
            CHECK(Platform_Mem_GetSize(block->at) == block->size);
            CHECK(!Platform_Realloc(block->at, 0, SIZE_MAX - size));
            Platform_Clear_Error();
            whole(block);
        } else if (kind == 31) {
            CHECK(!Platform_Alloc(SIZE_MAX - size, PLATFORM_MEM_CLEAR) && !Alloc(SIZE_MAX / 2 - size, MEM_NORMAL));
            Platform_Clear_Error();
        }
        if (bytes > peak) peak = bytes;
        /* Not always: asking must not be what keeps it right. */
        if (check_random(random) % 16 == 0) {
            Platform_Mem_GetStats(&now);
            CHECK(now.count == live && now.allocated == bytes && now.peak == peak);
            CHECK(now.wrong_sizes == hints && now.double_frees == twice && now.foreign_pointers == foreign);
        }
    }
    for (int i = 0; i < SLOTS; i++) {
        if (!slots[i].at) continue;
        whole(&slots[i]);
        Free(slots[i].at);
        slots[i].at = NULL;
    }
    free(outside);
    CHECK(Platform_Mem_GetCount() == 0 && Platform_Mem_GetAllocated() == 0 && Platform_Mem_GetPeak() == peak);
}

/* ---- The pool ---- */

enum { ITEMS = 64 };

/* What the model knows of a block; the pool is asked where it is. */
struct item {
    unsigned long id; /* 0: none */
    long size;
    unsigned long stamp;
    int in_use, locked;
    void *at;
};

static void item_whole(const struct item *item) {
    for (long i = 0; i < item->size; i++) CHECK(((unsigned char *)item->at)[i] == (unsigned char)item->id);
}

static struct item *oldest(struct item *items) {
    struct item *found = NULL;
    for (int i = 0; i < ITEMS; i++) {
        if (items[i].id && !items[i].in_use && !items[i].locked && (!found || items[i].stamp < found->stamp)) found = &items[i];
    }
    return found;
}

static void pool(uint64_t *random) {
    struct item items[ITEMS] = {{0, 0, 0, 0, 0, NULL}};
    const long size = 80 + 15 + (long)(check_random(random) % 20000), shift = (long)(check_random(random) % 16);
    unsigned char *memory = (unsigned char *)malloc((size_t)(size + shift + 64));
    CHECK(memory);
    memset(memory, 0xA5, (size_t)(size + shift + 64));
    unsigned char *buffer = memory + 32 + shift;
    CHECK(!Mem_Alloc(buffer, 10, 1) && Platform_Last_Error() == 3);
    CHECK(Mem_Init(buffer, size));
    CHECK(Mem_Avail(buffer) == Mem_Pool_Size(buffer) && Mem_Pool_Size(buffer) > size - 32 - 31);
    unsigned long next = 1, clock = 0;
    for (int step = 0; step < 600; step++) {
        struct item *item = &items[check_random(random) % ITEMS];
        const long bytes = (long)(check_random(random) % (check_random(random) % 8 ? 300 : 3000));
        switch (check_random(random) % 12) {
        case 0: case 1: case 2: case 3:
            if (!item->id) {
                const long most = Mem_Largest_Avail(buffer), before = Mem_Avail(buffer);
                void *at = Mem_Alloc(buffer, bytes, next);
                if (!at) {
                    CHECK(most < 16 || bytes > most);
                    CHECK(Platform_Last_Error() == 9 && Mem_Avail(buffer) == before);
                    break;
                }
                CHECK(bytes <= most && ((uintptr_t)at & 15) == 0);
                CHECK((unsigned char *)at >= buffer && (unsigned char *)at + bytes <= buffer + size);
                CHECK(Mem_Avail(buffer) == before - 32 - ((bytes ? bytes : 1) + 15) / 16 * 16);
                memset(at, (int)next, (size_t)bytes);
                const struct item made = {next++, bytes, ++clock, 0, 0, at};
                *item = made;
            }
            break;
        case 4: case 5:
            if (item->id) {
                item_whole(item);
                CHECK(Mem_Free(buffer, item->at));
                CHECK(!Mem_Free(buffer, item->at) && Platform_Last_Error() == 14);
                CHECK(!Mem_Find(buffer, item->id) && Platform_Last_Error() == 16);
                item->id = 0;
            }
            break;
        case 6:
            if (item->id) {
                CHECK(Mem_Reference(buffer, item->at));
                item->stamp = ++clock;
                item->in_use = 0;
            }
            break;
        case 7:
            if (item->id) {
                CHECK(Mem_In_Use(buffer, item->at));
                item->in_use = 1;
            }
            break;
        case 8:
            if (item->id) {
                item->locked = check_random(random) % 2 != 0;
                CHECK(item->locked ? Mem_Lock_Block(buffer, item->at) : Mem_Unlock_Block(buffer, item->at));
            }
            break;
        case 9: {
            struct item *last = oldest(items);
            CHECK(Mem_Find_Oldest(buffer) == (last ? last->at : NULL));
            CHECK(Mem_Free_Oldest(buffer) == (last ? last->at : NULL));
            if (last) last->id = 0;
            else CHECK(Platform_Last_Error() == 5);
            break;
        }
        case 10: {
            const long before = Mem_Avail(buffer);
            CHECK(Mem_Cleanup(buffer) && Mem_Avail(buffer) == before);
            int locked = 0;
            for (int i = 0; i < ITEMS; i++) {
                if (!items[i].id) continue;
                void *at = Mem_Find(buffer, items[i].id);
                CHECK(at && at <= items[i].at && (!items[i].locked || at == items[i].at));
                items[i].at = at;
                locked |= items[i].locked;
                item_whole(&items[i]);
            }
            if (!locked) CHECK(Mem_Largest_Avail(buffer) == (before > 32 ? before - 32 : 0));
            break;
        }
        default:
            CHECK(!Mem_Free(buffer, memory) && Platform_Last_Error() == 12);
            CHECK(!Mem_Free(buffer, NULL) && Platform_Last_Error() == 1);
            CHECK(Mem_Get_ID(buffer, item->id ? item->at : NULL) == item->id);
            if (item->id && item->size > 16) CHECK(!Mem_Free(buffer, (char *)item->at + 16) && Platform_Last_Error() == 14);
        }
    }
    /* Beyond the buffer nothing was touched. */
    for (long i = 0; i < 32 + shift; i++) CHECK(memory[i] == 0xA5);
    for (int i = 0; i < 32; i++) CHECK(buffer[size + i] == 0xA5);
    /* The program writes all over it: refused, or harmless, and never beyond. */
    for (int round = 0; round < 30; round++) {
        for (int k = 0; k < 8; k++) buffer[check_random(random) % (uint32_t)size] = (unsigned char)check_random(random);
        void *at = Mem_Alloc(buffer, (long)(check_random(random) % 200), 5);
        CHECK(!at || ((unsigned char *)at >= buffer && (unsigned char *)at < buffer + size));
        Mem_Cleanup(buffer);
        Mem_Free_Oldest(buffer);
        Mem_Reference(buffer, buffer + check_random(random) % (uint32_t)size);
        CHECK(Mem_Avail(buffer) >= 0 && Mem_Avail(buffer) <= size);
    }
    for (long i = 0; i < 32 + shift; i++) CHECK(memory[i] == 0xA5);
    for (int i = 0; i < 32; i++) CHECK(buffer[size + i] == 0xA5);
    CHECK(Mem_Init(buffer, size) && Mem_Avail(buffer) == Mem_Pool_Size(buffer));
    CHECK(!Mem_Init(buffer, 40) && !Mem_Avail(buffer) && Platform_Last_Error() == 3);
    free(memory);
    Platform_Clear_Error();
}

int main(int argc, char **argv) {
    const uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const uint64_t programs = argc > 2 ? strtoull(argv[2], NULL, 10) : 100;
    for (uint64_t seed = first; seed < first + programs; seed++) {
        uint64_t random = seed * 0x9E3779B97F4A7C15u;
        char name[40];
        /* Should it fail, the last line says with which seed. */
        snprintf(name, sizeof name, "seed %llu\n", (unsigned long long)seed);
        if (argc > 1) fputs(name, stderr);
        blocks(&random);
        pool(&random);
    }
    printf("%llu random programs do as the model\n", (unsigned long long)programs);
    return 0;
}
