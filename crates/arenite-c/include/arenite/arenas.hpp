// Arenas: memory that goes all at once. See arenite.hpp for what is true of all of them.
#ifndef ARENITE_ARENAS_HPP
#define ARENITE_ARENAS_HPP

#include <type_traits>

#include "base.hpp"

namespace arenite {

// A ticket for a `T` that the next frame may read; see `frame_arena::keep`. A plain value.
template <class T>
struct kept {
    ::arenite_kept ticket{};
};

// What one frame allocates is gone after the next one; nothing is freed, and no destructor runs. Of one thread.
class frame_arena : public owner<::arenite_frame, &::arenite_frame_destroy> {
public:
    // Throws `bad_alloc` or `error`.
    explicit frame_arena(const ::arenite_frame_options &options) : owner(nullptr) {
        detail::check(::arenite_frame_create(&options, &object_));
    }
    // `reserve` is how many bytes of address space each of the two buffers has; 0 is 1 GiB.
    explicit frame_arena(tag tag = {}, std::size_t reserve = 0) : frame_arena(options_of(tag, reserve)) {}
    // Empty if it is refused; `arenite_last_error` says why.
    static frame_arena try_create(const ::arenite_frame_options &options) noexcept {
        ::arenite_frame *object = nullptr;
        ::arenite_frame_create(&options, &object);
        return frame_arena(object);
    }

    // Begins a frame: what the one before the last allocated is gone, and containers in it must be, too. Throws `error`, or `bad_alloc`.
    void begin() { detail::check(::arenite_frame_begin(object_)); }
    code_type try_begin() noexcept { return ::arenite_frame_begin(object_); }
    // Tells the tag's account what is in use. The memory stays.
    void end() { detail::check(::arenite_frame_end(object_)); }

    // Bytes with arbitrary content. Throws `bad_alloc`. O(1).
    void *allocate(std::size_t size, std::size_t align = detail::alignment) { return detail::must(try_allocate(size, align)); }
    // Null if there is no memory.
    void *try_allocate(std::size_t size, std::size_t align = detail::alignment) noexcept {
        return align <= detail::alignment ? ::arenite_frame_alloc(object_, size) : ::arenite_frame_alloc_aligned(object_, size, align);
    }
    // A value, whose type needs no destructor.
    template <class T, class... Arguments>
    T *create(Arguments &&...arguments) {
        static_assert(std::is_trivially_destructible_v<T>, "nothing runs the destructor of what is in a frame");
        return detail::construct<T>(allocate(sizeof(T), alignof(T)), std::forward<Arguments>(arguments)...);
    }
    // `count` values, made by their default constructor (numbers are 0).
    template <class T>
    T *array(std::size_t count) {
        static_assert(std::is_trivially_destructible_v<T>, "nothing runs the destructor of what is in a frame");
        auto *values = static_cast<T *>(allocate(detail::product(count, sizeof(T)), alignof(T)));
        for (std::size_t i = 0; i < count; i++) ::new (static_cast<void *>(values + i)) T();
        return values;
    }
    // A copy of a text of UTF-8.
    char *string(const char *text) { return detail::must(::arenite_frame_string(object_, text)); }

    // As `create`; `ticket` is what the next frame finds it by.
    template <class T, class... Arguments>
    T *keep(kept<T> &ticket, Arguments &&...arguments) {
        static_assert(std::is_trivially_destructible_v<T>, "nothing runs the destructor of what is in a frame");
        void *block = detail::must(::arenite_frame_keep(object_, sizeof(T), alignof(T), &ticket.ticket));
        return detail::construct<T>(block, std::forward<Arguments>(arguments)...);
    }
    // What the last frame kept; null for a ticket of any other frame or arena.
    template <class T>
    const T *get(const kept<T> &ticket) const noexcept {
        return static_cast<const T *>(::arenite_frame_get(object_, &ticket.ticket, nullptr));
    }

    ::arenite_frame_stats figures() const {
        ::arenite_frame_stats stats;
        detail::check(::arenite_frame_figures(object_, &stats));
        return stats;
    }

private:
    explicit frame_arena(::arenite_frame *object) noexcept : owner(object) {}

    static ::arenite_frame_options options_of(tag tag, std::size_t reserve) noexcept {
        ::arenite_frame_options options{};
        options.tag = tag.number();
        options.reserve = reserve;
        return options;
    }
};

class scratch_scope;

// A stack for memory that is needed while a function runs, in scopes (`scratch_scope`). Of one thread. It may be moved while scopes are open,
// and if it ends they are closed.
class scratch : public owner<::arenite_scratch, &::arenite_scratch_destroy> {
public:
    // `reserve` is how many bytes of address space it has; 0 is 1 GiB. Throws `bad_alloc` or `error`.
    explicit scratch(tag tag = {}, std::size_t reserve = 0) : owner(nullptr) {
        detail::check(::arenite_scratch_create(tag.number(), reserve, &object_));
    }
    // Empty if it is refused; `arenite_last_error` says why.
    static scratch try_create(tag tag, std::size_t reserve) noexcept {
        ::arenite_scratch *object = nullptr;
        ::arenite_scratch_create(tag.number(), reserve, &object);
        return scratch(object);
    }
    inline scratch(scratch &&other) noexcept;
    inline scratch &operator=(scratch &&other) noexcept;
    inline ~scratch();

    // The caller's, from here on; scopes that are open can not be used any more.
    inline ::arenite_scratch *release() noexcept;
    // Ends it now, with scopes that are open. Refused on a wrong thread.
    inline code_type reset() noexcept;
    // Gives memory beyond the first `keep` bytes back to the system; no scope may be open. Throws `error`.
    void trim(std::size_t keep = 0) { detail::check(::arenite_scratch_trim(object_, keep)); }

    ::arenite_scratch_stats figures() const {
        ::arenite_scratch_stats stats;
        detail::check(::arenite_scratch_figures(object_, &stats));
        return stats;
    }

private:
    friend class scratch_scope;
    explicit scratch(::arenite_scratch *object) noexcept : owner(object) {}
    inline void adopt(scratch_scope *innermost) noexcept;
    inline void abandon() noexcept;

    scratch_scope *innermost_ = nullptr;
};

// What is allocated in it is gone when it is destroyed; no destructor of a value runs. Scopes nest: only the innermost one that is open
// hands memory out, any other refuses (`ARENITE_BUSY`), for that memory would go too early. One that ends closes those inside of it. Of the
// stack's thread.
class scratch_scope {
public:
    // Throws `bad_alloc` or `error`.
    explicit scratch_scope(scratch &stack) : stack_(&stack), outer_(stack.innermost_) {
        detail::check(::arenite_scratch_enter(stack.object_, &scope_));
        stack.innermost_ = this;
    }
    ~scratch_scope() { leave(); }
    scratch_scope(const scratch_scope &) = delete;
    scratch_scope &operator=(const scratch_scope &) = delete;

    // Ends it now. `ARENITE_STALE`: it has ended already.
    code_type leave() noexcept {
        if (!stack_) return ARENITE_STALE;
        while (stack_->innermost_ != this) {
            // Refused: a wrong thread, where the order is nobody's to change.
            const code_type code = stack_->innermost_->leave();
            if (code != ARENITE_OK) return code;
        }
        const code_type code = ::arenite_scratch_leave(stack_->object_, scope_);
        if (code == ARENITE_OK) {
            stack_->innermost_ = outer_;
            stack_ = nullptr;
        }
        return code;
    }

    // Whether it is open, and no other one inside of it.
    bool is_innermost() const noexcept { return stack_ && stack_->innermost_ == this; }

    // Bytes with arbitrary content. Throws `bad_alloc`, or `error` if it is not the innermost one. O(1).
    void *allocate(std::size_t size, std::size_t align = detail::alignment) {
        return detail::must(try_allocate(size, align));
    }
    // Null if there is no memory, or if it is not the innermost one.
    void *try_allocate(std::size_t size, std::size_t align = detail::alignment) noexcept {
        if (!is_innermost()) {
            // Refused, because it is not: so that `arenite_last_error` has the reason.
            ::arenite_scratch_leave(stack_ ? stack_->object_ : nullptr, scope_);
            return nullptr;
        }
        return align <= detail::alignment ? ::arenite_scratch_alloc(stack_->object_, size)
                                          : ::arenite_scratch_alloc_aligned(stack_->object_, size, align);
    }
    // A value, whose type needs no destructor.
    template <class T, class... Arguments>
    T *create(Arguments &&...arguments) {
        static_assert(std::is_trivially_destructible_v<T>, "nothing runs the destructor of what is in a scope");
        return detail::construct<T>(allocate(sizeof(T), alignof(T)), std::forward<Arguments>(arguments)...);
    }

private:
    friend class scratch;

    scratch *stack_;
    scratch_scope *outer_;
    ::arenite_scope scope_ = 0;
};

inline void scratch::adopt(scratch_scope *innermost) noexcept {
    innermost_ = innermost;
    for (scratch_scope *scope = innermost; scope; scope = scope->outer_) scope->stack_ = this;
}

inline void scratch::abandon() noexcept {
    for (scratch_scope *scope = innermost_; scope; scope = scope->outer_) scope->stack_ = nullptr;
    innermost_ = nullptr;
}

inline scratch::scratch(scratch &&other) noexcept : owner(std::move(other)) { adopt(std::exchange(other.innermost_, nullptr)); }

inline scratch &scratch::operator=(scratch &&other) noexcept {
    if (this != &other) {
        abandon();
        owner::operator=(std::move(other));
        adopt(std::exchange(other.innermost_, nullptr));
    }
    return *this;
}

inline scratch::~scratch() { abandon(); }

inline ::arenite_scratch *scratch::release() noexcept {
    abandon();
    return owner::release();
}

inline code_type scratch::reset() noexcept {
    const code_type code = owner::reset();
    if (code == ARENITE_OK) abandon();
    return code;
}

// What lives until the level ends; all of it goes at once, the last one first, and its destructors run. Any thread may insert and get.
class resources : public owner<::arenite_resources, &::arenite_resources_destroy> {
public:
    // Throws `bad_alloc` or `error`.
    explicit resources(const ::arenite_resources_options &options) : owner(nullptr) {
        detail::check(::arenite_resources_create(&options, &object_));
    }
    explicit resources(tag tag = {}) : resources(options_of(tag)) {}
    // Empty if it is refused; `arenite_last_error` says why.
    static resources try_create(const ::arenite_resources_options &options) noexcept {
        ::arenite_resources *object = nullptr;
        ::arenite_resources_create(&options, &object);
        return resources(object);
    }

    // Makes a `T` from `arguments`; it stays where it is. Throws `bad_alloc`, `error`, and what its constructor throws (then its place stays
    // taken until the arena is cleared). Thread-safe.
    template <class T, class... Arguments>
    resource<T> emplace(Arguments &&...arguments) {
        return detail::emplace<T>(
            [this](auto... rest) { return insert(rest...); }, std::forward<Arguments>(arguments)...);
    }
    // A copy of `count` values. Throws `bad_alloc` or `error`. Thread-safe.
    template <class T>
    resource<T[]> copy(const T *values, std::size_t count) {
        return detail::copy([this](auto... rest) { return insert(rest...); }, values, count);
    }

    // Where it is, until the arena is cleared; null if it is gone, or was never of this arena. Thread-safe. O(1).
    template <class T>
    T *get(resource<T> name) const noexcept {
        return detail::alive<T>(::arenite_resources_get(object_, name.number, nullptr));
    }
    // The same, and how many there are.
    template <class T>
    T *get(resource<T[]> name, std::size_t *count = nullptr) const noexcept {
        std::size_t size = 0;
        void *values = ::arenite_resources_get(object_, name.number, &size);
        if (count) *count = values ? size / sizeof(T) : 0;
        return static_cast<T *>(values);
    }

    // Runs all destructors and gives the memory back; names find nothing any more. No other thread may use it meanwhile. Throws `error`.
    void clear() { detail::check(::arenite_resources_clear(object_)); }

    ::arenite_resources_stats figures() const {
        ::arenite_resources_stats stats;
        detail::check(::arenite_resources_figures(object_, &stats));
        return stats;
    }

private:
    explicit resources(::arenite_resources *object) noexcept : owner(object) {}

    void *insert(const void *data, std::size_t size, std::size_t align, ::arenite_destructor destructor, ::arenite_resource *name) {
        return ::arenite_resources_insert(object_, data, size, align, destructor, nullptr, name);
    }
    static ::arenite_resources_options options_of(tag tag) noexcept {
        ::arenite_resources_options options{};
        options.tag = tag.number();
        return options;
    }
};

}  // namespace arenite

#endif
