// Containers of the standard library on every memory_resource and allocator of arenite.hpp.
#include "counted.hpp"

#include <algorithm>
#include <deque>
#include <forward_list>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

using namespace arenite;

struct alignas(128) wide {
    int number = 0;
};

static const std::string long_text = "a text that is longer than what fits in a string itself";

// So that no compiler leaves a call out, or knows better.
static void *volatile shown;
static volatile std::size_t too_large = SIZE_MAX - 100, too_many = SIZE_MAX / 4;

// Every container, filled, copied, moved and emptied, on one memory.
static void with(std::pmr::memory_resource *memory) {
    std::pmr::vector<int> numbers(memory);
    for (int i = 0; i < 5000; i++) numbers.push_back(i * 7 % 5000);
    std::sort(numbers.begin(), numbers.end());
    for (int i = 0; i < 5000; i++) CHECK(numbers[i] == i);
    const std::pmr::vector<int> copy(numbers, memory);
    std::pmr::vector<int> moved(std::move(numbers));
    CHECK(copy == moved && moved.get_allocator().resource() == memory);

    // The elements use it, too.
    std::pmr::unordered_map<std::pmr::string, std::pmr::vector<int>> map(memory);
    for (int i = 0; i < 500; i++) map[std::pmr::string(std::to_string(i) + long_text, memory)].push_back(i);
    CHECK(map.begin()->first.get_allocator().resource() == memory && map.begin()->second.get_allocator().resource() == memory);
    for (int i = 0; i < 500; i += 2) CHECK(map.erase(std::pmr::string(std::to_string(i) + long_text)) == 1);
    CHECK(map.size() == 250 && map.at(std::pmr::string("7" + long_text)).front() == 7);

    std::pmr::string text(memory);
    for (int i = 0; i < 1000; i++) text += "text";
    CHECK(text.size() == 4000 && text.substr(3996) == "text");
    std::pmr::map<int, std::pmr::string> sorted(memory);
    for (int i = 99; i >= 0; i--) sorted.emplace(i, std::to_string(i) + long_text);
    int next = 0;
    for (const auto &[key, value] : sorted) {
        CHECK(key == next && value == std::pmr::string(std::to_string(next) + long_text));
        next++;
    }
    std::pmr::deque<int> queue(memory);
    std::pmr::list<int> list(memory);
    std::pmr::set<int> set(memory);
    for (int i = 0; i < 3000; i++) {
        queue.push_back(i);
        if (queue.size() > 100) queue.pop_front();
        list.push_front(i);
        set.insert(i / 2);
    }
    list.remove_if([](int i) { return i % 2 == 0; });
    CHECK(queue.front() == 2900 && list.size() == 1500 && set.size() == 1500);
    std::pmr::vector<wide> wides(100, memory);
    for (wide &one : wides) CHECK(ALIGNED(&one, 128));
    std::pmr::vector<counted> values(memory);
    for (int i = 0; i < 100; i++) values.emplace_back(i);
    CHECK(counted::live == 100 && values[99].number == 99);
    void *block = memory->allocate(0, 1);
    CHECK(block != nullptr);
    memory->deallocate(block, 0, 1);
    block = memory->allocate(1, 1 << 20);
    CHECK(ALIGNED(block, 1 << 20));
    memory->deallocate(block, 1, 1 << 20);
    CHECK(thrown<arenite::bad_alloc>([&] { shown = memory->allocate(1, 2 << 20); }) == ARENITE_INVALID_ARGUMENT);
    CHECK(thrown<arenite::bad_alloc>([&] { shown = memory->allocate(too_large, 8); }) == ARENITE_TOO_LARGE);
}

// The same for an allocator.
template <template <class> class Allocator, class... From>
static void with_allocator(From &...from) {
    const Allocator<int> allocator(from...);
    CHECK(allocator == Allocator<double>(from...) && !(allocator != Allocator<int>(Allocator<char>(allocator))));
    std::vector<int, Allocator<int>> numbers(allocator);
    for (int i = 0; i < 5000; i++) numbers.push_back(i);
    const auto copy = numbers;
    auto moved = std::move(numbers);
    CHECK(copy == moved && moved.get_allocator() == allocator && copy[4999] == 4999);
    std::map<int, int, std::less<int>, Allocator<std::pair<const int, int>>> map(allocator);
    std::unordered_set<int, std::hash<int>, std::equal_to<int>, Allocator<int>> set(allocator);
    std::list<int, Allocator<int>> list(allocator);
    std::forward_list<int, Allocator<int>> forward(allocator);
    std::deque<counted, Allocator<counted>> queue{Allocator<counted>(allocator)};
    for (int i = 0; i < 1000; i++) {
        map[i % 100] += i;
        set.insert(i % 100);
        list.push_back(i);
        forward.push_front(i);
        queue.emplace_back(i);
        if (queue.size() > 10) queue.pop_front();
    }
    CHECK(map.size() == 100 && map[1] == 4510 && set.size() == 100 && counted::live == 10);
    CHECK(list.back() == 999 && forward.front() == 999 && queue.front().number == 990);
    using text = std::basic_string<char, std::char_traits<char>, Allocator<char>>;
    text string(long_text.c_str(), Allocator<char>(allocator));
    std::vector<text, Allocator<text>> texts(50, string, Allocator<text>(allocator));
    CHECK(texts[49] == string);
    std::vector<wide, Allocator<wide>> wides(100, wide(), Allocator<wide>(allocator));
    for (wide &one : wides) CHECK(ALIGNED(&one, 128));
    std::vector<int, Allocator<int>> other(allocator);
    swap(other, moved);
    CHECK(moved.empty() && other.size() == 5000);
    const auto shared = std::allocate_shared<counted>(Allocator<counted>(allocator), 5);
    CHECK(shared->number == 5);
    try {
        shown = Allocator<double>(allocator).allocate(too_many);
        CHECK(!"thrown");
    } catch (const std::bad_array_new_length &) {
    }
}

static void frames() {
    const tag mine("cxx/containers/frame");
    {
        frame_arena arena(mine), other;
        frame_memory memory(arena), same(arena), different(other);
        CHECK(memory == same && memory != different && memory != *std::pmr::new_delete_resource());
        for (int frame = 0; frame < 3; frame++) {
            arena.begin();
            with(&memory);
            with_allocator<frame_allocator>(arena);
            CHECK(arena.figures().used > 100000);
        }
        // The arena may be moved.
        std::pmr::vector<int> numbers({1, 2, 3}, &memory);
        const frame_arena moved(std::move(arena));
        const std::size_t used = moved.figures().used;
        numbers.resize(1000);
        CHECK(moved.figures().used >= used + 4000);
        CHECK(frame_allocator<int>(other) != frame_allocator<int>(const_cast<frame_arena &>(moved)));
    }
    CHECK(mine.account().committed == 0);
}

static void scopes() {
    scratch stack(tag("cxx/containers/scratch"));
    scratch_scope outer(stack);
    scratch_memory outside(outer);
    std::pmr::vector<int> numbers({1, 2, 3}, &outside);
    for (int round = 0; round < 3; round++) {
        const std::size_t used = stack.figures().used;
        {
            scratch_scope inner(stack);
            scratch_memory memory(inner);
            CHECK(memory != outside);
            with(&memory);
            with_allocator<scratch_allocator>(inner);
            // One of outside would lose what it takes now.
            CHECK(thrown<arenite::bad_alloc>([&] { numbers.resize(1000 + numbers.capacity()); }) == ARENITE_BUSY);
        }
        CHECK(stack.figures().used == used);
        numbers.push_back(4);
    }
    CHECK((numbers == std::pmr::vector<int>{1, 2, 3, 4, 4, 4}));
}

static void managers() {
    manager engine;
    manager_memory memory(engine);
    CHECK(thrown<arenite::bad_alloc>([&] { shown = memory.allocate(8); }) == ARENITE_BUSY);
    engine.begin_frame();
    with(&memory);
    with_allocator<manager_allocator>(engine);
    CHECK(engine.end_frame().used > 100000);
}

static void heaps() {
    heap level("cxx/containers/heap"), other("cxx/containers/other");
    heap_memory memory(level), same(level);
    CHECK(memory == same && memory != heap_memory(other) && memory != *process_memory());
    with(&memory);
    with_allocator<heap_allocator>(level);
    CHECK(level.figures().live_blocks == 0 && level.figures().allocs > 1000);

    // Containers that move and swap take their heap along; one that is assigned to stays in its own.
    using vector = std::vector<int, heap_allocator<int>>;
    {
        vector first({1, 2, 3}, heap_allocator<int>(level)), second({4}, heap_allocator<int>(other));
        const int *data = first.data();
        swap(first, second);
        CHECK(second.data() == data && level.owns(second.data()) && other.owns(first.data()));
        first = second;
        CHECK(other.owns(first.data()) && first.size() == 3);
        first = std::move(second);
        CHECK(first.data() == data && other.figures().live_blocks == 0);
        CHECK(level.discard() == ARENITE_STILL_LIVE);
        // pmr leaves the elements where they belong.
        heap_memory elsewhere(other);
        std::pmr::vector<int> here({1, 2, 3}, &memory), there(&elsewhere);
        there = std::move(here);
        CHECK(other.owns(there.data()));
    }
    CHECK(level.discard() == ARENITE_OK && other.discard() == ARENITE_OK);
}

static void process() {
    static_assert(std::is_empty_v<arenite::allocator<int>> && std::allocator_traits<arenite::allocator<int>>::is_always_equal::value, "");
    static_assert(!std::allocator_traits<heap_allocator<int>>::is_always_equal::value, "");
    static_assert(sizeof(std::vector<int, arenite::allocator<int>>) == sizeof(std::vector<int>), "");
    const tag mine("cxx/containers/process");
    {
        tag_scope scope(mine);
        with(process_memory());
        with_allocator<arenite::allocator>();
        CHECK(mine.heap_figures().allocs > 1000);
    }
    CHECK(mine.heap_figures().live_blocks == 0);
    CHECK(process_memory() == process_memory() && process_memory()->is_equal(*process_memory()));

    // Filled under a tag on one thread, and freed on another.
    std::pmr::vector<std::pmr::string> texts(process_memory());
    std::thread([&] {
        tag_scope scope(mine);
        for (int i = 0; i < 1000; i++) texts.emplace_back(long_text.c_str());
    }).join();
    CHECK(mine.heap_figures().live_blocks >= 1001);
    std::pmr::vector<std::pmr::string>(std::move(texts)).clear();
    CHECK(mine.heap_figures().live_blocks == 0);
}

// A budget refuses; containers are as they were, and nothing of what they had is lost.
static void refused(const tag &mine, std::pmr::memory_resource *memory) {
    mine.hard_budget(mine.account().committed + (1 << 20));
    std::pmr::vector<std::uint64_t> numbers(memory);
    std::pmr::unordered_map<std::uint64_t, counted> map(memory);
    bool full = false;
    try {
        for (std::uint64_t i = 0;; i++) {
            map.emplace(i, static_cast<int>(i));
            numbers.push_back(i);
        }
    } catch (const std::bad_alloc &error) {
        const auto *ours = dynamic_cast<const arenite::bad_alloc *>(&error);
        CHECK(ours && ours->code() == ARENITE_OVER_BUDGET && std::string(ours->what()).find(mine.name()) != std::string::npos);
        full = true;
    }
    CHECK(full && numbers.size() > 1000 && map.size() >= numbers.size() && map.size() <= numbers.size() + 1);
    CHECK(counted::live == static_cast<int>(map.size()));
    for (std::uint64_t i = 0; i < numbers.size(); i++) CHECK(numbers[i] == i && map.at(i).number == static_cast<int>(i));
    // More would fit again without the budget.
    mine.clear_budget();
    for (std::uint64_t i = numbers.size(); i < 100000; i++) numbers.push_back(i);
    CHECK(numbers[99999] == 99999);
}

static void budgets() {
    const tag heap_tag("cxx/refused/heap"), frame_tag("cxx/refused/frame"), scratch_tag("cxx/refused/scratch"), mine("cxx/refused/process");
    {
        heap level(heap_tag);
        heap_memory memory(level);
        refused(heap_tag, &memory);
        CHECK(counted::live == 0 && level.figures().live_blocks == 0 && level.discard() == ARENITE_OK);
    }
    frame_arena arena(frame_tag);
    arena.begin();
    frame_memory of_frame(arena);
    refused(frame_tag, &of_frame);
    scratch stack(scratch_tag);
    scratch_scope scope(stack);
    scratch_memory of_scope(scope);
    refused(scratch_tag, &of_scope);
    {
        tag_scope scope_of_tag(mine);
        refused(mine, process_memory());
    }
    CHECK(mine.heap_figures().live_blocks == 0 && counted::live == 0);
    heap level("cxx/refused/vector");
    tag("cxx/refused/vector").hard_budget(1 << 20);
    std::vector<int, heap_allocator<int>> numbers({1, 2, 3}, heap_allocator<int>(level));
    CHECK(thrown<arenite::bad_alloc>([&] { numbers.reserve(1 << 20); }) == ARENITE_OVER_BUDGET);
    CHECK(numbers.size() == 3 && numbers[2] == 3);
}

int main() {
    frames();
    scopes();
    managers();
    heaps();
    process();
    budgets();
    CHECK(counted::live == 0);
    return 0;
}
