// What containers of the standard library allocate from: std::pmr::memory_resource, and allocators.
//
//   memory                 memory_resource     allocator                hands out
//   frame_arena            frame_memory        frame_allocator<T>       until the frame after the next begins
//   scratch_scope          scratch_memory      scratch_allocator<T>     until the scope is left
//   manager                manager_memory      manager_allocator<T>     until the frame after the next begins
//   heap                   heap_memory         heap_allocator<T>        until it is given back, or the heap ends
//   fit_heap               fit_heap_memory     fit_heap_allocator<T>    until it is given back, or the heap ends
//   the process's heap     process_memory      allocator<T>             until it is given back
//
// - *Ownership.* All of them refer to the object and do not own it: they must not outlive it. It may be moved meanwhile, but for scopes. A
//   memory_resource must outlive its containers. Containers in arenas must be destroyed before their memory goes: their destructors read it.
// - Giving back to an arena does nothing; the memory of a vector that has grown is used again in the next frame or scope.
// - *Exceptions.* Refused memory is `arenite::bad_alloc`, which is a `std::bad_alloc`, whatever the reason; a size that no address space has
//   is `std::bad_array_new_length`. The container is as it was, as the standard says of it.
// - *Threads.* As the object: heaps serve all threads, fit heaps their own, or all if they were made `locked`.
// - Memory_resources and allocators of the same object are equal; those of different ones are not.
#ifndef ARENITE_MEMORY_HPP
#define ARENITE_MEMORY_HPP

#include <memory_resource>
#include <new>

#include "arenas.hpp"
#include "base.hpp"
#include "fits.hpp"
#include "heap.hpp"
#include "manager.hpp"

namespace arenite {

namespace detail {

// A source hands memory out, or null, and takes it back.
struct frame_source {
    frame_source(frame_arena &arena) noexcept : object(arena.c_object()) {}
    void *take(std::size_t size, std::size_t align) const noexcept {
        return align <= alignment ? ::arenite_frame_alloc(object, size) : ::arenite_frame_alloc_aligned(object, size, align);
    }
    void give(void *) const noexcept {}
    bool is(const frame_source &other) const noexcept { return object == other.object; }

    ::arenite_frame *object;
};

struct manager_source {
    manager_source(manager &manager) noexcept : object(manager.c_object()) {}
    void *take(std::size_t size, std::size_t align) const noexcept {
        return align <= alignment ? ::arenite_manager_alloc(object, size) : ::arenite_manager_alloc_aligned(object, size, align);
    }
    void give(void *) const noexcept {}
    bool is(const manager_source &other) const noexcept { return object == other.object; }

    ::arenite_manager *object;
};

struct scratch_source {
    scratch_source(scratch_scope &scope) noexcept : object(&scope) {}
    void *take(std::size_t size, std::size_t align) const noexcept { return object->try_allocate(size, align); }
    void give(void *) const noexcept {}
    bool is(const scratch_source &other) const noexcept { return object == other.object; }

    scratch_scope *object;
};

struct heap_source {
    heap_source(heap &heap) noexcept : object(heap.c_object()) {}
    void *take(std::size_t size, std::size_t align) const noexcept {
        return align <= alignment ? ::arenite_heap_alloc(object, size) : ::arenite_heap_alloc_aligned(object, size, align);
    }
    void give(void *block) const noexcept { ::arenite_heap_free(object, block); }
    bool is(const heap_source &other) const noexcept { return object == other.object; }

    ::arenite_heap *object;
};

struct fit_heap_source {
    fit_heap_source(fit_heap &heap) noexcept : object(heap.c_object()) {}
    void *take(std::size_t size, std::size_t align) const noexcept {
        return align <= alignment ? ::arenite_fit_heap_alloc(object, size) : ::arenite_fit_heap_alloc_aligned(object, size, align);
    }
    void give(void *block) const noexcept { ::arenite_fit_heap_free(object, block); }
    bool is(const fit_heap_source &other) const noexcept { return object == other.object; }

    ::arenite_fit_heap *object;
};

struct process_source {
    void *take(std::size_t size, std::size_t align) const noexcept { return try_allocate(size, align); }
    void give(void *block) const noexcept { ::arenite_free(block); }
    bool is(const process_source &) const noexcept { return true; }
};

}  // namespace detail

// A memory_resource of one of the sources; use the names below.
template <class Source>
class basic_memory final : public std::pmr::memory_resource {
public:
    basic_memory(Source source) noexcept : source_(source) {}

private:
    void *do_allocate(std::size_t size, std::size_t align) override { return detail::must_for_std(source_.take(size, align)); }
    void do_deallocate(void *block, std::size_t, std::size_t) override { source_.give(block); }
    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override {
        if (this == &other) return true;
#if defined(__cpp_rtti) || defined(__GXX_RTTI) || defined(_CPPRTTI)
        const auto *same = dynamic_cast<const basic_memory *>(&other);
        return same && source_.is(same->source_);
#else
        return false;
#endif
    }

    Source source_;
};

using frame_memory = basic_memory<detail::frame_source>;
using scratch_memory = basic_memory<detail::scratch_source>;
using manager_memory = basic_memory<detail::manager_source>;
using heap_memory = basic_memory<detail::heap_source>;
using fit_heap_memory = basic_memory<detail::fit_heap_source>;

// The process's heap, charged to the thread's tag (`tag_scope`): for std::pmr::set_default_resource, too. Good until the process ends. It is
// one object for the program.
inline std::pmr::memory_resource *process_memory() noexcept {
    // Never destroyed: containers of the program's own static objects may still need it then.
    alignas(basic_memory<detail::process_source>) static unsigned char bytes[sizeof(basic_memory<detail::process_source>)];
    static auto *memory = ::new (static_cast<void *>(bytes)) basic_memory<detail::process_source>(detail::process_source{});
    return memory;
}

// An allocator of one of the sources; use the names below. Moving and swapping containers takes it along; a container that is assigned to keeps
// its own.
template <class T, class Source>
class basic_allocator : private Source {
public:
    using value_type = T;
    using propagate_on_container_copy_assignment = std::false_type;
    using propagate_on_container_move_assignment = std::true_type;
    using propagate_on_container_swap = std::true_type;
    using is_always_equal = std::is_empty<Source>;

    // Of the process's heap.
    template <class Any = Source, class = std::enable_if_t<std::is_empty_v<Any>>>
    basic_allocator() noexcept : Source{} {}
    // Of a frame arena, a scope, a manager, a heap.
    template <class Object, class = std::enable_if_t<std::is_constructible_v<Source, Object &> && !std::is_base_of_v<Source, Object>>>
    explicit basic_allocator(Object &object) noexcept : Source(object) {}
    template <class Other>
    basic_allocator(const basic_allocator<Other, Source> &other) noexcept : Source(other.source()) {}

    // Throws `bad_alloc`, or `std::bad_array_new_length`.
    T *allocate(std::size_t count) {
        const std::size_t size = detail::product(count, sizeof(T));
        if (size > PTRDIFF_MAX) {
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
            throw std::bad_array_new_length();
#else
            detail::raise<bad_alloc>(ARENITE_TOO_LARGE, ::arenite_error_message(ARENITE_TOO_LARGE));
#endif
        }
        return static_cast<T *>(detail::must_for_std(Source::take(size, alignof(T))));
    }
    void deallocate(T *values, std::size_t) noexcept { Source::give(values); }

    // What it allocates from.
    const Source &source() const noexcept { return *this; }
};

template <class Left, class Right, class Source>
bool operator==(const basic_allocator<Left, Source> &left, const basic_allocator<Right, Source> &right) noexcept {
    return left.source().is(right.source());
}
template <class Left, class Right, class Source>
bool operator!=(const basic_allocator<Left, Source> &left, const basic_allocator<Right, Source> &right) noexcept {
    return !(left == right);
}

template <class T>
using frame_allocator = basic_allocator<T, detail::frame_source>;
template <class T>
using scratch_allocator = basic_allocator<T, detail::scratch_source>;
template <class T>
using manager_allocator = basic_allocator<T, detail::manager_source>;
template <class T>
using heap_allocator = basic_allocator<T, detail::heap_source>;
template <class T>
using fit_heap_allocator = basic_allocator<T, detail::fit_heap_source>;
// Without a state, and all equal.
template <class T>
using allocator = basic_allocator<T, detail::process_source>;

}  // namespace arenite

#endif
