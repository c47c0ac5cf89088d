// The manager of an engine's memory, its scenes, and snapshots. See arenite.hpp for what is true of all of them.
#ifndef ARENITE_MANAGER_HPP
#define ARENITE_MANAGER_HPP

#include "arenas.hpp"
#include "base.hpp"

namespace arenite {

namespace detail {

inline code_type end_manager(::arenite_manager *manager) { return ::arenite_manager_shutdown(manager, nullptr, 0, nullptr); }

}  // namespace detail

// The resources of one level: filled on any thread, then made current by `manager::change_scene`.
class scene : public owner<::arenite_scene, &::arenite_scene_destroy> {
public:
    // As `resources::emplace`. The name stays good when the scene is made current. Thread-safe.
    template <class T, class... Arguments>
    resource<T> emplace(Arguments &&...arguments) {
        return detail::emplace<T>(
            [this](auto... rest) { return insert(rest...); }, std::forward<Arguments>(arguments)...);
    }
    // As `resources::copy`.
    template <class T>
    resource<T[]> copy(const T *values, std::size_t count) {
        return detail::copy([this](auto... rest) { return insert(rest...); }, values, count);
    }

private:
    friend class manager;
    explicit scene(::arenite_scene *object) noexcept : owner(object) {}

    void *insert(const void *data, std::size_t size, std::size_t align, ::arenite_destructor destructor, ::arenite_resource *name) {
        return ::arenite_scene_insert(object_, data, size, align, destructor, nullptr, name);
    }
};

// A frame arena and the resources of a scene, each with a tag of its own, in order. Of one thread.
class manager : public owner<::arenite_manager, &detail::end_manager> {
public:
    // Throws `bad_alloc` or `error`.
    explicit manager(const ::arenite_manager_options &options = {}) : owner(nullptr) {
        detail::check(::arenite_manager_create(&options, &object_));
    }

    // Begins a frame: what the one before the last allocated is gone. Throws `error` (`ARENITE_BUSY`: one is open).
    void begin_frame() { detail::check(::arenite_manager_begin_frame(object_)); }
    // Ends it. What the frame allocated may be read until the next one ends. Throws `error` (`ARENITE_BUSY`: none is open).
    ::arenite_frame_report end_frame() {
        ::arenite_frame_report report;
        detail::check(::arenite_manager_end_frame(object_, &report));
        return report;
    }
    // Bytes of the open frame. Throws `bad_alloc`, or `error` if none is open. O(1).
    void *allocate(std::size_t size, std::size_t align = detail::alignment) { return detail::must(try_allocate(size, align)); }
    // Null if it is refused.
    void *try_allocate(std::size_t size, std::size_t align = detail::alignment) noexcept {
        return align <= detail::alignment ? ::arenite_manager_alloc(object_, size) : ::arenite_manager_alloc_aligned(object_, size, align);
    }
    // As of `frame_arena`.
    template <class T, class... Arguments>
    T *create(Arguments &&...arguments) {
        static_assert(std::is_trivially_destructible_v<T>, "nothing runs the destructor of what is in a frame");
        return detail::construct<T>(allocate(sizeof(T), alignof(T)), std::forward<Arguments>(arguments)...);
    }

    // An empty scene, to be filled while frames run. No frame may be open. Throws `bad_alloc` or `error`.
    scene load_scene() {
        ::arenite_scene *object = nullptr;
        detail::check(::arenite_manager_load_scene(object_, &object));
        return scene(object);
    }
    // Makes a scene the current one, and ends the one before. No frame may be open. Throws `error`; then `next` is the caller's still.
    ::arenite_scene_report change_scene(scene &&next) {
        ::arenite_scene_report report;
        detail::check(::arenite_manager_change_scene(object_, next.c_object(), &report));
        next.release();
        return report;
    }
    // Ends the current scene, and leaves an empty one. Throws `error`.
    ::arenite_scene_report clear_scene() {
        ::arenite_scene_report report;
        detail::check(::arenite_manager_clear_scene(object_, &report));
        return report;
    }
    // As `resources::emplace`, in the current scene.
    template <class T, class... Arguments>
    resource<T> emplace(Arguments &&...arguments) {
        return detail::emplace<T>(
            [this](const void *data, std::size_t size, std::size_t align, ::arenite_destructor destructor, ::arenite_resource *name) {
                return ::arenite_manager_insert(object_, data, size, align, destructor, nullptr, name);
            },
            std::forward<Arguments>(arguments)...);
    }
    // What is in the current scene; null if it is gone. O(1).
    template <class T>
    T *get(resource<T> name) const noexcept {
        return detail::alive<T>(::arenite_manager_get(object_, name.number, nullptr));
    }
    // The same, and how many there are.
    template <class T>
    T *get(resource<T[]> name, std::size_t *count = nullptr) const noexcept {
        std::size_t size = 0;
        void *values = ::arenite_manager_get(object_, name.number, &size);
        if (count) *count = values ? size / sizeof(T) : 0;
        return static_cast<T *>(values);
    }

    // Ends it; answers what it leaves behind, as a table of at most 64 KiB. Throws `error` (then it is as it was), or `std::bad_alloc` before
    // anything has happened.
    std::string shutdown() {
        std::string report(64 << 10, '\0');
        std::size_t length = 0;
        detail::check(::arenite_manager_shutdown(object_, report.data(), report.size(), &length));
        object_ = nullptr;
        report.resize(length < report.size() ? length : report.size() - 1);
        return report;
    }
};

// Everything that is known at one moment. Any thread may read it.
class snapshot : public owner<::arenite_snapshot, &::arenite_snapshot_destroy> {
public:
    // One account.
    struct entry {
        std::string name;
        ::arenite_tag_figures figures;
    };

    // Of the process. Throws `bad_alloc` or `error`. Not for every frame.
    snapshot() : owner(nullptr) { detail::check(::arenite_snapshot_take(nullptr, &object_)); }
    // With a manager's frames and scene, on its thread.
    explicit snapshot(const manager &manager) : owner(nullptr) { detail::check(::arenite_snapshot_take(manager.c_object(), &object_)); }

    // How many tags it has.
    std::size_t size() const noexcept { return ::arenite_snapshot_tags(object_); }
    // One of them, parents before what is below them. Throws `error`.
    entry operator[](std::size_t index) const {
        entry found;
        char name[256];
        detail::check(::arenite_snapshot_tag(object_, index, name, sizeof name, &found.figures));
        found.name = name;
        return found;
    }
    // The figures of a tag, by its path; nothing if it was not there.
    std::optional<::arenite_tag_figures> find(const std::string &path) const {
        for (std::size_t index = 0; index < size(); index++) {
            const entry one = (*this)[index];
            if (one.name == path) return one.figures;
        }
        return std::nullopt;
    }
    // Process and machine.
    ::arenite_system_figures system() const {
        ::arenite_system_figures figures;
        detail::check(::arenite_snapshot_system(object_, &figures));
        return figures;
    }
    // As a table.
    std::string text() const {
        return detail::text([this](char *buffer, std::size_t size) { return ::arenite_snapshot_text(object_, buffer, size); });
    }
    // As JSON.
    std::string json() const {
        return detail::text([this](char *buffer, std::size_t size) { return ::arenite_snapshot_json(object_, buffer, size); });
    }
};

}  // namespace arenite

#endif
