// Pools, handles, heaps and the cache of arenite.hpp.
#include "counted.hpp"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace arenite;

static void blocks() {
    const tag mine("cxx/blocks");
    mine.hard_budget(1 << 20);
    block_pool pool(mine, 1000, 100000, 64);
    void *block = pool.allocate();
    CHECK(ALIGNED(block, 64) && pool.owns(block) && !pool.owns(&pool));
    std::memset(block, 0xAB, 1000);
    CHECK(pool.free(block) == ARENITE_OK && pool.free(block) == ARENITE_DOUBLE_FREE && pool.free(nullptr) == ARENITE_OK);
    CHECK(pool.free(&pool) == ARENITE_FOREIGN);

    // The budget refuses, and nothing is lost.
    std::vector<void *> all;
    while (void *next = pool.try_allocate()) {
        std::memset(next, static_cast<int>(all.size() & 0xFF), 1000);
        all.push_back(next);
    }
    CHECK(arenite_last_error() == ARENITE_OVER_BUDGET && all.size() > 500 && pool.figures().live == all.size());
    CHECK(thrown<arenite::bad_alloc>([&] { pool.allocate(); }) == ARENITE_OVER_BUDGET);
    for (std::size_t i = 0; i < all.size(); i++) CHECK(*static_cast<unsigned char *>(all[i]) == (i & 0xFF));

    block_pool moved(std::move(pool));
    CHECK(!pool && moved.figures().live == all.size() && pool.try_allocate() == nullptr && pool.free(all[0]) == ARENITE_NULL_ARGUMENT);
    CHECK(moved.free(all[0]) == ARENITE_OK && moved.allocate() == all[0]);
    moved.free_all();
    CHECK(moved.figures().live == 0);
    CHECK(!block_pool::try_create(mine, 16, 16, 3) && arenite_last_error() == ARENITE_INVALID_ARGUMENT);
}

struct node {
    explicit node(handle_pool<node> *pool) : pool(pool) {}
    ~node() {
        // Another one, itself, and one that is gone: none twice.
        if (pool) {
            pool->remove(next);
            CHECK(!pool->remove(self) && pool->get(self) == nullptr);
        }
    }
    handle_pool<node> *pool;
    handle<node> next, self;
    counted value{1};
};

// Puts another one in when it ends, in whatever slot is free.
struct heir {
    heir(handle_pool<heir> *pool, int left) : pool(pool), left(left) {}
    ~heir() {
        if (left > 0) CHECK(pool->try_emplace(pool, left - 1));
    }
    handle_pool<heir> *pool;
    int left;
    counted value{1};
};

static void heirs() {
    {
        handle_pool<heir> pool(tag("cxx/heirs"), 4);
        const handle<heir> first = pool.emplace(&pool, 0), second = pool.emplace(&pool, 5);
        CHECK(pool.remove(first) && pool.get(second));
    }
    CHECK(counted::live == 0);
}

static void handles() {
    counted::ended = 0;
    {
        handle_pool<counted> pool(tag("cxx/handles"), 3);
        const handle<counted> one = pool.emplace(1), two = pool.emplace(2), three = pool.emplace(3);
        CHECK(one != two && pool.get(two)->number == 2);
        CHECK(!pool.try_emplace(4) && arenite_last_error() == ARENITE_FULL);
        CHECK(thrown<arenite::bad_alloc>([&] { pool.emplace(4); }) == ARENITE_FULL);
        CHECK(counted::live == 3 && counted::ended == 0);

        CHECK(pool.remove(two) && counted::live == 2 && counted::ended == 1);
        CHECK(!pool.remove(two) && pool.get(two) == nullptr && arenite_last_error() == ARENITE_STALE);
        // The slot is used again, and the old name stays stale.
        const handle<counted> four = pool.emplace(4);
        CHECK(pool.get(two) == nullptr && pool.get(four)->number == 4 && four != two);
        CHECK(pool.get(handle<counted>()) == nullptr);

        const auto taken = pool.take(one);
        CHECK(taken && taken->number == 1 && !pool.take(one) && pool.figures().live == 2);

        handle_pool<counted> moved(std::move(pool));
        CHECK(moved.get(three)->number == 3 && pool.get(three) == nullptr && !pool);
        int sum = 0;
        moved.for_each([&](handle<counted> name, counted &value) {
            sum += value.number;
            if (value.number == 3) moved.remove(name);
        });
        CHECK(sum == 7 && moved.figures().live == 1);
        counted::ended = 0;
        handle_pool<counted> other(tag("cxx/handles"), 3);
        const handle<counted> five = other.emplace(5);
        CHECK(moved.get(five) == nullptr);
        moved = std::move(other);
        CHECK(counted::ended == 1 && moved.get(five)->number == 5 && moved.get(four) == nullptr);
        CHECK(moved.reset() == ARENITE_OK && counted::ended == 2 && !moved && moved.get(five) == nullptr);
    }
    CHECK(counted::live == 0);

    // A constructor that throws leaves the pool as it was.
    counted::ended = 0;
    {
        handle_pool<throws> pool(tag("cxx/handles"), 1);
        try {
            pool.emplace(true);
            CHECK(!"thrown");
        } catch (const std::runtime_error &) {
        }
        CHECK(counted::ended == 1 && pool.figures().live == 0 && pool.emplace(false));
    }
    CHECK(counted::live == 0 && counted::ended == 2);

    // Destructors that remove.
    counted::ended = 0;
    {
        handle_pool<node> pool(tag("cxx/handles"), 100);
        std::vector<handle<node>> names;
        for (int i = 0; i < 100; i++) names.push_back(pool.emplace(&pool));
        for (int i = 0; i < 100; i++) {
            pool.get(names[i])->self = names[i];
            pool.get(names[i])->next = names[(i * 7 + 1) % 100];
        }
        pool.remove(names[3]);
        CHECK(counted::ended + counted::live == 100 && counted::ended > 1);
    }
    CHECK(counted::live == 0 && counted::ended == 100);

    // Values that nobody ends, of a wide alignment, and those that can only be moved.
    struct alignas(256) wide {
        int number;
    };
    handle_pool<wide> plain(tag("cxx/handles"), 10);
    plain.emplace(wide{1});
    CHECK(ALIGNED(plain.get(plain.emplace(2)), 256));
    handle_pool<std::unique_ptr<std::string>> texts(tag("cxx/handles"), 10);
    const auto text = texts.emplace(std::make_unique<std::string>("a text that is longer than what fits in a string itself"));
    CHECK((*texts.get(text))->size() > 40 && (*texts.take(text))->front() == 'a');
}

static void heaps() {
    arenite_heap_options options{};
    options.tag = tag("cxx/heap").number();
    options.track_blocks = 1;
    heap level(options);
    void *block = level.allocate(100);
    CHECK(ALIGNED(level.allocate(100, 4096), 4096) && level.owns(block) && level.figures().live_blocks == 2);
    std::size_t told = 0;
    CHECK(level.discard([&](const arenite_survivor &survivor) { told += survivor.size; }) == ARENITE_STILL_LIVE);
    CHECK(told == 200 && level && !level.report().empty());
    CHECK(level.free(block) == ARENITE_OK && level.free(block) == ARENITE_DOUBLE_FREE);
    heap moved(std::move(level));
    CHECK(!level && level.try_allocate(8) == nullptr && level.discard() == ARENITE_OK);
    CHECK(moved.discard() == ARENITE_STILL_LIVE);
    // With what lives in it.
    moved = heap("cxx/second");
    CHECK(tag("cxx/heap").account().committed == 0 && moved.discard() == ARENITE_OK && !moved);
    moved = heap("cxx/second");
    CHECK(moved.allocate(100) && moved.reset() == ARENITE_OK);
    options.limit = 1;
    CHECK(!heap::try_create(options) && thrown<arenite::bad_alloc>([&] { heap{options}; }) == ARENITE_EXHAUSTED);
    CHECK(thrown<arenite::bad_alloc>([] { arenite::allocate(SIZE_MAX - 100); }) == ARENITE_TOO_LARGE);
}

static int loads, unloads;

static int32_t load(void *, const void *key, size_t size, arenite_room *room, void **value) {
    const std::string_view name(static_cast<const char *>(key), size);
    if (name == "wrong") return 1;
    if (arenite_error code = arenite_cache_claim(room, 100 << 10)) return code;
    loads++;
    *value = new std::string(name);
    return ARENITE_OK;
}

static void unload(void *, void *value) {
    unloads++;
    delete static_cast<std::string *>(value);
}

static void caches() {
    const tag mine("cxx/cache");
    mine.hard_budget(250 << 10);
    arenite_cache_options options{};
    options.tag = mine.number();
    options.load = load;
    options.unload = unload;
    cache textures(options);
    {
        pin wall = textures.get("wall");
        CHECK(*wall.value<std::string>() == "wall" && loads == 1);
        const pin again = textures.try_get("wall");
        CHECK(again && again.value() == wall.value() && loads == 1);
        CHECK(!textures.try_get("door") && textures.try_get("door").value() == nullptr);
        const pin moved(std::move(wall));
        CHECK(moved && !wall && wall.value() == nullptr && moved.value<std::string>()->size() == 4);
        textures.get("door");
        // The door goes for it; the wall is pinned.
        const pin floor = textures.get("floor");
        CHECK(loads == 3 && unloads == 1 && thrown<arenite::bad_alloc>([&] { textures.get("roof"); }) == ARENITE_OVER_BUDGET);
        CHECK(thrown<error>([&] { textures.get("wrong"); }) == ARENITE_CALLBACK);
        CHECK(textures.unload("wall") == ARENITE_STALE && textures.figures().count == 2);
    }
    OK(textures.unload("wall"));
    CHECK(textures.trim() == 100 << 10 && unloads == 3);
    // A pin outlives its cache.
    pin last = textures.get("wall");
    CHECK(textures.reset() == ARENITE_OK && *last.value<std::string>() == "wall" && unloads == 3);
    last = pin();
    CHECK(unloads == 4 && loads == 4);
}

int main() {
    blocks();
    handles();
    heirs();
    heaps();
    caches();
    CHECK(counted::live == 0);
    return 0;
}
