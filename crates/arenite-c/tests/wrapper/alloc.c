/* memory_wrapper.h in C and C++, with either set of flags (MEMORY_WRAPPER_FLAGS), with and without places. */
#include "arenite.h"
#include "compat/memory_wrapper.h"

#include <string.h>

#include "../check.h"

/* More than the budget of this test. */
#define MUCH ((size_t)64 << 20)

#if MEMORY_WRAPPER_FLAGS == 2
_Static_assert(MEM_NORMAL == 0 && MEM_NEW == 1 && MEM_CLEAR == 2 && MEM_REAL == 4 && MEM_TEMP == 8 && MEM_LOCK == 0x10, "");
#define IGNORED (MEM_NEW | MEM_REAL | MEM_TEMP)
#else
_Static_assert(MEM_NORMAL == 0 && MEM_TEMP == 1 && MEM_LOCK == 2 && MEM_CLEAR == 4, "");
#define IGNORED (MEM_TEMP)
#endif

static void *spare;
static int asked, lies;

static int out_of_memory(size_t bytes, void *context) {
    CHECK(context == &asked && bytes > 1000);
    asked++;
    /* What it can not have itself it is not asked for. */
    CHECK(!Alloc(MUCH, MEM_NORMAL));
    if (lies-- > 0) return 1;
    if (!spare) return 0;
    Free(spare);
    spare = NULL;
    return 1;
}

static void hook(void) {
    arenite_tag tag;
    CHECK(arenite_tag_register("platform", &tag) == ARENITE_OK && arenite_budget_set_hard(tag, 16 << 20, 0) == ARENITE_OK);
    char *small = (char *)Alloc(10, MEM_NORMAL);
    CHECK(small && !Alloc(MUCH, MEM_CLEAR) && asked == 0);
    Set_Memory_Error(out_of_memory, &asked);
    CHECK(!Alloc(MUCH, MEM_NORMAL) && asked == 1);
    spare = Alloc(2000, MEM_NORMAL);
    CHECK(!Alloc(MUCH, MEM_CLEAR) && asked == 3 && !spare);
    lies = 5;
    CHECK(!Resize_Alloc(small, MUCH) && asked == 9);
    /* What no address space has room for it hears of, once, whatever it says. */
    lies = 1000;
    CHECK(!Alloc(SIZE_MAX / 2, MEM_NORMAL) && !Resize_Alloc(small, SIZE_MAX) && !arenite_Alloc_Aligned(SIZE_MAX, 64, 0) && asked == 12);
    /* A mistake is no lack of memory. */
    char local[32];
    CHECK(!Resize_Alloc(local, 5000) && asked == 12 && Platform_Last_Error() == PLATFORM_ERROR_FOREIGN);
    CHECK(!arenite_Alloc_Aligned(5000, 24, 0) && asked == 12 && Platform_Last_Error() == PLATFORM_ERROR_ARGUMENT);
    Set_Memory_Error(NULL, NULL);
    CHECK(!Alloc(MUCH, MEM_NORMAL) && asked == 12);
    CHECK(arenite_budget_clear(tag) == ARENITE_OK);
    /* What succeeds leaves the thread's last error as it is. */
    CHECK((small = (char *)Resize_Alloc(small, 5000)) != NULL && Platform_Last_Error() == PLATFORM_ERROR_OVER_BUDGET);
    Free(small);
    Platform_Clear_Error();
}

static void take_line(void *context, const char *text, size_t length) {
    (void)length;
    if (strstr(text, "alloc.c:")) *(int *)context += 1;
}

int main(void) {
    unsigned char *blocks[64];
    for (int flags = 0; flags < 64; flags++) {
        void *dirty = Alloc(3000, MEM_NORMAL);
        memset(dirty, 0xAB, 3000);
        Free(dirty);
        unsigned char *block = blocks[flags] = (unsigned char *)Alloc(3000, (MemoryFlagType)flags);
        CHECK(block && ((uintptr_t)block & 15) == 0);
        for (int i = 0; (flags & MEM_CLEAR) && i < 3000; i++) CHECK(block[i] == 0);
        /* Locked blocks take whole pages. */
        if (flags & MEM_LOCK) CHECK(((uintptr_t)block & 4095) == 16);
        memset(block, flags, 3000);
    }
    CHECK(Platform_Mem_GetCount() == 64 && Platform_Mem_GetAllocated() == 64 * 3000);
    int places = 0;
    Platform_Mem_DumpLeaks_To(take_line, &places);
    CHECK(MEMORY_WRAPPER_PLACES ? places == 1 : places == 0);
    for (int flags = 0; flags < 64; flags++) {
        blocks[flags] = (unsigned char *)Resize_Alloc(blocks[flags], 7000);
        for (int i = 0; i < 3000; i++) CHECK(blocks[flags][i] == flags);
        const void *constant = blocks[flags];
        if (flags % 2) Free(constant);
        else Platform_Free(blocks[flags], 7000);
    }
    Free(NULL);
    void *nothing = Alloc(0, (MemoryFlagType)IGNORED), *more = Alloc(0, MEM_NORMAL);
    CHECK(nothing && more && nothing != more);
    Free(nothing);
    Free(more);
    void *begun = Resize_Alloc(NULL, 40);
    CHECK(begun);
    Free(begun);
    CHECK(Platform_Mem_GetCount() == 0);

    CHECK(Ram_Free(MEM_NORMAL) > 0 && Total_Ram_Free(MEM_NORMAL) > 0 && Heap_Size(MEM_TEMP) > 0);
    CHECK(Ram_Free(MEM_NORMAL) <= 0x7FFFFFFF && Total_Ram_Free(MEM_NORMAL) <= 0x7FFFFFFF && Heap_Size(MEM_NORMAL) <= 0x7FFFFFFF);

    void *foreign = malloc(50);
    Platform_Clear_Error();
    Free(foreign);
    CHECK(Platform_Last_Error() == PLATFORM_ERROR_FOREIGN);
    free(foreign);
    hook();
    CHECK(Platform_Mem_GetCount() == 0);
    puts("wrapper: Alloc and Free hold");
    return 0;
}
