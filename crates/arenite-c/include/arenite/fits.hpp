// Ranges, fit heaps, heaps that defragment themselves, spaces whose blocks the program moves, shared blocks of chunks that the program hands out, and the
// upload ring. See arenite.hpp for what is true of all of them. All are of the thread that made them, but for fit heaps that were made `locked`, and
// external heaps and their blocks, which are of any.
#ifndef ARENITE_FITS_HPP
#define ARENITE_FITS_HPP

#include <memory>

#include "base.hpp"

namespace arenite {

namespace detail {

// A callable as a function and a pointer, as arenite.h calls it. It must not throw: that would end the program.
template <class Visit, class Item>
void visit_callback(void *user, const Item *item) noexcept {
    (*static_cast<Visit *>(user))(*item);
}

template <class Visit>
void *user_of(Visit &visit) noexcept {
    return const_cast<void *>(static_cast<const void *>(&visit));
}

}  // namespace detail

// Parts of a range that is never touched: memory of a GPU, a file, numbers. Blocks are named by ids, which find nothing once they are freed.
class offsets : public owner<::arenite_offsets, &::arenite_offsets_destroy> {
public:
    // Throws `bad_alloc` or `error`.
    explicit offsets(const ::arenite_offsets_options &options) : owner(nullptr) { detail::check(::arenite_offsets_create(&options, &object_)); }
    // One segment of so many granules' bytes.
    offsets(tag tag, std::uint64_t capacity, std::uint64_t granularity = 16, ::arenite_fit fit = ARENITE_FIT_TLSF)
        : offsets(options(tag, capacity, granularity, fit)) {}
    // Empty if it is refused; `arenite_last_error` says why.
    static offsets try_create(const ::arenite_offsets_options &options) noexcept {
        ::arenite_offsets *object = nullptr;
        ::arenite_offsets_create(&options, &object);
        return offsets(object);
    }

    // A part at a multiple of `align`, until it is given to `free`. Throws `bad_alloc` (`ARENITE_OUT_OF_ROOM`, `ARENITE_FRAGMENTED`) or `error`.
    ::arenite_offset_block allocate(std::uint64_t size, std::uint64_t align = 1) {
        ::arenite_offset_block block;
        detail::check(::arenite_offsets_allocate(object_, size, align, &block));
        return block;
    }
    // Nothing if there is none.
    std::optional<::arenite_offset_block> try_allocate(std::uint64_t size, std::uint64_t align = 1) noexcept {
        ::arenite_offset_block block;
        if (::arenite_offsets_allocate(object_, size, align, &block) != ARENITE_OK) return std::nullopt;
        return block;
    }
    // Takes a part back. What is none, or free already, is told, and nothing happens.
    code_type free(std::uint64_t id) noexcept { return ::arenite_offsets_free(object_, id); }
    // Makes a block larger, or smaller, where it lies. Nothing if it can not be.
    std::optional<::arenite_offset_block> try_grow(std::uint64_t id, std::uint64_t size) noexcept {
        ::arenite_offset_block block;
        if (::arenite_offsets_grow(object_, id, size, &block) != ARENITE_OK) return std::nullopt;
        return block;
    }
    std::optional<::arenite_offset_block> try_shrink(std::uint64_t id, std::uint64_t size) noexcept {
        ::arenite_offset_block block;
        if (::arenite_offsets_shrink(object_, id, size, &block) != ARENITE_OK) return std::nullopt;
        return block;
    }
    // Where a block lies; nothing if it is gone.
    std::optional<::arenite_offset_block> get(std::uint64_t id) const noexcept {
        ::arenite_offset_block block;
        if (::arenite_offsets_get(object_, id, &block) != ARENITE_OK) return std::nullopt;
        return block;
    }

    // A segment behind all others. Throws `bad_alloc` or `error`.
    ::arenite_segment append(std::uint64_t size) {
        ::arenite_segment segment = 0;
        detail::check(::arenite_offsets_append(object_, size, &segment));
        return segment;
    }
    // Whether nothing more is handed out of a segment.
    code_type drain(::arenite_segment segment, bool drain = true) noexcept { return ::arenite_offsets_drain(object_, segment, drain); }
    // Removes a segment in which nothing is used.
    code_type remove(::arenite_segment segment) noexcept { return ::arenite_offsets_remove(object_, segment); }

    ::arenite_fit_stats figures() const {
        ::arenite_fit_stats stats;
        detail::check(::arenite_offsets_figures(object_, &stats));
        return stats;
    }
    // Calls `visit(const arenite_piece &)` for each piece, by offset. It must not throw, nor change this. Throws `error`.
    template <class Visit>
    void walk(Visit &&visit) const {
        using function = std::remove_reference_t<Visit>;
        detail::check(::arenite_offsets_walk(object_, &detail::visit_callback<function, ::arenite_piece>, detail::user_of(visit)));
    }

private:
    explicit offsets(::arenite_offsets *object) noexcept : owner(object) {}

    static ::arenite_offsets_options options(tag tag, std::uint64_t capacity, std::uint64_t granularity, ::arenite_fit fit) noexcept {
        ::arenite_offsets_options options{};
        options.tag = tag.number();
        options.fit = fit;
        options.granularity = granularity;
        options.capacity = capacity;
        return options;
    }
};

// Blocks by address in a buffer of the program's, or in memory that grows up to a limit; which of the free ones is taken is a policy. With its owner
// all of its blocks go. `fit_heap_memory` and `fit_heap_allocator<T>` (memory.hpp) are for containers.
class fit_heap : public owner<::arenite_fit_heap, &::arenite_fit_heap_destroy> {
public:
    // Throws `bad_alloc` or `error`.
    explicit fit_heap(const ::arenite_fit_heap_options &options) : owner(nullptr) { detail::check(::arenite_fit_heap_create(&options, &object_)); }
    // Memory of its own, at most `reserve` bytes (0: 1 GiB).
    explicit fit_heap(tag tag, std::size_t reserve = 0, ::arenite_fit fit = ARENITE_FIT_TLSF) : fit_heap(options(tag, reserve, nullptr, 0, fit)) {}
    // In a buffer, which must outlive it.
    fit_heap(tag tag, void *buffer, std::size_t size, ::arenite_fit fit = ARENITE_FIT_TLSF) : fit_heap(options(tag, 0, buffer, size, fit)) {}
    // Empty if it is refused; `arenite_last_error` says why.
    static fit_heap try_create(const ::arenite_fit_heap_options &options) noexcept {
        ::arenite_fit_heap *object = nullptr;
        ::arenite_fit_heap_create(&options, &object);
        return fit_heap(object);
    }

    // A block, until it is given to `free` or the heap ends. Throws `bad_alloc` (`ARENITE_OUT_OF_ROOM`, `ARENITE_FRAGMENTED`) or `error`.
    void *allocate(std::size_t size, std::size_t align = detail::alignment) { return detail::must(try_allocate(size, align)); }
    // Null if there is none.
    void *try_allocate(std::size_t size, std::size_t align = detail::alignment) noexcept {
        return align <= detail::alignment ? ::arenite_fit_heap_alloc(object_, size) : ::arenite_fit_heap_alloc_aligned(object_, size, align);
    }
    // Gives a block back; null is allowed. What is no block of this heap is told, and nothing happens.
    code_type free(void *block) noexcept { return ::arenite_fit_heap_free(object_, block); }
    // Another size where it lies. Refused, it is as it was.
    code_type try_resize(void *block, std::size_t size) noexcept { return ::arenite_fit_heap_resize(object_, block, size); }
    // Another size, somewhere else if it must be, with what was in it. Null if there is no room: then it is as it was.
    void *try_reallocate(void *block, std::size_t size, std::size_t align = detail::alignment) noexcept {
        return ::arenite_fit_heap_realloc(object_, block, size, align);
    }
    // How many bytes of a block may be used; 0 if it is none.
    std::size_t usable_size(const void *block) const noexcept { return ::arenite_fit_heap_usable_size(object_, block); }
    // Whether an address lies in its memory.
    bool owns(const void *address) const noexcept { return ::arenite_fit_heap_owns(object_, address) != 0; }
    // How far a block is from the start of its memory; nothing if it is none.
    std::optional<std::size_t> offset_of(const void *block) const noexcept {
        std::size_t offset;
        if (::arenite_fit_heap_offset_of(object_, block, &offset) != ARENITE_OK) return std::nullopt;
        return offset;
    }
    // The block there; null if none begins there.
    void *block_at(std::size_t offset) const noexcept { return ::arenite_fit_heap_block_at(object_, offset); }
    // Where its memory starts, and how much there is: what to save beside `save`. Throws `error`.
    std::pair<void *, std::size_t> memory() const {
        std::pair<void *, std::size_t> memory;
        detail::check(::arenite_fit_heap_memory(object_, &memory.first, &memory.second));
        return memory;
    }
    // The books of a heap that was made with `apart`, for `arenite_fit_heap_options::state`; empty if this is refused.
    std::string save() const {
        return detail::text([this](char *buffer, std::size_t size) { return ::arenite_fit_heap_save(object_, buffer, size); });
    }
    // Gives the free end back to the system, but for `keep` bytes; how many bytes.
    std::size_t trim(std::size_t keep = 0) noexcept { return ::arenite_fit_heap_trim(object_, keep); }

    ::arenite_fit_stats figures() const {
        ::arenite_fit_stats stats;
        detail::check(::arenite_fit_heap_figures(object_, &stats));
        return stats;
    }
    // Of a heap that was made with `count_calls`. Throws `error`.
    ::arenite_fit_calls calls() const {
        ::arenite_fit_calls calls;
        detail::check(::arenite_fit_heap_calls(object_, &calls));
        return calls;
    }
    // Calls `visit(const arenite_fit_block &)` for each piece, by address. It must not throw, nor use this. Throws `error`.
    template <class Visit>
    void walk(Visit &&visit) const {
        using function = std::remove_reference_t<Visit>;
        detail::check(::arenite_fit_heap_walk(object_, &detail::visit_callback<function, ::arenite_fit_block>, detail::user_of(visit)));
    }

private:
    explicit fit_heap(::arenite_fit_heap *object) noexcept : owner(object) {}

    static ::arenite_fit_heap_options options(tag tag, std::size_t reserve, void *buffer, std::size_t size, ::arenite_fit fit) noexcept {
        ::arenite_fit_heap_options options{};
        options.tag = tag.number();
        options.fit = fit;
        options.reserve = reserve;
        options.buffer = buffer;
        options.buffer_size = size;
        return options;
    }
};

// The name of a `T` in a `defrag_heap`, wherever it lies. A plain value; the default is none. `T[]` is an array.
template <class T>
struct movable {
    ::arenite_defrag_handle name{0, 0};

    // Whether it was ever a name; whether there is still something only `get` says.
    explicit operator bool() const noexcept { return name.name != 0; }
    friend bool operator==(movable left, movable right) noexcept { return left.name.heap == right.name.heap && left.name.name == right.name.name; }
    friend bool operator!=(movable left, movable right) noexcept { return !(left == right); }
};

// While it lives a block of a `defrag_heap` stays where it is, and is neither freed nor resized. It may be let go of on any thread, and may outlive the
// heap. Who writes to the block on which thread is the program's business.
template <class T>
class block_pin : public owner<::arenite_block_pin, &::arenite_defrag_unpin> {
    using base = owner<::arenite_block_pin, &::arenite_defrag_unpin>;

public:
    using element = std::remove_extent_t<T>;

    // No pin.
    block_pin() noexcept : base(nullptr) {}

    // Where it lies; null of an empty pin.
    element *get() const noexcept { return object_ ? address_ : nullptr; }
    element &operator*() const noexcept { return *address_; }
    element *operator->() const noexcept { return address_; }
    // Of an array.
    element &operator[](std::size_t index) const noexcept { return address_[index]; }

private:
    friend class defrag_heap;
    block_pin(::arenite_block_pin *object, void *address) noexcept : base(object), address_(static_cast<element *>(address)) {}

    element *address_ = nullptr;
};

// A heap that moves its blocks to where there is room, a little in each frame: what is free stays in one piece. Moving is copying bytes, so values are
// trivially copyable. What `get` answers is good until something moves: see `arenite_defrag_get`.
class defrag_heap : public owner<::arenite_defrag, &::arenite_defrag_destroy> {
public:
    // Throws `bad_alloc` or `error`.
    explicit defrag_heap(const ::arenite_defrag_options &options) : owner(nullptr) { detail::check(::arenite_defrag_create(&options, &object_)); }
    explicit defrag_heap(tag tag, std::size_t reserve = 0) : defrag_heap(options(tag, reserve)) {}
    // Empty if it is refused; `arenite_last_error` says why.
    static defrag_heap try_create(const ::arenite_defrag_options &options) noexcept {
        ::arenite_defrag *object = nullptr;
        ::arenite_defrag_create(&options, &object);
        return defrag_heap(object);
    }

    // Makes a value of `arguments`. Throws `bad_alloc`, `error`, and what its constructor throws; then the heap is as it was.
    template <class T, class... Arguments>
    movable<T> emplace(Arguments &&...arguments) {
        require<T>();
        movable<T> name;
        void *block = detail::must(::arenite_defrag_alloc(object_, sizeof(T), alignof(T), &name.name));
        entry undo{object_, name.name};
        detail::construct<T>(block, std::forward<Arguments>(arguments)...);
        undo.done = true;
        return name;
    }
    // An array whose bytes are zero; no handle if there is no room.
    template <class T>
    movable<T[]> try_array(std::size_t count) noexcept {
        require<T>();
        movable<T[]> name;
        if (!::arenite_defrag_alloc(object_, detail::product(count, sizeof(T)), alignof(T), &name.name)) return {};
        return name;
    }
    // An array whose bytes are zero. Throws `bad_alloc` or `error`.
    template <class T>
    movable<T[]> array(std::size_t count) {
        const movable<T[]> name = try_array<T>(count);
        if (!name) detail::refused(::arenite_last_error());
        return name;
    }
    // An array with these values. Throws `bad_alloc` or `error`.
    template <class T>
    movable<T[]> copy(const T *values, std::size_t count) {
        const movable<T[]> name = array<T>(count);
        T *room = get(name);
        for (std::size_t at = 0; at < count; at++) ::new (static_cast<void *>(room + at)) T(values[at]);
        return name;
    }

    // Where a value, or the first of an array, lies; null if it was freed, or is of another heap. O(1).
    template <class T>
    std::remove_extent_t<T> *get(movable<T> name) const noexcept {
        return static_cast<std::remove_extent_t<T> *>(::arenite_defrag_get(object_, name.name, nullptr));
    }
    // How many there are of an array; 0 if it was freed.
    template <class T>
    std::size_t count(movable<T[]> name) const noexcept {
        std::size_t bytes = 0;
        return ::arenite_defrag_get(object_, name.name, &bytes) ? bytes / sizeof(T) : 0;
    }
    // Keeps a block where it is. Throws `error` (`ARENITE_STALE`, `ARENITE_FOREIGN`) or `bad_alloc`.
    template <class T>
    block_pin<T> pin(movable<T> name) const {
        void *address = nullptr;
        ::arenite_block_pin *object = detail::must(::arenite_defrag_pin(object_, name.name, &address));
        return block_pin<T>(object, address);
    }
    // An empty pin if it is refused.
    template <class T>
    block_pin<T> try_pin(movable<T> name) const noexcept {
        void *address = nullptr;
        ::arenite_block_pin *object = ::arenite_defrag_pin(object_, name.name, &address);
        return block_pin<T>(object, address);
    }
    // Gives a block back. Refused while it is pinned (`ARENITE_BUSY`), and if it is free already.
    template <class T>
    code_type free(movable<T> name) noexcept {
        return ::arenite_defrag_free(object_, name.name);
    }
    // Makes an array longer or shorter; its handle stays, and new bytes are zero. Refused, it is as it was.
    template <class T>
    code_type resize(movable<T[]> name, std::size_t count) noexcept {
        return ::arenite_defrag_resize(object_, name.name, detail::product(count, sizeof(T)));
    }

    // Moves at most so many bytes, for at most so many microseconds; goes on where the last call ended. Throws `error`.
    ::arenite_move_report run(std::uint64_t bytes, std::uint64_t microseconds = UINT64_MAX) {
        ::arenite_move_report report;
        detail::check(::arenite_defrag_run(object_, bytes, microseconds, &report));
        return report;
    }
    // Moves all there is to move. Throws `error`.
    ::arenite_move_report run_fully() {
        ::arenite_move_report report;
        detail::check(::arenite_defrag_run_fully(object_, &report));
        return report;
    }

    ::arenite_fit_stats figures() const {
        ::arenite_fit_stats stats;
        detail::check(::arenite_defrag_figures(object_, &stats));
        return stats;
    }
    // Calls `visit(const arenite_piece &)` for each piece, by offset. It must not throw, nor change this. Throws `error`.
    template <class Visit>
    void map(Visit &&visit) const {
        using function = std::remove_reference_t<Visit>;
        detail::check(::arenite_defrag_map(object_, &detail::visit_callback<function, ::arenite_piece>, detail::user_of(visit)));
    }

private:
    explicit defrag_heap(::arenite_defrag *object) noexcept : owner(object) {}

    static ::arenite_defrag_options options(tag tag, std::size_t reserve) noexcept {
        ::arenite_defrag_options options{};
        options.tag = tag.number();
        options.reserve = reserve;
        return options;
    }

    template <class T>
    static constexpr void require() noexcept {
        static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>, "the bytes are moved");
    }

    // Takes a block back whose constructor throws.
    struct entry {
        ::arenite_defrag *heap;
        ::arenite_defrag_handle name;
        bool done = false;
        ~entry() {
            if (!done) ::arenite_defrag_free(heap, name);
        }
    };
};

// Parts of a range under handles that survive moves; what should be copied where is told to the program, which answers when it is done.
class space : public owner<::arenite_space, &::arenite_space_destroy> {
public:
    // Throws `bad_alloc` or `error`.
    explicit space(const ::arenite_space_options &options) : owner(nullptr) { detail::check(::arenite_space_create(&options, &object_)); }
    space(tag tag, std::uint64_t capacity, std::uint64_t granularity = 16) : space(options(tag, capacity, granularity)) {}
    // Empty if it is refused; `arenite_last_error` says why.
    static space try_create(const ::arenite_space_options &options) noexcept {
        ::arenite_space *object = nullptr;
        ::arenite_space_create(&options, &object);
        return space(object);
    }

    // A part, at a multiple of `align` wherever it moves. Throws `bad_alloc` (`ARENITE_OUT_OF_ROOM`, `ARENITE_FRAGMENTED`) or `error`.
    ::arenite_space_handle allocate(std::uint64_t size, std::uint64_t align = 1) {
        ::arenite_space_handle handle = 0;
        detail::check(::arenite_space_allocate(object_, size, align, &handle));
        return handle;
    }
    // 0 if there is none.
    ::arenite_space_handle try_allocate(std::uint64_t size, std::uint64_t align = 1) noexcept {
        ::arenite_space_handle handle = 0;
        ::arenite_space_allocate(object_, size, align, &handle);
        return handle;
    }
    // Also while it is pinned, or copied.
    code_type free(::arenite_space_handle handle) noexcept { return ::arenite_space_free(object_, handle); }
    // In place.
    code_type resize(::arenite_space_handle handle, std::uint64_t size) noexcept { return ::arenite_space_resize(object_, handle, size); }
    // Where a part lies; nothing if it was freed.
    std::optional<::arenite_space_place> locate(::arenite_space_handle handle) const noexcept {
        ::arenite_space_place place;
        if (::arenite_space_locate(object_, handle, &place) != ARENITE_OK) return std::nullopt;
        return place;
    }
    // Pins are counted.
    code_type pin(::arenite_space_handle handle) noexcept { return ::arenite_space_pin(object_, handle); }
    code_type unpin(::arenite_space_handle handle) noexcept { return ::arenite_space_unpin(object_, handle); }

    // Calls `begin(const arenite_space_move &)` for what should be copied, up to so many bytes. It must not throw, and notes it only: the space is busy
    // meanwhile. Throws `error`.
    template <class Begin>
    ::arenite_move_report begin_moves(std::uint64_t bytes, Begin &&begin) {
        using function = std::remove_reference_t<Begin>;
        ::arenite_move_report report;
        detail::check(::arenite_space_begin_moves(object_, bytes, &detail::visit_callback<function, ::arenite_space_move>, detail::user_of(begin), &report));
        return report;
    }
    // All of it has been copied. What came of it: `ARENITE_MOVE_MOVED` and so on; nothing if there is no such move.
    std::optional<::arenite_move_end> done(::arenite_move_id id) noexcept {
        ::arenite_move_end end;
        if (::arenite_space_done(object_, id, &end) != ARENITE_OK) return std::nullopt;
        return end;
    }
    // Nobody copies it any more.
    std::optional<::arenite_move_end> cancel(::arenite_move_id id) noexcept {
        ::arenite_move_end end;
        if (::arenite_space_cancel(object_, id, &end) != ARENITE_OK) return std::nullopt;
        return end;
    }
    // Nobody copies anything any more; how many moves there were.
    std::size_t cancel_all() noexcept { return ::arenite_space_cancel_all(object_); }
    // How many moves wait for an answer.
    std::size_t moving() const noexcept { return ::arenite_space_moving(object_); }

    // A segment behind all others. Throws `bad_alloc` or `error`.
    ::arenite_segment append(std::uint64_t size) {
        ::arenite_segment segment = 0;
        detail::check(::arenite_space_append(object_, size, &segment));
        return segment;
    }
    // The last segment, if it has been evacuated; else 0.
    ::arenite_segment evacuated() const noexcept {
        ::arenite_segment segment = 0;
        ::arenite_space_evacuated(object_, &segment);
        return segment;
    }
    // Removes a segment in which nothing is used.
    code_type remove(::arenite_segment segment) noexcept { return ::arenite_space_remove(object_, segment); }

    ::arenite_fit_stats figures() const {
        ::arenite_fit_stats stats;
        detail::check(::arenite_space_figures(object_, &stats));
        return stats;
    }
    // Calls `visit(const arenite_piece &)` for each piece, by offset. It must not throw, nor change this. Throws `error`.
    template <class Visit>
    void map(Visit &&visit) const {
        using function = std::remove_reference_t<Visit>;
        detail::check(::arenite_space_map(object_, &detail::visit_callback<function, ::arenite_piece>, detail::user_of(visit)));
    }

private:
    explicit space(::arenite_space *object) noexcept : owner(object) {}

    static ::arenite_space_options options(tag tag, std::uint64_t capacity, std::uint64_t granularity) noexcept {
        ::arenite_space_options options{};
        options.tag = tag.number();
        options.granularity = granularity;
        options.capacity = capacity;
        return options;
    }
};

// A block of an `external_heap`, shared by its copies: the last one gives it back, also when the heap itself has ended. Copies may be on any thread; one
// copy is used by one thread at a time.
class external_block {
public:
    // No block.
    external_block() noexcept = default;
    // Takes a share over from arenite.h.
    explicit external_block(::arenite_external_block *object) noexcept : object_(object) {}
    external_block(const external_block &other) noexcept : object_(other.object_) {
        if (object_ && ::arenite_external_retain(object_) != ARENITE_OK) object_ = nullptr;
    }
    external_block(external_block &&other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    external_block &operator=(external_block other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~external_block() { ::arenite_external_release(object_); }

    // Whether there is a block.
    explicit operator bool() const noexcept { return object_ != nullptr; }
    // Where it is. Throws `error` if there is none.
    ::arenite_external_place place() const {
        ::arenite_external_place place;
        detail::check(::arenite_external_locate(object_, &place));
        return place;
    }
    // Lets go of it now.
    void reset() noexcept { *this = external_block(); }
    // For functions of arenite.h; it stays owned. Null: nothing.
    ::arenite_external_block *c_object() const noexcept { return object_; }
    // The caller's, from here on.
    ::arenite_external_block *release() noexcept { return std::exchange(object_, nullptr); }
    // Whether both are of the same block.
    friend bool operator==(const external_block &left, const external_block &right) noexcept { return left.object_ == right.object_; }
    friend bool operator!=(const external_block &left, const external_block &right) noexcept { return !(left == right); }

private:
    ::arenite_external_block *object_ = nullptr;
};

// Shared blocks of chunks that a provider hands out: memory of a GPU, a mapped file, a special pool. Any thread may use it.
class external_heap : public owner<::arenite_external, &::arenite_external_destroy> {
public:
    // Functions of C. Throws `bad_alloc` or `error`.
    explicit external_heap(const ::arenite_external_options &options) : owner(nullptr) { detail::check(::arenite_external_create(&options, &object_)); }
    // A provider that this keeps as long as there is a block:
    //   void *allocate(std::uint64_t size, std::uint64_t align) noexcept    a chunk, whatever it is called; null: there is none
    //   void release(void *chunk, std::uint64_t size) noexcept
    // They are called on any thread, one at a time. `options` may say all but the functions. Throws `bad_alloc`, `error`, and what moving it throws.
    template <class Provider>
    static external_heap over(Provider provider, ::arenite_external_options options = {}) {
        static_assert(noexcept(provider.allocate(std::uint64_t(), std::uint64_t())) && noexcept(provider.release(nullptr, std::uint64_t())),
                      "nothing may be thrown through arenite.h");
        options.allocate = [](void *user, std::uint64_t size, std::uint64_t align, void **memory) noexcept -> std::int32_t {
            *memory = static_cast<Provider *>(user)->allocate(size, align);
            return *memory ? 0 : 1;
        };
        options.release = [](void *user, void *memory, std::uint64_t size) noexcept { static_cast<Provider *>(user)->release(memory, size); };
        options.end = [](void *user) noexcept { delete static_cast<Provider *>(user); };
        auto kept = std::make_unique<Provider>(std::move(provider));
        options.user = kept.get();
        external_heap made(options);
        kept.release();
        return made;
    }
    // Empty if it is refused; `arenite_last_error` says why.
    static external_heap try_create(const ::arenite_external_options &options) noexcept {
        ::arenite_external *object = nullptr;
        ::arenite_external_create(&options, &object);
        return external_heap(object);
    }

    // A block of at least `size` bytes, at a multiple of `align` within its chunk. Throws `bad_alloc`, or `error` (`ARENITE_CALLBACK`: the provider has none).
    external_block allocate(std::uint64_t size, std::uint64_t align = 1) {
        ::arenite_external_block *block = nullptr;
        detail::check(::arenite_external_allocate(object_, size, align, &block));
        return external_block(block);
    }
    // Empty if there is none.
    external_block try_allocate(std::uint64_t size, std::uint64_t align = 1) noexcept {
        ::arenite_external_block *block = nullptr;
        ::arenite_external_allocate(object_, size, align, &block);
        return external_block(block);
    }
    // Gives empty chunks back to the provider, also those that are kept to spare.
    code_type trim() noexcept { return ::arenite_external_trim(object_); }

    ::arenite_external_stats figures() const {
        ::arenite_external_stats stats;
        detail::check(::arenite_external_figures(object_, &stats));
        return stats;
    }

private:
    explicit external_heap(::arenite_external *object) noexcept : owner(object) {}
};

// Pieces of a range one behind the other, which come back when the device has passed the fence of their submission.
class ring : public owner<::arenite_ring, &::arenite_ring_destroy> {
public:
    // Throws `bad_alloc` or `error`.
    explicit ring(std::uint64_t capacity) : owner(nullptr) { detail::check(::arenite_ring_create(capacity, &object_)); }
    // Empty if it is refused; `arenite_last_error` says why.
    static ring try_create(std::uint64_t capacity) noexcept {
        ::arenite_ring *object = nullptr;
        ::arenite_ring_create(capacity, &object);
        return ring(object, 0);
    }

    // The offset of a piece; nothing if there is none now. Then `arenite_last_error` says why: of `ARENITE_OUT_OF_ROOM` the fence to wait for is written to
    // `fence`, unless that is null; of `ARENITE_BUSY` something is to be submitted first.
    std::optional<std::uint64_t> try_allocate(std::uint64_t size, std::uint64_t align = 1, std::uint64_t *fence = nullptr) noexcept {
        std::uint64_t offset;
        if (::arenite_ring_allocate(object_, size, align, &offset, fence) != ARENITE_OK) return std::nullopt;
        return offset;
    }
    // What there is since the last submission is in use until the device has passed `fence`. Throws `error`.
    void submit(std::uint64_t fence) { detail::check(::arenite_ring_submit(object_, fence)); }
    // The device has passed all fences up to `completed`; how much is free again. Throws `error`.
    std::uint64_t retire(std::uint64_t completed) {
        std::uint64_t freed = 0;
        detail::check(::arenite_ring_retire(object_, completed, &freed));
        return freed;
    }

    ::arenite_ring_stats figures() const {
        ::arenite_ring_stats stats;
        detail::check(::arenite_ring_figures(object_, &stats));
        return stats;
    }

private:
    ring(::arenite_ring *object, int) noexcept : owner(object) {}
};

}  // namespace arenite

#endif
