/* Random programs, the same on both sides for the same seed. Each step is one line: what was done, and everything it answered.
 *
 * How many reserved pages follow each other is not told: Wine 8 remembers what they were before they were decommitted, and counts only
 * those that were the same. No block is freed twice: after a few hundred calls Wine 8 does not notice that any more, and falls over
 * it later (model.c does it here). What cases_virtual.c, cases_heap.c and cases_global.c leave out is left out here, too; and so are addresses that were given back,
 * but at once: somebody else may have them.
 */
#include "oracle.h"

#define PAGE 0x1000

static unsigned long step;

static void done(const char *what, long long a, long long b, long long answer)
{
    printf("%s %lu: %s %lld %lld = %lld, error %lu\n", group, ++step, what, a, b, answer, (unsigned long)GetLastError());
}

static void describe(const char *base, size_t offset)
{
    MEMORY_BASIC_INFORMATION info;
    memset(&info, 0, sizeof info);
    VirtualQuery(base + offset, &info, sizeof info);
    printf("    %lld %lld %lx %llu %lx %lx", from(info.BaseAddress, base), from(info.AllocationBase, base),
           (unsigned long)info.AllocationProtect, info.State == MEM_RESERVE ? 0 : (unsigned long long)info.RegionSize,
           (unsigned long)info.State, (unsigned long)info.Protect);
    if (info.State == MEM_COMMIT && !(info.Protect & (PAGE_GUARD | PAGE_NOACCESS)))
        printf(" sum %lx", sum_of(base + (offset & ~(size_t)(PAGE - 1)), PAGE));
    putchar('\n');
}

void random_virtual(uint64_t seed, int steps)
{
    static const DWORD protections[] = {0x01, 0x02, 0x04, 0x04, 0x04, 0x10, 0x20, 0x40, 0x102, 0x104, 0x120, 0x08, 0x80, 0};
    struct {
        char *base;
        size_t size;
    } regions[8] = {{NULL, 0}};
    step = 0;
    for (int i = 0; i < steps; i++) {
        unsigned which = next_random(&seed) % 8, kind = next_random(&seed) % 16;
        DWORD protect = protections[next_random(&seed) % (sizeof protections / sizeof *protections)], old = 77;
        char *base = regions[which].base;
        SetLastError(UNTOUCHED);
        if (!base) {
            size_t size = 1 + next_random(&seed) % (64 * PAGE);
            DWORD how = kind & 1 ? MEM_RESERVE : MEM_RESERVE | MEM_COMMIT;
            base = (char *)VirtualAlloc(NULL, size, how, protect);
            done("reserve", (long long)size, protect, base != NULL);
            regions[which].base = base;
            regions[which].size = (size + PAGE - 1) & ~(size_t)(PAGE - 1);
            continue;
        }
        /* Mostly within the reservation, sometimes beyond its end. */
        size_t offset = next_random(&seed) % regions[which].size;
        size_t room = regions[which].size - offset;
        size_t length = 1 + next_random(&seed) % (kind == 3 ? room + 2 * PAGE : room);
        char *at = base + offset;
        switch (kind) {
        case 0: case 1: case 2: case 3:
            done("commit", (long long)offset, (long long)length, from(VirtualAlloc(at, length, MEM_COMMIT, protect), base));
            break;
        case 4: case 5:
            done("decommit", (long long)offset, (long long)length, VirtualFree(at, length, MEM_DECOMMIT));
            break;
        case 6:
            done("decommit beyond", (long long)offset, (long long)room + PAGE, VirtualFree(at, room + PAGE, MEM_DECOMMIT));
            break;
        case 7: case 8: case 9:
            length = kind == 7 ? 1 : length;
            done("protect", (long long)offset, (long long)length, VirtualProtect(at, length, protect, &old));
            done("was", protect, 0, old);
            break;
        case 10:
            done("decommit all", (long long)offset, 0, VirtualFree(at, 0, MEM_DECOMMIT));
            break;
        case 11:
            done("release", (long long)offset, 0, VirtualFree(at, 0, MEM_RELEASE));
            if (offset < PAGE) {
                regions[which].base = NULL;
                continue;
            }
            break;
        case 12:
            done("reserve there", (long long)offset, 0, from(VirtualAlloc(at, length, MEM_RESERVE, protect), base));
            break;
        case 13:
            if (next_random(&seed) % 4)
                break;
            done("release all", 0, 0, VirtualFree(base, 0, MEM_RELEASE));
            done("release twice", 0, 0, VirtualFree(base, 0, MEM_RELEASE));
            regions[which].base = NULL;
            continue;
        default: {
            MEMORY_BASIC_INFORMATION info;
            VirtualQuery(at, &info, sizeof info);
            int writable = info.State == MEM_COMMIT && !(info.Protect & PAGE_GUARD) && (info.Protect & 0xff & (0x04 | 0x40));
            if (writable) {
                size_t fits = info.RegionSize - (offset & (PAGE - 1));
                memset(at, (int)kind + i, length < fits ? length : fits);
            }
            done("write", (long long)offset, (long long)length, writable);
        }
        }
        describe(base, offset);
        describe(base, next_random(&seed) % regions[which].size);
    }
}

static unsigned long long walked(HANDLE heap)
{
    PROCESS_HEAP_ENTRY entry;
    unsigned long long bytes = 0, blocks = 0;
    memset(&entry, 0, sizeof entry);
    while (HeapWalk(heap, &entry))
        if (entry.wFlags & PROCESS_HEAP_ENTRY_BUSY) {
            bytes += entry.cbData;
            blocks++;
        }
    return bytes * 1000 + blocks;
}

void random_heap(uint64_t seed, int steps)
{
    enum { HEAPS = 4, BLOCKS = 64 };
    HANDLE heaps[HEAPS] = {NULL};
    struct {
        char *at;
        size_t size;
        unsigned heap;
    } blocks[BLOCKS] = {{NULL, 0, 0}};
    step = 0;
    for (int i = 0; i < steps; i++) {
        unsigned which = next_random(&seed) % BLOCKS, kind = next_random(&seed) % 16;
        size_t most = next_random(&seed) % 4 ? 300 : 60000, size = next_random(&seed) % most;
        unsigned heap = blocks[which].at ? blocks[which].heap : next_random(&seed) % HEAPS;
        unsigned other = (heap + 1) % HEAPS;
        char *at = blocks[which].at;
        DWORD zero = kind & 1 ? HEAP_ZERO_MEMORY : 0;
        SetLastError(UNTOUCHED);
        if (!heaps[heap]) {
            heaps[heap] = HeapCreate(0, 0, 0);
            done("create", heap, 0, heaps[heap] != NULL);
        } else if (!at) {
            at = (char *)HeapAlloc(heaps[heap], zero, size);
            done("alloc", heap, (long long)size, at != NULL);
            if (zero)
                printf("    sum %lx\n", sum_of(at, size));
            memset(at, i, size);
            blocks[which].at = at;
            blocks[which].size = size;
            blocks[which].heap = heap;
        } else if (kind < 5) {
            done("free", heap, which, HeapFree(heaps[heap], 0, at));
            blocks[which].at = NULL;
        } else if (kind < 10) {
            char *moved = (char *)HeapReAlloc(heaps[heap], zero, at, size);
            size_t same = size < blocks[which].size ? size : blocks[which].size;
            done("realloc", (long long)blocks[which].size, (long long)size, moved != NULL);
            printf("    sum %lx\n", sum_of(moved, zero ? size : same));
            memset(moved, i, size);
            blocks[which].at = moved;
            blocks[which].size = size;
        } else if (kind == 10 && heaps[other]) {
            done("free elsewhere", other, which, HeapFree(heaps[other], 0, at));
            done("size elsewhere", other, which, (long long)HeapSize(heaps[other], 0, at));
            done("valid elsewhere", other, which, HeapValidate(heaps[other], 0, at));
            done("realloc elsewhere", other, which, HeapReAlloc(heaps[other], 0, at, size) != NULL);
        } else if (kind == 11) {
            size_t less = blocks[which].size ? size % blocks[which].size : 0;
            done("shrink in place", heap, (long long)less,
                 HeapReAlloc(heaps[heap], HEAP_REALLOC_IN_PLACE_ONLY, at, less) == at);
            blocks[which].size = less;
        } else if (kind == 12 && next_random(&seed) % 8 == 0) {
            done("destroy", heap, 0, HeapDestroy(heaps[heap]));
            heaps[heap] = NULL;
            for (int block = 0; block < BLOCKS; block++)
                if (blocks[block].heap == heap)
                    blocks[block].at = NULL;
        } else if (kind == 13) {
            done("walk", heap, 0, (long long)walked(heaps[heap]));
        } else {
            done("size", heap, which, (long long)HeapSize(heaps[heap], 0, at));
            done("valid", heap, which, HeapValidate(heaps[heap], 0, at));
            done("valid inside", heap, which, HeapValidate(heaps[heap], 0, at + 8));
            printf("    sum %lx\n", sum_of(at, blocks[which].size));
        }
    }
    for (int heap = 0; heap < HEAPS; heap++)
        if (heaps[heap])
            done("destroy", heap, 0, HeapDestroy(heaps[heap]));
}

void random_global(uint64_t seed, int steps)
{
    enum { HANDLES = 48 };
    static const UINT wishes[] = {0, GMEM_MOVEABLE, GHND, GPTR, GMEM_MOVEABLE | GMEM_DISCARDABLE, GHND | GMEM_DDESHARE, GMEM_MOVEABLE};
    struct {
        HGLOBAL handle;
        size_t size;
        int is_moveable, locks;
    } all[HANDLES] = {{NULL, 0, 0, 0}};
    step = 0;
    for (int i = 0; i < steps; i++) {
        unsigned which = next_random(&seed) % HANDLES, kind = next_random(&seed) % 16;
        int local = next_random(&seed) % 2;
        size_t size = next_random(&seed) % 8 ? next_random(&seed) % 5000 : 0;
        HGLOBAL h = all[which].handle;
        SetLastError(UNTOUCHED);
        if (!h) {
            UINT flags = wishes[next_random(&seed) % (sizeof wishes / sizeof *wishes)];
            h = local ? LocalAlloc(flags, size) : GlobalAlloc(flags, size);
            done("alloc", flags, (long long)size, (long long)((uintptr_t)h & 15));
            all[which].handle = h;
            all[which].size = size;
            all[which].is_moveable = (flags & GMEM_MOVEABLE) != 0;
            all[which].locks = 0;
            char *at = (char *)GlobalLock(h);
            if (at && flags & GMEM_ZEROINIT)
                printf("    sum %lx\n", sum_of(at, size));
            if (at)
                memset(at, i, size);
            GlobalUnlock(h);
        } else if (kind < 3) {
            done("free", local, which, (local ? LocalFree(h) : GlobalFree(h)) == NULL);
            if (all[which].is_moveable) {
                done("free twice", local, which, (local ? LocalFree(h) : GlobalFree(h)) == h);
                done("size then", local, which, (long long)GlobalSize(h));
                done("flags then", local, which, GlobalFlags(h));
            }
            all[which].handle = NULL;
        } else if (kind < 7) {
            UINT flags = GMEM_MOVEABLE | (kind & 1 ? GMEM_ZEROINIT : 0);
            if (all[which].is_moveable && !all[which].locks && kind == 3)
                flags &= ~(UINT)GMEM_MOVEABLE;
            if (kind == 4 && size > all[which].size)
                size = all[which].size;
            HGLOBAL g = local ? LocalReAlloc(h, size, flags) : GlobalReAlloc(h, size, flags);
            done("realloc", flags, (long long)size, all[which].is_moveable ? g == h : g != NULL);
            if (!g)
                continue;
            size_t same = size < all[which].size ? size : all[which].size;
            char *at = (char *)GlobalLock(g);
            if (at) {
                printf("    sum %lx\n", sum_of(at, same));
                memset(at, i, size);
            }
            GlobalUnlock(g);
            all[which].handle = g;
            all[which].size = size;
        } else if (kind == 7) {
            UINT flags = GMEM_MODIFY | (local ? GMEM_DISCARDABLE : GMEM_MOVEABLE);
            HGLOBAL g = GlobalReAlloc(h, size, flags);
            done("modify", flags, (long long)size, (long long)((uintptr_t)g & 15));
            if (!g)
                continue;
            all[which].handle = g;
            all[which].is_moveable = ((uintptr_t)g & 15) == 8;
        } else if (kind < 10) {
            char *at = (char *)(local ? LocalLock(h) : GlobalLock(h));
            done("lock", local, which, at != NULL);
            if (at) {
                all[which].locks += all[which].is_moveable;
                printf("    sum %lx, its handle %d, its size %d\n", sum_of(at, all[which].size), GlobalHandle(at) == h,
                       (int)GlobalSize(at));
            }
        } else if (kind < 12) {
            done("unlock", local, which, local ? LocalUnlock(h) : GlobalUnlock(h));
            if (all[which].locks)
                all[which].locks--;
        } else if (kind == 12 && all[which].is_moveable) {
            HGLOBAL g = local ? LocalDiscard(h) : GlobalDiscard(h);
            done("discard", local, which, g == h);
            if (g)
                all[which].size = 0;
        } else {
            done("flags", local, which, local ? LocalFlags(h) : GlobalFlags(h));
            done("size", local, which, (long long)(local ? LocalSize(h) : GlobalSize(h)));
        }
    }
    for (int which = 0; which < HANDLES; which++)
        if (all[which].handle)
            done("free", 0, which, GlobalFree(all[which].handle) == NULL);
}
