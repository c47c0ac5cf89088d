// Cache, manager, snapshot.
#include <arenite.h>

#include "../check.h"

static int loads, unloads;
static arenite_cache *cache;
static arenite_room *kept_room;

static int32_t load(void *user, const void *key, size_t size, arenite_room *room, void **value) {
    CHECK(user == &loads);
    const char *name = key;
    kept_room = room;
    if (size == 4 && memcmp(name, "fail", 4) == 0) return 77;
    if (size == 4 && memcmp(name, "ring", 4) == 0) {
        NONE(arenite_cache_pin(cache, "ring", 4, NULL), ARENITE_BUSY);
        CODE(arenite_cache_destroy(cache), ARENITE_BUSY);
    }
    size_t bytes = size == 4 && memcmp(name, "huge", 4) == 0 ? 100 << 20 : 1 << 20;
    arenite_error refused = arenite_cache_claim(room, bytes);
    if (refused != ARENITE_OK) return refused;
    loads++;
    *value = malloc(size + 1);
    memcpy(*value, key, size);
    ((char *)*value)[size] = 0;
    return ARENITE_OK;
}

static void unload(void *user, void *value) {
    CHECK(user == &loads);
    unloads++;
    free(value);
}

static void caches(void) {
    arenite_tag tag;
    OK(arenite_tag_register("cache", &tag));
    OK(arenite_budget_set_hard(tag, 4 << 20, 0));
    arenite_cache_options options = {.tag = tag, .load = load, .unload = unload, .user = &loads};
    OK(arenite_cache_create(&options, &cache));
    void *value = NULL;
    arenite_pin *wall = arenite_cache_pin(cache, "wall", 4, &value);
    CHECK(wall != NULL && strcmp(value, "wall") == 0 && loads == 1);
    void *again = NULL;
    arenite_pin *twice = arenite_cache_pin(cache, "wall", 4, &again);
    CHECK(again == value && loads == 1);
    OK(arenite_cache_unpin(twice));
    CODE(arenite_cache_unpin(twice), ARENITE_INVALID_OBJECT);
    for (char name[3] = "t0"; name[1] <= '9'; name[1]++) OK(arenite_cache_unpin(arenite_cache_pin(cache, name, 2, NULL)));
    CHECK(loads == 11 && unloads == 7 && strcmp(value, "wall") == 0);
    arenite_cache_stats stats;
    OK(arenite_cache_figures(cache, &stats));
    CHECK(stats.count == 4 && stats.bytes == 4 << 20 && stats.idle_bytes == 3 << 20 && stats.evictions == 7);
    CHECK(stats.hits == 1 && stats.misses == 11 && stats.loads == 11 && stats.peak_bytes == 4 << 20);
    NONE(arenite_cache_try_pin(cache, "t0", 2, NULL), ARENITE_STALE);
    arenite_pin *nine = arenite_cache_try_pin(cache, "t9", 2, &again);
    CHECK(nine != NULL && strcmp(again, "t9") == 0);
    CODE(arenite_cache_unload(cache, "t9", 2), ARENITE_STALE);
    OK(arenite_cache_unpin(nine));
    OK(arenite_cache_unload(cache, "t9", 2));
    NONE(arenite_cache_pin(cache, "huge", 4, NULL), ARENITE_OVER_BUDGET);
    CODE(arenite_cache_claim(kept_room, 1), ARENITE_INVALID_OBJECT);
    CODE(arenite_cache_claim(NULL, 1), ARENITE_NULL_ARGUMENT);
    NONE(arenite_cache_pin(cache, "fail", 4, NULL), ARENITE_CALLBACK);
    CHECK(strstr(arenite_last_message(), "77") != NULL);
    arenite_pin *ring = arenite_cache_pin(cache, "ring", 4, NULL);
    CHECK(ring != NULL);
    OK(arenite_cache_unpin(ring));
    NONE(arenite_cache_pin(cache, NULL, 4, NULL), ARENITE_NULL_ARGUMENT);
    NONE(arenite_cache_pin(NULL, "x", 1, NULL), ARENITE_NULL_ARGUMENT);
    OK(arenite_cache_figures(cache, &stats));
    CHECK(stats.failures == 2 && stats.refusals == 1);
    CHECK(arenite_cache_trim(cache, 0) == 3 << 20);
    OK(arenite_cache_figures(cache, &stats));
    CHECK(stats.count == 1);
    OK(arenite_cache_destroy(cache));
    CODE(arenite_cache_destroy(cache), ARENITE_INVALID_OBJECT);
    // What is pinned lives on.
    CHECK(strcmp(value, "wall") == 0 && unloads == loads - 1);
    OK(arenite_cache_unpin(wall));
    CHECK(unloads == loads);
    OK(arenite_cache_unpin(NULL));
    OK(arenite_cache_destroy(NULL));
    options.load = NULL;
    CODE(arenite_cache_create(&options, &cache), ARENITE_NULL_ARGUMENT);
    arenite_account account;
    OK(arenite_tag_account(tag, &account));
    CHECK(account.committed == 0);
}

static int ended;

static void end(void *user, void *data, size_t size) {
    CHECK(user == NULL && data != NULL && size == 64);
    ended++;
}

static void managers(void) {
    arenite_manager *manager;
    arenite_tag root;
    OK(arenite_tag_register("engine", &root));
    arenite_manager_options options = {.root = root, .frame_reserve = 16 << 20, .scene_reserve = 64 << 20, .scene_keep = 1 << 20};
    OK(arenite_manager_create(&options, &manager));
    NONE(arenite_manager_alloc(manager, 8), ARENITE_BUSY);
    CODE(arenite_manager_end_frame(manager, NULL), ARENITE_BUSY);

    arenite_scene *scene, *unused;
    arenite_resource wall, floor, extra;
    arenite_scene_report gone;
    char pixels[64];
    memset(pixels, 7, sizeof pixels);
    OK(arenite_manager_load_scene(manager, &scene));
    CHECK(arenite_scene_insert(scene, pixels, sizeof pixels, 0, end, NULL, &wall) != NULL);
    CHECK(arenite_scene_insert(scene, NULL, sizeof pixels, 64, end, NULL, &floor) != NULL);
    NONE(arenite_manager_get(manager, wall, NULL), ARENITE_STALE);
    OK(arenite_manager_change_scene(manager, scene, &gone));
    CHECK(gone.dropped == 0);
    CODE(arenite_manager_change_scene(manager, scene, &gone), ARENITE_INVALID_OBJECT);
    CHECK(arenite_manager_insert(manager, pixels, sizeof pixels, 0, end, NULL, &extra) != NULL);

    arenite_kept kept;
    for (int number = 1; number <= 5; number++) {
        OK(arenite_manager_begin_frame(manager));
        CODE(arenite_manager_begin_frame(manager), ARENITE_BUSY);
        CODE(arenite_manager_clear_scene(manager, NULL), ARENITE_BUSY);
        CODE(arenite_manager_load_scene(manager, &unused), ARENITE_BUSY);
        CODE(arenite_manager_trim(manager), ARENITE_BUSY);
        CHECK(ALIGNED(arenite_manager_alloc(manager, 1000), 16));
        CHECK(ALIGNED(arenite_manager_alloc_aligned(manager, 1000, 512), 512));
        size_t size = 0;
        if (number > 1) {
            const int *last = arenite_manager_get_kept(manager, &kept, &size);
            CHECK(last != NULL && *last == number - 1 && size == sizeof(int));
        }
        int *this = arenite_manager_keep(manager, sizeof *this, 0, &kept);
        *this = number;
        NONE(arenite_manager_get_kept(manager, &kept, &size), ARENITE_STALE);
        CHECK(((char *)arenite_manager_get(manager, wall, &size))[63] == 7 && size == 64);
        CHECK(arenite_manager_get(manager, extra, NULL) != NULL);
        arenite_frame_report report;
        OK(arenite_manager_end_frame(manager, &report));
        CHECK(report.frame == (uint64_t)number && report.used >= 2000 && report.high_water >= report.used);
    }
    NONE(arenite_manager_alloc(manager, 8), ARENITE_BUSY);
    NONE(arenite_manager_alloc(NULL, 8), ARENITE_NULL_ARGUMENT);
    OK(arenite_manager_load_scene(manager, &unused));
    CHECK(arenite_scene_insert(unused, pixels, sizeof pixels, 0, end, NULL, &floor) != NULL);
    OK(arenite_scene_destroy(unused));
    CHECK(ended == 1);
    CODE(arenite_scene_destroy(unused), ARENITE_INVALID_OBJECT);
    OK(arenite_scene_destroy(NULL));

    arenite_snapshot *snapshot;
    OK(arenite_snapshot_take(manager, &snapshot));
    int found = 0;
    for (size_t at = 0; at < arenite_snapshot_tags(snapshot); at++) {
        char name[256];
        arenite_tag_figures figures;
        OK(arenite_snapshot_tag(snapshot, at, name, sizeof name, &figures));
        if (strcmp(name, "engine/frame") == 0) found += figures.committed > 0 && figures.budget == SIZE_MAX;
        if (strcmp(name, "untagged") == 0) found += figures.heap_blocks > 0 && figures.heap_bytes > figures.heap_blocks;
    }
    CHECK(found == 2);
    CODE(arenite_snapshot_tag(snapshot, 999, NULL, 0, NULL), ARENITE_BAD_TAG);
    arenite_system_figures system;
    OK(arenite_snapshot_system(snapshot, &system));
    CHECK(system.resident > 0 && system.machine_total > system.resident && system.machine_available > 0);
    size_t length = arenite_snapshot_text(snapshot, NULL, 0);
    char *text = malloc(length + 1);
    CHECK(arenite_snapshot_text(snapshot, text, length + 1) == length && strlen(text) == length);
    CHECK(strstr(text, "engine/frame") != NULL);
    free(text);
    length = arenite_snapshot_json(snapshot, NULL, 0);
    text = malloc(length + 1);
    CHECK(arenite_snapshot_json(snapshot, text, length + 1) == length && text[0] == '{' && text[length - 1] == '}');
    CHECK(strstr(text, "\"engine/frame\"") != NULL);
    free(text);
    OK(arenite_snapshot_destroy(snapshot));
    CODE(arenite_snapshot_destroy(snapshot), ARENITE_INVALID_OBJECT);
    CHECK(arenite_snapshot_tags(snapshot) == 0 && arenite_snapshot_text(snapshot, NULL, 0) == 0);
    OK(arenite_snapshot_destroy(NULL));
    OK(arenite_snapshot_take(NULL, &snapshot));
    CHECK(arenite_snapshot_tags(snapshot) > 2);
    OK(arenite_snapshot_destroy(snapshot));

    OK(arenite_manager_clear_scene(manager, &gone));
    CHECK(gone.dropped == 3 && ended == 4 && gone.freed >= 3 * 64 && gone.live_after == 0);
    NONE(arenite_manager_get(manager, wall, NULL), ARENITE_STALE);
    OK(arenite_manager_trim(manager));
    CHECK(arenite_manager_insert(manager, pixels, sizeof pixels, 0, end, NULL, &extra) != NULL);
    OK(arenite_manager_begin_frame(manager));
    char report[8192];
    OK(arenite_manager_shutdown(manager, report, sizeof report, &length));
    CHECK(ended == 5 && length == strlen(report) && strstr(report, "nothing is held") != NULL);
    CODE(arenite_manager_shutdown(manager, NULL, 0, NULL), ARENITE_INVALID_OBJECT);
    CODE(arenite_manager_begin_frame(manager), ARENITE_INVALID_OBJECT);
    NONE(arenite_manager_alloc(manager, 8), ARENITE_INVALID_OBJECT);
    OK(arenite_manager_shutdown(NULL, NULL, 0, NULL));
    OK(arenite_manager_create(NULL, &manager));
    OK(arenite_manager_shutdown(manager, NULL, 0, NULL));
    CODE(arenite_manager_create(NULL, NULL), ARENITE_NULL_ARGUMENT);
}

int main(void) {
    caches();
    managers();
    return 0;
}
