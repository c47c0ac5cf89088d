// Objects with static and thread storage, whose destructors run when the program is nearly over: owners, containers in them, blocks of `new`. And
// what swapping and moving leave behind.
#include <arenite.hpp>

#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include "counted.hpp"

using namespace arenite;

static void *volatile shown;

// In destructors of static objects there is no `exit`.
static void must(bool holds, const char *what) {
    if (holds) return;
    std::fprintf(stderr, "%s:%s\n", __FILE__, what);
    _exit(1);
}

// Made first, so destroyed last.
static struct last {
    ~last() {
        must(counted::live == 0, "a value was not destroyed");
        must(tag("static").account().reserved == 0, "an owner was not ended");
        must(tag("static/heap").account().reserved == 0, "a heap was not ended");
        must(tag("static/new").heap_figures().live_blocks == 0, "a block of `new` was not given back");
        // And the library still works.
        void *block = arenite_alloc(100);
        must(block && arenite_free(block) == ARENITE_OK && arenite_free(block) == ARENITE_DOUBLE_FREE, "no block any more");
        int *value = new int(5);
        delete value;
        tag found("static/late");
        must(heap(found).allocate(10) != nullptr, "no heap any more");
    }
} last;

static heap level("static/heap");
static std::vector<int, heap_allocator<int>> numbers{heap_allocator<int>(level)};
static handle_pool<counted> values(tag("static"), 100);
static frame_arena frames(tag("static"));
static resources things(tag("static"));
static scratch stack(tag("static"));
static std::map<int, std::unique_ptr<counted>> tree;
thread_local std::vector<std::unique_ptr<int>> of_thread;
thread_local std::vector<int, allocator<int>> also_of_thread;

static void fill() {
    tag_scope scope(tag("static/new"));
    for (int i = 0; i < 1000; i++) {
        tree.emplace(i, std::make_unique<counted>());
        of_thread.push_back(std::make_unique<int>(i));
        also_of_thread.push_back(i);
        tree.erase(i - 500);
    }
}

template <class Owner>
static void move_about(Owner &one, Owner &other) {
    auto *object = one.c_object(), *another = other.c_object();
    CHECK(object && another && object != another);
    using std::swap;
    swap(one, other);
    CHECK(one.c_object() == another && other.c_object() == object);
    Owner &same = one;
    one = std::move(same);
    CHECK(one.c_object() == another);
    swap(one, same);
    CHECK(one.c_object() == another);
    Owner third(std::move(one));
    CHECK(!one && third.c_object() == another && one.c_object() == nullptr);
    CHECK(one.reset() == ARENITE_OK);
    one = std::move(third);
    CHECK(one.c_object() == another && third.reset() == ARENITE_OK);
    swap(one, other);
}

int main() {
    for (int i = 0; i < 10000; i++) numbers.push_back(i);
    fill();
    std::thread(fill).join();
    {
        frame_arena other(tag("static"));
        move_about(frames, other);
        heap second("static/heap");
        move_about(level, second);
        resources more(tag("static"));
        const resource<counted> name = things.emplace<counted>();
        move_about(things, more);
        CHECK(things.get(name) && !more.get(name));
        handle_pool<counted> few(tag("static"), 10);
        const handle<counted> one = values.emplace(), two = few.emplace();
        move_about(values, few);
        CHECK(values.get(one) && few.get(two) && !values.get(two) && !few.get(one));
        few = std::move(values);
        CHECK(few.get(one) && !few.get(two) && !values.get(one) && !values.remove(one) && !values.try_emplace());
        values = std::move(few);
    }
    {
        // Scopes know where their stack went.
        scratch other(tag("static"));
        scratch_scope outer(stack), elsewhere(other);
        scratch_scope inner(stack);
        CHECK(inner.allocate(10) && !outer.try_allocate(10));
        std::swap(stack, other);
        CHECK(inner.try_allocate(10) && elsewhere.try_allocate(10) && !outer.try_allocate(10));
        scratch &same = stack;
        stack = std::move(same);
        std::swap(stack, other);
        CHECK(inner.leave() == ARENITE_OK && inner.leave() == ARENITE_STALE && outer.allocate(10));
    }
    // Moved from: refused, and nothing happens.
    frame_arena gone(tag("static"));
    frame_arena there(std::move(gone));
    CHECK(!gone.try_allocate(10) && arenite_last_error() == ARENITE_NULL_ARGUMENT && gone.try_begin() == ARENITE_NULL_ARGUMENT);
    frame_memory nowhere(gone);
    bool refused = false;
    try {
        shown = nowhere.allocate(10);
    } catch (const std::bad_alloc &) {
        refused = true;
    }
    CHECK(refused && !nowhere.is_equal(frame_memory(there)));
    CHECK(values.emplace() && things.emplace<counted>());
    return 0;
}
