/* What the comparison with Wine can not show: misuse that Wine 8 does not survive, what is documented otherwise than Wine has it,
 * threads, and long random programs against a model, in which every byte that was written must come back. Meant for
 * AddressSanitizer. `model SEED STEPS`; the first answer that is wrong ends it.
 */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "compat/win32_memory.h"

#define PAGE 0x1000
#define UNTOUCHED 12345u

static uint64_t seed;

static uint32_t next_random(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33);
}

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s (last error %u)\n", __FILE__, __LINE__, #condition, GetLastError());    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The answer and the error that go with it. */
#define REFUSED(condition, error)                                                                                      \
    do {                                                                                                               \
        SetLastError(UNTOUCHED);                                                                                       \
        MUST(condition);                                                                                               \
        MUST(GetLastError() == (error));                                                                               \
    } while (0)

/* Whether the kernel can read a byte there: a page without access says EFAULT. */
static int can_read(const void *address)
{
    static int ends[2] = {-1, -1};
    char byte;
    if (ends[0] < 0)
        MUST(pipe(ends) == 0);
    if (write(ends[1], address, 1) == 1) {
        MUST(read(ends[0], &byte, 1) == 1);
        return 1;
    }
    MUST(errno == EFAULT);
    return 0;
}

/* ---- pages ---- */

enum { REGIONS = 6, MOST_PAGES = 40 };

struct page {
    DWORD protect; /* 0: reserved only */
    BYTE fill;
};

static struct {
    char *base;
    size_t pages;
    struct page page[MOST_PAGES];
} regions[REGIONS];

static int writable(DWORD protect)
{
    return protect == PAGE_READWRITE || protect == PAGE_EXECUTE_READWRITE;
}

static int readable(DWORD protect)
{
    return protect != 0 && protect != PAGE_NOACCESS && !(protect & PAGE_GUARD);
}

static void check_region(unsigned which)
{
    char *base = regions[which].base;
    size_t pages = regions[which].pages;
    for (size_t i = 0; i < pages; i++) {
        struct page page = regions[which].page[i];
        MEMORY_BASIC_INFORMATION info;
        size_t like = i;
        while (like < pages && regions[which].page[like].protect == page.protect)
            like++;
        MUST(VirtualQuery(base + i * PAGE + 7, &info, sizeof info) == sizeof info);
        MUST(info.BaseAddress == base + i * PAGE && info.AllocationBase == base && info.Type == MEM_PRIVATE);
        MUST(info.State == (page.protect ? MEM_COMMIT : MEM_RESERVE) && info.Protect == page.protect);
        MUST(info.RegionSize == (like - i) * PAGE);
        MUST(can_read(base + i * PAGE) == readable(page.protect));
        MUST(IsBadReadPtr(base + i * PAGE, PAGE) == !readable(page.protect));
        MUST(IsBadWritePtr(base + i * PAGE, PAGE) == !writable(page.protect));
        if (readable(page.protect))
            MUST(base[i * PAGE] == (char)page.fill && base[i * PAGE + PAGE - 1] == (char)page.fill);
    }
}

static void step_of_pages(void)
{
    static const DWORD protections[] = {PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, PAGE_READWRITE, PAGE_EXECUTE_READWRITE,
                                        PAGE_EXECUTE_READ, PAGE_READWRITE | PAGE_GUARD};
    unsigned which = next_random() % REGIONS;
    DWORD protect = protections[next_random() % 7], old;
    char *base = regions[which].base;
    if (!base) {
        size_t pages = 1 + next_random() % MOST_PAGES;
        int commit = next_random() & 1;
        base = (char *)VirtualAlloc(NULL, pages * PAGE, commit ? MEM_RESERVE | MEM_COMMIT : MEM_RESERVE, protect);
        MUST(base && ((uintptr_t)base & 0xffff) == 0);
        regions[which].base = base;
        regions[which].pages = pages;
        for (size_t i = 0; i < pages; i++)
            regions[which].page[i] = (struct page){commit ? protect : 0, 0};
        return;
    }
    size_t first = next_random() % regions[which].pages;
    size_t last = first + 1 + next_random() % (regions[which].pages - first);
    struct page *page = regions[which].page;
    char *at = base + first * PAGE + next_random() % PAGE;
    size_t length = (size_t)(base + last * PAGE - at);
    int committed = 1;
    for (size_t i = first; i < last; i++)
        committed &= page[i].protect != 0;
    switch (next_random() % 8) {
    case 0: case 1:
        MUST(VirtualAlloc(at, length, MEM_COMMIT, protect) == base + first * PAGE);
        for (size_t i = first; i < last; i++)
            page[i] = (struct page){protect, page[i].protect ? page[i].fill : 0};
        break;
    case 2:
        MUST(VirtualFree(at, length, MEM_DECOMMIT));
        for (size_t i = first; i < last; i++)
            page[i] = (struct page){0, 0};
        break;
    case 3:
        if (committed) {
            MUST(VirtualProtect(at, length, protect, &old) && old == page[first].protect);
            for (size_t i = first; i < last; i++)
                page[i].protect = protect;
        } else {
            REFUSED(!VirtualProtect(at, length, protect, &old), ERROR_INVALID_ADDRESS);
        }
        break;
    case 4: case 5:
        for (size_t i = first; i < last; i++)
            if (writable(page[i].protect)) {
                page[i].fill = (BYTE)next_random();
                FillMemory(base + i * PAGE, PAGE, page[i].fill);
            }
        break;
    case 6:
        if (committed && readable(page[first].protect) && last == first + 1) {
            MUST(VirtualLock(at, length));
            MUST(VirtualUnlock(at, length));
            REFUSED(!VirtualUnlock(at, length), ERROR_NOT_LOCKED);
        }
        break;
    default:
        if (next_random() % 8)
            break;
        MUST(VirtualFree(base, 0, MEM_RELEASE));
        MUST(!can_read(base));
        REFUSED(!VirtualFree(base, 0, MEM_RELEASE), ERROR_INVALID_PARAMETER);
        regions[which].base = NULL;
        return;
    }
    check_region(which);
}

/* ---- heaps ---- */

enum { HEAPS = 3, BLOCKS = 200 };

static HANDLE heaps[HEAPS];
static struct {
    char *at;
    size_t size;
    unsigned heap;
    BYTE fill;
} blocks[BLOCKS];

static int all_are(const char *bytes, size_t from, size_t to, BYTE fill)
{
    for (size_t i = from; i < to; i++)
        if (bytes[i] != (char)fill)
            return 0;
    return 1;
}

static size_t some_size(void)
{
    static const uint32_t most[] = {40, 300, 5000, 100000, 3000000};
    uint32_t kind = next_random() % 32;
    return next_random() % most[kind < 16 ? 0 : kind < 28 ? 1 : kind < 30 ? 2 : kind < 31 ? 3 : 4];
}

static void step_of_heaps(void)
{
    unsigned which = next_random() % BLOCKS, heap = next_random() % HEAPS;
    char *at = blocks[which].at, *moved;
    size_t size = some_size(), old = blocks[which].size;
    DWORD zero = next_random() & 1 ? HEAP_ZERO_MEMORY : 0;
    BYTE fill = blocks[which].fill;
    if (at)
        heap = blocks[which].heap;
    if (!heaps[heap])
        heaps[heap] = HeapCreate(0, 0, 0);
    MUST(heaps[heap]);
    if (!at) {
        at = (char *)HeapAlloc(heaps[heap], zero, size);
        MUST(at && ((uintptr_t)at & 15) == 0 && HeapSize(heaps[heap], 0, at) == size);
        MUST(!zero || all_are(at, 0, size, 0));
        blocks[which].at = at;
        blocks[which].heap = heap;
        blocks[which].size = size;
        blocks[which].fill = (BYTE)next_random();
        FillMemory(at, size, blocks[which].fill);
        return;
    }
    MUST(all_are(at, 0, old, fill) && HeapValidate(heaps[heap], 0, at));
    switch (next_random() % 8) {
    case 0: case 1: case 2:
        MUST(HeapFree(heaps[heap], 0, at));
        REFUSED(!HeapFree(heaps[heap], 0, at), ERROR_INVALID_PARAMETER);
        blocks[which].at = NULL;
        break;
    case 3: case 4: case 5:
        if (next_random() % 3 == 0) {
            moved = (char *)HeapReAlloc(heaps[heap], zero | HEAP_REALLOC_IN_PLACE_ONLY, at, size);
            MUST(moved == at || (!moved && size > old && HeapSize(heaps[heap], 0, at) == old));
            if (!moved)
                return;
        } else {
            moved = (char *)HeapReAlloc(heaps[heap], zero, at, size);
        }
        MUST(moved && HeapSize(heaps[heap], 0, moved) == size);
        MUST(all_are(moved, 0, size < old ? size : old, fill) && (!zero || all_are(moved, old, size, 0)));
        FillMemory(moved, size, fill);
        blocks[which].at = moved;
        blocks[which].size = size;
        break;
    case 6:
        for (unsigned other = 0; other < HEAPS; other++)
            if (other != heap && heaps[other]) {
                REFUSED(!HeapFree(heaps[other], 0, at), ERROR_INVALID_PARAMETER);
                REFUSED(HeapSize(heaps[other], 0, at) == (SIZE_T)-1, ERROR_INVALID_PARAMETER);
                REFUSED(!HeapReAlloc(heaps[other], 0, at, size), ERROR_INVALID_PARAMETER);
            }
        break;
    default:
        if (next_random() % 64 == 0) {
            HANDLE gone = heaps[heap];
            MUST(HeapDestroy(gone));
            REFUSED(!HeapDestroy(gone), ERROR_INVALID_HANDLE);
            REFUSED(!HeapAlloc(gone, 0, 10), ERROR_INVALID_HANDLE);
            REFUSED(!HeapFree(gone, 0, at), ERROR_INVALID_PARAMETER);
            heaps[heap] = NULL;
            for (unsigned i = 0; i < BLOCKS; i++)
                if (blocks[i].heap == heap)
                    blocks[i].at = NULL;
        } else if (next_random() % 32 == 0) {
            PROCESS_HEAP_ENTRY entry;
            size_t count = 0, found = 0;
            char *before = NULL;
            memset(&entry, 0, sizeof entry);
            while (HeapWalk(heaps[heap], &entry)) {
                MUST((char *)entry.lpData > before && HeapSize(heaps[heap], 0, entry.lpData) == entry.cbData);
                before = (char *)entry.lpData;
                found++;
            }
            MUST(GetLastError() == ERROR_NO_MORE_ITEMS);
            for (unsigned i = 0; i < BLOCKS; i++)
                count += blocks[i].at && blocks[i].heap == heap;
            MUST(count == found);
        }
    }
}

/* ---- handles ---- */

enum { HANDLES = 100 };

static struct {
    HGLOBAL handle;
    size_t size;
    int locks, is_moveable;
    BYTE fill;
} handles[HANDLES];

static void step_of_handles(void)
{
    unsigned which = next_random() % HANDLES;
    HGLOBAL h = handles[which].handle;
    size_t size = next_random() % 6 ? some_size() : 0, old = handles[which].size;
    BYTE fill = handles[which].fill;
    if (!h) {
        int moveable = next_random() % 4 != 0;
        h = GlobalAlloc(moveable ? GHND : GPTR, size);
        MUST(h && GlobalSize(h) == (moveable || size ? size : 1));
        handles[which].handle = h;
        handles[which].size = size;
        handles[which].locks = 0;
        handles[which].is_moveable = moveable;
        handles[which].fill = (BYTE)next_random();
        if (size) {
            MUST(all_are((char *)GlobalLock(h), 0, size, 0));
            FillMemory(GlobalLock(h), size, handles[which].fill);
            GlobalUnlock(h);
            GlobalUnlock(h);
        }
        return;
    }
    if (old) {
        char *at = (char *)GlobalLock(h);
        MUST(at && all_are(at, 0, old, fill) && GlobalHandle(at) == h);
        GlobalUnlock(h);
    }
    MUST(GlobalFlags(h) == (DWORD)handles[which].locks + (handles[which].is_moveable && !old ? GMEM_DISCARDED : 0));
    switch (next_random() % 6) {
    case 0:
        MUST(!GlobalFree(h));
        REFUSED(GlobalFree(h) == h, ERROR_INVALID_HANDLE);
        REFUSED(GlobalSize(h) == 0, ERROR_INVALID_HANDLE);
        handles[which].handle = NULL;
        break;
    case 1:
        if (handles[which].is_moveable && old) {
            MUST(GlobalLock(h));
            handles[which].locks += handles[which].locks < 255;
        }
        break;
    case 2:
        if (handles[which].locks) {
            SetLastError(UNTOUCHED);
            MUST(GlobalUnlock(h) == (--handles[which].locks > 0));
            MUST(GetLastError() == (handles[which].locks ? UNTOUCHED : NO_ERROR));
        } else if (handles[which].is_moveable) {
            REFUSED(!GlobalUnlock(h), ERROR_NOT_LOCKED);
        }
        break;
    default: {
        HGLOBAL moved = GlobalReAlloc(h, size, GMEM_MOVEABLE | GMEM_ZEROINIT);
        if (handles[which].is_moveable && !size && handles[which].locks) {
            MUST(!moved && GlobalSize(h) == old);
            return;
        }
        MUST(moved && GlobalSize(moved) == size && (moved == h || !handles[which].is_moveable));
        handles[which].handle = moved;
        handles[which].size = size;
        if (size) {
            char *at = (char *)GlobalLock(moved);
            MUST(all_are(at, 0, size < old ? size : old, fill) && all_are(at, old, size, 0));
            FillMemory(at, size, fill);
            GlobalUnlock(moved);
        }
    }
    }
}

/* ---- misuse ---- */

/* Something that is no heap, no handle and no block of ours; and not to be looked at. */
static void refuse_everything(HANDLE heap, void *none)
{
    DWORD old;
    MEMORY_BASIC_INFORMATION info;
    PROCESS_HEAP_ENTRY entry;
    REFUSED(!VirtualFree(none, 0, MEM_RELEASE), ERROR_INVALID_PARAMETER);
    REFUSED(!VirtualFree(none, 1, MEM_DECOMMIT), ERROR_INVALID_PARAMETER);
    REFUSED(!VirtualProtect(none, 1, PAGE_NOACCESS, &old), ERROR_INVALID_PARAMETER);
    MUST(VirtualQuery(none, &info, sizeof info) == sizeof info || (uintptr_t)none >= 0x7fffffff0000);
    if ((uintptr_t)none >= 0x10000 && (uintptr_t)none < 0x7fffffff0000) {
        REFUSED(!VirtualAlloc(none, 1, MEM_COMMIT, PAGE_READWRITE), ERROR_INVALID_ADDRESS);
        REFUSED(!VirtualAlloc(none, 1, MEM_RESET, PAGE_READWRITE), ERROR_INVALID_ADDRESS);
    }
    if (none) {
        REFUSED(!HeapFree(heap, 0, none), ERROR_INVALID_PARAMETER);
        REFUSED(!HeapFree(GetProcessHeap(), 0, none), ERROR_INVALID_PARAMETER);
        REFUSED(GlobalFree(none) == none, ERROR_INVALID_HANDLE);
        REFUSED(LocalFree(none) == none, ERROR_INVALID_HANDLE);
        REFUSED(!GlobalHandle(none), ERROR_INVALID_HANDLE);
    }
    REFUSED(HeapSize(heap, 0, none) == (SIZE_T)-1, ERROR_INVALID_PARAMETER);
    REFUSED(!HeapReAlloc(heap, 0, none, 10), ERROR_INVALID_PARAMETER);
    REFUSED(!GlobalReAlloc(none, 10, GMEM_MOVEABLE), ERROR_INVALID_HANDLE);
    REFUSED(!GlobalReAlloc(none, 10, GMEM_MODIFY | GMEM_MOVEABLE), ERROR_INVALID_HANDLE);
    REFUSED(!GlobalSize(none), ERROR_INVALID_HANDLE);
    REFUSED(!HeapAlloc(none, 0, 1), ERROR_INVALID_HANDLE);
    REFUSED(!HeapDestroy(none), ERROR_INVALID_HANDLE);
    MUST(!HeapLock(none) && !HeapUnlock(none) && !HeapValidate(none, 0, NULL) && !HeapCompact(none, 0));
    memset(&entry, 0, sizeof entry);
    REFUSED(!HeapWalk(none, &entry), ERROR_INVALID_HANDLE);
    if (none) {
        entry.lpData = none;
        REFUSED(!HeapWalk(heap, &entry), ERROR_INVALID_PARAMETER);
    }
}

static void misuse(void)
{
    HANDLE heap = HeapCreate(0, 0, 0), other = HeapCreate(0, 0, 0);
    DWORD old;
    char here[64];
    char *foreign = (char *)malloc(1000), *page = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE);
    FillMemory(foreign, 1000, 0x11);
    for (size_t offset = 0; offset < 48; offset++)
        refuse_everything(heap, foreign + offset);
    refuse_everything(heap, here);
    refuse_everything(heap, NULL);
    for (int i = 0; i < 2000; i++) {
        uintptr_t number = (uintptr_t)next_random() << 32 | next_random();
        /* Also such as look like handles. */
        refuse_everything(heap, (void *)(number >> (i % 48)));
        refuse_everything(heap, (void *)((number & 0xffffff) << 4 | (uintptr_t)1 << 55 | 8));
        refuse_everything(heap, (void *)((number & 0xffffff) << 4 | (uintptr_t)1 << 54));
    }
    MUST(all_are(foreign, 0, 1000, 0x11));
    free(foreign);
    MUST(IsBadReadPtr((void *)1, 1) && !IsBadReadPtr(here, sizeof here) && !IsBadWritePtr(here, sizeof here));

    /* A block as large as a mapping, of another heap and inside. */
    char *large = (char *)HeapAlloc(heap, 0, 5000000);
    REFUSED(!HeapFree(other, 0, large), ERROR_INVALID_PARAMETER);
    REFUSED(!HeapFree(heap, 0, large + 16), ERROR_INVALID_PARAMETER);
    REFUSED(HeapSize(heap, 0, large + 4096) == (SIZE_T)-1, ERROR_INVALID_PARAMETER);
    MUST(HeapReAlloc(heap, HEAP_REALLOC_IN_PLACE_ONLY, large, 10) == large && HeapFree(heap, 0, large));
    REFUSED(!HeapFree(heap, 0, large), ERROR_INVALID_PARAMETER);
    /* A destroyed heap, also when its place has another one. */
    MUST(HeapDestroy(other));
    refuse_everything(heap, other);
    HANDLE next = HeapCreate(0, 0, 0);
    MUST(next != other);
    refuse_everything(heap, other);
    MUST(HeapDestroy(next));
    REFUSED(!HeapUnlock(heap), ERROR_NOT_OWNER);
    /* A freed handle, also when its place has another one. */
    static HGLOBAL stale[3000];
    for (int i = 0; i < 3000; i++) {
        stale[i] = GlobalAlloc(GMEM_MOVEABLE, 10);
        MUST(stale[i] && !GlobalFree(stale[i]));
    }
    HGLOBAL fresh = GlobalAlloc(GMEM_MOVEABLE, 10);
    for (int i = 0; i < 3000; i++) {
        REFUSED(GlobalFree(stale[i]) == stale[i], ERROR_INVALID_HANDLE);
        REFUSED(!GlobalLock(stale[i]), ERROR_INVALID_HANDLE);
        REFUSED(!GlobalUnlock(stale[i]), ERROR_INVALID_HANDLE);
        REFUSED(GlobalFlags(stale[i]) == GMEM_INVALID_HANDLE, ERROR_INVALID_HANDLE);
    }
    /* The block of a handle, freed behind its back: the handle is a discarded one. */
    char *behind = (char *)GlobalLock(fresh);
    MUST(HeapFree(GetProcessHeap(), 0, behind) && GlobalFlags(fresh) == GMEM_DISCARDED);
    REFUSED(!GlobalLock(fresh), ERROR_DISCARDED);
    MUST(GlobalReAlloc(fresh, 20, 0) == fresh && GlobalSize(fresh) == 20);
    /* Moved behind its back: the handle follows. */
    behind = (char *)GlobalLock(fresh);
    FillMemory(behind, 20, 0x22);
    behind = (char *)HeapReAlloc(GetProcessHeap(), 0, behind, 100000);
    MUST(GlobalLock(fresh) == behind && GlobalHandle(behind) == fresh && all_are(behind, 0, 20, 0x22));
    MUST(!GlobalFree(fresh));

    /* As documented, where Wine has it otherwise. */
    REFUSED(!VirtualAlloc(NULL, 1, MEM_RESET, PAGE_READWRITE), ERROR_INVALID_PARAMETER);
    REFUSED(!VirtualAlloc(page, 1, MEM_RESET | MEM_COMMIT, PAGE_READWRITE), ERROR_INVALID_PARAMETER);
    REFUSED(!VirtualAlloc(NULL, 1, MEM_COMMIT, PAGE_NOACCESS | PAGE_GUARD), ERROR_INVALID_PARAMETER);
    REFUSED(!VirtualAlloc(NULL, 1, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD | PAGE_NOCACHE), ERROR_INVALID_PARAMETER);
    REFUSED(!VirtualAlloc(NULL, 1, MEM_COMMIT | MEM_WRITE_WATCH, PAGE_READWRITE), ERROR_NOT_SUPPORTED);
    REFUSED(!VirtualProtect(page, (SIZE_T)-1, PAGE_READWRITE, &old), ERROR_INVALID_PARAMETER);
    REFUSED(!VirtualFree(page, (SIZE_T)-1, MEM_DECOMMIT), ERROR_INVALID_PARAMETER);
    REFUSED(!VirtualUnlock(page, 1), ERROR_NOT_LOCKED);
    MUST(VirtualLock(page, 2 * PAGE));
    REFUSED(!VirtualUnlock(page, 3 * PAGE), ERROR_NOT_LOCKED);
    MUST(VirtualUnlock(page, 2 * PAGE) && VirtualLock(here, sizeof here) && VirtualUnlock(here, sizeof here));
    /* A guard page is closed and stays one. */
    FillMemory(page, PAGE, 0x33);
    MUST(VirtualProtect(page, PAGE, PAGE_READWRITE | PAGE_GUARD, &old) && !can_read(page) && IsBadReadPtr(page, 1));
    MUST(VirtualProtect(page, PAGE, PAGE_READWRITE | PAGE_NOCACHE, &old) && old == (PAGE_READWRITE | PAGE_GUARD) && page[0] == 0x33);
    MUST(VirtualProtect(page, PAGE, PAGE_READWRITE, &old) && old == (PAGE_READWRITE | PAGE_NOCACHE));
    /* The program's own memory is told, and left alone. */
    MEMORY_BASIC_INFORMATION info;
    MUST(VirtualQuery(here, &info, sizeof info) && info.State == MEM_COMMIT && info.Protect == PAGE_READWRITE);
    MUST((char *)info.BaseAddress <= here && here < (char *)info.BaseAddress + info.RegionSize);
    MUST(VirtualQuery("text", &info, sizeof info) && info.State == MEM_COMMIT && info.Protect == PAGE_READONLY);
    /* Code can run. */
#if defined(__x86_64__)
    static const BYTE code[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
    CopyMemory(page, code, sizeof code);
    MUST(VirtualProtect(page, PAGE, PAGE_EXECUTE_READ, &old));
    MUST(((int (*)(void))(uintptr_t)page)() == 42);
#endif
    MUST(VirtualFree(page, 0, MEM_RELEASE) && HeapDestroy(heap));
}

/* ---- threads ---- */

static HANDLE shared;
static int inside;

static void *work(void *argument)
{
    uint32_t mine = (uint32_t)(uintptr_t)argument * 2654435761u + 1;
    char *kept[32] = {NULL};
    for (int i = 0; i < 3000; i++) {
        mine = mine * 1664525u + 1013904223u;
        unsigned which = mine >> 27;
        SetLastError(mine);
        if (kept[which]) {
            MUST(kept[which][0] == (char)which && HeapFree(shared, 0, kept[which]));
            kept[which] = NULL;
        } else {
            kept[which] = (char *)HeapAlloc(shared, 0, 1 + (mine >> 8) % 500);
            MUST(kept[which]);
            kept[which][0] = (char)which;
        }
        MUST(GetLastError() == mine);
        if (i % 64 == 0) {
            PROCESS_HEAP_ENTRY entry;
            size_t before = 0, after = 0;
            MUST(HeapLock(shared));
            MUST(!__atomic_exchange_n(&inside, 1, __ATOMIC_SEQ_CST));
            for (int turn = 0; turn < 2; turn++) {
                memset(&entry, 0, sizeof entry);
                while (HeapWalk(shared, &entry))
                    *(turn ? &after : &before) += 1;
            }
            MUST(before == after);
            __atomic_store_n(&inside, 0, __ATOMIC_SEQ_CST);
            MUST(HeapUnlock(shared));
            char *page = (char *)VirtualAlloc(NULL, 8 * PAGE, MEM_RESERVE, PAGE_READWRITE);
            MUST(VirtualAlloc(page + PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE) == page + PAGE);
            page[PAGE] = 1;
            MUST(VirtualFree(page, 0, MEM_RELEASE));
            HGLOBAL h = GlobalAlloc(GHND, 100);
            MUST(h && GlobalLock(h) && GlobalReAlloc(h, 1000, GMEM_MOVEABLE) == h && GlobalSize(h) == 1000 && !GlobalFree(h));
        }
    }
    for (unsigned which = 0; which < 32; which++)
        MUST(!kept[which] || HeapFree(shared, 0, kept[which]));
    return NULL;
}

static void *fight(void *argument)
{
    /* Everybody frees the same blocks: each goes once. */
    char **all = (char **)argument;
    uintptr_t freed = 0;
    for (int i = 0; i < 20000; i++)
        freed += (uintptr_t)HeapFree(shared, 0, all[i]);
    return (void *)freed;
}

static int came_through;

static void *wait_at(void *heap)
{
    REFUSED(!HeapUnlock(heap), ERROR_NOT_OWNER);
    void *block = heap == GetProcessHeap() ? (void *)GlobalAlloc(GHND, 10) : HeapAlloc(heap, 0, 10);
    __atomic_store_n(&came_through, 1, __ATOMIC_SEQ_CST);
    MUST(block && (heap == GetProcessHeap() ? !GlobalFree(block) : HeapFree(heap, 0, block)));
    return NULL;
}

/* A heap that is locked lets nobody else through, and everybody else afterwards. */
static void excluded(HANDLE heap)
{
    pthread_t other;
    came_through = 0;
    MUST(HeapLock(heap) && HeapLock(heap));
    MUST(!pthread_create(&other, NULL, wait_at, heap));
    usleep(50000);
    void *block = HeapAlloc(heap, 0, 100);
    MUST(block && HeapFree(heap, 0, block) && HeapUnlock(heap));
    usleep(1000);
    MUST(!__atomic_load_n(&came_through, __ATOMIC_SEQ_CST));
    MUST(HeapUnlock(heap) && !pthread_join(other, NULL) && came_through);
    REFUSED(!HeapUnlock(heap), ERROR_NOT_OWNER);
}

static void threads(void)
{
    pthread_t all[4];
    static char *made[20000];
    uintptr_t freed = 0;
    shared = HeapCreate(0, 0, 0);
    excluded(shared);
    excluded(GetProcessHeap());
    for (uintptr_t i = 0; i < 4; i++)
        MUST(!pthread_create(&all[i], NULL, work, (void *)(i + seed)));
    for (int i = 0; i < 4; i++)
        MUST(!pthread_join(all[i], NULL));
    PROCESS_HEAP_ENTRY entry;
    memset(&entry, 0, sizeof entry);
    REFUSED(!HeapWalk(shared, &entry), ERROR_NO_MORE_ITEMS);
    for (int i = 0; i < 20000; i++)
        MUST((made[i] = (char *)HeapAlloc(shared, 0, (SIZE_T)i % 100)));
    for (int i = 0; i < 4; i++)
        MUST(!pthread_create(&all[i], NULL, fight, made));
    for (int i = 0; i < 4; i++) {
        void *answer;
        MUST(!pthread_join(all[i], &answer));
        freed += (uintptr_t)answer;
    }
    MUST(freed == 20000 && HeapDestroy(shared));
}

int main(int count, char **arguments)
{
    MUST(count == 3);
    seed = strtoul(arguments[1], NULL, 10);
    int steps = atoi(arguments[2]);
    misuse();
    threads();
    for (int i = 0; i < steps; i++) {
        step_of_pages();
        step_of_heaps();
        step_of_handles();
    }
    for (unsigned i = 0; i < HANDLES; i++)
        MUST(!handles[i].handle || !GlobalFree(handles[i].handle));
    for (unsigned i = 0; i < REGIONS; i++)
        MUST(!regions[i].base || VirtualFree(regions[i].base, 0, MEM_RELEASE));
    PROCESS_HEAP_ENTRY entry;
    memset(&entry, 0, sizeof entry);
    REFUSED(!HeapWalk(GetProcessHeap(), &entry), ERROR_NO_MORE_ITEMS);
    for (unsigned i = 0; i < HEAPS; i++)
        MUST(!heaps[i] || HeapDestroy(heaps[i]));
    printf("model, seed %s: %d steps of each kind\n", arguments[1], steps);
    return 0;
}
