/* IsBadReadPtr and its family, figures of the machine, bytes, the last error.
 *
 * Left out: IsBadReadPtr of a guard page, which raises an exception that Wine 8 does not catch; figures, which are the machine's.
 */
#include "oracle.h"

static char text[] = "hello";

static void probing(void)
{
    DWORD old;
    char *base = (char *)VirtualAlloc(NULL, 0x20000, MEM_RESERVE, PAGE_READWRITE);
    static const DWORD all[] = {PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE};
    GOT(base);
    CASE(IsBadReadPtr(base, 1));
    CASE(IsBadWritePtr(base, 1));
    GOT(VirtualAlloc(base, 0x4000, MEM_COMMIT, PAGE_READWRITE));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        CASE(VirtualProtect(base + 0x1000, 0x1000, all[i], &old));
        CASE(IsBadReadPtr(base + 0x1000, 1));
        CASE(IsBadWritePtr(base + 0x1000, 1));
        CASE(IsBadReadPtr(base, 0x4000));
        CASE(IsBadWritePtr(base, 0x4000));
        CASE(IsBadReadPtr(base, 0x1000));
        CASE(IsBadReadPtr(base + 0xfff, 2));
        CASE(IsBadStringPtrA(base + 0x1fff, 1));
        CASE(IsBadCodePtr((FARPROC)(uintptr_t)(base + 0x1000)));
    }
    CASE(VirtualProtect(base + 0x1000, 0x1000, PAGE_READWRITE, &old));
    CASE(IsBadReadPtr(base, 0x4001));
    CASE(IsBadWritePtr(base, 0x4001));
    CASE(IsBadReadPtr(base + 0x3fff, 1));
    CASE(IsBadReadPtr(base + 0x4000, 1));
    CASE(IsBadReadPtr(base + 0x4000, 0));
    CASE(IsBadWritePtr(base + 0x4000, 0));
    CASE(IsBadReadPtr(NULL, 0));
    CASE(IsBadReadPtr(NULL, 1));
    CASE(IsBadWritePtr(NULL, 0));
    CASE(IsBadWritePtr(NULL, 1));
    CASE(IsBadReadPtr(base, (UINT_PTR)-1));
    CASE(IsBadReadPtr((void *)(intptr_t)-1, 1));
    CASE(IsBadReadPtr((void *)(intptr_t)-1, 0));
    CASE(IsBadReadPtr((void *)(intptr_t)-1, 100));
    memset(base, 'a', 0x4000);
    CASE(IsBadStringPtrA(base, 0x4000));
    CASE(IsBadStringPtrA(base, 0x4001));
    base[0x3fff] = 0;
    CASE(IsBadStringPtrA(base, 0x4001));
    CASE(IsBadStringPtrA(base, (UINT_PTR)-1));
    CASE(IsBadStringPtrA(base + 0x8000, 1));
    CASE(IsBadStringPtrA(base + 0x8000, 0));
    CASE(IsBadStringPtrA(NULL, 4));
    CASE(IsBadStringPtrA(NULL, 0));
    CASE(IsBadStringPtrA(text, 100000000));
    CASE(IsBadStringPtrA(text, 2));
    CASE(IsBadReadPtr(text, sizeof text));
    CASE(IsBadWritePtr(text, sizeof text));
    CASE(IsBadReadPtr(&old, sizeof old));
    CASE(IsBadWritePtr(&old, sizeof old));
    CASE(IsBadCodePtr((FARPROC)(uintptr_t)probing));
    CASE(IsBadCodePtr(NULL));
    CASE(sum_of(base, 0x4000));
    CASE(VirtualFree(base, 0, MEM_RELEASE));
    CASE(IsBadReadPtr(base, 1));
}

static void machine(void)
{
    MEMORYSTATUSEX status;
    MEMORYSTATUS old;
    SYSTEM_INFO info;
    memset(&status, 0x5a, sizeof status);
    CASE(sizeof status);
    CASE(sizeof old);
    CASE(sizeof info);
    CASE(sizeof(MEMORY_BASIC_INFORMATION));
    CASE(sizeof(PROCESS_HEAP_ENTRY));
    CASE(sizeof(DWORD) * 100 + sizeof(ULONG) * 10 + sizeof(LONG));
    CASE(sizeof(SIZE_T) * 100 + sizeof(BOOL) * 10 + sizeof(WORD));
    status.dwLength = 10;
    CASE(GlobalMemoryStatusEx(&status));
    status.dwLength = 0;
    CASE(GlobalMemoryStatusEx(&status));
    status.dwLength = sizeof status + 1;
    CASE(GlobalMemoryStatusEx(&status));
    status.dwLength = sizeof status;
    CASE(GlobalMemoryStatusEx(&status));
    CASE(status.dwMemoryLoad <= 100);
    CASE(status.ullTotalPhys > 0 && status.ullAvailPhys > 0 && status.ullAvailPhys <= status.ullTotalPhys);
    CASE(status.ullTotalPageFile > 0 && status.ullAvailPageFile > 0 && status.ullAvailPageFile <= status.ullTotalPageFile);
    CASE(status.ullTotalVirtual);
    CASE(status.ullAvailVirtual > 0 && status.ullAvailVirtual < status.ullTotalVirtual);
    CASE(status.ullAvailExtendedVirtual);
    memset(&old, 0x5a, sizeof old);
    GlobalMemoryStatus(&old);
    CASE(old.dwLength);
    CASE(old.dwMemoryLoad <= 100);
    CASE(old.dwTotalPhys == status.ullTotalPhys);
    CASE(old.dwTotalVirtual);
    CASE(old.dwAvailPhys > 0 && old.dwAvailPhys <= old.dwTotalPhys);
    memset(&info, 0x5a, sizeof info);
    GetSystemInfo(&info);
    CASE(info.wProcessorArchitecture);
    CASE(info.dwPageSize);
    CASE(info.dwAllocationGranularity);
    CASE((uintptr_t)info.lpMinimumApplicationAddress);
    CASE((uintptr_t)info.lpMaximumApplicationAddress);
    CASE(info.dwNumberOfProcessors > 0);
    CASE((info.dwActiveProcessorMask & 1) == 1);
    CASE(info.dwProcessorType);
}

static void bytes(void)
{
    char buffer[64];
    FillMemory(buffer, sizeof buffer, 0x7f);
    CASE(sum_of(buffer, sizeof buffer));
    ZeroMemory(buffer + 1, 10);
    CASE(sum_of(buffer, sizeof buffer));
    CopyMemory(buffer + 32, buffer, 16);
    CASE(sum_of(buffer, sizeof buffer));
    MoveMemory(buffer + 4, buffer, 40);
    CASE(sum_of(buffer, sizeof buffer));
    MoveMemory(buffer, buffer + 4, 40);
    CASE(sum_of(buffer, sizeof buffer));
    CASE(SecureZeroMemory(buffer + 3, 50) == buffer + 3);
    CASE(sum_of(buffer, sizeof buffer));
}

void other_cases(void)
{
    CASE((SetLastError(0), 0));
    CASE((SetLastError(0xffffffffu), GetLastError()));
    probing();
    machine();
    bytes();
}
