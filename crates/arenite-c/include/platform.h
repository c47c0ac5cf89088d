/* platform.h - memory for an engine's platform layer: one heap that knows what it has. C99 (gnu89 will do) or C++.
 *
 * Every function may be called on any thread at any time, and what one thread takes any other may give back. Nothing is
 * thrown or unwound into the caller. Nothing needs to be set up or shut down.
 *
 * Mistakes are found, counted (Platform_Mem_GetStats, and the end of the leak report) and change nothing: a block that is
 * freed twice, a pointer that is not from here (from malloc, say, or from the stack), a pointer into the middle of a block, a
 * block that was written in front of. No memory is read where such a pointer leads. Platform_Last_Error() then says which
 * it was. What can not be found: a block that is freed twice after its memory was handed out again, or by two threads at
 * the very same moment.
 *
 * After fork() in a program of several threads, the child calls nothing of this before exec(): another thread may have held a lock.
 *
 * Link with libarenite.
 */
#ifndef ARENITE_PLATFORM_H
#define ARENITE_PLATFORM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of Platform_Alloc; bits that are not listed are ignored. */
enum {
    PLATFORM_MEM_NORMAL = 0,
    /* Will be freed soon. Needs nothing special today. */
    PLATFORM_MEM_TEMP = 1,
    /* The block's pages stay in RAM, as far as the system allows it. Takes whole pages. */
    PLATFORM_MEM_LOCK = 2,
    /* All bytes are zero. */
    PLATFORM_MEM_CLEAR = 4
};

/* What Platform_Last_Error answers, among others; the numbers are those of `arenite_error` in arenite.h. */
enum {
    PLATFORM_OK = 0,
    PLATFORM_ERROR_NULL = 1,          /* a pointer is NULL that must not be */
    PLATFORM_ERROR_ARGUMENT = 2,      /* an argument is not allowed */
    PLATFORM_ERROR_OVER_BUDGET = 6,   /* a budget of the process would be broken */
    PLATFORM_ERROR_SYSTEM = 8,        /* the system has no memory, or no address space */
    PLATFORM_ERROR_FULL = 9,          /* too many places of memory are in use */
    PLATFORM_ERROR_TOO_LARGE = 11,    /* no address space is so large */
    PLATFORM_ERROR_FOREIGN = 12,      /* the pointer is not from here */
    PLATFORM_ERROR_MISALIGNED = 13,   /* it points into a block, not to its start */
    PLATFORM_ERROR_NO_BLOCK = 14,     /* it points to memory of ours where no block is */
    PLATFORM_ERROR_DOUBLE_FREE = 15,  /* the block is free already */
    PLATFORM_ERROR_DAMAGED = 20       /* something wrote in front of the block */
};

/* ---- Blocks ---- */

/* Takes a block of `size` bytes at a multiple of 16. It is the caller's until Platform_Free or Platform_Realloc. `size` may be 0:
 * the block has an address of its own, and is freed as any other. What it holds is not defined without PLATFORM_MEM_CLEAR.
 * NULL if there is no memory, or if no address space is so large: PLATFORM_ERROR_OVER_BUDGET, _SYSTEM, _FULL, _TOO_LARGE. */
void *Platform_Alloc(size_t size, uint32_t flags);

/* As Platform_Alloc, and the leak report names `file` and `line`. The text is copied the first time; NULL is allowed. About
 * 32,000 places are told apart, further ones are not known. PLATFORM_ALLOC_HERE fills them in. */
void *Platform_Alloc_Debug(size_t size, uint32_t flags, const char *file, int line);
#define PLATFORM_ALLOC_HERE(size, flags) Platform_Alloc_Debug((size), (flags), __FILE__, __LINE__)

/* As Platform_Alloc, at a multiple of `align`: a power of two, 1 GiB at the most, else NULL and PLATFORM_ERROR_ARGUMENT. It is freed
 * as any other block, and keeps its alignment when it is made longer. Takes `align` bytes more. PLATFORM_MEM_LOCK is ignored. */
void *Platform_Alloc_Aligned(size_t size, size_t align, uint32_t flags);

/* Gives a block back. NULL is fine. `size` is what the caller believes its size to be: 0 if it does not know. If it is wrong the
 * block is freed all the same, and the disagreement is counted. If `ptr` is no block, nothing happens:
 * PLATFORM_ERROR_FOREIGN, _MISALIGNED, _NO_BLOCK, _DOUBLE_FREE; PLATFORM_ERROR_DAMAGED if something wrote in front of it, and
 * then the block stays, for ever. */
void Platform_Free(void *ptr, size_t size);

/* Makes a block `new_size` bytes long, where it is or elsewhere, with what both sizes have in common; what is new holds anything.
 * `old_size` is a hint, as in Platform_Free. A `new_size` of 0 leaves a block of 0 bytes; with a NULL `ptr` this is
 * Platform_Alloc(new_size, PLATFORM_MEM_NORMAL). A locked block stays locked. Who took it stays in the leak report.
 * NULL if it is refused, with the codes of Platform_Alloc and Platform_Free: then the block is as it was, and still the caller's. */
void *Platform_Realloc(void *ptr, size_t old_size, size_t new_size);

/* 1 if `ptr` is a block of this layer that the program has, a damaged one, too; else 0. Any address may be asked about. No error is set. */
int Platform_Mem_Owns(const void *ptr);

/* How many bytes a block was asked for with. 0 if `ptr` is NULL or no block (codes as in Platform_Free). */
size_t Platform_Mem_GetSize(const void *ptr);

/* ---- The machine ---- */

/* Bytes of the machine's RAM that could be used now without swapping; never more than 0x7FFFFFFF, so that it stays positive
 * where it is put into 32 bits. 0 if the system does not say. Asks the system: some microseconds. */
long Platform_Ram_Free(void);

/* The same: one block may be as large as all that is free. (It was not always so.) */
long Platform_Total_Ram_Free(void);

/* ---- What the program has ---- */

/* Bytes of all blocks, as they were asked for; the most that ever was; and how many blocks there are. Exact, in every build, as
 * soon as other threads are not at it, and the peak also while they are, for calls that did not happen at the very same time.
 * O(threads). */
size_t Platform_Mem_GetAllocated(void);
size_t Platform_Mem_GetPeak(void);
size_t Platform_Mem_GetCount(void);

typedef struct Platform_Mem_Stats {
    size_t allocated;
    size_t peak;
    size_t count;
    uint64_t wrong_sizes;      /* calls whose `size` or `old_size` was neither 0 nor right */
    uint64_t double_frees;     /* blocks that were freed when they were free */
    uint64_t foreign_pointers; /* pointers that were no block: foreign ones, and into the middle */
    uint64_t damaged_blocks;   /* blocks that were written in front of */
    uint64_t failures;         /* requests for memory that were refused */
} Platform_Mem_Stats;

/* All figures. PLATFORM_ERROR_NULL if `stats` is NULL. */
void Platform_Mem_GetStats(Platform_Mem_Stats *stats);

/* Writes to standard error which blocks there are, by place and size, most bytes first, and what mistakes were made. Answers how
 * many blocks there are. O(blocks). Exact as the figures above. Takes memory of its own, which is not counted here. */
size_t Platform_Mem_DumpLeaks(void);

/* As Platform_Mem_DumpLeaks, to a function: once for each line, which ends in '\n' and then a zero. It may call anything of this
 * header, and must return: an exception that leaves it ends the process. A NULL function is refused: 0, and PLATFORM_ERROR_NULL. */
size_t Platform_Mem_DumpLeaks_To(void (*write)(void *context, const char *text, size_t length), void *context);

/* ---- Errors ---- */

/* The code of the calling thread's last error; PLATFORM_OK if there was none. Calls that succeed leave it as it is. */
int Platform_Last_Error(void);

/* What a code means, in English. Never NULL; stays for ever. */
const char *Platform_Error_Message(int code);

/* Forgets the calling thread's last error. */
void Platform_Clear_Error(void);

/* ---- Bytes ---- */

/* Copy `bytes` bytes; ranges may overlap in both. A range of 0 bytes may be NULL; otherwise nothing happens with a NULL one, and
 * the error is PLATFORM_ERROR_NULL. So it is with the others. */
void Platform_MemCopy(void *dest, const void *source, size_t bytes);
void Platform_MemMove(void *dest, const void *source, size_t bytes);

/* Fills with a byte, the low 8 bits of `value`; with zeros. */
void Platform_MemSet(void *dest, int value, size_t bytes);
void Platform_ZeroMemory(void *dest, size_t bytes);

/* Below 0, 0, or above 0, as the first bytes that differ, unsigned. */
int Platform_MemCmp(const void *a, const void *b, size_t bytes);

#ifdef __cplusplus
}
#endif

static inline void Platform_Mem_Write_To_File(void *file, const char *text, size_t length) {
    (void)fwrite(text, 1, length, (FILE *)file);
}

/* As Platform_Mem_DumpLeaks, to a file that is open for writing. */
static inline size_t Platform_Mem_DumpLeaks_To_File(FILE *file) {
    return Platform_Mem_DumpLeaks_To(Platform_Mem_Write_To_File, file);
}

#endif
