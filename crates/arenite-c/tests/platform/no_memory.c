/* What happens when the system has no more: refused with a code, nothing lost, and all is well once something was freed. Not under
 * AddressSanitizer, which needs address space itself. */
#include "compat/memory_wrapper.h"

#include <string.h>
#include <sys/resource.h>

#include "../check.h"

enum { MOST = 100000 };
static void *blocks[MOST];

/* Takes blocks until there are no more. */
static int fill(size_t size, uint32_t flags) {
    int count = 0;
    Platform_Clear_Error();
    while (count < MOST && (blocks[count] = Platform_Alloc(size, flags)) != NULL) {
        memset(blocks[count], count, size < 4096 ? size : 4096);
        count++;
    }
    CHECK(count < MOST && count > 0);
    CHECK(Platform_Last_Error() == PLATFORM_ERROR_SYSTEM && strlen(Platform_Error_Message(PLATFORM_ERROR_SYSTEM)) > 5);
    CHECK(Platform_Mem_GetCount() == (size_t)count && Platform_Mem_GetAllocated() == (size_t)count * size);
    return count;
}

static int to_free;

static int free_one(size_t bytes, void *context) {
    (void)bytes;
    ++*(int *)context;
    if (to_free == 0) return 0;
    Free(blocks[--to_free]);
    return 1;
}

static void take_line(void *context, const char *text, size_t length) {
    CHECK(strlen(text) == length);
    *(size_t *)context += length;
}

int main(void) {
    /* What the program takes first, it has. */
    Platform_Free(Platform_Alloc(10, 0), 0);
    const struct rlimit limit = {300u << 20, 300u << 20};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    static const size_t sizes[] = {20000, 300000, 3000000};
    static const uint32_t flags[] = {0, PLATFORM_MEM_CLEAR, PLATFORM_MEM_CLEAR};
    for (int kind = 0; kind < 3; kind++) {
        const size_t size = sizes[kind];
        const int count = fill(size, flags[kind]);
        /* Neither moved nor changed. */
        unsigned char *first = (unsigned char *)blocks[0];
        memset(first, 0x77, size);
        CHECK(!Platform_Realloc(first, size, 200u << 20) && Platform_Last_Error() == PLATFORM_ERROR_SYSTEM);
        for (size_t i = 0; i < size; i++) CHECK(first[i] == 0x77);
        CHECK(!Platform_Alloc_Aligned(200u << 20, 4096, 0) && Platform_Mem_GetCount() == (size_t)count);
        /* Neither a place nor a report needs memory that is not there. */
        for (int line = 0; line < 100; line++) CHECK(!Platform_Alloc_Debug(200u << 20, 0, "somewhere new.c", kind * 100 + line));
        size_t told = 0;
        CHECK(Platform_Mem_DumpLeaks_To(take_line, &told) == (size_t)count && told > 0);
        /* The hook frees until there is room. */
        int asked = 0;
        to_free = count;
        Set_Memory_Error(free_one, &asked);
        void *large = Alloc(64u << 20, MEM_NORMAL);
        CHECK(large && asked > 0 && to_free == count - asked && to_free > 0);
        memset(large, 1, 64u << 20);
        Free(large);
        CHECK(!Alloc((size_t)1 << 40, MEM_NORMAL) && to_free == 0);
        Set_Memory_Error(NULL, NULL);
        CHECK(Platform_Mem_GetCount() == 0 && Platform_Mem_GetAllocated() == 0);
    }
    puts("platform: without memory all is well");
    return 0;
}
