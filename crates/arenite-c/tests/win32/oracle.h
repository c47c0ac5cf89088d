/* What the programs have in common that run on both sides: built for Windows against its own header and run under Wine, and built
 * here against ours. Both must print the same, line by line; so nothing is printed that is a matter of chance: addresses are told
 * relative to something, and sizes that are rounded are told as whether they suffice.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
#else
#include "compat/win32_memory.h"
#endif

/* A last error that no call sets: what it is afterwards shows whether a call set any. */
#define UNTOUCHED 12345u

extern const char *group;
extern unsigned long cases;

/* One case: the expression, its value, and the last error that it left. */
#define CASE(expression) CASE_AS(#expression, expression)

/* Whether a pointer is one. */
#define GOT(expression) CASE_AS(#expression, (expression) != NULL)

#define CASE_AS(text, expression)                                                                                      \
    do {                                                                                                               \
        SetLastError(UNTOUCHED);                                                                                       \
        unsigned long long value_ = (unsigned long long)(expression);                                                  \
        unsigned long error_ = GetLastError();                                                                         \
        printf("%s %lu: %s = 0x%llx", group, ++cases, text, value_);                                                   \
        if (error_ != UNTOUCHED)                                                                                       \
            printf(", error %lu", error_);                                                                             \
        putchar('\n');                                                                                                 \
    } while (0)

/* A block or a handle, as a number relative to another. */
static inline long long from(const void *pointer, const void *base)
{
    return pointer ? (long long)((uintptr_t)pointer - (uintptr_t)base) : -1;
}

/* One case: what VirtualQuery says about an address in the reservation at `base`. */
static inline void query(const char *name, const char *base, const char *address)
{
    MEMORY_BASIC_INFORMATION info;
    memset(&info, 0x5a, sizeof info);
    size_t got = VirtualQuery(address, &info, sizeof info);
    printf("%s %lu: query %s: %d base %lld reservation %lld as %lx, %llu bytes, state %lx, protect %lx, type %lx\n", group,
           ++cases, name, (int)got, from(info.BaseAddress, base), from(info.AllocationBase, base),
           (unsigned long)info.AllocationProtect, (unsigned long long)info.RegionSize, (unsigned long)info.State,
           (unsigned long)info.Protect, (unsigned long)info.Type);
}

/* How long a block is, where it is rounded. */
static inline int suffices(SIZE_T size, SIZE_T wanted)
{
    return size != (SIZE_T)-1 && size >= wanted;
}

/* A number for bytes. */
static inline unsigned long sum_of(const void *bytes, size_t length)
{
    const unsigned char *byte = (const unsigned char *)bytes;
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < length; i++)
        sum = (sum ^ byte[i]) * 16777619u;
    return sum;
}

/* The same numbers on both sides. */
static inline uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

void virtual_cases(void);
void heap_cases(void);
void global_cases(void);
void other_cases(void);

void random_virtual(uint64_t seed, int steps);
void random_heap(uint64_t seed, int steps);
void random_global(uint64_t seed, int steps);

#endif
