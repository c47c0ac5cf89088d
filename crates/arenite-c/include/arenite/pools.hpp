// Pools and the cache. See arenite.hpp for what is true of all of them.
#ifndef ARENITE_POOLS_HPP
#define ARENITE_POOLS_HPP

#include <string_view>

#include "base.hpp"

namespace arenite {

// Raw blocks of one size. Of one thread.
class block_pool : public owner<::arenite_pool, &::arenite_pool_destroy> {
public:
    // At most `capacity` blocks; only addresses are taken. Throws `bad_alloc` or `error`.
    block_pool(tag tag, std::size_t block_size, std::size_t capacity, std::size_t align = detail::alignment) : owner(nullptr) {
        detail::check(::arenite_pool_create(tag.number(), block_size, align, capacity, &object_));
    }
    // Empty if it is refused; `arenite_last_error` says why.
    static block_pool try_create(tag tag, std::size_t block_size, std::size_t capacity, std::size_t align = detail::alignment) noexcept {
        ::arenite_pool *object = nullptr;
        ::arenite_pool_create(tag.number(), block_size, align, capacity, &object);
        return block_pool(object);
    }

    // A block, until it is given to `free`; its content is arbitrary. Throws `bad_alloc`. O(1).
    void *allocate() { return detail::must(try_allocate()); }
    // Null if there is none.
    void *try_allocate() noexcept { return ::arenite_pool_alloc(object_); }
    // Gives a block back; null is allowed. What is none of this pool, or free already, is told, and nothing happens. O(1).
    code_type free(void *block) noexcept { return ::arenite_pool_free(object_, block); }
    // Frees all blocks, and gives the memory of all but the first `keep` back to the system. Throws `error`.
    void free_all(std::size_t keep = 0) { detail::check(::arenite_pool_free_all(object_, keep)); }
    // Whether an address lies in it.
    bool owns(const void *address) const noexcept { return ::arenite_pool_owns(object_, address) != 0; }

    ::arenite_pool_stats figures() const {
        ::arenite_pool_stats stats;
        detail::check(::arenite_pool_figures(object_, &stats));
        return stats;
    }

private:
    explicit block_pool(::arenite_pool *object) noexcept : owner(object) {}
};

// The name of a `T` in a `handle_pool<T>`. A plain value; the default is none. Once the value is removed it finds nothing, ever.
template <class T>
struct handle {
    ::arenite_handle number = 0;

    // Whether it was ever a name; whether there is still something only `get` says.
    explicit operator bool() const noexcept { return number != 0; }
    friend bool operator==(handle left, handle right) noexcept { return left.number == right.number; }
    friend bool operator!=(handle left, handle right) noexcept { return !(left == right); }
};

// Values that refer to each other by handles. Values stay where they are. Destructors run once: when a value is removed, or when the pool
// ends. Of one thread.
template <class T>
class handle_pool : public owner<::arenite_handles, &::arenite_handles_destroy> {
    using base = owner<::arenite_handles, &::arenite_handles_destroy>;

public:
    // At most `capacity` values; only addresses are taken. Throws `bad_alloc` or `error`.
    explicit handle_pool(tag tag, std::size_t capacity) : base(nullptr) {
        detail::check(::arenite_handles_create(tag.number(), sizeof(detail::cell<T>), alignof(detail::cell<T>), capacity, &object_));
    }
    // Empty if it is refused; `arenite_last_error` says why.
    static handle_pool try_create(tag tag, std::size_t capacity) noexcept {
        ::arenite_handles *object = nullptr;
        ::arenite_handles_create(tag.number(), sizeof(detail::cell<T>), alignof(detail::cell<T>), capacity, &object);
        return handle_pool(object);
    }
    handle_pool(handle_pool &&) noexcept = default;
    handle_pool &operator=(handle_pool &&other) noexcept {
        if (this != &other) {
            end_values();
            base::operator=(std::move(other));
        }
        return *this;
    }
    ~handle_pool() { end_values(); }

    // Ends it now, and its values. Refused (and nothing has happened) on a wrong thread.
    code_type reset() noexcept {
        ::arenite_handles_stats stats;
        const code_type code = ::arenite_handles_figures(object_, &stats);
        if (object_ && code != ARENITE_OK) return code;
        end_values();
        return base::reset();
    }

    // Makes a value of `arguments`. Throws `bad_alloc`, `error`, and what its constructor throws; then the pool is as it was. O(1).
    template <class... Arguments>
    handle<T> emplace(Arguments &&...arguments) {
        handle<T> name;
        fill(detail::must(::arenite_handles_insert(object_, nullptr, &name.number)), name, std::forward<Arguments>(arguments)...);
        return name;
    }
    // As `emplace`; no handle if there is no room. Throws only what the constructor throws.
    template <class... Arguments>
    handle<T> try_emplace(Arguments &&...arguments) {
        handle<T> name;
        void *block = ::arenite_handles_insert(object_, nullptr, &name.number);
        if (!block) return {};
        fill(block, name, std::forward<Arguments>(arguments)...);
        return name;
    }
    // The value; null if it is gone, or was never of this pool. O(1).
    T *get(handle<T> name) const noexcept { return detail::alive<T>(::arenite_handles_get(object_, name.number)); }
    // Ends a value. False if it is gone already. O(1).
    bool remove(handle<T> name) noexcept {
        if (!get(name)) return false;
        detail::end<T>(::arenite_handles_get(object_, name.number));
        return ::arenite_handles_remove(object_, name.number, nullptr) == ARENITE_OK;
    }
    // Takes a value out. Nothing if it is gone already.
    std::optional<T> take(handle<T> name) {
        T *value = get(name);
        if (!value) return std::nullopt;
        std::optional<T> taken(std::move(*value));
        remove(name);
        return taken;
    }
    // Calls `visit(handle<T>, T &)` for each value. It may remove values and put some in; the latter are met or not. O(slots ever used).
    template <class Visit>
    void for_each(Visit visit) const {
        std::uint32_t slot = 0;
        handle<T> name;
        while (void *block = ::arenite_handles_next(object_, &slot, &name.number)) {
            if (T *value = detail::alive<T>(block)) visit(name, *value);
        }
    }

    ::arenite_handles_stats figures() const {
        ::arenite_handles_stats stats;
        detail::check(::arenite_handles_figures(object_, &stats));
        return stats;
    }

private:
    explicit handle_pool(::arenite_handles *object) noexcept : base(object) {}

    // Takes an entry back whose constructor throws.
    struct entry {
        ::arenite_handles *pool;
        ::arenite_handle name;
        bool done = false;
        ~entry() {
            if (!done) ::arenite_handles_remove(pool, name, nullptr);
        }
    };

    template <class... Arguments>
    void fill(void *block, handle<T> name, Arguments &&...arguments) {
        entry undo{object_, name.number};
        detail::make<T>(block, std::forward<Arguments>(arguments)...);
        undo.done = true;
    }

    void end_values() noexcept {
        if constexpr (!std::is_trivially_destructible_v<T>) {
            if (!object_) return;
            // Again for what destructors have put in meanwhile.
            for (bool met = true; met;) {
                met = false;
                for_each([&](handle<T> name, T &) { met |= remove(name); });
            }
        }
    }
};

// A pinned resource of a `cache`: it stays as long as there is a pin. Any thread may let go of it.
class pin : public owner<::arenite_pin, &::arenite_cache_unpin> {
public:
    // No pin.
    pin() noexcept : owner(nullptr) {}

    // What the loader wrote; null of an empty pin.
    template <class T = void>
    T *value() const noexcept {
        return object_ ? static_cast<T *>(value_) : nullptr;
    }

private:
    friend class cache;
    pin(::arenite_pin *object, void *value) noexcept : owner(object), value_(value) {}

    void *value_ = nullptr;
};

// Resources that are loaded when they are asked for, and unloaded, the least recently used first, when the budget has no room. Any
// thread may use it. Loader and unloader are functions as arenite.h wants them, and must not throw.
class cache : public owner<::arenite_cache, &::arenite_cache_destroy> {
public:
    // Throws `bad_alloc` or `error`. `options.user` must stay good until the last pin is let go.
    explicit cache(const ::arenite_cache_options &options) : owner(nullptr) { detail::check(::arenite_cache_create(&options, &object_)); }

    // Pins what a key names, and loads it first if it must. Throws `bad_alloc` or `error` (`ARENITE_CALLBACK`: the loader failed). Thread-safe.
    pin get(std::string_view key) {
        void *value = nullptr;
        ::arenite_pin *object = detail::must(::arenite_cache_pin(object_, key.data(), key.size(), &value));
        return pin(object, value);
    }
    // Pins what is loaded already; else an empty pin.
    pin try_get(std::string_view key) noexcept {
        void *value = nullptr;
        ::arenite_pin *object = ::arenite_cache_try_pin(object_, key.data(), key.size(), &value);
        return pin(object, value);
    }
    // Unloads what a key names, if nobody pins it.
    code_type unload(std::string_view key) noexcept { return ::arenite_cache_unload(object_, key.data(), key.size()); }
    // Unloads what nobody pins until at most so many bytes are left; how many bytes that was.
    std::size_t trim(std::size_t bytes = 0) noexcept { return ::arenite_cache_trim(object_, bytes); }

    ::arenite_cache_stats figures() const {
        ::arenite_cache_stats stats;
        detail::check(::arenite_cache_figures(object_, &stats));
        return stats;
    }
};

}  // namespace arenite

#endif
