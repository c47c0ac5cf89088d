// A callback that throws ends the process, whatever the library was at: it is told so in arenite.h, and nothing unwinds through it. Each one in
// a child of its own.
#include <arenite.hpp>
#include <compat/memory_wrapper.h>

#include <csignal>
#include <stdexcept>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check.h"

using namespace arenite;

[[noreturn]] static void fail() { throw std::runtime_error("thrown by a callback"); }

static void from_destructor() {
    resources level;
    ::arenite_resource name;
    arenite_resources_insert(
        level.c_object(), nullptr, 8, 0, [](void *, void *, std::size_t) { fail(); }, nullptr, &name);
    level.clear();
}

static void from_loader() {
    arenite_cache_options options{};
    options.load = [](void *, const void *, std::size_t, arenite_room *, void **) -> std::int32_t { fail(); };
    cache(options).get("thing");
}

static void from_unloader() {
    arenite_cache_options options{};
    options.load = [](void *, const void *, std::size_t, arenite_room *, void **) -> std::int32_t { return 0; };
    options.unload = [](void *, void *) { fail(); };
    cache things(options);
    things.get("thing");
    things.unload("thing");
}

static void from_pressure() {
    tag narrow("throwing/pressure");
    arenite_on_pressure(
        narrow.number(), [](void *, const arenite_pressure *) { fail(); }, nullptr);
    narrow.soft_budget(1);
    frame_arena frames(narrow);
    frames.allocate(1 << 20);
}

static void from_survivor() {
    arenite_heap_options options{};
    options.track_blocks = 1;
    heap level(options);
    CHECK(level.allocate(10));
    arenite_heap_discard(
        level.c_object(), [](void *, const arenite_survivor *) { fail(); }, nullptr);
}

static void from_dump() {
    CHECK(Alloc(10));
    Platform_Mem_DumpLeaks_To([](void *, const char *, std::size_t) { fail(); }, nullptr);
}

static void from_hook() {
    Set_Memory_Error([](std::size_t, void *) -> int { fail(); }, nullptr);
    Alloc(SIZE_MAX);
}

static void must_end(void (*program)()) {
    std::fflush(nullptr);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        // What it says on its way out is not this test's.
        dup2(open("/dev/null", O_WRONLY), 2);
        try {
            program();
        } catch (...) {
            _exit(2);
        }
        _exit(3);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main() {
    for (auto *program : {from_destructor, from_loader, from_unloader, from_pressure, from_survivor, from_dump, from_hook}) must_end(program);
    return 0;
}
