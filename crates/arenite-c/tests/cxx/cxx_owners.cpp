// Errors, tags, owners that are moved, arenas and scopes of arenite.hpp.
#include "counted.hpp"

#include <thread>
#include <vector>

using namespace arenite;

static_assert(!std::is_copy_constructible_v<frame_arena> && !std::is_copy_assignable_v<frame_arena>, "an owner");
static_assert(std::is_nothrow_move_constructible_v<frame_arena> && std::is_nothrow_move_constructible_v<scratch>, "an owner");
static_assert(std::is_nothrow_move_assignable_v<handle_pool<counted>> && !std::is_copy_constructible_v<heap>, "an owner");
static_assert(!std::is_move_constructible_v<scratch_scope> && !std::is_move_constructible_v<tag_scope>, "scopes stay where they are");
static_assert(std::is_base_of_v<std::bad_alloc, arenite::bad_alloc> && std::is_base_of_v<std::runtime_error, error>, "");

static void tags() {
    const tag scene("cxx/scene");
    CHECK(scene == tag("cxx/scene") && scene != tag() && scene.name() == "cxx/scene");
    CHECK(scene.child("walls").name() == "cxx/scene/walls" && scene.child("walls").parent() == scene);
    CHECK(!tag("cxx").parent() && tag::find("cxx/scene") == scene && !tag::find("cxx/nothing"));
    CHECK(thrown<error>([] { tag("no//tag"); }) == ARENITE_BAD_TAG);
    CHECK(thrown<error>([] { tag::of(255).account(); }) == ARENITE_BAD_TAG);

    CHECK(tag::current() == tag());
    void *block = nullptr;
    {
        tag_scope outer(scene);
        CHECK(tag::current() == scene);
        const auto before = scene.heap_figures();
        {
            tag_scope inner(scene.child("walls"));
            CHECK(tag::current().name() == "cxx/scene/walls");
        }
        CHECK(tag::current() == scene);
        block = allocate(1000);
        CHECK(scene.heap_figures().live_blocks == before.live_blocks + 1 && scene.heap_figures().live_bytes >= before.live_bytes + 1000);
    }
    CHECK(tag::current() == tag());
    const auto before = scene.heap_figures();
    CHECK(arenite::free(block) == ARENITE_OK);
    CHECK(scene.heap_figures().live_blocks + 1 == before.live_blocks);
    CHECK(arenite::free(block) == ARENITE_DOUBLE_FREE && arenite::free(nullptr) == ARENITE_OK);

    scene.hard_budget(1 << 20, 0.5);
    CHECK(scene.budget().limit == 1 << 20 && scene.budget().is_hard == 1);
    scene.soft_budget(1 << 19);
    CHECK(scene.budget().limit == 1 << 19 && scene.budget().is_hard == 0);
    scene.clear_budget();
    CHECK(scene.budget().limit == SIZE_MAX);
}

static void frames() {
    const tag mine("cxx/frame");
    frame_arena arena(mine, 16 << 20);
    arena.begin();
    int *numbers = arena.array<int>(1000);
    for (int i = 0; i < 1000; i++) CHECK(numbers[i] == 0);
    struct alignas(4096) page {
        int number = 5;
    };
    const page *wide = arena.create<page>();
    CHECK(ALIGNED(wide, 4096) && wide->number == 5);
    CHECK(std::string(arena.string("frame")) == "frame");
    kept<int> ticket;
    *arena.keep(ticket, 41) += 1;
    CHECK(arena.get(ticket) == nullptr);
    arena.end();
    CHECK(mine.account().live > 4000);

    // Moved, with everything in it; the old one is empty, and refuses.
    frame_arena moved(std::move(arena));
    CHECK(moved && !arena && numbers[999] == 0);
    CHECK(arena.try_allocate(8) == nullptr && arena.try_begin() == ARENITE_NULL_ARGUMENT);
    CHECK(thrown<error>([&] { arena.begin(); }) == ARENITE_NULL_ARGUMENT);
    CHECK(thrown<error>([&] { arena.allocate(8); }) == ARENITE_NULL_ARGUMENT);
    moved.begin();
    CHECK(*moved.get(ticket) == 42);
    moved.begin();
    CHECK(moved.get(ticket) == nullptr);

    // Assigning ends what was there.
    const std::size_t both = mine.account().reserved;
    frame_arena other(mine, 16 << 20);
    CHECK(mine.account().reserved > both);
    moved = std::move(other);
    CHECK(mine.account().reserved == both && !other && moved);
    frame_arena &self = moved;
    moved = std::move(self);
    CHECK(moved);

    // More than was reserved.
    moved.begin();
    CHECK(thrown<arenite::bad_alloc>([&] { moved.allocate(17 << 20); }) == ARENITE_EXHAUSTED);
    volatile std::size_t too_many = SIZE_MAX / 4;
    CHECK(thrown<arenite::bad_alloc>([&] { moved.array<double>(too_many); }) == ARENITE_TOO_LARGE);
    CHECK(moved.try_allocate(100) != nullptr);

    // Another thread's: refused, and still owned.
    std::thread([&] { CHECK(moved.reset() == ARENITE_WRONG_THREAD && moved); }).join();
    CHECK(moved.reset() == ARENITE_OK && !moved && moved.reset() == ARENITE_OK);
    CHECK(mine.account().reserved == 0);

    arenite_frame_options wrong{};
    wrong.reserve = 1 << 20;
    wrong.presize = 2 << 20;
    CHECK(!frame_arena::try_create(wrong) && arenite_last_error() == ARENITE_INVALID_ARGUMENT);
    CHECK(thrown<error>([&] { frame_arena{wrong}; }) == ARENITE_INVALID_ARGUMENT);
    frame_arena last(mine);
    arenite_frame *object = last.release();
    CHECK(!last && arenite_frame_destroy(object) == ARENITE_OK);
}

static void scopes() {
    scratch stack(tag("cxx/scratch"), 16 << 20);
    {
        scratch_scope outer(stack);
        *outer.create<int>() = 1;
        const std::size_t used = stack.figures().used;
        {
            scratch_scope inner(stack);
            CHECK(inner.is_innermost() && !outer.is_innermost());
            CHECK(ALIGNED(inner.allocate(100, 256), 256));
            // From the outer one it would go with the inner one.
            CHECK(outer.try_allocate(8) == nullptr && arenite_last_error() == ARENITE_BUSY);
            CHECK(thrown<error>([&] { outer.allocate(8); }) == ARENITE_BUSY);
            CHECK(stack.figures().depth == 2);
        }
        CHECK(stack.figures().used == used && stack.figures().depth == 1 && outer.is_innermost());
        CHECK(thrown<arenite::bad_alloc>([&] { outer.allocate(17 << 20); }) == ARENITE_EXHAUSTED);

        // Moved with scopes open.
        scratch_scope inner(stack);
        scratch moved(std::move(stack));
        CHECK(moved && !stack && inner.is_innermost() && inner.try_allocate(8) != nullptr);
        stack = std::move(moved);
        CHECK(stack && inner.try_allocate(8) != nullptr);

        // The outer one takes the inner one along.
        CHECK(outer.leave() == ARENITE_OK && stack.figures().depth == 0 && stack.figures().used == 0);
        CHECK(outer.leave() == ARENITE_STALE && inner.leave() == ARENITE_STALE);
        CHECK(inner.try_allocate(8) == nullptr);
        CHECK(thrown<error>([&] { inner.allocate(8); }) == ARENITE_NULL_ARGUMENT);
    }
    // A scope that outlives its stack, and one of a stack that is gone already.
    auto *open = new scratch_scope(stack);
    CHECK(open->try_allocate(8) != nullptr && stack.reset() == ARENITE_OK);
    CHECK(open->try_allocate(8) == nullptr);
    delete open;
    CHECK(thrown<error>([&] { scratch_scope none(stack); }) == ARENITE_NULL_ARGUMENT);
    CHECK(!scratch::try_create(tag::of(255), 0) && arenite_last_error() == ARENITE_BAD_TAG);
}

static void resource_arenas() {
    {
        resources level(tag("cxx/level"));
        const resource<counted> one = level.emplace<counted>(1);
        const resource<int> number = level.emplace<int>(5);
        const float data[] = {1, 2, 3};
        const resource<float[]> floats = level.copy(data, 3);
        std::size_t count = 0;
        CHECK(level.get(one)->number == 1 && *level.get(number) == 5 && level.get(floats, &count)[2] == 3 && count == 3);
        CHECK(one == one && one && !resource<counted>() && level.get(resource<counted>()) == nullptr);
        counted::ended = 0;

        // What its constructor threw out of has no destructor to run, but the members that were made.
        try {
            level.emplace<throws>(true);
            CHECK(!"thrown");
        } catch (const std::runtime_error &) {
        }
        CHECK(counted::live == 1 && counted::ended == 1);
        level.emplace<throws>(false);
        CHECK(counted::live == 2);

        resources moved(std::move(level));
        CHECK(moved.get(one)->number == 1 && level.get(one) == nullptr);
        counted::ended = 0;
        moved.clear();
        CHECK(counted::live == 0 && counted::ended == 2);
        CHECK(moved.get(one) == nullptr && moved.get(floats, &count) == nullptr && count == 0 && arenite_last_error() == ARENITE_STALE);
        moved.emplace<counted>(2);
        level = std::move(moved);
        CHECK(counted::live == 1 && level.figures().count == 1);
    }
    CHECK(counted::live == 0 && counted::ended == 3);

    // Names of one arena find nothing in another.
    resources first, second;
    CHECK(second.get(first.emplace<int>(1)) == nullptr);

    const tag small("cxx/small");
    small.hard_budget(256 << 10);
    resources narrow(small);
    std::vector<unsigned char> large(1 << 20);
    CHECK(thrown<arenite::bad_alloc>([&] { narrow.copy(large.data(), large.size()); }) == ARENITE_OVER_BUDGET);
    CHECK(narrow.get(narrow.emplace<counted>(3))->number == 3);
}

static void managers() {
    arenite_manager_options options{};
    options.root = tag("cxx/engine").number();
    manager memory(options);
    CHECK(thrown<error>([&] { memory.allocate(8); }) == ARENITE_BUSY);
    scene next = memory.load_scene();
    const resource<counted> one = next.emplace<counted>(1);
    const int data[] = {4, 5};
    const resource<int[]> two = next.copy(data, 2);
    memory.begin_frame();
    CHECK(*memory.create<int>(3) == 3 && thrown<error>([&] { memory.change_scene(std::move(next)); }) == ARENITE_BUSY);
    CHECK(next && memory.end_frame().used >= 4);
    memory.change_scene(std::move(next));
    CHECK(!next && memory.get(one)->number == 1 && memory.get(two)[1] == 5);
    CHECK(memory.get(memory.emplace<counted>(2))->number == 2 && counted::live == 2);

    const snapshot seen(memory);
    CHECK(seen.size() > 1 && seen.find("cxx/engine") && !seen.find("cxx/nothing"));
    CHECK(seen.text().find("engine") != std::string::npos && seen.json()[0] == '{' && seen.system().resident > 0);
    CHECK(thrown<error>([&] { seen[100000]; }) == ARENITE_BAD_TAG);

    CHECK(memory.clear_scene().dropped == 3 && counted::live == 0 && memory.get(one) == nullptr);
    memory.emplace<counted>(3);
    { const scene unused = memory.load_scene(); }
    CHECK(!memory.shutdown().empty() && !memory && counted::live == 0);
    manager ends_with_its_scene;
    ends_with_its_scene.emplace<counted>(4);
}

int main() {
    tags();
    frames();
    scopes();
    resource_arenas();
    managers();
    CHECK(counted::live == 0);
    return 0;
}
