/* memory_wrapper.h - Alloc, Free and their flags, as games of the 1990s called them, for C and C++.
 *
 * Everything here is a function; methods and members that are called Alloc or Free are left alone. The blocks are those of
 * platform.h: a block that one face took any other gives back, Platform_Mem_GetAllocated counts them all, and
 * Platform_Mem_DumpLeaks names them. Every function may be called on any thread; none throws.
 *
 * Define before this is included:
 *
 *   MEMORY_WRAPPER_FLAGS 1    MEM_NORMAL 0, MEM_TEMP 1, MEM_LOCK 2, MEM_CLEAR 4                   (this is the default)
 *   MEMORY_WRAPPER_FLAGS 2    MEM_NORMAL 0, MEM_NEW 1, MEM_CLEAR 2, MEM_REAL 4, MEM_TEMP 8, MEM_LOCK 0x10
 *       Both sets are in use in the wild, with the same names for other bits. Files of one program may differ.
 *
 *   MEMORY_WRAPPER_PLACES 1   The leak report names the file and line of each call of Alloc.
 *   MEMORY_WRAPPER_PLACES 0   It does not, and Alloc can be pointed to as a function of two arguments.
 *       In C++ the default is 1: the place is a default argument. In C the default is 0, because there it takes a macro, which only
 *       touches `Alloc(` with two arguments; do not ask for it if a structure of yours has a member called Alloc.
 *
 * What flags mean today: CLEAR fills with zeros. LOCK keeps the block's pages in RAM, as far as the system allows it; it
 * takes whole pages. TEMP (freed soon), NEW (taken by operator new) and REAL (below 1 MiB) ask for nothing any more. Bits that
 * are no flag are ignored.
 *
 * Operators: `new (MEM_CLEAR) Thing` takes the flags and answers NULL when there is no memory. What it made goes to a plain
 * `delete`, so that must be Arenite's, too: link lib/arenite_new_delete.o (`pkg-config --variable=new_delete arenite-static`; with
 * CMake arenite::new_delete). It makes every `new` and `delete` of the program one with Alloc and Free, so that they may be mixed.
 * Without it the block goes to the C library's `free`, which ends the program ("invalid pointer", "invalid size").
 *
 * Errors: Platform_Last_Error in platform.h. C99 (gnu89 will do) or C++ (C++98 will do).
 */
#ifndef ARENITE_MEMORY_WRAPPER_H
#define ARENITE_MEMORY_WRAPPER_H

#include <stddef.h>
#include <stdint.h>

#include "../platform.h"

#ifndef MEMORY_WRAPPER_FLAGS
#define MEMORY_WRAPPER_FLAGS 1
#endif
#ifndef MEMORY_WRAPPER_PLACES
#ifdef __cplusplus
#define MEMORY_WRAPPER_PLACES 1
#else
#define MEMORY_WRAPPER_PLACES 0
#endif
#endif

/* The sets are two types, so that functions of files that differ are told apart when they are linked. */
#if MEMORY_WRAPPER_FLAGS == 1
typedef enum Memory_Flags_1 { MEM_NORMAL = 0, MEM_TEMP = 1, MEM_LOCK = 2, MEM_CLEAR = 4 } MemoryFlagType;
#elif MEMORY_WRAPPER_FLAGS == 2
typedef enum Memory_Flags_2 {
    MEM_NORMAL = 0,
    MEM_NEW = 1,
    MEM_CLEAR = 2,
    MEM_REAL = 4,
    MEM_TEMP = 8,
    MEM_LOCK = 0x10
} MemoryFlagType;
#else
#error "MEMORY_WRAPPER_FLAGS is 1 or 2"
#endif

/* Called when a request for memory was refused, with the bytes that were wanted and what it was set with. It frees something and answers
 * 1: the request is tried again, and again it may be called. Or it answers 0, and the request fails. Of a request that no address
 * space has room for it is told once, whatever it answers. It may call anything here, but is not asked for what it can not have
 * itself. It must not throw: that ends the process. It may be called on any thread that asks for memory. */
typedef int (*Memory_Error_Function)(size_t bytes, void *context);

/* What the functions below call. */
#ifdef __cplusplus
extern "C" {
#endif
void *arenite_Alloc(size_t size, uint32_t flags);
void *arenite_Alloc_Debug(size_t size, uint32_t flags, const char *file, int line);
void *arenite_Alloc_Aligned(size_t size, size_t align, uint32_t flags);
void arenite_Free(void *pointer);
void *arenite_Resize_Alloc(void *pointer, size_t size);
long arenite_Heap_Size(void);
void arenite_Set_Memory_Error(int (*hook)(size_t bytes, void *context), void *context);
#ifdef __cplusplus
}
#endif

#ifdef __cplusplus
#define MEMORY_WRAPPER_NORMAL = MEM_NORMAL
#if __cplusplus >= 201103L || defined(_MSC_VER)
#define MEMORY_WRAPPER_NOEXCEPT noexcept
#else
#define MEMORY_WRAPPER_NOEXCEPT throw()
#endif
static inline MemoryFlagType operator|(MemoryFlagType a, MemoryFlagType b) {
    return static_cast<MemoryFlagType>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
#else
#define MEMORY_WRAPPER_NORMAL
#endif

/* The flags as Platform_Alloc takes them. */
static inline uint32_t Memory_Wrapper_Flags(MemoryFlagType flags) {
    return (((uint32_t)flags & (uint32_t)MEM_CLEAR) ? (uint32_t)PLATFORM_MEM_CLEAR : 0u) |
           (((uint32_t)flags & (uint32_t)MEM_LOCK) ? (uint32_t)PLATFORM_MEM_LOCK : 0u);
}

/* Takes a block of `bytes` bytes, which may be 0, at a multiple of 16; the caller's until Free. NULL if there is no memory and
 * the hook, if there is one, could free none. */
#if defined(__cplusplus) && MEMORY_WRAPPER_PLACES
static inline void *Alloc(size_t bytes, MemoryFlagType flags = MEM_NORMAL, const char *file = __builtin_FILE(),
                          int line = __builtin_LINE()) {
    return arenite_Alloc_Debug(bytes, Memory_Wrapper_Flags(flags), file, line);
}
#else
static inline void *Alloc(size_t bytes, MemoryFlagType flags MEMORY_WRAPPER_NORMAL) {
    return arenite_Alloc(bytes, Memory_Wrapper_Flags(flags));
}
#if MEMORY_WRAPPER_PLACES
#define Alloc(bytes, flags) \
    arenite_Alloc_Debug((bytes), Memory_Wrapper_Flags((MemoryFlagType)(flags)), __FILE__, __LINE__)
#endif
#endif

/* Gives a block back. NULL is fine; what is no block is left alone, and counted. */
static inline void Free(const void *pointer) {
    arenite_Free((void *)(uintptr_t)pointer);
}

/* Makes a block `bytes` bytes long, where it is or elsewhere, with what both sizes have in common. NULL if it is refused: then the
 * block is as it was, and still the caller's. With a NULL pointer it is Alloc. */
static inline void *Resize_Alloc(void *pointer, size_t bytes) {
    return arenite_Resize_Alloc(pointer, bytes);
}

/* Bytes of RAM that are free, as one block and in all, which is the same today; and bytes that the program's heap could have: what is
 * free, and what it has. All of the machine, whatever the flags, and never more than 0x7FFFFFFF. */
static inline long Ram_Free(MemoryFlagType flags MEMORY_WRAPPER_NORMAL) {
    (void)flags;
    return Platform_Ram_Free();
}
static inline long Total_Ram_Free(MemoryFlagType flags MEMORY_WRAPPER_NORMAL) {
    (void)flags;
    return Platform_Total_Ram_Free();
}
static inline long Heap_Size(MemoryFlagType flags MEMORY_WRAPPER_NORMAL) {
    (void)flags;
    return arenite_Heap_Size();
}

/* Sets the hook for the whole program; NULL for none. `context` is handed to it, and must last as long as it is set. */
static inline void Set_Memory_Error(Memory_Error_Function hook, void *context) {
    arenite_Set_Memory_Error(hook, context);
}

/* `new (MEM_CLEAR) Thing`, and what runs if a constructor throws. Not with a class's own operators. */
#ifdef __cplusplus
#include <new>
inline void *operator new(size_t bytes, MemoryFlagType flags) MEMORY_WRAPPER_NOEXCEPT {
    return arenite_Alloc(bytes, Memory_Wrapper_Flags(flags));
}
inline void *operator new[](size_t bytes, MemoryFlagType flags) MEMORY_WRAPPER_NOEXCEPT {
    return arenite_Alloc(bytes, Memory_Wrapper_Flags(flags));
}
inline void operator delete(void *pointer, MemoryFlagType) MEMORY_WRAPPER_NOEXCEPT {
    arenite_Free(pointer);
}
inline void operator delete[](void *pointer, MemoryFlagType) MEMORY_WRAPPER_NOEXCEPT {
    arenite_Free(pointer);
}
#if defined(__cpp_aligned_new)
inline void *operator new(size_t bytes, std::align_val_t align, MemoryFlagType flags) MEMORY_WRAPPER_NOEXCEPT {
    return arenite_Alloc_Aligned(bytes, static_cast<size_t>(align), Memory_Wrapper_Flags(flags));
}
inline void *operator new[](size_t bytes, std::align_val_t align, MemoryFlagType flags) MEMORY_WRAPPER_NOEXCEPT {
    return arenite_Alloc_Aligned(bytes, static_cast<size_t>(align), Memory_Wrapper_Flags(flags));
}
inline void operator delete(void *pointer, std::align_val_t, MemoryFlagType) MEMORY_WRAPPER_NOEXCEPT {
    arenite_Free(pointer);
}
inline void operator delete[](void *pointer, std::align_val_t, MemoryFlagType) MEMORY_WRAPPER_NOEXCEPT {
    arenite_Free(pointer);
}
#endif
#endif

#endif
