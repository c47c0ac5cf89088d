// Every `new` and `delete` of a program, on Arenite: compile this file once, or link its object, and nothing else is needed.
//
// A block is one of platform.h's: `Free`, `Platform_Free` and `delete` may take what any of the others gave, and
// Platform_Mem_GetCount counts it. Without memory the hook of memory_wrapper.h is asked first, then std::get_new_handler,
// and then std::bad_alloc is thrown, or NULL answered by the forms that do not throw. C++11 or later.
//
// All of them are on the account of one tag, `platform`. new_delete_by_tag.cpp is the same with an account for each tag.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

extern "C" {
#if defined(ARENITE_NEW_BY_TAG)
void *arenite_alloc(std::size_t size);
void *arenite_alloc_aligned(std::size_t size, std::size_t align);
int arenite_free(void *pointer);
int Platform_Mem_Owns(const void *pointer);
#endif
void *arenite_Alloc(std::size_t size, std::uint32_t flags);
void *arenite_Alloc_Aligned(std::size_t size, std::size_t align, std::uint32_t flags);
void arenite_Free(void *pointer);
}

namespace {

#if defined(ARENITE_NEW_BY_TAG)
void *take(std::size_t size, std::size_t align) {
    return align == 0 ? arenite_alloc(size) : arenite_alloc_aligned(size, align);
}

// It may be one of memory_wrapper.h's. That is asked first: to hand it to `arenite_free` would be a mistake, which a hardened heap ends
// the program for.
void give(void *pointer) noexcept {
    if (Platform_Mem_Owns(pointer)) {
        arenite_Free(pointer);
    } else {
        arenite_free(pointer);
    }
}
#else
void *take(std::size_t size, std::size_t align) {
    return align == 0 ? arenite_Alloc(size, 0) : arenite_Alloc_Aligned(size, align, 0);
}

void give(void *pointer) noexcept { arenite_Free(pointer); }
#endif

// NULL, or what the handler throws.
void *attempt(std::size_t size, std::size_t align) {
    for (;;) {
        if (void *block = take(size, align)) return block;
        const std::new_handler handler = std::get_new_handler();
        if (!handler) return nullptr;
        handler();
    }
}

void *must(std::size_t size, std::size_t align) {
    if (void *block = attempt(size, align)) return block;
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
    throw std::bad_alloc();
#else
    std::abort();
#endif
}

void *may(std::size_t size, std::size_t align) noexcept {
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
    try {
        return attempt(size, align);
    } catch (...) {
        return nullptr;
    }
#else
    return attempt(size, align);
#endif
}

}  // namespace

void *operator new(std::size_t size) { return must(size, 0); }
void *operator new[](std::size_t size) { return must(size, 0); }
void *operator new(std::size_t size, const std::nothrow_t &) noexcept { return may(size, 0); }
void *operator new[](std::size_t size, const std::nothrow_t &) noexcept { return may(size, 0); }

void operator delete(void *pointer) noexcept { give(pointer); }
void operator delete[](void *pointer) noexcept { give(pointer); }
void operator delete(void *pointer, const std::nothrow_t &) noexcept { give(pointer); }
void operator delete[](void *pointer, const std::nothrow_t &) noexcept { give(pointer); }
void operator delete(void *pointer, std::size_t) noexcept { give(pointer); }
void operator delete[](void *pointer, std::size_t) noexcept { give(pointer); }

#if defined(__cpp_aligned_new)
namespace {
std::size_t bytes(std::align_val_t align) { return static_cast<std::size_t>(align); }
}  // namespace

void *operator new(std::size_t size, std::align_val_t align) { return must(size, bytes(align)); }
void *operator new[](std::size_t size, std::align_val_t align) { return must(size, bytes(align)); }
void *operator new(std::size_t size, std::align_val_t align, const std::nothrow_t &) noexcept { return may(size, bytes(align)); }
void *operator new[](std::size_t size, std::align_val_t align, const std::nothrow_t &) noexcept { return may(size, bytes(align)); }

void operator delete(void *pointer, std::align_val_t) noexcept { give(pointer); }
void operator delete[](void *pointer, std::align_val_t) noexcept { give(pointer); }
void operator delete(void *pointer, std::align_val_t, const std::nothrow_t &) noexcept { give(pointer); }
void operator delete[](void *pointer, std::align_val_t, const std::nothrow_t &) noexcept { give(pointer); }
void operator delete(void *pointer, std::size_t, std::align_val_t) noexcept { give(pointer); }
void operator delete[](void *pointer, std::size_t, std::align_val_t) noexcept { give(pointer); }
#endif
