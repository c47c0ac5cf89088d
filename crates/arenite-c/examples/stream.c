// Textures that stream: more than fits, loaded when they are asked for. And where all memory is, in the end.
#include <arenite.h>

#include <stdio.h>
#include <stdlib.h>

static int32_t load(void *user, const void *key, size_t size, arenite_room *room, void **value) {
    // Claimed before it is taken: this makes room, or says that there is none.
    arenite_error refused = arenite_cache_claim(room, 1 << 20);
    if (refused) return refused;
    printf("loading %.*s\n", (int)size, (const char *)key);
    *value = calloc(1, 1 << 20);
    *(int *)user += 1;
    return *value ? ARENITE_OK : ARENITE_SYSTEM;
}

static void unload(void *user, void *value) {
    (void)user;
    free(value);
}

int main(void) {
    int loads = 0;
    arenite_tag tag;
    arenite_cache *textures;
    if (arenite_tag_register("textures", &tag) || arenite_budget_set_hard(tag, 3 << 20, 0)) return 1;
    arenite_cache_options options = {.tag = tag, .load = load, .unload = unload, .user = &loads};
    if (arenite_cache_create(&options, &textures)) return 1;
    arenite_pin *wall = arenite_cache_pin(textures, "wall", 4, NULL);
    static const char *others[] = {"sky", "imp", "sky", "key", "gun", "sky"};
    for (int at = 0; at < 6; at++) arenite_cache_unpin(arenite_cache_pin(textures, others[at], 3, NULL));
    arenite_cache_stats stats;
    arenite_cache_figures(textures, &stats);
    printf("%d loads, %llu found there, %llu unloaded for others\n", loads, (unsigned long long)stats.hits,
           (unsigned long long)stats.evictions);

    arenite_snapshot *snapshot;
    if (arenite_snapshot_take(NULL, &snapshot)) return 1;
    size_t length = arenite_snapshot_text(snapshot, NULL, 0);
    char *text = malloc(length + 1);
    if (text == NULL) return 1;
    arenite_snapshot_text(snapshot, text, length + 1);
    puts(text);
    free(text);
    arenite_snapshot_destroy(snapshot);
    arenite_cache_unpin(wall);
    arenite_cache_destroy(textures);
    return loads == 6 && stats.hits == 1 ? 0 : 1;
}
