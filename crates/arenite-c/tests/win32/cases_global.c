/* GlobalAlloc, LocalAlloc and their families.
 *
 * Left out, because it is not specified: whether a block can grow in place (a fixed block, or a locked handle, without
 * GMEM_MOVEABLE), unless nothing could.
 */
#include "oracle.h"

static char no_block[4096] __attribute__((aligned(4096)));

/* No block of any heap can grow in place by so much. */
#define IMPOSSIBLE ((SIZE_T)1 << 42)

static void fixed(void)
{
    char *a, *b;
    GOT(a = (char *)GlobalAlloc(GMEM_FIXED, 0));
    CASE(GlobalSize(a));
    CASE(GlobalFlags(a));
    CASE(GlobalLock(a) == a);
    CASE(GlobalUnlock(a));
    CASE(GlobalHandle(a) == a);
    CASE(GlobalFree(a) == NULL);
    GOT(a = (char *)LocalAlloc(LMEM_FIXED, 0));
    CASE(LocalSize(a));
    CASE(LocalFree(a) == NULL);
    GOT(a = (char *)GlobalAlloc(GPTR, 100));
    CASE((uintptr_t)a & 15);
    CASE(sum_of(a, 100));
    CASE(GlobalSize(a));
    CASE(LocalSize(a));
    CASE(HeapSize(GetProcessHeap(), 0, a));
    CASE(HeapValidate(GetProcessHeap(), 0, a));
    CASE(GlobalFlags(a));
    CASE(LocalFlags(a));
    CASE(LocalLock(a) == a);
    CASE(GlobalFlags(a));
    CASE(GlobalUnlock(a));
    CASE(GlobalUnlock(a));
    CASE(LocalUnlock(a));
    CASE(LocalHandle(a) == a);
    CASE(GlobalReAlloc(a, 50, 0) == a);
    CASE(GlobalSize(a));
    GOT(GlobalReAlloc(a, IMPOSSIBLE, 0));
    GOT(LocalReAlloc(a, IMPOSSIBLE, 0));
    GOT(GlobalReAlloc(a, (SIZE_T)-1, GMEM_MOVEABLE));
    CASE(GlobalSize(a));
    memset(a, 3, 50);
    GOT(b = (char *)GlobalReAlloc(a, 200000, GMEM_MOVEABLE | GMEM_ZEROINIT));
    CASE(sum_of(b, 200000));
    CASE(GlobalSize(b));
    GOT(a = (char *)LocalReAlloc(b, 300, LMEM_MOVEABLE));
    CASE(sum_of(a, 300));
    CASE(GlobalReAlloc(a, 0, 0) == a);
    CASE(GlobalSize(a));
    GOT(b = (char *)GlobalReAlloc(a, 0, GMEM_MOVEABLE));
    CASE(GlobalSize(b));
    CASE(GlobalFlags(b));
    CASE(GlobalFree(b) == NULL);
    CASE(GlobalFree(b) == b);
    CASE(LocalFree(b) == b);
    CASE(GlobalSize(b));
    CASE(GlobalFlags(b));
    CASE(LocalFlags(b));
    CASE(GlobalLock(b) == b);
    CASE(GlobalUnlock(b));
    CASE(LocalUnlock(b));
    GOT(GlobalHandle(b));
    GOT(LocalHandle(b));
    GOT(GlobalReAlloc(b, 10, 0));
    GOT(LocalReAlloc(b, 10, LMEM_MOVEABLE));
    GOT(GlobalReAlloc(b, 10, GMEM_MODIFY | GMEM_MOVEABLE));
    CASE(HeapFree(GetProcessHeap(), 0, b));
    GOT(a = (char *)GlobalAlloc(GMEM_FIXED, 10));
    CASE(HeapFree(GetProcessHeap(), 0, a));
    CASE(GlobalFree(a) == a);
    GOT(a = (char *)HeapAlloc(GetProcessHeap(), 0, 33));
    CASE(GlobalSize(a));
    CASE(GlobalHandle(a) == a);
    CASE(GlobalFree(a) == NULL);
    CASE(HeapFree(GetProcessHeap(), 0, a));
}

static void modified(void)
{
    char *a;
    HGLOBAL h;
    GOT(a = (char *)GlobalAlloc(GPTR, 100));
    memset(a, 9, 100);
    CASE(GlobalReAlloc(a, 0, GMEM_MODIFY) == a);
    CASE(LocalReAlloc(a, 0, LMEM_MODIFY) == a);
    CASE(LocalReAlloc(a, 0, LMEM_MODIFY | LMEM_MOVEABLE) == a);
    CASE(LocalReAlloc(a, 0, LMEM_MODIFY | LMEM_DISCARDABLE) == a);
    CASE(GlobalReAlloc(a, 0, GMEM_MODIFY | GMEM_DISCARDABLE) == a);
    CASE(GlobalSize(a));
    CASE(GlobalFlags(a));
    GOT(h = GlobalReAlloc(a, 0, GMEM_MODIFY | GMEM_MOVEABLE));
    CASE(h == (HGLOBAL)a);
    CASE((uintptr_t)h & 15);
    CASE(GlobalFlags(h));
    CASE(GlobalSize(h));
    CASE(GlobalSize(a));
    CASE(GlobalHandle(a) == h);
    CASE(GlobalLock(h) == a);
    CASE(sum_of(a, 100));
    CASE(GlobalFree(h) == NULL);
    CASE(GlobalFree(h) == h);
    GOT(a = (char *)GlobalAlloc(GPTR, 100));
    GOT(h = GlobalReAlloc(a, 50, GMEM_MODIFY | GMEM_MOVEABLE | GMEM_DISCARDABLE));
    CASE(GlobalFlags(h));
    CASE(LocalFlags(h));
    CASE(GlobalSize(h));
    CASE(GlobalDiscard(h) == h);
    CASE(GlobalFlags(h));
    CASE(GlobalFree(h) == NULL);
}

static void moveable(void)
{
    HGLOBAL h;
    char *a, *b;
    GOT(h = GlobalAlloc(GHND, 100));
    CASE((uintptr_t)h & 15);
    CASE(GlobalSize(h));
    CASE(LocalSize(h));
    CASE(GlobalFlags(h));
    GOT(a = (char *)GlobalLock(h));
    CASE(a == (char *)h);
    CASE((uintptr_t)a & 15);
    CASE(sum_of(a, 100));
    CASE(GlobalFlags(h));
    CASE(GlobalLock(h) == a);
    CASE(LocalLock(h) == a);
    CASE(GlobalFlags(h));
    CASE(LocalFlags(h));
    CASE(GlobalHandle(a) == h);
    CASE(LocalHandle(a) == h);
    GOT(GlobalHandle(a + 1));
    GOT(GlobalHandle(a + 16));
    GOT(GlobalHandle(h));
    CASE(GlobalSize(a));
    CASE(GlobalFlags(a));
    CASE(GlobalLock(a) == a);
    CASE(GlobalUnlock(a));
    CASE(LocalUnlock(a));
    CASE(HeapSize(GetProcessHeap(), 0, a));
    CASE(HeapValidate(GetProcessHeap(), 0, a));
    CASE(HeapFree(GetProcessHeap(), 0, h));
    CASE(HeapSize(GetProcessHeap(), 0, h));
    CASE(GlobalUnlock(h));
    CASE(LocalUnlock(h));
    CASE(GlobalFlags(h));
    CASE(GlobalUnlock(h));
    CASE(GlobalUnlock(h));
    CASE(LocalUnlock(h));
    CASE(GlobalFlags(h));
    GOT(a = (char *)GlobalLock(h));
    memset(a, 5, 100);
    CASE(GlobalReAlloc(h, 50, 0) == h);
    CASE(GlobalLock(h) == a);
    CASE(GlobalUnlock(h));
    GOT(GlobalReAlloc(h, IMPOSSIBLE, 0));
    GOT(LocalReAlloc(h, IMPOSSIBLE, 0));
    CASE(GlobalReAlloc(h, 200, GMEM_MOVEABLE | GMEM_ZEROINIT) == h);
    GOT(b = (char *)GlobalLock(h));
    CASE(sum_of(b, 200));
    CASE(GlobalHandle(b) == h);
    CASE(GlobalFlags(h));
    CASE(GlobalUnlock(h));
    CASE(GlobalSize(h));
    GOT(GlobalReAlloc(h, 0, 0));
    GOT(GlobalReAlloc(h, 0, GMEM_MOVEABLE));
    GOT(LocalReAlloc(h, 0, LMEM_MOVEABLE));
    GOT(GlobalDiscard(h));
    CASE(GlobalFlags(h));
    CASE(GlobalSize(h));
    CASE(GlobalUnlock(h));
    CASE(GlobalReAlloc(h, 300000, 0) == h);
    CASE(GlobalSize(h));
    GOT(b = (char *)GlobalLock(h));
    CASE(sum_of(b, 200));
    CASE(GlobalUnlock(h));
    CASE(GlobalReAlloc(h, 30, 0) == h);
    CASE(GlobalSize(h));
    GOT(GlobalReAlloc(h, 0, 0));
    GOT(GlobalReAlloc(h, (SIZE_T)-1, 0));
    GOT(GlobalReAlloc(h, (SIZE_T)1 << 62, GMEM_MOVEABLE));
    CASE(GlobalSize(h));
    CASE(GlobalFlags(h));
    GOT(GlobalLock(h));
    CASE(GlobalFree(h) == NULL);
    CASE(GlobalFree(h) == h);
    CASE(GlobalSize(h));
    CASE(GlobalFlags(h));
    GOT(GlobalLock(h));
    CASE(GlobalUnlock(h));
    GOT(GlobalReAlloc(h, 10, 0));
    GOT(GlobalReAlloc(h, 10, GMEM_MODIFY));
    GOT(GlobalHandle(h));
    GOT(GlobalDiscard(h));
    CASE(LocalFree(h) == h);
    CASE(LocalSize(h));
    CASE(LocalFlags(h));
    GOT(LocalLock(h));
    CASE(LocalUnlock(h));
    GOT(LocalReAlloc(h, 10, 0));
    GOT(LocalHandle(h));
    /* By its block's address. */
    GOT(h = GlobalAlloc(GHND, 10));
    GOT(a = (char *)GlobalLock(h));
    CASE(GlobalFree(a) == NULL);
    CASE(GlobalFree(a) == a);
    CASE(GlobalFree(h) == h);
}

static void discarded(void)
{
    HGLOBAL h;
    GOT(h = GlobalAlloc(GMEM_MOVEABLE, 0));
    CASE((uintptr_t)h & 15);
    CASE(GlobalSize(h));
    CASE(GlobalFlags(h));
    CASE(LocalFlags(h));
    GOT(GlobalLock(h));
    CASE(GlobalFlags(h));
    CASE(GlobalUnlock(h));
    CASE(LocalUnlock(h));
    GOT(GlobalReAlloc(h, 0, 0));
    CASE(GlobalReAlloc(h, 0, GMEM_MOVEABLE) == h);
    CASE(GlobalDiscard(h) == h);
    CASE(GlobalFlags(h));
    CASE(GlobalReAlloc(h, 10, GMEM_ZEROINIT) == h);
    CASE(GlobalFlags(h));
    CASE(GlobalSize(h));
    CASE(sum_of(GlobalLock(h), 10));
    CASE(GlobalUnlock(h));
    CASE(LocalDiscard(h) == h);
    CASE(GlobalFlags(h));
    GOT(GlobalReAlloc(h, (SIZE_T)1 << 62, 0));
    CASE(GlobalFlags(h));
    CASE(LocalReAlloc(h, 20, LMEM_MOVEABLE) == h);
    CASE(GlobalSize(h));
    CASE(GlobalFree(h) == NULL);
    CASE(GlobalFree(h) == h);
    GOT(h = GlobalAlloc(GMEM_MOVEABLE | GMEM_DISCARDABLE, 10));
    CASE(GlobalFlags(h));
    CASE(LocalFlags(h));
    CASE(GlobalDiscard(h) == h);
    CASE(GlobalFlags(h));
    CASE(GlobalSize(h));
    CASE(GlobalReAlloc(h, 0, GMEM_MODIFY) == h);
    CASE(GlobalFlags(h));
    CASE(GlobalReAlloc(h, 0, GMEM_MODIFY | GMEM_DISCARDABLE) == h);
    CASE(GlobalFlags(h));
    CASE(GlobalReAlloc(h, 77, GMEM_MODIFY | GMEM_MOVEABLE) == h);
    CASE(GlobalFlags(h));
    CASE(GlobalSize(h));
    GOT(GlobalLock(h));
    CASE(GlobalFree(h) == NULL);
    GOT(h = LocalAlloc(LMEM_MOVEABLE, 0));
    CASE(LocalFlags(h));
    CASE(LocalSize(h));
    CASE(LocalFree(h) == NULL);
}

static void flags(void)
{
    static const UINT all[] = {0,      1,      2,      3,      4,      8,      0x10,   0x20,   0x40,    0x42,   0x50,       0x72,
                               0x80,   0x82,   0x100,  0x102,  0x200,  0x202,  0x400,  0x402,  0x802,   0xf00,  0xf02,      0xf42,
                               0x1000, 0x2000, 0x2002, 0x2042, 0x3002, 0x4000, 0x8000, 0x8002, 0x10002, 0x7f72, 0xffff,     0x180,
                               0x182,  0xf80,  0xf82,  0x980,  0x880,  0x280,  0x2082, 0x2080, 0x40c2,  0x20c0, 0x80000000u};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        for (int local = 0; local < 2; local++) {
            HGLOBAL h;
            CASE(all[i]);
            CASE(local);
            GOT(h = local ? LocalAlloc(all[i], 33) : GlobalAlloc(all[i], 33));
            CASE((uintptr_t)h & 15);
            CASE(GlobalSize(h));
            CASE(GlobalFlags(h));
            CASE(LocalFlags(h));
            CASE(GlobalLock(h) == h);
            CASE(GlobalFlags(h));
            CASE(GlobalFree(h) == NULL);
            /* A handle. */
            GOT(h = GlobalAlloc(GMEM_MOVEABLE, 40));
            CASE((local ? LocalReAlloc(h, 20, all[i]) : GlobalReAlloc(h, 20, all[i])) == h);
            CASE(GlobalFlags(h));
            CASE(LocalFlags(h));
            CASE(GlobalSize(h));
            CASE((local ? LocalReAlloc(h, 0, all[i]) : GlobalReAlloc(h, 0, all[i])) == h);
            CASE(GlobalFlags(h));
            CASE(GlobalSize(h));
            CASE(GlobalFree(h) == NULL);
            /* An address. */
            GOT(h = GlobalAlloc(GMEM_FIXED, 40));
            HGLOBAL g = local ? LocalReAlloc(h, 20, all[i]) : GlobalReAlloc(h, 20, all[i]);
            GOT(g);
            h = g ? g : h;
            CASE((uintptr_t)h & 15);
            CASE(GlobalSize(h));
            CASE(GlobalFlags(h));
            CASE(GlobalFree(h) == NULL);
        }
    }
}

static void wrong(void *none)
{
    CASE(GlobalSize(none));
    CASE(GlobalFlags(none));
    CASE(GlobalLock(none) == none);
    CASE(GlobalUnlock(none));
    GOT(GlobalHandle(none));
    GOT(GlobalReAlloc(none, 10, 0));
    GOT(GlobalReAlloc(none, 10, GMEM_MOVEABLE));
    GOT(GlobalReAlloc(none, 10, GMEM_MODIFY));
    GOT(GlobalReAlloc(none, 10, GMEM_MODIFY | GMEM_MOVEABLE));
    GOT(GlobalReAlloc(none, 10, GMEM_DISCARDABLE));
    GOT(GlobalReAlloc(none, 0, 0));
    CASE(GlobalFree(none) == none);
    CASE(LocalSize(none));
    CASE(LocalFlags(none));
    CASE(LocalLock(none) == none);
    CASE(LocalUnlock(none));
    GOT(LocalHandle(none));
    GOT(LocalReAlloc(none, 10, 0));
    GOT(LocalReAlloc(none, 10, LMEM_MOVEABLE));
    CASE(LocalFree(none) == none);
}

static void lock_counts(void)
{
    for (int local = 0; local < 2; local++) {
        HGLOBAL h;
        int unlocked = 0;
        GOT(h = local ? LocalAlloc(LMEM_MOVEABLE, 10) : GlobalAlloc(GMEM_MOVEABLE, 10));
        for (int i = 0; i < 254; i++)
            GlobalLock(h);
        CASE(GlobalFlags(h));
        GOT(GlobalLock(h));
        CASE(GlobalFlags(h));
        GOT(LocalLock(h));
        CASE(GlobalFlags(h));
        for (int i = 0; i < 100; i++)
            LocalLock(h);
        CASE(LocalFlags(h));
        while (local ? LocalUnlock(h) : GlobalUnlock(h))
            unlocked++;
        CASE(unlocked);
        CASE(GlobalUnlock(h));
        GOT(GlobalLock(h));
        CASE(GlobalFree(h) == NULL);
    }
}

static void many_handles(void)
{
    static HGLOBAL made[70000];
    int count = 0, freed = 0;
    SetLastError(UNTOUCHED);
    while (count < 70000 && (made[count] = GlobalAlloc(GMEM_MOVEABLE, 0)))
        count++;
    CASE(GetLastError() == ERROR_NOT_ENOUGH_MEMORY);
    /* 65535, less what the program's own libraries have. */
    printf("%s %lu: some %d000 handles\n", group, ++cases, (count + 500) / 1000);
    GOT(GlobalAlloc(GMEM_MOVEABLE, 10));
    GOT(LocalAlloc(LMEM_MOVEABLE, 0));
    for (int i = 0; i < count; i++)
        freed += GlobalFree(made[i]) == NULL;
    CASE(freed == count);
    GOT(made[0] = GlobalAlloc(GMEM_MOVEABLE, 10));
    CASE(GlobalFree(made[0]) == NULL);
}

void global_cases(void)
{
    char *a;
    fixed();
    modified();
    moveable();
    discarded();
    flags();
    wrong(NULL);
    wrong(no_block + 64);
    wrong(no_block + 72);
    GOT(a = (char *)GlobalAlloc(GMEM_FIXED, 100));
    wrong(a + 16);
    wrong(a + 8);
    CASE(GlobalSize(a));
    CASE(GlobalFree(a) == NULL);
    GOT(GlobalAlloc(GMEM_FIXED, (SIZE_T)-1));
    GOT(GlobalAlloc(GMEM_MOVEABLE, (SIZE_T)-1));
    GOT(GlobalAlloc(GMEM_MOVEABLE, (SIZE_T)1 << 62));
    GOT(LocalAlloc(LMEM_FIXED, (SIZE_T)1 << 62));
    GOT(LocalAlloc(LMEM_MOVEABLE, (SIZE_T)-1));
    lock_counts();
    many_handles();
}
