// Arenite from C: an arena, a pool, a budget, and an error as text.
#include <arenite.h>

#include <stdio.h>

typedef struct {
    float x, y;
    int life;
} particle;

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, arenite_last_message());
    return 1;
}

int main(void) {
    // Whom memory is charged to, and how much of it there may be.
    arenite_tag effects, frame_tag;
    if (arenite_tag_register("frame", &frame_tag) || arenite_tag_register("effects", &effects)) return failed("tags");
    arenite_budget_set_hard(effects, 256 << 10, 0.8);

    // What one frame allocates is gone after the next one; nothing is freed by hand.
    arenite_frame *frame;
    arenite_frame_options options = {.tag = frame_tag, .reserve = 64 << 20};
    if (arenite_frame_create(&options, &frame)) return failed("frame arena");
    for (int number = 1; number <= 3; number++) {
        arenite_frame_begin(frame);
        int *visible = arenite_frame_alloc(frame, 100 * sizeof *visible);
        if (visible == NULL) return failed("visible");
        int count = 0;
        for (int id = 0; id < 100; id++)
            if (id % 7 == number) visible[count++] = id;
        printf("%s %d: %d visible\n", arenite_frame_string(frame, "frame"), number, count);
    }

    // Blocks of one size. A wrong pointer is told, and does no harm.
    arenite_pool *particles;
    if (arenite_pool_create(effects, sizeof(particle), 0, 1000000, &particles)) return failed("pool");
    particle *spark = arenite_pool_alloc_zeroed(particles);
    if (spark == NULL) return failed("spark");
    spark->life = 60;
    arenite_pool_free(particles, spark);
    printf("freed again: %s\n", arenite_error_message(arenite_pool_free(particles, spark)));

    // The budget ends it before the memory does.
    int sparks = 0;
    while (arenite_pool_alloc(particles) != NULL) sparks++;
    printf("%d sparks, then: %s\n", sparks, arenite_last_message());

    arenite_pool_destroy(particles);
    arenite_frame_destroy(frame);
    return sparks > 1000 && arenite_last_error() == ARENITE_OVER_BUDGET ? 0 : 1;
}
