// Ranges, fit heaps, heaps that defragment themselves, spaces, external heaps and the ring of arenite.hpp.
#include "counted.hpp"

#include <list>
#include <map>
#include <memory>

#include <cstring>
#include <thread>
#include <vector>

using namespace arenite;

static void ranges() {
    offsets range(tag("cxx/offsets"), 1 << 20, 256, ARENITE_FIT_BEST);
    std::vector<arenite_offset_block> blocks;
    while (const auto block = range.try_allocate(16 << 10, 4096)) blocks.push_back(*block);
    CHECK(blocks.size() == 64 && arenite_last_error() == ARENITE_OUT_OF_ROOM);
    CHECK(thrown<arenite::bad_alloc>([&] { range.allocate(1); }) == ARENITE_OUT_OF_ROOM);
    for (std::size_t at = 0; at < blocks.size(); at += 2) OK(range.free(blocks[at].id));
    CHECK(range.free(blocks[0].id) == ARENITE_STALE && !range.get(blocks[0].id) && range.get(blocks[1].id)->offset == blocks[1].offset);
    CHECK(thrown<arenite::bad_alloc>([&] { range.allocate(32 << 10); }) == ARENITE_FRAGMENTED);
    CHECK(thrown<error>([&] { range.allocate(1, 3); }) == ARENITE_INVALID_ARGUMENT);
    CHECK(range.try_grow(blocks[1].id, 20 << 10)->size == 20 << 10 && !range.try_grow(blocks[1].id, 100 << 10));
    CHECK(range.try_shrink(blocks[1].id, 1)->size == 256);
    std::uint64_t used = 0, unused = 0;
    range.walk([&](const arenite_piece &piece) { (piece.state == ARENITE_PIECE_USED ? used : unused) += piece.size; });
    CHECK(used == range.figures().used && unused == range.figures().free && used + unused == 1 << 20);
    const arenite_segment more = range.append(1 << 20);
    const auto last = range.allocate(1 << 20);
    CHECK(range.drain(more) == ARENITE_OK && range.remove(more) == ARENITE_STILL_LIVE && range.free(last.id) == ARENITE_OK);
    CHECK(range.remove(more) == ARENITE_OK && range.remove(more) == ARENITE_STALE);
    offsets moved(std::move(range));
    CHECK(!range && !range.try_allocate(1) && arenite_last_error() == ARENITE_NULL_ARGUMENT && moved.try_allocate(1));
    arenite_offsets_options wrong{};
    wrong.fit = 99;
    CHECK(!offsets::try_create(wrong) && thrown<error>([&] { offsets{wrong}; }) == ARENITE_INVALID_ARGUMENT);
}

static void fit_heaps() {
    alignas(16) static unsigned char buffer[1 << 16];
    fit_heap here(tag("cxx/fit_heap"), buffer, sizeof buffer, ARENITE_FIT_BEST), grows(tag("cxx/fit_heap"), 16 << 20);
    void *block = here.allocate(1000, 256);
    CHECK(ALIGNED(block, 256) && here.owns(block) && !grows.owns(block) && here.usable_size(block) >= 1000 && here.usable_size(buffer + 1) == 0);
    CHECK(here.block_at(*here.offset_of(block)) == block && !here.offset_of(buffer + 1));
    CHECK(here.try_resize(block, 2000) == ARENITE_OK && (block = here.try_reallocate(block, 4000)) != nullptr);
    CHECK(grows.free(block) == ARENITE_FOREIGN && here.free(block) == ARENITE_OK && here.free(block) == ARENITE_DOUBLE_FREE && here.free(nullptr) == ARENITE_OK);
    CHECK(thrown<arenite::bad_alloc>([&] { here.allocate(1 << 20); }) == ARENITE_OUT_OF_ROOM && !here.try_allocate(1 << 20));
    CHECK(thrown<error>([&] { here.allocate(1, 2 << 20); }) == ARENITE_INVALID_ARGUMENT);
    CHECK(thrown<error>([&] { here.calls(); }) == ARENITE_INVALID_ARGUMENT);
    {
        // Containers, in either.
        fit_heap_memory memory(here), same(here), other(grows);
        CHECK(memory.is_equal(same) && !memory.is_equal(other));
        std::pmr::vector<int> numbers(&memory);
        for (int at = 0; at < 1000; at++) numbers.push_back(at);
        CHECK(here.owns(numbers.data()) && numbers[999] == 999);
        std::list<int, fit_heap_allocator<int>> list{fit_heap_allocator<int>(grows)};
        std::map<int, int, std::less<int>, fit_heap_allocator<std::pair<const int, int>>> map{fit_heap_allocator<std::pair<const int, int>>(grows)};
        for (int at = 0; at < 1000; at++) list.push_back(at), map[at] = at;
        CHECK(grows.figures().used_blocks >= 2000 && here.figures().used_blocks == 1 && map.at(7) == 7);
        CHECK(thrown<arenite::bad_alloc>([&] { numbers.resize(1 << 20); }) == ARENITE_OUT_OF_ROOM && numbers.size() == 1000);
    }
    std::size_t used = 0, pieces = 0;
    here.walk([&](const arenite_fit_block &piece) { pieces++, used += piece.used != 0; });
    CHECK(used == 0 && pieces == 1 && here.figures().used_blocks == 0);
    fit_heap moved(std::move(grows));
    CHECK(!grows && !grows.try_allocate(1) && arenite_last_error() == ARENITE_NULL_ARGUMENT && moved.figures().used == 0);
    CHECK(moved.free(moved.allocate(8 << 20)) == ARENITE_OK && moved.trim() >= 8 << 20);

    arenite_fit_heap_options options{};
    options.locked = 1;
    options.count_calls = 1;
    options.apart = 1;
    fit_heap shared(options);
    std::vector<std::thread> threads;
    for (int at = 0; at < 4; at++)
        threads.emplace_back([&shared] {
            std::vector<int, fit_heap_allocator<int>> numbers{fit_heap_allocator<int>(shared)};
            for (int number = 0; number < 10000; number++) numbers.push_back(number);
        });
    for (std::thread &thread : threads) thread.join();
    CHECK(shared.calls().live_blocks == 0 && shared.calls().allocs >= 4);
    // Saved with its memory, and loaded.
    void *kept = shared.allocate(100);
    std::memset(kept, 7, 100);
    const std::string books = shared.save();
    const std::vector<unsigned char> image(static_cast<unsigned char *>(shared.memory().first), static_cast<unsigned char *>(shared.memory().first) + shared.memory().second);
    options.state = books.c_str();
    fit_heap loaded(options);
    CHECK(loaded.memory().second >= image.size());
    std::memcpy(loaded.memory().first, image.data(), image.size());
    void *again = loaded.block_at(*shared.offset_of(kept));
    CHECK(again && std::memcmp(again, kept, 100) == 0 && loaded.free(again) == ARENITE_OK && here.save().empty());
    options.state = "";
    CHECK(thrown<error>([&] { fit_heap{options}; }) == ARENITE_INVALID_ARGUMENT);
    options.state = nullptr;
    options.fit = 99;
    CHECK(!fit_heap::try_create(options) && thrown<error>([&] { fit_heap{options}; }) == ARENITE_INVALID_ARGUMENT);
}

// Chunks are allocated, and counted.
struct chunks {
    std::shared_ptr<int> count;

    void *allocate(std::uint64_t size, std::uint64_t align) noexcept {
        if (size > 8 << 20) return nullptr;
        ++*count;
        return ::operator new(size, std::align_val_t(align), std::nothrow);
    }
    void release(void *chunk, std::uint64_t) noexcept {
        --*count;
        // The alignment of the heap's chunks, below.
        ::operator delete(chunk, std::align_val_t(4096));
    }
};

static void externals() {
    const auto count = std::make_shared<int>(0);
    arenite_external_options options{};
    options.tag = tag("cxx/external").number();
    options.chunk = 1 << 20;
    options.align = 4096;
    external_block left;
    {
        external_heap heap = external_heap::over(chunks{count}, options);
        external_block one = heap.allocate(1000, 256), copy = one;
        CHECK(one && copy == one && one.place().holders == 2 && one.place().size == 1024 && one.place().offset % 256 == 0 && *count == 1);
        std::memset(static_cast<char *>(one.place().memory) + one.place().offset, 1, 1024);
        external_block moved(std::move(one));
        CHECK(!one && moved.place().holders == 2 && thrown<error>([&] { one.place(); }) == ARENITE_NULL_ARGUMENT);
        std::thread([&copy] { copy.reset(); }).join();
        CHECK(!copy && moved.place().holders == 1 && heap.figures().blocks == 1);
        copy = moved;
        moved = external_block();
        CHECK(copy.place().holders == 1 && copy != moved);
        CHECK(thrown<error>([&] { heap.allocate(16 << 20); }) == ARENITE_CALLBACK && !heap.try_allocate(16 << 20));
        CHECK(thrown<error>([&] { heap.allocate(1, 3); }) == ARENITE_INVALID_ARGUMENT);
        external_block large = heap.allocate(2 << 20);
        CHECK(large.place().dedicated && *count == 2);
        external_block taken(large.release());
        CHECK(!large && taken);
        left = taken;
        taken.reset();
        copy.reset();
        CHECK(heap.trim() == ARENITE_OK && *count == 1);
    }
    CHECK(*count == 1 && left.place().size == 2 << 20 && count.use_count() == 2);
    left.reset();
    CHECK(*count == 0 && count.use_count() == 1);
    options.align = 3;
    CHECK(thrown<error>([&] { external_heap::over(chunks{count}, options); }) == ARENITE_INVALID_ARGUMENT && count.use_count() == 1);
    CHECK(!external_heap::try_create(options));
}

struct alignas(64) sound {
    int number;
    float samples[100];
};

struct refuses {
    explicit refuses(bool now) : number(1) {
        if (now) throw std::runtime_error("now");
    }
    int number;
};

static void heaps() {
    {
        defrag_heap heap(tag("cxx/defrag"), 64 << 20), other(tag("cxx/defrag"));
        std::vector<movable<sound>> sounds;
        for (int at = 0; at < 500; at++) {
            sounds.push_back(heap.emplace<sound>(sound{at, {}}));
            CHECK(ALIGNED(heap.get(sounds.back()), 64));
        }
        const int values[] = {1, 2, 3};
        const movable<int[]> numbers = heap.copy(values, 3);
        const movable<double[]> zeros = heap.array<double>(1000);
        CHECK(numbers && heap.count(numbers) == 3 && heap.get(numbers)[2] == 3 && heap.get(zeros)[999] == 0);
        CHECK(other.get(numbers) == nullptr && arenite_last_error() == ARENITE_FOREIGN && !other.try_pin(numbers));
        CHECK(heap.get(movable<int>()) == nullptr && !movable<int>() && sounds[0] != sounds[1]);

        block_pin<sound> playing = heap.pin(sounds[301]);
        sound *const place = playing.get();
        CHECK(place == heap.get(sounds[301]) && playing->number == 301 && (*playing).number == 301);
        CHECK(heap.free(sounds[301]) == ARENITE_BUSY);
        for (int at = 0; at < 500; at += 2) OK(heap.free(sounds[at]));
        CHECK(heap.free(sounds[0]) == ARENITE_STALE && heap.get(sounds[0]) == nullptr);
        CHECK(thrown<error>([&] { heap.pin(sounds[0]); }) == ARENITE_STALE);
        const auto before = heap.figures();
        int calls = 0;
        for (arenite_move_report report{}; !report.done; calls++) {
            report = heap.run(8 << 10);
            CHECK(report.moved_bytes <= 8 << 10 && calls < 10000);
        }
        CHECK(calls > 1 && heap.figures().free_blocks < before.free_blocks && heap.get(sounds[301]) == place);
        std::thread([pin = std::move(playing)]() mutable { pin = {}; }).join();
        CHECK(!playing && playing.get() == nullptr);
        CHECK(heap.run_fully().moved_blocks > 0 && heap.get(sounds[301]) != place);
        for (int at = 1; at < 500; at += 2) CHECK(heap.get(sounds[at])->number == at && ALIGNED(heap.get(sounds[at]), 64));
        OK(heap.resize(numbers, 5));
        CHECK(heap.count(numbers) == 5 && heap.get(numbers)[2] == 3 && heap.get(numbers)[4] == 0);
        CHECK(heap.resize(numbers, SIZE_MAX / 2) == ARENITE_TOO_LARGE && heap.count(numbers) == 5);
        CHECK(!heap.try_array<int>(SIZE_MAX / 2) && thrown<arenite::bad_alloc>([&] { heap.array<int>(100 << 20); }) == ARENITE_OUT_OF_ROOM);
        std::uint64_t used = 0;
        heap.map([&](const arenite_piece &piece) { used += piece.state == ARENITE_PIECE_USED ? piece.size : 0; });
        CHECK(used == heap.figures().used);

        // A constructor that throws leaves the heap as it was.
        const auto count = heap.figures().used_blocks;
        try {
            heap.emplace<refuses>(true);
            CHECK(!"thrown");
        } catch (const std::runtime_error &) {
        }
        CHECK(heap.figures().used_blocks == count && heap.get(heap.emplace<refuses>(false))->number == 1);

        // A pin outlives its heap.
        const block_pin<int[]> last = heap.pin(numbers);
        defrag_heap moved(std::move(heap));
        CHECK(!heap && heap.get(numbers) == nullptr && moved.get(numbers) == last.get());
        CHECK(moved.reset() == ARENITE_OK && last[0] == 1 && last[2] == 3);
        arenite_defrag_options wrong{};
        wrong.policy = 9;
        CHECK(!defrag_heap::try_create(wrong) && thrown<error>([&] { defrag_heap{wrong}; }) == ARENITE_INVALID_ARGUMENT);
    }
    CHECK(tag("cxx/defrag").account().committed == 0);
}

static void spaces() {
    space memory(tag("cxx/space"), 1 << 16, 256);
    std::vector<unsigned char> device(1 << 16);
    std::vector<arenite_space_handle> all;
    while (const arenite_space_handle next = memory.try_allocate(4096, 256)) {
        std::memset(&device[memory.locate(next)->offset], static_cast<int>(all.size()), 4096);
        all.push_back(next);
    }
    CHECK(all.size() == 16 && thrown<arenite::bad_alloc>([&] { memory.allocate(1); }) == ARENITE_OUT_OF_ROOM);
    for (std::size_t at = 0; at < all.size(); at += 2) OK(memory.free(all[at]));
    CHECK(memory.free(all[0]) == ARENITE_STALE && !memory.locate(all[0]));
    std::vector<arenite_space_move> moves;
    const auto note = [&](const arenite_space_move &step) { moves.push_back(step); };
    CHECK(memory.begin_moves(8192, note).moved_blocks == 2 && moves.size() == 2 && memory.moving() == 2);
    OK(memory.pin(moves[0].handle));
    CHECK(memory.done(moves[0].id) == ARENITE_MOVE_CANCELLED && !memory.done(moves[0].id));
    OK(memory.unpin(moves[0].handle));
    CHECK(memory.cancel(moves[1].id) == ARENITE_MOVE_CANCELLED && memory.cancel_all() == 0);
    do {
        moves.clear();
        memory.begin_moves(1 << 16, note);
        for (const auto &step : moves) {
            std::memcpy(&device[step.to], &device[step.from], step.size);
            CHECK(memory.done(step.id) == ARENITE_MOVE_MOVED);
        }
    } while (!moves.empty());
    for (std::size_t at = 1; at < all.size(); at += 2) CHECK(device[memory.locate(all[at])->offset] == at);
    CHECK(memory.figures().free_blocks == 1 && memory.resize(all[1], 100) == ARENITE_OK && memory.locate(all[1])->size == 100);
    const arenite_segment more = memory.append(4096);
    CHECK(memory.evacuated() == 0 && memory.remove(more) == ARENITE_OK);
    std::uint64_t pieces = 0;
    memory.map([&](const arenite_piece &piece) { pieces += piece.size; });
    CHECK(pieces == 1 << 16);
    arenite_space_options wrong{};
    wrong.granularity = 3;
    CHECK(!space::try_create(wrong) && thrown<error>([&] { space{wrong}; }) == ARENITE_INVALID_ARGUMENT);
}

static void rings() {
    ring uploads(1 << 20);
    CHECK(uploads.try_allocate(600000, 256) == 0u && !uploads.try_allocate(600000) && arenite_last_error() == ARENITE_BUSY);
    uploads.submit(1);
    std::uint64_t fence = 0;
    CHECK(!uploads.try_allocate(600000, 1, &fence) && fence == 1 && arenite_last_error() == ARENITE_OUT_OF_ROOM);
    CHECK(uploads.figures().used == 600000 && uploads.retire(1) == 600000 && uploads.try_allocate(600000, 256) == 0u);
    CHECK(thrown<error>([&] { uploads.submit(0); }) == ARENITE_INVALID_ARGUMENT && !ring::try_create(UINT64_MAX));
    ring moved(std::move(uploads));
    CHECK(!uploads && thrown<error>([&] { uploads.submit(2); }) == ARENITE_NULL_ARGUMENT && moved.figures().capacity == 1 << 20);
}

int main() {
    ranges();
    fit_heaps();
    externals();
    heaps();
    spaces();
    rings();
    return 0;
}
