/* VirtualAlloc, VirtualFree, VirtualProtect, VirtualQuery, VirtualLock, VirtualUnlock.
 *
 * Left out, because Wine 8 does not do what Microsoft documents:
 * - MEM_RESET without an address, or with other flags (Wine takes it for MEM_RESERVE; documented: it stands alone).
 * - PAGE_NOACCESS with a modifier, and PAGE_GUARD with PAGE_NOCACHE (Wine takes both; documented: not allowed together).
 * - PAGE_NOCACHE and PAGE_WRITECOMBINE in answers (Wine forgets them; documented: part of the protection).
 * - Ranges whose end is beyond the last number (Wine computes on with the remainder).
 * - VirtualUnlock of pages that are not locked (Wine says TRUE; documented: FALSE, ERROR_NOT_LOCKED).
 * And because it is not specified: how large a free region is, where reservations go, what is in pages after MEM_RESET, memory that
 * belongs to the program itself, MEM_WRITE_WATCH (not supported here).
 */
#include "oracle.h"

#define PAGE 0x1000

static char *reserve(size_t size, DWORD protect)
{
    char *base = (char *)VirtualAlloc(NULL, size, MEM_RESERVE, protect);
    if (!base)
        abort();
    return base;
}

static void reserving(void)
{
    char *base = NULL, *other;
    MEMORY_BASIC_INFORMATION info;
    GOT(base = (char *)VirtualAlloc(NULL, 100, MEM_RESERVE, PAGE_NOACCESS));
    CASE((uintptr_t)base & 0xffff);
    query("a reservation of 100 bytes", base, base);
    CASE(VirtualFree(base, 0, MEM_RELEASE));
    base = reserve(0x20000, PAGE_READONLY);
    query("a reservation", base, base);
    query("inside of it", base, base + 0x5123);
    query("its last byte", base, base + 0x1ffff);
    CASE(from(VirtualAlloc(base, 1, MEM_RESERVE, PAGE_READWRITE), base));
    CASE(from(VirtualAlloc(base + 0x8000, 1, MEM_RESERVE, PAGE_READWRITE), base));
    CASE(from(VirtualAlloc(base + 0x10000, 1, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE), base));
    CASE(from(VirtualAlloc(base, 0x20000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE), base));
    CASE(VirtualFree(base, 0, MEM_RELEASE));
    CASE(VirtualQuery(base, &info, sizeof info) && info.State == MEM_FREE);
    CASE(info.AllocationBase == NULL && info.AllocationProtect == 0 && info.Protect == PAGE_NOACCESS && info.Type == 0);
    /* Where something was and is no more, it can be had again. */
    CASE(from(VirtualAlloc(base + 0x2345, 0x100, MEM_RESERVE, PAGE_READWRITE), base));
    query("rounded to 64 KiB and a page", base, base + 0x2345);
    CASE(VirtualFree(base, 0, MEM_RELEASE));
    CASE(from(VirtualAlloc(base + 0x10001, 0xffff, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE), base));
    query("64 KiB, committed", base, base + 0x10000);
    CASE(from(VirtualAlloc(base, 0x10001, MEM_RESERVE, PAGE_READWRITE), base));
    CASE(from(VirtualAlloc(base, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE), base));
    query("neighbours are two", base, base);
    CASE(VirtualFree(base, 0x20000, MEM_DECOMMIT));
    CASE(from(VirtualAlloc(base, 0x20000, MEM_COMMIT, PAGE_READONLY), base));
    CASE(from(VirtualAlloc(base, 0x20000, MEM_RESET, PAGE_READWRITE), base));
    DWORD old = 77;
    CASE(VirtualProtect(base, 0x20000, PAGE_READONLY, &old));
    CASE(old);
    CASE(VirtualLock(base, 0x2000));
    CASE(VirtualUnlock(base, 0x2000));
    query("still two", base, base);
    CASE(VirtualFree(base, 0, MEM_RELEASE));
    CASE(VirtualFree(base + 0x10000, 0, MEM_RELEASE));
    GOT(other = (char *)VirtualAlloc(NULL, 1, MEM_RESERVE | MEM_TOP_DOWN, PAGE_READWRITE));
    CASE(VirtualFree(other, 0, MEM_RELEASE));
    GOT(other = (char *)VirtualAlloc(NULL, 1, MEM_COMMIT | MEM_TOP_DOWN, PAGE_READWRITE));
    CASE(VirtualFree(other + 0xfff, 0, MEM_RELEASE));
    GOT(other = (char *)VirtualAlloc(NULL, (SIZE_T)1 << 36, MEM_RESERVE, PAGE_NOACCESS));
    query("64 GiB", other, other + 12345);
    CASE(from(VirtualAlloc(other + ((SIZE_T)1 << 35), 1, MEM_COMMIT, PAGE_READWRITE), other));
    query("before a page in the middle", other, other);
    query("the page in the middle", other, other + ((SIZE_T)1 << 35));
    CASE(VirtualFree(other, 0, MEM_RELEASE));
}

static void wrong_arguments(void)
{
    char *base = reserve(0x20000, PAGE_READONLY);
    static const DWORD kinds[] = {0, MEM_TOP_DOWN, MEM_DECOMMIT, MEM_RELEASE, MEM_RESERVE | MEM_FREE, MEM_COMMIT | MEM_DECOMMIT,
                                  MEM_RESET_UNDO, MEM_RESERVE | MEM_LARGE_PAGES, MEM_RESERVE | MEM_COMMIT | MEM_LARGE_PAGES,
                                  MEM_RESERVE | MEM_PHYSICAL, 1, MEM_COMMIT | 1, 0x80000000u | MEM_COMMIT, MEM_PRIVATE,
                                  MEM_COMMIT | MEM_MAPPED};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        CASE(kinds[i]);
        GOT(VirtualAlloc(NULL, PAGE, kinds[i], PAGE_READWRITE));
        GOT(VirtualAlloc(base, PAGE, kinds[i], PAGE_READWRITE));
    }
    GOT(VirtualAlloc(NULL, 0, MEM_RESERVE, PAGE_READWRITE));
    GOT(VirtualAlloc(NULL, 0, MEM_COMMIT, PAGE_READWRITE));
    GOT(VirtualAlloc(base, 0, MEM_COMMIT, PAGE_READWRITE));
    GOT(VirtualAlloc(base, 0, MEM_RESET, PAGE_READWRITE));
    GOT(VirtualAlloc((void *)0x1000, 1, MEM_RESERVE, PAGE_READWRITE));
    GOT(VirtualAlloc((void *)0x1000, 1, MEM_COMMIT, PAGE_READWRITE));
    GOT(VirtualAlloc((void *)0xffff, 1, MEM_COMMIT, PAGE_READWRITE));
    GOT(VirtualAlloc((void *)0x7fffffff0000, PAGE, MEM_RESERVE, PAGE_READWRITE));
    GOT(VirtualAlloc((void *)(uintptr_t)-0x10000, PAGE, MEM_RESERVE, PAGE_READWRITE));
    GOT(VirtualAlloc((void *)(uintptr_t)-0x10000, PAGE, MEM_COMMIT, PAGE_READWRITE));
    GOT(VirtualAlloc(NULL, (SIZE_T)-1, MEM_RESERVE, PAGE_READWRITE));
    GOT(VirtualAlloc(NULL, (SIZE_T)1 << 47, MEM_RESERVE, PAGE_READWRITE));
    GOT(VirtualAlloc(NULL, (SIZE_T)1 << 63, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
    GOT(VirtualAlloc(base, (SIZE_T)-1, MEM_COMMIT, PAGE_READWRITE));
    GOT(VirtualAlloc(base + 0x1f000, 0x1001, MEM_COMMIT, PAGE_READWRITE));
    GOT(VirtualAlloc(base, 0x20001, MEM_COMMIT, PAGE_READWRITE));
    GOT(VirtualAlloc(base + 0x1f000, 0x1001, MEM_RESET, PAGE_READWRITE));
    query("nothing of it was done", base, base);
    CASE(VirtualFree(base, 0, MEM_RELEASE));
    GOT(VirtualAlloc(base, PAGE, MEM_COMMIT, PAGE_READWRITE));
    GOT(VirtualAlloc(base, PAGE, MEM_RESET, PAGE_READWRITE));
}

static void protections(void)
{
    static const DWORD all[] = {0, 0x01, 0x02, 0x03, 0x04, 0x05, 0x08, 0x10, 0x20, 0x30, 0x40, 0x80, 0xff, 0x100, 0x102, 0x104, 0x110,
                                0x120, 0x140, 0x108, 0x804, 0x1000, 0x1004, 0x40000004, 0x80000004};
    char *base = reserve(0x20000, PAGE_READONLY);
    GOT(VirtualAlloc(base, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        DWORD old = 77;
        char *made;
        CASE(all[i]);
        GOT(made = (char *)VirtualAlloc(NULL, PAGE, MEM_COMMIT, all[i]));
        if (made) {
            query("committed so", made, made);
            VirtualFree(made, 0, MEM_RELEASE);
        }
        GOT(made = (char *)VirtualAlloc(NULL, PAGE, MEM_RESERVE, all[i]));
        if (made) {
            query("reserved so", made, made);
            VirtualFree(made, 0, MEM_RELEASE);
        }
        CASE(VirtualProtect(base + PAGE, PAGE, all[i], &old));
        CASE(old);
        query("protected so", base, base + PAGE);
        CASE(from(VirtualAlloc(base + 2 * PAGE, 2 * PAGE, MEM_COMMIT, all[i]), base));
        query("committed again", base, base + 2 * PAGE);
    }
    CASE(VirtualFree(base, 0, MEM_RELEASE));
}

static void committing(void)
{
    char *base = reserve(0x20000, PAGE_READONLY);
    DWORD old = 77;
    CASE(from(VirtualAlloc(base, 1, MEM_COMMIT, PAGE_READWRITE), base));
    query("one page", base, base);
    CASE(from(VirtualAlloc(base + 0xfff, 2, MEM_COMMIT, PAGE_READWRITE), base));
    query("rounded outward", base, base);
    query("the rest", base, base + 0x2000);
    CASE(base[0] | base[0xfff] | base[0x1fff]);
    memset(base, 0x41, 0x2000);
    CASE(from(VirtualAlloc(base + 0x1000, 0x3000, MEM_COMMIT, PAGE_READWRITE), base));
    CASE(base[0x1000] + base[0x1fff]);
    CASE(base[0x2000] | base[0x3fff]);
    query("grown", base, base);
    CASE(from(VirtualAlloc(base, 0x1000, MEM_COMMIT, PAGE_READONLY), base));
    CASE(base[0]);
    query("its first page is read-only", base, base);
    query("the others are not", base, base + 0x1000);
    CASE(VirtualProtect(base + 0xfff, 2, PAGE_READONLY, &old));
    CASE(old);
    query("two are read-only", base, base);
    CASE(VirtualProtect(base + 0x1000, 1, PAGE_READWRITE, &old));
    CASE(old);
    CASE(VirtualProtect(base, 0x4000, PAGE_NOACCESS, &old));
    CASE(old);
    CASE(VirtualProtect(base, 0x4000, PAGE_EXECUTE_READWRITE, &old));
    CASE(old);
    CASE(sum_of(base, 0x4000));
    CASE(VirtualProtect(base, 0x4000, PAGE_READWRITE, &old));
    CASE(VirtualProtect(base, 0x5000, PAGE_READWRITE, &old));
    CASE(VirtualProtect(base + 0x3000, 0x2000, PAGE_READONLY, &old));
    query("as before", base, base + 0x3000);
    CASE(VirtualProtect(base, 0, PAGE_READONLY, &old));
    query("no page", base, base);
    CASE(VirtualProtect(base + 1, 0, PAGE_READONLY, &old));
    query("one page, for no byte", base, base);
    CASE(VirtualProtect(base, 1, PAGE_READWRITE, &old));
    CASE(VirtualProtect(base, 0, 99, &old));
    CASE(VirtualProtect(base, 1, PAGE_READWRITE, NULL));
    CASE(VirtualProtect(base + 0x10000, 1, PAGE_READWRITE, &old));
    CASE(VirtualProtect((void *)0x1000, 1, PAGE_READWRITE, &old));
    CASE(VirtualProtect(NULL, 1, PAGE_READWRITE, &old));
    CASE(VirtualProtect(base, 0x40000, PAGE_READWRITE, &old));
    CASE(VirtualProtect(base + 0x1f000, 0x1001, PAGE_READWRITE, &old));
    CASE(from(VirtualAlloc(base, 0x4000, MEM_RESET, PAGE_READWRITE), base));
    CASE(from(VirtualAlloc(base + 0x10010, 1, MEM_RESET, PAGE_NOACCESS), base));
    CASE(from(VirtualAlloc(base, 1, MEM_RESET, 0), base));
    query("reset changes nothing", base, base);
    CASE(VirtualFree(base, 0, MEM_RELEASE));
    CASE(VirtualProtect(base, 1, PAGE_READWRITE, &old));
}

static void freeing(void)
{
    char *base = reserve(0x20000, PAGE_READWRITE);
    GOT(VirtualAlloc(base, 0x4000, MEM_COMMIT, PAGE_READWRITE));
    memset(base, 0x42, 0x4000);
    CASE(VirtualFree(base, 0x1000, MEM_RELEASE));
    CASE(VirtualFree(base, 0x20000, MEM_RELEASE));
    CASE(VirtualFree(base + 0x1000, 0, MEM_RELEASE));
    CASE(VirtualFree(base + 0x10000, 0, MEM_RELEASE));
    CASE(VirtualFree(base, 0, 0));
    CASE(VirtualFree(base, 0x1000, MEM_RELEASE | MEM_DECOMMIT));
    CASE(VirtualFree(base, 0, MEM_RELEASE | MEM_DECOMMIT));
    CASE(VirtualFree(base, 0x1000, MEM_COMMIT));
    CASE(VirtualFree(base, 0, MEM_RESERVE));
    CASE(VirtualFree(base, 0, 0x10000000));
    CASE(VirtualFree(base + 0x1000, 0, MEM_DECOMMIT));
    query("all refused", base, base);
    CASE(VirtualFree(base + 0xfff, 2, MEM_DECOMMIT));
    query("two pages are gone", base, base);
    query("two are left", base, base + 0x2000);
    CASE(base[0x2000] + base[0x3fff]);
    GOT(VirtualAlloc(base, 0x2000, MEM_COMMIT, PAGE_READWRITE));
    CASE(base[0] | base[0x1fff]);
    CASE(base[0x2000]);
    CASE(VirtualFree(base, 0x40000, MEM_DECOMMIT));
    CASE(VirtualFree(base + 0x1f000, 0x1001, MEM_DECOMMIT));
    CASE(VirtualFree(base + 0x10000, 0x1000, MEM_DECOMMIT));
    CASE(VirtualFree(base, 0x20000, MEM_DECOMMIT));
    query("nothing is committed", base, base);
    CASE(VirtualFree(base, 0, MEM_DECOMMIT));
    CASE(VirtualFree(base + 1, 0, MEM_DECOMMIT));
    CASE(VirtualFree(base + 1, 0, MEM_RELEASE));
    CASE(VirtualFree(base, 0, MEM_RELEASE));
    CASE(VirtualFree(base, 0, MEM_DECOMMIT));
    CASE(VirtualFree(base, 1, MEM_DECOMMIT));
    CASE(VirtualFree(NULL, 0, MEM_RELEASE));
    CASE(VirtualFree(NULL, 0, MEM_DECOMMIT));
    CASE(VirtualFree(NULL, 1, MEM_DECOMMIT));
    CASE(VirtualFree((void *)0x1000, 0, MEM_RELEASE));
    CASE(VirtualFree((void *)0x10000000000, 0, MEM_RELEASE));
    CASE(VirtualFree((void *)0x10000000000, 0x1000, MEM_DECOMMIT));
}

static void locking(void)
{
    char *base = reserve(0x20000, PAGE_READWRITE);
    DWORD old;
    CASE(VirtualLock(base, 1));
    CASE(VirtualLock(NULL, 1));
    GOT(VirtualAlloc(base, 0x4000, MEM_COMMIT, PAGE_READWRITE));
    CASE(VirtualLock(base, 1));
    CASE(VirtualLock(base, 1));
    CASE(VirtualLock(base + 0xfff, 2));
    CASE(VirtualLock(base, 0x5000));
    CASE(VirtualUnlock(base, 0x2000));
    CASE(VirtualLock(base, 0));
    CASE(VirtualUnlock(base, 0));
    query("locked pages look alike", base, base);
    CASE(VirtualProtect(base, 0x1000, PAGE_NOACCESS, &old));
    CASE(VirtualLock(base, 1));
    CASE(VirtualProtect(base, 0x1000, PAGE_READWRITE | PAGE_GUARD, &old));
    CASE(VirtualLock(base, 1));
    CASE(VirtualProtect(base, 0x1000, PAGE_READONLY, &old));
    CASE(VirtualLock(base, 1));
    CASE(VirtualFree(base, 0x1000, MEM_DECOMMIT));
    CASE(VirtualFree(base, 0, MEM_RELEASE));
    CASE(VirtualLock(base, 1));
}

static void querying(void)
{
    MEMORY_BASIC_INFORMATION info;
    char *base = reserve(0x10000, PAGE_READWRITE);
    CASE(VirtualQuery(base, &info, 10));
    CASE(VirtualQuery(base, &info, sizeof info - 1));
    CASE(VirtualQuery(base, &info, 1000));
    CASE(VirtualQuery(base, NULL, sizeof info));
    CASE(VirtualQuery((void *)(intptr_t)-1, &info, 10));
    CASE(VirtualQuery((void *)(intptr_t)-1, &info, sizeof info));
    CASE(VirtualQuery((void *)0xffff800000000000, &info, sizeof info));
    CASE(VirtualQuery((void *)0x7fffffff0000, &info, sizeof info));
    CASE(VirtualQuery((void *)0x7ffffffe0000, &info, sizeof info));
    CASE(VirtualQuery(NULL, &info, sizeof info));
    CASE(info.State);
    CASE(VirtualQuery((void *)0x1234, &info, sizeof info));
    CASE(info.State);
    CASE((uintptr_t)info.BaseAddress);
    CASE(VirtualFree(base, 0, MEM_RELEASE));
}

void virtual_cases(void)
{
    reserving();
    wrong_arguments();
    protections();
    committing();
    freeing();
    locking();
    querying();
}
