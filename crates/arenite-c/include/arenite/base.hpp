// Errors, tags and owners: what the other headers of arenite.hpp stand on.
#ifndef ARENITE_BASE_HPP
#define ARENITE_BASE_HPP

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "../arenite.h"

namespace arenite {

// What came of a call: `ARENITE_OK` and the others of arenite.h.
using code_type = ::arenite_error;

// A call that was wrong: misuse, a bad tag, an object of another thread. Where there is no memory it is `bad_alloc`.
class error : public std::runtime_error {
public:
    error(code_type code, const char *message) : std::runtime_error(message), code_(code) {}

    // Why.
    code_type code() const noexcept { return code_; }

private:
    code_type code_;
};

// No memory: a budget, the reserved range or the system's. Holds its text itself, cut at 255 bytes, so that throwing it allocates no
// string.
class bad_alloc : public std::bad_alloc {
public:
    bad_alloc(code_type code, const char *message) noexcept : code_(code) {
        std::snprintf(message_, sizeof message_, "%s", message);
    }

    // Why.
    code_type code() const noexcept { return code_; }
    const char *what() const noexcept override { return message_; }

private:
    code_type code_;
    char message_[256];
};

namespace detail {

template <class Error>
[[noreturn]] void raise(code_type code, const char *message = ::arenite_last_message()) {
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
    throw Error(code, message);
#else
    std::fprintf(stderr, "arenite: error %d: %s\n", static_cast<int>(code), message);
    std::abort();
#endif
}

inline bool is_no_memory(code_type code) noexcept {
    return code == ARENITE_OVER_BUDGET || code == ARENITE_EXHAUSTED || code == ARENITE_SYSTEM || code == ARENITE_FULL ||
           code == ARENITE_TOO_LARGE || code == ARENITE_OUT_OF_ROOM || code == ARENITE_FRAGMENTED;
}

[[noreturn]] inline void refused(code_type code) {
    if (is_no_memory(code)) raise<bad_alloc>(code);
    raise<error>(code);
}

// Throws what a code other than `ARENITE_OK` says. At once: the message is that of the thread's last refusal.
inline void check(code_type code) {
    if (code != ARENITE_OK) refused(code);
}

// Throws if a function has answered null.
template <class T>
T *must(T *pointer) {
    if (!pointer) refused(::arenite_last_error());
    return pointer;
}

// For what the standard library calls: whatever the reason, it must be a `std::bad_alloc`.
inline void *must_for_std(void *pointer) {
    if (!pointer) raise<bad_alloc>(::arenite_last_error());
    return pointer;
}

// The product, or what no memory has room for.
inline std::size_t product(std::size_t count, std::size_t size) noexcept {
    return size != 0 && count > SIZE_MAX / size ? SIZE_MAX : count * size;
}

// What every block has, without asking for it.
constexpr std::size_t alignment = 16;

// The whole text of a function that is like `snprintf`. It may grow between two calls.
template <class Write>
std::string text(Write write) {
    std::string text;
    for (std::size_t size = write(nullptr, 0);;) {
        text.resize(size);
        const std::size_t whole = write(text.data(), size + 1);
        if (whole <= size) {
            text.resize(whole);
            return text;
        }
        size = whole;
    }
}

}  // namespace detail

// Owns an object of arenite.h, which `End` ends: what the owners have in common.
template <class Object, code_type (*End)(Object *)>
class owner {
public:
    // Takes an object over, or none.
    explicit owner(Object *object) noexcept : object_(object) {}
    owner(owner &&other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    // Ends what was owned until now.
    owner &operator=(owner &&other) noexcept {
        if (this != &other) {
            End(object_);
            object_ = std::exchange(other.object_, nullptr);
        }
        return *this;
    }
    owner(const owner &) = delete;
    owner &operator=(const owner &) = delete;
    ~owner() { End(object_); }

    // Whether there is anything.
    explicit operator bool() const noexcept { return object_ != nullptr; }
    // For functions of arenite.h; it stays owned. Null: nothing.
    Object *c_object() const noexcept { return object_; }
    // The caller's, from here on.
    Object *release() noexcept { return std::exchange(object_, nullptr); }
    // Ends it now. Refused (a wrong thread, somebody uses it): nothing has happened, it is still owned.
    code_type reset() noexcept {
        const code_type code = End(object_);
        if (code == ARENITE_OK) object_ = nullptr;
        return code;
    }

protected:
    Object *object_;
};

// Whom memory is charged to: a name like `scene/textures`, with an account and perhaps a budget. A plain value, good in every thread
// until the process ends.
class tag {
public:
    // The tag of what nobody claimed.
    constexpr tag() noexcept = default;
    // Registers a path, or finds it. Throws `error` (`ARENITE_BAD_TAG`).
    explicit tag(const char *path) { detail::check(::arenite_tag_register(path, &number_)); }
    explicit tag(const std::string &path) : tag(path.c_str()) {}
    // A number of arenite.h.
    static constexpr tag of(::arenite_tag number) noexcept {
        tag tag;
        tag.number_ = number;
        return tag;
    }
    // A tag that is registered already; nothing if there is none.
    static std::optional<tag> find(const char *path) noexcept {
        tag found;
        if (::arenite_tag_find(path, &found.number_) != ARENITE_OK) return std::nullopt;
        return found;
    }
    // What the calling thread's blocks of the process's heap are charged to.
    static tag current() noexcept { return of(::arenite_tag_current()); }

    // `textures` of `scene` is `scene/textures`. Throws `error`.
    tag child(const char *path) const {
        tag child;
        detail::check(::arenite_tag_child(number_, path, &child.number_));
        return child;
    }
    // `scene` of `scene/textures`; nothing at the top.
    std::optional<tag> parent() const noexcept {
        tag above;
        if (::arenite_tag_parent(number_, &above.number_) != ARENITE_OK) return std::nullopt;
        return above;
    }
    // The full path.
    std::string name() const {
        return detail::text([this](char *buffer, std::size_t size) { return ::arenite_tag_name(number_, buffer, size); });
    }
    // The figures, tags below included, all of one moment.
    ::arenite_account account() const {
        ::arenite_account account;
        detail::check(::arenite_tag_account(number_, &account));
        return account;
    }
    // What the tag itself has of the process's heap.
    ::arenite_heap_stats heap_figures() const {
        ::arenite_heap_stats stats;
        detail::check(::arenite_alloc_figures(number_, &stats));
        return stats;
    }
    // At most so many bytes are committed under the tag; with a warning from the fraction `warn_at` of it on, if that is between 0 and 1.
    void hard_budget(std::size_t bytes, double warn_at = 0) const { detail::check(::arenite_budget_set_hard(number_, bytes, warn_at)); }
    // As `hard_budget`, only reported.
    void soft_budget(std::size_t bytes, double warn_at = 0) const { detail::check(::arenite_budget_set_soft(number_, bytes, warn_at)); }
    // No budget of its own any more.
    void clear_budget() const { detail::check(::arenite_budget_clear(number_)); }
    // The budget, and how it stands.
    ::arenite_budget budget() const {
        ::arenite_budget budget;
        detail::check(::arenite_budget_get(number_, &budget));
        return budget;
    }

    // For functions of arenite.h.
    constexpr ::arenite_tag number() const noexcept { return number_; }
    friend constexpr bool operator==(tag left, tag right) noexcept { return left.number_ == right.number_; }
    friend constexpr bool operator!=(tag left, tag right) noexcept { return !(left == right); }

private:
    ::arenite_tag number_ = ARENITE_UNTAGGED;
};

// While it lives, blocks that this thread takes of the process's heap are charged to a tag; those of `new`, too, if arenite_new_delete_by_tag.o
// is linked. To be destroyed on its thread, in reverse order.
class tag_scope {
public:
    // Throws `bad_alloc` (the first time of a thread under a tag needs a place in the heap), or `error`.
    explicit tag_scope(tag tag) { detail::check(::arenite_tag_enter(tag.number(), &previous_)); }
    ~tag_scope() { ::arenite_tag_enter(previous_, nullptr); }
    tag_scope(const tag_scope &) = delete;
    tag_scope &operator=(const tag_scope &) = delete;

private:
    ::arenite_tag previous_ = ARENITE_UNTAGGED;
};

namespace detail {

// Makes a value: by a constructor, or else member by member.
template <class T, class... Arguments>
T *construct(void *block, Arguments &&...arguments) {
    if constexpr (std::is_constructible_v<T, Arguments...>) {
        return ::new (block) T(std::forward<Arguments>(arguments)...);
    } else {
        return ::new (block) T{std::forward<Arguments>(arguments)...};
    }
}

// A value in memory that began as zeros, and whether it is alive: it is not if its constructor has thrown, or its destructor runs. What
// needs no destructor needs no such mark, and is alone.
template <class T, bool Marked = !std::is_trivially_destructible_v<T>>
struct cell {
    alignas(T) unsigned char bytes[sizeof(T)];

    bool alive() const noexcept { return true; }
    void mark(bool) noexcept {}
    T *value() noexcept { return std::launder(reinterpret_cast<T *>(bytes)); }
};

template <class T>
struct cell<T, true> {
    alignas(T) unsigned char bytes[sizeof(T)];
    bool is_alive;

    bool alive() const noexcept { return is_alive; }
    void mark(bool alive) noexcept { is_alive = alive; }
    T *value() noexcept { return std::launder(reinterpret_cast<T *>(bytes)); }
};

// Makes the value of a cell whose bytes are zero.
template <class T, class... Arguments>
T *make(void *block, Arguments &&...arguments) {
    auto *home = static_cast<cell<T> *>(block);
    T *value = construct<T>(home->bytes, std::forward<Arguments>(arguments)...);
    home->mark(true);
    return value;
}

// The value of a cell; null if it is not alive.
template <class T>
T *alive(void *block) noexcept {
    auto *home = static_cast<cell<T> *>(block);
    return home && home->alive() ? home->value() : nullptr;
}

// Ends the value of a cell, once. A destructor that throws ends the program.
template <class T>
void end(void *block) noexcept {
    auto *home = static_cast<cell<T> *>(block);
    if (!home || !home->alive()) return;
    home->mark(false);
    home->value()->~T();
}

// The same, as arenite.h calls it.
template <class T>
void end_callback(void *, void *block, std::size_t) noexcept {
    end<T>(block);
}

template <class T>
constexpr ::arenite_destructor destructor() noexcept {
    if constexpr (std::is_trivially_destructible_v<T>) {
        return nullptr;
    } else {
        return &end_callback<T>;
    }
}

}  // namespace detail

// The name of a `T` in `resources` or in a manager's scene. A plain value; the default is none. `T[]` is an array.
template <class T>
struct resource {
    ::arenite_resource number = 0;

    // Whether it was ever a name; whether there is still something only `get` says.
    explicit operator bool() const noexcept { return number != 0; }
    friend bool operator==(resource left, resource right) noexcept { return left.number == right.number; }
    friend bool operator!=(resource left, resource right) noexcept { return !(left == right); }
};

namespace detail {

// Inserts and finds typed resources; `Insert` and `Get` are functions of arenite.h.
template <class T, class Insert, class... Arguments>
resource<T> emplace(Insert insert, Arguments &&...arguments) {
    resource<T> name;
    void *block = must(insert(nullptr, sizeof(cell<T>), alignof(cell<T>), destructor<T>(), &name.number));
    make<T>(block, std::forward<Arguments>(arguments)...);
    return name;
}

template <class T, class Insert>
resource<T[]> copy(Insert insert, const T *values, std::size_t count) {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>, "the bytes are copied");
    resource<T[]> name;
    must(insert(values, product(count, sizeof(T)), alignof(T), nullptr, &name.number));
    return name;
}

}  // namespace detail

}  // namespace arenite

#endif
