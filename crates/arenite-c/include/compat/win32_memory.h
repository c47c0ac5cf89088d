/*
 * The memory half of Win32, for programs of the 1990s on Linux and macOS: VirtualAlloc, HeapAlloc, GlobalAlloc, LocalAlloc and
 * what belongs to them, under their own names, with the types, flags and error codes of Windows.
 *
 *     #include "compat/win32_memory.h"
 *
 *     char *level = VirtualAlloc(NULL, 64 << 20, MEM_RESERVE, PAGE_NOACCESS);
 *     VirtualAlloc(level, 64 << 10, MEM_COMMIT, PAGE_READWRITE);
 *
 * C99 (gnu89 will do), C11 and C++ (C++98 will do). Programs that include <windows.h> get one of their own, with this one line, in a folder
 * that only this system's build looks in. The names are static inline functions over `arenite_win32_…` of the library, so that nothing else of the
 * program is touched: no macro takes the name of a method, and no symbol of a Win32 name is exported. On Windows include
 * <windows.h>.
 *
 * WHAT HOLDS FOR ALL OF THEM
 *
 * - The answers are those of a real implementation: the same program, built for Windows and run under Wine, prints the same
 *   (`ci/win32`). What differs stands at each function under "Here:".
 * - Every function may be called from any thread. The last error is the thread's own; a call that succeeds leaves it alone.
 * - Any pointer and any handle may be handed in: one that is foreign, freed, or of another heap is refused with an error code, and
 *   nothing is read or written at it. Only where results are written (`lpflOldProtect`, structures) the pointer must be good, or NULL.
 * - There are no exceptions here. Where Windows would raise one, a call fails (HEAP_GENERATE_EXCEPTIONS), or the access is a SIGSEGV
 *   (PAGE_GUARD).
 * - Memory is committed and charged to the tags `win32/virtual` and `win32/heap` of Arenite's ledger, whose budgets hold:
 *   what would break one is refused with ERROR_COMMITMENT_LIMIT or ERROR_NOT_ENOUGH_MEMORY.
 * - Integers have the widths of Windows: DWORD, ULONG and LONG have 32 bits, also where `long` has 64. So a DWORD is printed with
 *   "%u", or cast for the "%lu" of old sources.
 */
#ifndef ARENITE_WIN32_MEMORY_H
#define ARENITE_WIN32_MEMORY_H

#ifdef _WIN32
#error "on Windows include <windows.h> instead"
#endif

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- types ---- */

typedef int BOOL;
typedef uint8_t BYTE;
typedef uint8_t UCHAR;
typedef uint16_t WORD;
typedef uint32_t DWORD;
typedef uint32_t ULONG;
typedef int32_t LONG;
typedef unsigned int UINT;
typedef uint64_t DWORDLONG;
typedef size_t SIZE_T;
typedef uintptr_t ULONG_PTR;
typedef uintptr_t UINT_PTR;
typedef uintptr_t DWORD_PTR;
typedef void *PVOID;
typedef void *LPVOID;
typedef const void *LPCVOID;
typedef const char *LPCSTR;
typedef void *HANDLE;
typedef HANDLE HGLOBAL;
typedef HANDLE HLOCAL;
typedef SIZE_T *PSIZE_T;
typedef DWORD *PDWORD;
typedef DWORD *LPDWORD;
typedef int (*FARPROC)(void);

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

/* ---- the last error ---- */

#define ERROR_SUCCESS 0u
#define NO_ERROR 0u
#define ERROR_ACCESS_DENIED 5u
#define ERROR_INVALID_HANDLE 6u
#define ERROR_NOT_ENOUGH_MEMORY 8u
#define ERROR_BAD_LENGTH 24u
#define ERROR_NOT_SUPPORTED 50u
#define ERROR_INVALID_PARAMETER 87u
#define ERROR_DISCARDED 157u
#define ERROR_NOT_LOCKED 158u
#define ERROR_NO_MORE_ITEMS 259u
#define ERROR_NOT_OWNER 288u
#define ERROR_INVALID_ADDRESS 487u
#define ERROR_NOACCESS 998u
#define ERROR_INTERNAL_ERROR 1359u
#define ERROR_WORKING_SET_QUOTA 1453u
#define ERROR_COMMITMENT_LIMIT 1455u

uint32_t arenite_win32_GetLastError(void);
void arenite_win32_SetLastError(uint32_t code);

/* The calling thread's last error. */
static inline DWORD GetLastError(void)
{
    return arenite_win32_GetLastError();
}

static inline void SetLastError(DWORD dwErrCode)
{
    arenite_win32_SetLastError(dwErrCode);
}

/* ---- pages ---- */

#define MEM_COMMIT 0x00001000u
#define MEM_RESERVE 0x00002000u
#define MEM_DECOMMIT 0x00004000u
#define MEM_RELEASE 0x00008000u
#define MEM_FREE 0x00010000u
#define MEM_PRIVATE 0x00020000u
#define MEM_MAPPED 0x00040000u
#define MEM_RESET 0x00080000u
#define MEM_TOP_DOWN 0x00100000u
#define MEM_WRITE_WATCH 0x00200000u
#define MEM_PHYSICAL 0x00400000u
#define MEM_RESET_UNDO 0x01000000u
#define MEM_IMAGE 0x01000000u
#define MEM_LARGE_PAGES 0x20000000u

#define PAGE_NOACCESS 0x01u
#define PAGE_READONLY 0x02u
#define PAGE_READWRITE 0x04u
#define PAGE_WRITECOPY 0x08u
#define PAGE_EXECUTE 0x10u
#define PAGE_EXECUTE_READ 0x20u
#define PAGE_EXECUTE_READWRITE 0x40u
#define PAGE_EXECUTE_WRITECOPY 0x80u
#define PAGE_GUARD 0x100u
#define PAGE_NOCACHE 0x200u
#define PAGE_WRITECOMBINE 0x400u

typedef struct arenite_win32_MEMORY_BASIC_INFORMATION {
    PVOID BaseAddress;
    PVOID AllocationBase;
    DWORD AllocationProtect;
    WORD PartitionId;
    SIZE_T RegionSize;
    DWORD State;
    DWORD Protect;
    DWORD Type;
} MEMORY_BASIC_INFORMATION, *PMEMORY_BASIC_INFORMATION;

void *arenite_win32_VirtualAlloc(void *address, size_t size, uint32_t kind, uint32_t protect);
int32_t arenite_win32_VirtualFree(void *address, size_t size, uint32_t kind);
int32_t arenite_win32_VirtualProtect(void *address, size_t size, uint32_t protect, uint32_t *old);
size_t arenite_win32_VirtualQuery(const void *address, void *into, size_t length);
int32_t arenite_win32_VirtualLock(void *address, size_t size);
int32_t arenite_win32_VirtualUnlock(void *address, size_t size);

/*
 * Reserves address space (MEM_RESERVE; at a multiple of 64 KiB, at lpAddress rounded down to one if it is not NULL), commits pages
 * (MEM_COMMIT; every page that the range touches; those committed already keep what is in them and get the new protection), both,
 * or drops the content of pages (MEM_RESET). MEM_COMMIT without an address reserves, too. Committed pages are zero at first.
 *
 * Refused: ERROR_INVALID_PARAMETER (no size, unknown flags or protection, an address below 64 KiB or behind the last),
 * ERROR_INVALID_ADDRESS (committing what is not reserved, or across two reservations; reserving what is taken),
 * ERROR_COMMITMENT_LIMIT (a budget, or the system has no memory), ERROR_NOT_ENOUGH_MEMORY (no address space).
 *
 * Here: MEM_TOP_DOWN is accepted and ignored. MEM_WRITE_WATCH is ERROR_NOT_SUPPORTED. MEM_RESET must stand alone and have an address
 * (as Microsoft documents; Wine takes more), and pages are zero afterwards at once, if they are PAGE_READWRITE and not locked.
 * PAGE_GUARD closes the pages until VirtualProtect opens them: nobody raises its exception, and it does not go at the first access.
 * PAGE_NOCACHE and PAGE_WRITECOMBINE are kept in the books and have no effect; with each other, PAGE_GUARD or PAGE_NOACCESS they are
 * refused, as documented. PAGE_EXECUTE can be read, too, and some systems refuse PAGE_EXECUTE_READWRITE. The page is the system's:
 * 4 KiB, or 16 KiB on Apple's processors (ask GetSystemInfo).
 */
static inline LPVOID VirtualAlloc(LPVOID lpAddress, SIZE_T dwSize, DWORD flAllocationType, DWORD flProtect)
{
    return arenite_win32_VirtualAlloc(lpAddress, dwSize, flAllocationType, flProtect);
}

/*
 * Takes the memory from behind every page that the range touches (MEM_DECOMMIT; with size 0 and the reservation's base: all of it),
 * or ends the reservation (MEM_RELEASE; its base, and size 0). Pages without memory may be decommitted.
 *
 * Refused: ERROR_INVALID_PARAMETER (other flags, a size with MEM_RELEASE, what is not reserved, freed twice, or beyond the
 * reservation), ERROR_INVALID_ADDRESS (inside of a reservation where its base is wanted).
 */
static inline BOOL VirtualFree(LPVOID lpAddress, SIZE_T dwSize, DWORD dwFreeType)
{
    return arenite_win32_VirtualFree(lpAddress, dwSize, dwFreeType);
}

/*
 * Changes the protection of every page that the range touches; all must be committed and of one reservation. The old protection
 * of the first is written to lpflOldProtect.
 *
 * Refused: ERROR_NOACCESS (lpflOldProtect is NULL), ERROR_INVALID_PARAMETER (a protection that VirtualAlloc refuses, too; no
 * reservation; beyond it), ERROR_INVALID_ADDRESS (a page is not committed), ERROR_ACCESS_DENIED (the system refuses).
 *
 * Here: only memory of VirtualAlloc; that of the program and its stacks is refused.
 */
static inline BOOL VirtualProtect(LPVOID lpAddress, SIZE_T dwSize, DWORD flNewProtect, PDWORD lpflOldProtect)
{
    return arenite_win32_VirtualProtect(lpAddress, dwSize, flNewProtect, lpflOldProtect);
}

/*
 * What the page at an address is, and how many bytes from it on are the same. Answers the size of the structure, or 0:
 * ERROR_BAD_LENGTH (dwLength is too small), ERROR_INVALID_PARAMETER (not an address of a program), ERROR_NOACCESS (lpBuffer is
 * NULL).
 *
 * Here: of memory that is not of VirtualAlloc the operating system is asked (slow on Linux). It is told as MEM_PRIVATE,
 * PAGE_READONLY or PAGE_READWRITE, with the system's own mapping as its region.
 */
static inline SIZE_T VirtualQuery(LPCVOID lpAddress, PMEMORY_BASIC_INFORMATION lpBuffer, SIZE_T dwLength)
{
    return arenite_win32_VirtualQuery(lpAddress, lpBuffer, dwLength);
}

/*
 * Keeps pages in RAM, until they are unlocked, decommitted or released. They may be any pages of the process that can be read.
 *
 * Refused: ERROR_ACCESS_DENIED (a page can not be read, or is not there), ERROR_WORKING_SET_QUOTA (more than the process may lock:
 * RLIMIT_MEMLOCK).
 */
static inline BOOL VirtualLock(LPVOID lpAddress, SIZE_T dwSize)
{
    return arenite_win32_VirtualLock(lpAddress, dwSize);
}

/*
 * Undoes VirtualLock. Locks are not counted. ERROR_NOT_LOCKED: a page is not locked (as Microsoft documents; Wine does not notice).
 */
static inline BOOL VirtualUnlock(LPVOID lpAddress, SIZE_T dwSize)
{
    return arenite_win32_VirtualUnlock(lpAddress, dwSize);
}

/* ---- heaps ---- */

#define HEAP_NO_SERIALIZE 0x00000001u
#define HEAP_GROWABLE 0x00000002u
#define HEAP_GENERATE_EXCEPTIONS 0x00000004u
#define HEAP_ZERO_MEMORY 0x00000008u
#define HEAP_REALLOC_IN_PLACE_ONLY 0x00000010u
#define HEAP_CREATE_ENABLE_EXECUTE 0x00040000u

#define PROCESS_HEAP_REGION 0x0001u
#define PROCESS_HEAP_UNCOMMITTED_RANGE 0x0002u
#define PROCESS_HEAP_ENTRY_BUSY 0x0004u
#define PROCESS_HEAP_ENTRY_MOVEABLE 0x0010u
#define PROCESS_HEAP_ENTRY_DDESHARE 0x0020u

struct arenite_win32_heap_entry_block {
    HANDLE hMem;
    DWORD dwReserved[3];
};

struct arenite_win32_heap_entry_region {
    DWORD dwCommittedSize;
    DWORD dwUnCommittedSize;
    LPVOID lpFirstBlock;
    LPVOID lpLastBlock;
};

typedef struct arenite_win32_PROCESS_HEAP_ENTRY {
    PVOID lpData;
    DWORD cbData;
    BYTE cbOverhead;
    BYTE iRegionIndex;
    WORD wFlags;
    union {
        struct arenite_win32_heap_entry_block Block;
        struct arenite_win32_heap_entry_region Region;
    }
#if !defined(__cplusplus) && defined(__STDC_VERSION__) && __STDC_VERSION__ < 201112L
    /* Without a name, as on Windows, where the language has that: not in C99. */
    u
#endif
    ;
} PROCESS_HEAP_ENTRY, *LPPROCESS_HEAP_ENTRY, *PPROCESS_HEAP_ENTRY;

void *arenite_win32_GetProcessHeap(void);
void *arenite_win32_HeapCreate(uint32_t flags, size_t initial, size_t maximum);
int32_t arenite_win32_HeapDestroy(void *heap);
void *arenite_win32_HeapAlloc(void *heap, uint32_t flags, size_t size);
void *arenite_win32_HeapReAlloc(void *heap, uint32_t flags, void *block, size_t size);
int32_t arenite_win32_HeapFree(void *heap, uint32_t flags, void *block);
size_t arenite_win32_HeapSize(void *heap, uint32_t flags, const void *block);
int32_t arenite_win32_HeapValidate(void *heap, uint32_t flags, const void *block);
size_t arenite_win32_HeapCompact(void *heap, uint32_t flags);
int32_t arenite_win32_HeapLock(void *heap);
int32_t arenite_win32_HeapUnlock(void *heap);
int32_t arenite_win32_HeapWalk(void *heap, void *entry);

/* The heap of the process, which is made when it is first needed and can not be destroyed. Global and local blocks are in it. */
static inline HANDLE GetProcessHeap(void)
{
    return arenite_win32_GetProcessHeap();
}

/*
 * A heap of one's own. With a maximum size (rounded up to pages) its blocks together, each with 16 bytes besides, come to no more
 * than that, and each is smaller than 0xFF000 bytes; with 0 it grows. ERROR_NOT_ENOUGH_MEMORY: no address space, or a budget.
 *
 * Here: the initial size is not committed ahead. HEAP_NO_SERIALIZE does no harm: the heap is thread-safe all the same.
 * HEAP_GENERATE_EXCEPTIONS has no effect here or below: what fails answers NULL. HEAP_CREATE_ENABLE_EXECUTE has none: make code in
 * VirtualAlloc's pages.
 */
static inline HANDLE HeapCreate(DWORD flOptions, SIZE_T dwInitialSize, SIZE_T dwMaximumSize)
{
    return arenite_win32_HeapCreate(flOptions, dwInitialSize, dwMaximumSize);
}

/* Ends a heap and every block in it. ERROR_INVALID_HANDLE: not a heap, destroyed already, or the process's. */
static inline BOOL HeapDestroy(HANDLE hHeap)
{
    return arenite_win32_HeapDestroy(hHeap);
}

/*
 * A block at a multiple of 16, with HEAP_ZERO_MEMORY all zero. 0 bytes give a block that can be freed. NULL with
 * ERROR_NOT_ENOUGH_MEMORY or ERROR_INVALID_HANDLE (Windows promises no code here; these are Wine's).
 */
static inline LPVOID HeapAlloc(HANDLE hHeap, DWORD dwFlags, SIZE_T dwBytes)
{
    return arenite_win32_HeapAlloc(hHeap, dwFlags, dwBytes);
}

/*
 * Makes a block larger or smaller, and moves it if it must; not with HEAP_REALLOC_IN_PLACE_ONLY. With HEAP_ZERO_MEMORY what is
 * added is zero. Refused, the block stays as it was: ERROR_INVALID_PARAMETER (not a block of this heap), ERROR_NOT_ENOUGH_MEMORY
 * (also when it can not grow in place), ERROR_INVALID_HANDLE.
 *
 * Here: in place a block can always shrink, and grow as far as its size class.
 */
static inline LPVOID HeapReAlloc(HANDLE hHeap, DWORD dwFlags, LPVOID lpMem, SIZE_T dwBytes)
{
    return arenite_win32_HeapReAlloc(hHeap, dwFlags, lpMem, dwBytes);
}

/* Takes a block back; NULL is fine. ERROR_INVALID_PARAMETER: not a block of this heap, or freed already. */
static inline BOOL HeapFree(HANDLE hHeap, DWORD dwFlags, LPVOID lpMem)
{
    return arenite_win32_HeapFree(hHeap, dwFlags, lpMem);
}

/* What was asked for, in bytes; (SIZE_T)-1 with ERROR_INVALID_PARAMETER if it is not a block of this heap. */
static inline SIZE_T HeapSize(HANDLE hHeap, DWORD dwFlags, LPCVOID lpMem)
{
    return arenite_win32_HeapSize(hHeap, dwFlags, lpMem);
}

/* Whether it is a block of this heap; with NULL: whether it is a heap. The last error stays. */
static inline BOOL HeapValidate(HANDLE hHeap, DWORD dwFlags, LPCVOID lpMem)
{
    return arenite_win32_HeapValidate(hHeap, dwFlags, lpMem);
}

/* Gives memory that no block needs back to the system. Always 0, as Wine has it: no size is told. */
static inline SIZE_T HeapCompact(HANDLE hHeap, DWORD dwFlags)
{
    return arenite_win32_HeapCompact(hHeap, dwFlags);
}

/*
 * Keeps all other threads from this heap until HeapUnlock, as often; the process's heap with global and local blocks, too. FALSE if it
 * is not a heap. HeapUnlock: ERROR_NOT_OWNER (here) if the thread does not have it.
 */
static inline BOOL HeapLock(HANDLE hHeap)
{
    return arenite_win32_HeapLock(hHeap);
}

static inline BOOL HeapUnlock(HANDLE hHeap)
{
    return arenite_win32_HeapUnlock(hHeap);
}

/*
 * The first block (lpData is NULL), or the one behind that of the last call, by address; FALSE with ERROR_NO_MORE_ITEMS at the end,
 * ERROR_INVALID_PARAMETER (lpData is not a block of this walk), ERROR_INVALID_HANDLE. Blocks may be freed on the way; new ones are
 * found by the next walk. One walk at a time: hold HeapLock.
 *
 * Here: blocks only (PROCESS_HEAP_ENTRY_BUSY), with cbOverhead 0: no regions, uncommitted ranges, or free blocks.
 */
static inline BOOL HeapWalk(HANDLE hHeap, LPPROCESS_HEAP_ENTRY lpEntry)
{
    return arenite_win32_HeapWalk(hHeap, lpEntry);
}

/* ---- global and local memory ---- */

#define GMEM_FIXED 0x0000u
#define GMEM_MOVEABLE 0x0002u
#define GMEM_NOCOMPACT 0x0010u
#define GMEM_NODISCARD 0x0020u
#define GMEM_ZEROINIT 0x0040u
#define GMEM_MODIFY 0x0080u
#define GMEM_DISCARDABLE 0x0100u
#define GMEM_NOT_BANKED 0x1000u
#define GMEM_LOWER GMEM_NOT_BANKED
#define GMEM_SHARE 0x2000u
#define GMEM_DDESHARE 0x2000u
#define GMEM_NOTIFY 0x4000u
#define GMEM_DISCARDED 0x4000u
#define GMEM_LOCKCOUNT 0x00ffu
#define GMEM_INVALID_HANDLE 0x8000u
#define GHND (GMEM_MOVEABLE | GMEM_ZEROINIT)
#define GPTR (GMEM_FIXED | GMEM_ZEROINIT)

#define LMEM_FIXED 0x0000u
#define LMEM_MOVEABLE 0x0002u
#define LMEM_NOCOMPACT 0x0010u
#define LMEM_NODISCARD 0x0020u
#define LMEM_ZEROINIT 0x0040u
#define LMEM_MODIFY 0x0080u
#define LMEM_DISCARDABLE 0x0F00u
#define LMEM_DISCARDED 0x4000u
#define LMEM_LOCKCOUNT 0x00FFu
#define LMEM_INVALID_HANDLE 0x8000u
#define LHND (LMEM_MOVEABLE | LMEM_ZEROINIT)
#define LPTR (LMEM_FIXED | LMEM_ZEROINIT)
#define NONZEROLHND LMEM_MOVEABLE
#define NONZEROLPTR LMEM_FIXED

void *arenite_win32_GlobalAlloc(uint32_t flags, size_t size);
void *arenite_win32_LocalAlloc(uint32_t flags, size_t size);
void *arenite_win32_GlobalReAlloc(void *memory, size_t size, uint32_t flags);
void *arenite_win32_LocalReAlloc(void *memory, size_t size, uint32_t flags);
void *arenite_win32_GlobalFree(void *memory);
size_t arenite_win32_GlobalSize(void *memory);
uint32_t arenite_win32_GlobalFlags(void *memory);
uint32_t arenite_win32_LocalFlags(void *memory);
void *arenite_win32_GlobalLock(void *memory);
int32_t arenite_win32_GlobalUnlock(void *memory);
int32_t arenite_win32_LocalUnlock(void *memory);
void *arenite_win32_GlobalHandle(const void *memory);

/*
 * A fixed block of the process's heap, which is its own handle, or with GMEM_MOVEABLE a handle, whose block GlobalLock gives. A
 * moveable handle of 0 bytes is a discarded one. There are 65535 moveable handles. NULL with ERROR_NOT_ENOUGH_MEMORY.
 *
 * Here: a moveable handle is a number, no address; the old trick of reading the block's address at the handle does not work. Nothing
 * is ever discarded unless GlobalDiscard or GlobalReAlloc says so.
 */
static inline HGLOBAL GlobalAlloc(UINT uFlags, SIZE_T dwBytes)
{
    return arenite_win32_GlobalAlloc(uFlags, dwBytes);
}

static inline HLOCAL LocalAlloc(UINT uFlags, SIZE_T uBytes)
{
    return arenite_win32_LocalAlloc(uFlags, uBytes);
}

/*
 * Changes the size: of a fixed block in place, or with GMEM_MOVEABLE anywhere; of a handle that is locked in place, or with
 * GMEM_MOVEABLE anywhere; of any other handle anywhere. With GMEM_ZEROINIT what is added is zero. Size 0 and GMEM_MOVEABLE discard
 * an unlocked handle's block, and any other size gives a discarded handle a block. With GMEM_MODIFY the size is not looked at: a handle
 * becomes discardable (GMEM_DISCARDABLE), a fixed block gets a handle (GlobalReAlloc with GMEM_MOVEABLE) and stays where it is.
 *
 * Refused, with everything as it was: ERROR_INVALID_HANDLE, ERROR_NOT_ENOUGH_MEMORY (also: not in place), ERROR_INVALID_PARAMETER
 * (GMEM_DISCARDABLE without GMEM_MODIFY; size 0 without GMEM_MOVEABLE); a locked handle is not discarded: GlobalReAlloc answers NULL
 * without a code, LocalReAlloc with ERROR_INVALID_PARAMETER.
 */
static inline HGLOBAL GlobalReAlloc(HGLOBAL hMem, SIZE_T dwBytes, UINT uFlags)
{
    return arenite_win32_GlobalReAlloc(hMem, dwBytes, uFlags);
}

static inline HLOCAL LocalReAlloc(HLOCAL hMem, SIZE_T uBytes, UINT uFlags)
{
    return arenite_win32_LocalReAlloc(hMem, uBytes, uFlags);
}

/*
 * Frees a block, or a handle with its block, locked or not. A moveable block's address frees its handle, too. NULL if it did; otherwise
 * the same, with ERROR_INVALID_HANDLE: foreign, or freed already.
 */
static inline HGLOBAL GlobalFree(HGLOBAL hMem)
{
    return arenite_win32_GlobalFree(hMem);
}

static inline HLOCAL LocalFree(HLOCAL hMem)
{
    return arenite_win32_GlobalFree(hMem);
}

/* What was asked for, in bytes (1 for a fixed global block of 0); of a discarded handle 0; 0 with ERROR_INVALID_HANDLE. */
static inline SIZE_T GlobalSize(HGLOBAL hMem)
{
    return arenite_win32_GlobalSize(hMem);
}

static inline SIZE_T LocalSize(HLOCAL hMem)
{
    return arenite_win32_GlobalSize(hMem);
}

/*
 * A handle's lock count in the low byte, GMEM_DISCARDABLE (LMEM_DISCARDABLE), GMEM_DISCARDED and GMEM_DDESHARE. 0 for an address, whose
 * ever it is; GMEM_INVALID_HANDLE with ERROR_INVALID_HANDLE.
 */
static inline UINT GlobalFlags(HGLOBAL hMem)
{
    return arenite_win32_GlobalFlags(hMem);
}

static inline UINT LocalFlags(HLOCAL hMem)
{
    return arenite_win32_LocalFlags(hMem);
}

/*
 * The block of a handle, which stays where it is until GlobalUnlock was called as often; more than 255 locks count as 255. An address is
 * given back as it is. NULL with ERROR_DISCARDED or ERROR_INVALID_HANDLE.
 */
static inline LPVOID GlobalLock(HGLOBAL hMem)
{
    return arenite_win32_GlobalLock(hMem);
}

static inline LPVOID LocalLock(HLOCAL hMem)
{
    return arenite_win32_GlobalLock(hMem);
}

/*
 * Takes one lock off a handle. TRUE: it is still locked. FALSE with NO_ERROR: it is not any more; with ERROR_NOT_LOCKED: it was not;
 * or ERROR_INVALID_HANDLE. For an address GlobalUnlock says TRUE, LocalUnlock FALSE with ERROR_NOT_LOCKED.
 */
static inline BOOL GlobalUnlock(HGLOBAL hMem)
{
    return arenite_win32_GlobalUnlock(hMem);
}

static inline BOOL LocalUnlock(HLOCAL hMem)
{
    return arenite_win32_LocalUnlock(hMem);
}

/* The handle of a block by its address: itself, if it is fixed. NULL with ERROR_INVALID_HANDLE, of NULL ERROR_INVALID_PARAMETER. */
static inline HGLOBAL GlobalHandle(LPCVOID pMem)
{
    return arenite_win32_GlobalHandle(pMem);
}

static inline HLOCAL LocalHandle(LPCVOID pMem)
{
    return arenite_win32_GlobalHandle(pMem);
}

/* Frees the block of an unlocked moveable handle; the handle stays. */
static inline HGLOBAL GlobalDiscard(HGLOBAL hMem)
{
    return GlobalReAlloc(hMem, 0, GMEM_MOVEABLE);
}

static inline HLOCAL LocalDiscard(HLOCAL hMem)
{
    return LocalReAlloc(hMem, 0, LMEM_MOVEABLE);
}

/* ---- the machine ---- */

typedef struct arenite_win32_MEMORYSTATUS {
    DWORD dwLength;
    DWORD dwMemoryLoad;
    SIZE_T dwTotalPhys;
    SIZE_T dwAvailPhys;
    SIZE_T dwTotalPageFile;
    SIZE_T dwAvailPageFile;
    SIZE_T dwTotalVirtual;
    SIZE_T dwAvailVirtual;
} MEMORYSTATUS, *LPMEMORYSTATUS;

typedef struct arenite_win32_MEMORYSTATUSEX {
    DWORD dwLength;
    DWORD dwMemoryLoad;
    DWORDLONG ullTotalPhys;
    DWORDLONG ullAvailPhys;
    DWORDLONG ullTotalPageFile;
    DWORDLONG ullAvailPageFile;
    DWORDLONG ullTotalVirtual;
    DWORDLONG ullAvailVirtual;
    DWORDLONG ullAvailExtendedVirtual;
} MEMORYSTATUSEX, *LPMEMORYSTATUSEX;

typedef struct arenite_win32_SYSTEM_INFO {
    WORD wProcessorArchitecture;
    WORD wReserved;
    DWORD dwPageSize;
    LPVOID lpMinimumApplicationAddress;
    LPVOID lpMaximumApplicationAddress;
    DWORD_PTR dwActiveProcessorMask;
    DWORD dwNumberOfProcessors;
    DWORD dwProcessorType;
    DWORD dwAllocationGranularity;
    WORD wProcessorLevel;
    WORD wProcessorRevision;
} SYSTEM_INFO, *LPSYSTEM_INFO;

void arenite_win32_GlobalMemoryStatus(void *into);
int32_t arenite_win32_GlobalMemoryStatusEx(void *into);
void arenite_win32_GetSystemInfo(void *into);

/*
 * RAM and addresses in bytes, in all and available, and how many per cent of the RAM are in use.
 *
 * Here: the page file is told to be as large as the RAM, which is what can be committed without swapping. Available are the addresses that
 * the process has not mapped. A program that keeps a figure in 32 bits must clamp it, as it must on Windows.
 */
static inline void GlobalMemoryStatus(LPMEMORYSTATUS lpBuffer)
{
    arenite_win32_GlobalMemoryStatus(lpBuffer);
}

/* As above; FALSE with ERROR_INVALID_PARAMETER if dwLength is not the structure's, with ERROR_NOACCESS if it is NULL. */
static inline BOOL GlobalMemoryStatusEx(LPMEMORYSTATUSEX lpBuffer)
{
    return arenite_win32_GlobalMemoryStatusEx(lpBuffer);
}

/* Page size, granularity (64 KiB), lowest and highest address, processors. Here: wProcessorLevel and wProcessorRevision are 0. */
static inline void GetSystemInfo(LPSYSTEM_INFO lpSystemInfo)
{
    arenite_win32_GetSystemInfo(lpSystemInfo);
}

/* ---- may it be read? ---- */

int32_t arenite_win32_IsBadReadPtr(const void *address, size_t size);
int32_t arenite_win32_IsBadWritePtr(void *address, size_t size);
int32_t arenite_win32_IsBadStringPtrA(const char *text, size_t most);

/*
 * Whether a byte of the range can not be read (written); FALSE for no bytes. Another thread may change that at once.
 *
 * Here: nothing is touched to find out. Memory of VirtualAlloc is looked up in its book; of any other the operating system is asked
 * (slow on Linux). A guard page is bad, and stays a guard page.
 */
static inline BOOL IsBadReadPtr(LPCVOID lp, UINT_PTR ucb)
{
    return arenite_win32_IsBadReadPtr(lp, ucb);
}

static inline BOOL IsBadWritePtr(LPVOID lp, UINT_PTR ucb)
{
    return arenite_win32_IsBadWritePtr(lp, ucb);
}

/* Whether a byte up to the first 0, or of the first ucchMax, can not be read. Only what can be read is read. */
static inline BOOL IsBadStringPtrA(LPCSTR lpsz, UINT_PTR ucchMax)
{
    return arenite_win32_IsBadStringPtrA(lpsz, ucchMax);
}

/* Whether the byte at a function's address can not be read. */
static inline BOOL IsBadCodePtr(FARPROC lpfn)
{
    return arenite_win32_IsBadReadPtr((LPCVOID)(uintptr_t)lpfn, 1);
}

/* ---- bytes: macros on Windows, functions here ---- */

static inline void ZeroMemory(PVOID Destination, SIZE_T Length)
{
    memset(Destination, 0, Length);
}

static inline void FillMemory(PVOID Destination, SIZE_T Length, BYTE Fill)
{
    memset(Destination, Fill, Length);
}

/* The two must not overlap. */
static inline void CopyMemory(PVOID Destination, const void *Source, SIZE_T Length)
{
    memcpy(Destination, Source, Length);
}

static inline void MoveMemory(PVOID Destination, const void *Source, SIZE_T Length)
{
    memmove(Destination, Source, Length);
}

/* Zeroes, also when nobody reads it any more: for secrets. Answers its first argument. */
static inline PVOID SecureZeroMemory(PVOID ptr, SIZE_T cnt)
{
    volatile char *byte = (volatile char *)ptr;
    while (cnt--)
        *byte++ = 0;
    return ptr;
}

#ifdef __cplusplus
}
#endif

#endif
