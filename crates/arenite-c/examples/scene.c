// An engine's memory: frames, and the resources of a level, which go when the next level is there.
#include <arenite.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int width, height;
} texture;

static void unload(void *user, void *data, size_t size) {
    (void)size;
    *(int *)user += ((texture *)data)->width;
}

static void stop(const char *what) {
    fprintf(stderr, "%s: %s\n", what, arenite_last_message());
    exit(1);
}

int main(void) {
    arenite_manager *memory;
    if (arenite_manager_create(NULL, &memory)) stop("manager");
    int unloaded = 0;
    for (int level = 1; level <= 2; level++) {
        arenite_scene *next;
        arenite_resource wall;
        texture made = {64 * level, 64};
        if (arenite_manager_load_scene(memory, &next)) stop("scene");
        if (!arenite_scene_insert(next, &made, sizeof made, 0, unload, &unloaded, &wall)) stop("texture");
        arenite_scene_report report;
        if (arenite_manager_change_scene(memory, next, &report)) stop("change");
        printf("level %d: %zu resources of the last one went\n", level, report.dropped);

        arenite_kept kept;
        for (int frame = 0; frame < 3; frame++) {
            if (arenite_manager_begin_frame(memory)) stop("frame");
            texture *found = arenite_manager_get(memory, wall, NULL);
            int *draws = arenite_manager_alloc(memory, (size_t)found->width * sizeof *draws);
            if (draws == NULL) stop("draws");
            memset(draws, 0, (size_t)found->width * sizeof *draws);
            // For the next frame to compare itself with.
            int *count = arenite_manager_keep(memory, sizeof *count, 0, &kept);
            if (count == NULL) stop("kept");
            *count = found->width;
            if (arenite_manager_end_frame(memory, NULL)) stop("end");
        }
    }
    char report[4096];
    if (arenite_manager_shutdown(memory, report, sizeof report, NULL)) stop("shutdown");
    puts(report);
    return unloaded == 64 + 128 ? 0 : 1;
}
