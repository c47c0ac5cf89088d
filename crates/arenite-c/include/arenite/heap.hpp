// Blocks of any size: of the process's heap, and of heaps for one part of a program. See arenite.hpp for what is true of all of them.
#ifndef ARENITE_HEAP_HPP
#define ARENITE_HEAP_HPP

#include "base.hpp"

namespace arenite {

// A block of the process's heap, charged to the thread's tag (`tag_scope`), until it is given to `free`. Null if there is no memory.
// Thread-safe. O(1).
inline void *try_allocate(std::size_t size, std::size_t align = detail::alignment) noexcept {
    return align <= detail::alignment ? ::arenite_alloc(size) : ::arenite_alloc_aligned(size, align);
}

// As `try_allocate`. Throws `bad_alloc`.
inline void *allocate(std::size_t size, std::size_t align = detail::alignment) { return detail::must(try_allocate(size, align)); }

// Gives a block of `allocate` back, on whatever thread; null is allowed. What is no such block is told, and nothing happens. O(1).
inline code_type free(void *block) noexcept { return ::arenite_free(block); }

// A heap for one part of a program, which ends whole: with its owner all of its blocks go. Any thread may use it.
class heap : public owner<::arenite_heap, &::arenite_heap_destroy> {
public:
    // Throws `bad_alloc` or `error`.
    explicit heap(const ::arenite_heap_options &options) : owner(nullptr) { detail::check(::arenite_heap_create(&options, &object_)); }
    explicit heap(tag tag) : heap(options_of(tag)) {}
    // With a tag of this name.
    explicit heap(const char *name) : heap(tag(name)) {}
    // Empty if it is refused; `arenite_last_error` says why.
    static heap try_create(const ::arenite_heap_options &options) noexcept {
        ::arenite_heap *object = nullptr;
        ::arenite_heap_create(&options, &object);
        return heap(object);
    }

    // A block, until it is given to `free` or the heap ends. Throws `bad_alloc`. O(1).
    void *allocate(std::size_t size, std::size_t align = detail::alignment) { return detail::must(try_allocate(size, align)); }
    // Null if there is no memory.
    void *try_allocate(std::size_t size, std::size_t align = detail::alignment) noexcept {
        return align <= detail::alignment ? ::arenite_heap_alloc(object_, size) : ::arenite_heap_alloc_aligned(object_, size, align);
    }
    // Gives a block back; null is allowed. What is no block of this heap is told, and nothing happens. O(1).
    code_type free(void *block) noexcept { return ::arenite_heap_free(object_, block); }

    // Ends it if none of its blocks lives. Otherwise `ARENITE_STILL_LIVE`, and it is as it was.
    code_type discard() noexcept { return discard([](const ::arenite_survivor &) {}); }
    // As `discard`; `visit` is called for the sixteen largest blocks that live, if it tracks its blocks. It must not throw.
    template <class Visit>
    code_type discard(Visit &&visit) noexcept {
        using function = std::remove_reference_t<Visit>;
        const ::arenite_survivor_callback each = [](void *user, const ::arenite_survivor *survivor) noexcept {
            (*static_cast<function *>(user))(*survivor);
        };
        const code_type code = ::arenite_heap_discard(object_, each, const_cast<void *>(static_cast<const void *>(&visit)));
        if (code == ARENITE_OK) object_ = nullptr;
        return code;
    }
    // Whether an address lies in its memory.
    bool owns(const void *address) const noexcept { return ::arenite_heap_owns(object_, address) != 0; }
    // Gives what no block needs back to the system; how many bytes.
    std::size_t trim() noexcept { return ::arenite_heap_trim(object_); }
    // A table of what lives in it.
    std::string report() const {
        return detail::text([this](char *buffer, std::size_t size) { return ::arenite_heap_report(object_, buffer, size); });
    }

    ::arenite_heap_stats figures() const {
        ::arenite_heap_stats stats;
        detail::check(::arenite_heap_figures(object_, &stats));
        return stats;
    }

private:
    explicit heap(::arenite_heap *object) noexcept : owner(object) {}

    static ::arenite_heap_options options_of(tag tag) noexcept {
        ::arenite_heap_options options{};
        options.tag = tag.number();
        return options;
    }
};

}  // namespace arenite

#endif
