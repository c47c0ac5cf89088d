/* HeapCreate and its family.
 *
 * Left out, because Wine 8 reads at the address it was given (and crashes, or takes it for a block): NULL for HeapSize and
 * HeapReAlloc, a destroyed heap, a block of another heap that is as large as a mapping of its own, addresses within such a block.
 * Left out, because Wine 8 does not do what Microsoft documents: HeapDestroy(NULL) (Wine: TRUE), HeapUnlock without HeapLock (TRUE).
 * Left out, because it is not specified: how far a block can grow in place, whether a block as large as a mapping shrinks in place to
 * a few bytes, regions and free blocks in a walk, what HeapCompact finds.
 */
#include "oracle.h"

static char no_heap[4096];

static void creating(void)
{
    HANDLE heap;
    GOT(heap = HeapCreate(0, 0, 0));
    CASE(HeapDestroy(heap));
    GOT(heap = HeapCreate(0, 0x100000, 0x1000));
    CASE(HeapDestroy(heap));
    GOT(heap = HeapCreate(HEAP_NO_SERIALIZE, 1, 1));
    CASE(HeapLock(heap));
    CASE(HeapUnlock(heap));
    CASE(HeapDestroy(heap));
    GOT(heap = HeapCreate(HEAP_GENERATE_EXCEPTIONS, 1, 1));
    CASE(HeapDestroy(heap));
    GOT(heap = HeapCreate(HEAP_CREATE_ENABLE_EXECUTE, 0, 0));
    CASE(HeapDestroy(heap));
    GOT(HeapCreate(0, (SIZE_T)-1, 0));
    GOT(heap = GetProcessHeap());
    CASE(heap == GetProcessHeap());
    CASE(HeapDestroy(heap));
    CASE(HeapValidate(heap, 0, NULL));
}

static void blocks(HANDLE heap, HANDLE other)
{
    char *a, *b;
    GOT(a = (char *)HeapAlloc(heap, 0, 0));
    CASE((uintptr_t)a & 15);
    CASE(HeapSize(heap, 0, a));
    CASE(HeapFree(heap, 0, a));
    GOT(a = (char *)HeapAlloc(heap, HEAP_ZERO_MEMORY, 100));
    CASE((uintptr_t)a & 15);
    CASE(sum_of(a, 100));
    CASE(HeapSize(heap, 0, a));
    CASE(HeapValidate(heap, 0, a));
    CASE(HeapValidate(other, 0, a));
    CASE(HeapValidate(heap, 0, a + 16));
    CASE(HeapValidate(heap, 0, a + 1));
    CASE(HeapValidate(heap, 0, NULL));
    CASE(HeapValidate(heap, 0, no_heap + 64));
    CASE(HeapSize(other, 0, a));
    CASE(HeapSize(heap, 0, a + 16));
    CASE(HeapSize(heap, 0, a + 1));
    CASE(HeapSize(heap, 0, no_heap + 64));
    CASE(HeapFree(other, 0, a));
    CASE(HeapFree(heap, 0, a + 16));
    CASE(HeapFree(heap, 0, a + 8));
    CASE(HeapFree(heap, 0, a + 1));
    CASE(HeapFree(heap, 0, no_heap + 64));
    CASE(HeapFree(heap, 0, NULL));
    GOT(HeapReAlloc(other, 0, a, 10));
    GOT(HeapReAlloc(heap, 0, a + 16, 10));
    GOT(HeapReAlloc(heap, 0, no_heap + 64, 10));
    GOT(HeapReAlloc(heap, 0, a, (SIZE_T)-1));
    GOT(HeapReAlloc(heap, 0, a, (SIZE_T)1 << 62));
    GOT(HeapReAlloc(heap, HEAP_ZERO_MEMORY, a, (SIZE_T)-16));
    CASE(HeapSize(heap, 0, a));
    GOT(HeapAlloc(heap, 0, (SIZE_T)-1));
    GOT(HeapAlloc(heap, 0, (SIZE_T)1 << 62));
    GOT(HeapAlloc(heap, HEAP_ZERO_MEMORY, (SIZE_T)-100));
    GOT(HeapAlloc(heap, HEAP_ZERO_MEMORY, (SIZE_T)1 << 47));
    memset(a, 7, 100);
    CASE(HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, a, 50) == a);
    CASE(HeapSize(heap, 0, a));
    CASE(HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, a, 50) == a);
    CASE(HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY | HEAP_ZERO_MEMORY, a, 60) == a);
    CASE(sum_of(a, 60));
    CASE(HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, a, 0) == a);
    CASE(HeapSize(heap, 0, a));
    GOT(a = (char *)HeapReAlloc(heap, HEAP_ZERO_MEMORY, a, 1000));
    CASE(sum_of(a, 1000));
    for (int i = 0; i < 1000; i++)
        a[i] = (char)i;
    GOT(a = (char *)HeapReAlloc(heap, 0, a, 20000));
    CASE(sum_of(a, 1000));
    GOT(a = (char *)HeapReAlloc(heap, HEAP_ZERO_MEMORY, a, 3000000));
    CASE(sum_of(a, 1000));
    CASE(sum_of(a + 20000, 2980000));
    CASE(HeapSize(heap, 0, a));
    GOT(HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, a, (SIZE_T)1 << 40));
    CASE(HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, a, 2000000) == a);
    CASE(HeapSize(heap, 0, a));
    GOT(a = (char *)HeapReAlloc(heap, 0, a, 500));
    CASE(sum_of(a, 500));
    CASE(HeapSize(heap, 0, a));
    GOT(b = (char *)HeapReAlloc(heap, 0, a, 0));
    CASE(HeapSize(heap, 0, b));
    CASE(HeapFree(heap, 0, b));
    CASE(HeapFree(heap, 0, b));
    CASE(HeapSize(heap, 0, b));
    CASE(HeapValidate(heap, 0, b));
    GOT(HeapReAlloc(heap, 0, b, 10));
    GOT(a = (char *)HeapAlloc(heap, 0xffff0000u, 100));
    CASE(HeapSize(heap, 0, a));
    CASE(HeapFree(heap, 0, a));
    GOT(a = (char *)HeapAlloc(heap, HEAP_NO_SERIALIZE | HEAP_ZERO_MEMORY, 30));
    CASE(sum_of(a, 30));
    CASE(HeapFree(heap, HEAP_NO_SERIALIZE, a));
    GOT(a = (char *)HeapAlloc(heap, HEAP_GENERATE_EXCEPTIONS, 30));
    CASE(HeapFree(heap, 0, a));
    CASE(HeapLock(heap));
    CASE(HeapLock(heap));
    GOT(a = (char *)HeapAlloc(heap, 0, 10));
    CASE(HeapUnlock(heap));
    CASE(HeapFree(heap, 0, a));
    CASE(HeapUnlock(heap));
    CASE(HeapCompact(heap, 0) != (SIZE_T)-1);
    CASE(HeapValidate(heap, HEAP_NO_SERIALIZE, NULL));
}

static void no_heaps(HANDLE none, void *block)
{
    PROCESS_HEAP_ENTRY entry;
    memset(&entry, 0, sizeof entry);
    GOT(HeapAlloc(none, 0, 10));
    CASE(HeapFree(none, 0, block));
    CASE(HeapFree(none, 0, NULL));
    CASE(HeapSize(none, 0, block));
    GOT(HeapReAlloc(none, 0, block, 10));
    CASE(HeapValidate(none, 0, NULL));
    CASE(HeapLock(none));
    CASE(HeapUnlock(none));
    CASE(HeapCompact(none, 0));
    CASE(HeapWalk(none, &entry));
}

static int by_size(const void *a, const void *b)
{
    DWORD x = *(const DWORD *)a, y = *(const DWORD *)b;
    return x < y ? -1 : x > y;
}

/* What a walk finds, sorted by size: where blocks lie is the heap's own affair. */
static void walk(HANDLE heap)
{
    PROCESS_HEAP_ENTRY entry;
    DWORD sizes[64], count = 0, error;
    int ordered = 1;
    memset(&entry, 0, sizeof entry);
    SetLastError(UNTOUCHED);
    while (HeapWalk(heap, &entry)) {
        if (!(entry.wFlags & PROCESS_HEAP_ENTRY_BUSY))
            continue;
        if (count < 64)
            sizes[count++] = entry.cbData;
        ordered &= HeapSize(heap, 0, entry.lpData) == entry.cbData && HeapValidate(heap, 0, entry.lpData);
    }
    error = GetLastError();
    qsort(sizes, count, sizeof *sizes, by_size);
    printf("%s %lu: walk: %lu blocks of", group, ++cases, (unsigned long)count);
    for (DWORD i = 0; i < count; i++)
        printf(" %lu", (unsigned long)sizes[i]);
    printf(", known %d, error %lu\n", ordered, (unsigned long)error);
}

static void walking(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    PROCESS_HEAP_ENTRY entry;
    void *made[8];
    static const SIZE_T sizes[8] = {1, 100, 1000, 10000, 3000000, 64, 0, 100};
    CASE(HeapWalk(heap, NULL));
    walk(heap);
    for (int i = 0; i < 8; i++) {
        GOT(made[i] = HeapAlloc(heap, 0, sizes[i]));
        walk(heap);
    }
    for (int i = 0; i < 8; i += 2) {
        CASE(HeapFree(heap, 0, made[i]));
        walk(heap);
    }
    GOT(made[1] = HeapReAlloc(heap, 0, made[1], 77));
    walk(heap);
    memset(&entry, 0, sizeof entry);
    entry.lpData = no_heap + 64;
    entry.wFlags = PROCESS_HEAP_ENTRY_BUSY;
    CASE(HeapWalk(heap, &entry));
    entry.wFlags = 0;
    CASE(HeapWalk(heap, &entry));
    CASE(HeapDestroy(heap));
}

static void fixed(void)
{
    HANDLE heap;
    int count = 0;
    void *block;
    GOT(heap = HeapCreate(0, 0x1000, 0x10000));
    while (HeapAlloc(heap, 0, 0x100))
        count++;
    /* 256 would be all of it; how much the heap needs for itself is its own affair. */
    CASE(count >= 128 && count <= 256);
    GOT(HeapAlloc(heap, 0, 0x4000));
    CASE(HeapDestroy(heap));
    GOT(heap = HeapCreate(0, 0x1000, 0x1000000));
    GOT(block = HeapAlloc(heap, 0, 0x7f000));
    CASE(HeapFree(heap, 0, block));
    GOT(HeapAlloc(heap, 0, 0x100000));
    GOT(HeapAlloc(heap, 0, 0x1000000));
    GOT(HeapAlloc(heap, 0, 0x800000));
    GOT(block = HeapAlloc(heap, 0, 100));
    GOT(HeapReAlloc(heap, 0, block, 0x800000));
    CASE(HeapSize(heap, 0, block));
    CASE(HeapDestroy(heap));
}

void heap_cases(void)
{
    HANDLE heap = HeapCreate(0, 0, 0), other = HeapCreate(0, 0, 0);
    creating();
    blocks(heap, other);
    blocks(GetProcessHeap(), other);
    void *block = HeapAlloc(heap, 0, 10);
    no_heaps(no_heap, block);
    no_heaps(NULL, block);
    CASE(HeapDestroy(no_heap));
    CASE(HeapSize(heap, 0, block));
    walking();
    fixed();
    /* With blocks in it. */
    for (int i = 0; i < 1000; i++)
        HeapAlloc(heap, 0, (SIZE_T)i * 10);
    CASE(HeapDestroy(heap));
    CASE(HeapDestroy(other));
}
