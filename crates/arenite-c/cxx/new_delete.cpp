// Every `new` and `delete` of a program, on Arenite: compile this file once, or link its object, and nothing else is needed.
//
// A block is one of platform.h's: `Free`, `Platform_Free` and `delete` may take what any of the others gave, and
// Platform_Mem_GetCount counts it. Without memory the hook of memory_wrapper.h is asked first, then std::get_new_handler,
// and then std::bad_alloc is thrown, or NULL answered by the forms that do not throw. C++11 or later.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

extern "C" {
void *arenite_Alloc(std::size_t size, std::uint32_t flags);
void *arenite_Alloc_Aligned(std::size_t size, std::size_t align, std::uint32_t flags);
void arenite_Free(void *pointer);
}

namespace {

void *take(std::size_t size, std::size_t align) {
    return align == 0 ? arenite_Alloc(size, 0) : arenite_Alloc_Aligned(size, align, 0);
}

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

void operator delete(void *pointer) noexcept { arenite_Free(pointer); }
void operator delete[](void *pointer) noexcept { arenite_Free(pointer); }
void operator delete(void *pointer, const std::nothrow_t &) noexcept { arenite_Free(pointer); }
void operator delete[](void *pointer, const std::nothrow_t &) noexcept { arenite_Free(pointer); }
void operator delete(void *pointer, std::size_t) noexcept { arenite_Free(pointer); }
void operator delete[](void *pointer, std::size_t) noexcept { arenite_Free(pointer); }

#if defined(__cpp_aligned_new)
namespace {
std::size_t bytes(std::align_val_t align) { return static_cast<std::size_t>(align); }
}  // namespace

void *operator new(std::size_t size, std::align_val_t align) { return must(size, bytes(align)); }
void *operator new[](std::size_t size, std::align_val_t align) { return must(size, bytes(align)); }
void *operator new(std::size_t size, std::align_val_t align, const std::nothrow_t &) noexcept { return may(size, bytes(align)); }
void *operator new[](std::size_t size, std::align_val_t align, const std::nothrow_t &) noexcept { return may(size, bytes(align)); }

void operator delete(void *pointer, std::align_val_t) noexcept { arenite_Free(pointer); }
void operator delete[](void *pointer, std::align_val_t) noexcept { arenite_Free(pointer); }
void operator delete(void *pointer, std::align_val_t, const std::nothrow_t &) noexcept { arenite_Free(pointer); }
void operator delete[](void *pointer, std::align_val_t, const std::nothrow_t &) noexcept { arenite_Free(pointer); }
void operator delete(void *pointer, std::size_t, std::align_val_t) noexcept { arenite_Free(pointer); }
void operator delete[](void *pointer, std::size_t, std::align_val_t) noexcept { arenite_Free(pointer); }
#endif
