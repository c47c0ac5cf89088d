// An engine in C++: what a frame needs is in containers of the standard library on a frame arena, what a level needs in a scene, and every `new` and
// `delete` of the program, whoever wrote it, is on the account of the part that runs. Link it with cxx/new_delete_by_tag.cpp: with CMake
// that is arenite::new_delete_by_tag.
#include <arenite.hpp>

#include <cinttypes>
#include <cstdio>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

struct mesh {
    std::string name;
    std::vector<float> points;
};

struct entity {
    arenite::handle<entity> target;
    int mesh;
    int health;
};

// Code that knows nothing of Arenite.
std::unique_ptr<std::vector<std::string>> read_script(int lines) {
    auto script = std::make_unique<std::vector<std::string>>();
    for (int line = 0; line < lines; line++) script->push_back("spawn an imp behind door number " + std::to_string(line));
    return script;
}

// What is drawn in one frame, by mesh. Nothing of it is ever freed.
std::size_t draw(std::pmr::memory_resource *frame, const arenite::handle_pool<entity> &entities) {
    std::pmr::unordered_map<int, std::pmr::vector<const entity *>> batches(frame);
    entities.for_each([&](arenite::handle<entity>, const entity &one) { batches[one.mesh].push_back(&one); });
    std::pmr::vector<std::pmr::string> labels(frame);
    for (const auto &[mesh, batch] : batches) {
        std::pmr::string &label = labels.emplace_back("a batch of entities that share mesh ");
        label += std::to_string(mesh).c_str();
        label += batch.size() == 1 ? ", alone" : ", together";
    }
    return labels.size();
}

void print(const char *when, arenite::tag tag) {
    const arenite_heap_stats stats = tag.heap_figures();
    std::printf("%-22s %-15s new %5" PRIu64 "   delete %5" PRIu64 "   live %5" PRIu64 " blocks, %6" PRIu64 " bytes\n", when, tag.name().c_str(),
                stats.allocs, stats.frees, stats.live_blocks, stats.live_bytes);
}

int run() {
    const arenite::tag scripts("engine/scripts"), levels("engine/levels");
    arenite::manager memory;
    arenite::frame_arena frames(arenite::tag("engine/frame"), 64 << 20);
    arenite::frame_memory frame(frames);
    arenite::handle_pool<entity> entities(arenite::tag("engine/entities"), 100000);

    // A level. Its meshes are in the scene, and their strings and vectors on the account of levels.
    arenite::scene next = memory.load_scene();
    arenite::resource<mesh> meshes[8];
    {
        arenite::tag_scope scope(levels);
        for (int number = 0; number < 8; number++)
            meshes[number] = next.emplace<mesh>(mesh{"a mesh with a long name, " + std::to_string(number), std::vector<float>(300)});
    }
    memory.change_scene(std::move(next));
    print("level loaded", levels);
    if (levels.heap_figures().live_blocks != 16) return 1;

    std::unique_ptr<std::vector<std::string>> script;
    {
        arenite::tag_scope scope(scripts);
        script = read_script(500);
    }
    print("script read", scripts);
    if (scripts.heap_figures().live_blocks < 502) return 1;

    // Entities know each other by handles. One that is gone is found by nobody.
    arenite::handle<entity> first, last;
    for (int number = 0; number < 1000; number++) {
        last = entities.emplace(entity{last, number % 8, 100});
        if (!first) first = last;
    }
    const arenite::handle<entity> hunted = entities.get(last)->target;
    entities.remove(hunted);
    if (entities.get(entities.get(last)->target) != nullptr || entities.get(first) == nullptr) return 1;

    // Frames. Containers of the standard library, and not one `new`.
    std::size_t batches = 0;
    const std::uint64_t before = arenite::tag::current().heap_figures().allocs;
    for (int number = 0; number < 100; number++) {
        frames.begin();
        batches += draw(&frame, entities);
        frames.end();
    }
    const std::uint64_t news = arenite::tag::current().heap_figures().allocs - before;
    std::printf("100 frames: %zu batches, %zu bytes of the last frame, %" PRIu64 " calls of new\n", batches, frames.figures().used, news);
    if (batches != 800 || news != 0) return 1;

    // What is too much is refused, and the engine goes on.
    arenite::tag("engine/frame").hard_budget(1 << 20);
    frames.begin();
    try {
        std::pmr::vector<double> too_many(1 << 20, &frame);
        return 1;
    } catch (const std::bad_alloc &error) {
        std::printf("refused: %s\n", error.what());
    }
    if (draw(&frame, entities) != 8) return 1;

    // Freed wherever it may be, it comes off the account that it was on.
    script.reset();
    print("script freed", scripts);
    memory.clear_scene();
    print("level left", levels);
    return scripts.heap_figures().live_blocks + levels.heap_figures().live_blocks == 0 ? 0 : 1;
}

}  // namespace

int main() {
    try {
        return run();
    } catch (const std::exception &error) {
        std::fprintf(stderr, "engine: %s\n", error.what());
        return 1;
    }
}
