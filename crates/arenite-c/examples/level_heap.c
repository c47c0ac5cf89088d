// A heap for a level: blocks of any size, and in the end it tells what still lives, and where the process's own heap stands.
#include <arenite.h>

#include <stdio.h>
#include <string.h>

static void tell(void *user, const arenite_survivor *survivor) {
    *(int *)user += 1;
    printf("still there: %zu bytes\n", survivor->size);
}

int main(void) {
    arenite_tag tag;
    arenite_heap *level;
    arenite_heap_options options = {.track_blocks = 1};
    if (arenite_tag_register("level", &tag)) return 1;
    options.tag = tag;
    if (arenite_heap_create(&options, &level)) return 1;
    char *name = arenite_heap_alloc(level, 32), *script = arenite_heap_alloc(level, 5000);
    if (name == NULL || script == NULL) return 1;
    strcpy(name, "E1M1");
    arenite_heap_free(level, script);

    int survivors = 0;
    arenite_error refused = arenite_heap_discard(level, tell, &survivors);
    printf("discarding: %s\n", arenite_error_message(refused));
    arenite_heap_free(level, name);
    if (arenite_heap_discard(level, tell, &survivors)) return 1;

    // The heap of the process, by tag.
    arenite_tag before;
    arenite_heap_stats stats;
    arenite_tag_enter(tag, &before);
    void *block = arenite_alloc(1000);
    arenite_tag_enter(before, NULL);
    arenite_alloc_figures(tag, &stats);
    printf("%llu block of %llu bytes\n", (unsigned long long)stats.live_blocks, (unsigned long long)stats.live_bytes);
    printf("freed: %s\n", arenite_error_message(arenite_free(block)));
    printf("freed again: %s\n", arenite_error_message(arenite_free(block)));
    return survivors == 1 && stats.live_blocks == 1 ? 0 : 1;
}
