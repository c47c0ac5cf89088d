// Frame arena and scratch stack.
#include <arenite.h>

#include <pthread.h>

#include "../check.h"

static void *elsewhere(void *frame) {
    CODE(arenite_frame_begin(frame), ARENITE_WRONG_THREAD);
    CODE(arenite_frame_end(frame), ARENITE_WRONG_THREAD);
    CODE(arenite_frame_destroy(frame), ARENITE_WRONG_THREAD);
    NONE(arenite_frame_alloc_aligned(frame, 8, 8), ARENITE_WRONG_THREAD);
    return NULL;
}

static void frames(void) {
    arenite_tag tag;
    arenite_frame *frame;
    arenite_frame_stats stats;
    OK(arenite_tag_register("frame", &tag));
    arenite_frame_options options = {.tag = tag, .reserve = 8 << 20, .presize = 64 << 10};
    OK(arenite_frame_create(&options, &frame));
    OK(arenite_frame_begin(frame));
    OK(arenite_frame_figures(frame, &stats));
    CHECK(stats.frame == 1 && stats.used == 0 && stats.committed >= 64 << 10 && stats.reserved >= 16 << 20);

    for (size_t size = 0; size < 3000; size += 7) {
        unsigned char *block = arenite_frame_alloc(frame, size);
        CHECK(block != NULL && ALIGNED(block, 16));
        memset(block, 0xAB, size);
        for (size_t align = 1; align <= 4096; align *= 2) {
            unsigned char *aligned = arenite_frame_alloc_aligned(frame, size % 100, align);
            CHECK(aligned != NULL && ALIGNED(aligned, align) && (size == 0 || aligned >= block + size));
        }
    }
    unsigned char *zero = arenite_frame_alloc_zeroed(frame, 1000);
    for (int at = 0; at < 1000; at++) CHECK(zero[at] == 0);
    CHECK(strcmp(arenite_frame_string(frame, "läuft"), "läuft") == 0);
    NONE(arenite_frame_string(frame, "\xff"), ARENITE_INVALID_ARGUMENT);
    NONE(arenite_frame_string(frame, NULL), ARENITE_NULL_ARGUMENT);
    NONE(arenite_frame_alloc_aligned(frame, 8, 3), ARENITE_INVALID_ARGUMENT);
    NONE(arenite_frame_alloc_aligned(frame, 8, 4 << 20), ARENITE_INVALID_ARGUMENT);
    NONE(arenite_frame_alloc(frame, SIZE_MAX), ARENITE_TOO_LARGE);
    NONE(arenite_frame_alloc(frame, SIZE_MAX / 2), ARENITE_TOO_LARGE);
    NONE(arenite_frame_alloc(frame, 9 << 20), ARENITE_EXHAUSTED);
    NONE(arenite_frame_alloc(NULL, 8), ARENITE_NULL_ARGUMENT);

    // What is kept can be read in the next frame, and never again.
    arenite_kept kept, forged = {0, NULL, 0};
    int *numbers = arenite_frame_keep(frame, 4 * sizeof *numbers, 0, &kept);
    for (int at = 0; at < 4; at++) numbers[at] = at * at;
    size_t size = 0;
    NONE(arenite_frame_get(frame, &kept, &size), ARENITE_STALE);
    OK(arenite_frame_end(frame));
    OK(arenite_frame_begin(frame));
    const int *read = arenite_frame_get(frame, &kept, &size);
    CHECK(read != NULL && size == 16 && read[3] == 9);
    CHECK(arenite_frame_get(frame, &kept, NULL) == read);
    NONE(arenite_frame_get(frame, &forged, &size), ARENITE_STALE);
    NONE(arenite_frame_get(frame, NULL, &size), ARENITE_NULL_ARGUMENT);
    NONE(arenite_frame_keep(frame, 8, 0, NULL), ARENITE_NULL_ARGUMENT);
    OK(arenite_frame_begin(frame));
    NONE(arenite_frame_get(frame, &kept, &size), ARENITE_STALE);

    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, elsewhere, frame) == 0 && pthread_join(thread, NULL) == 0);

    OK(arenite_frame_destroy(frame));
    CODE(arenite_frame_destroy(frame), ARENITE_INVALID_OBJECT);
    CODE(arenite_frame_begin(frame), ARENITE_INVALID_OBJECT);
    NONE(arenite_frame_alloc(frame, 8), ARENITE_INVALID_OBJECT);
    CODE(arenite_frame_figures(frame, &stats), ARENITE_INVALID_OBJECT);
    OK(arenite_frame_destroy(NULL));
    arenite_account account;
    OK(arenite_tag_account(tag, &account));
    CHECK(account.committed == 0 && account.reserved == 0 && account.peak_live > 0);

    CODE(arenite_frame_create(NULL, NULL), ARENITE_NULL_ARGUMENT);
    options.presize = 9 << 20;
    CODE(arenite_frame_create(&options, &frame), ARENITE_INVALID_ARGUMENT);
    options = (arenite_frame_options){.tag = 99999};
    CODE(arenite_frame_create(&options, &frame), ARENITE_BAD_TAG);
    OK(arenite_frame_create(NULL, &frame));
    // What never was an object is told as well, and so is one of another kind.
    long nothing[200] = {0};
    void *other = malloc(4096);
    CODE(arenite_frame_begin((arenite_frame *)nothing), ARENITE_INVALID_OBJECT);
    CODE(arenite_frame_begin(other), ARENITE_INVALID_OBJECT);
    CODE(arenite_pool_destroy((arenite_pool *)frame), ARENITE_INVALID_OBJECT);
    NONE(arenite_scratch_alloc_aligned((arenite_scratch *)frame, 8, 8), ARENITE_INVALID_OBJECT);
    free(other);
    OK(arenite_frame_destroy(frame));
}

static void scratches(void) {
    arenite_tag tag;
    arenite_scratch *scratch;
    arenite_scratch_stats stats;
    arenite_scope outer, inner, third;
    OK(arenite_tag_register("scratch", &tag));
    OK(arenite_scratch_create(tag, 16 << 20, &scratch));
    char *floor = arenite_scratch_alloc(scratch, 100);
    OK(arenite_scratch_enter(scratch, &outer));
    char *first = arenite_scratch_alloc(scratch, 1000);
    memset(first, 1, 1000);
    CHECK(ALIGNED(first, 16) && first != floor);
    OK(arenite_scratch_enter(scratch, &inner));
    char *second = arenite_scratch_alloc_aligned(scratch, 1000, 256);
    CHECK(ALIGNED(second, 256));
    memset(second, 2, 1000);
    OK(arenite_scratch_figures(scratch, &stats));
    CHECK(stats.depth == 2 && stats.used >= 2100 && stats.committed >= stats.used && stats.reserved >= 16 << 20);
    CODE(arenite_scratch_leave(scratch, outer), ARENITE_BUSY);
    CODE(arenite_scratch_reset(scratch), ARENITE_BUSY);
    OK(arenite_scratch_leave(scratch, inner));
    CODE(arenite_scratch_leave(scratch, inner), ARENITE_STALE);
    CODE(arenite_scratch_leave(scratch, 0), ARENITE_STALE);
    CHECK(first[999] == 1);
    // The same memory again.
    OK(arenite_scratch_enter(scratch, &third));
    CHECK(third != inner && arenite_scratch_alloc_aligned(scratch, 1000, 256) == second);
    char *zero = arenite_scratch_alloc_zeroed(scratch, 500);
    for (int at = 0; at < 500; at++) CHECK(zero[at] == 0);
    OK(arenite_scratch_leave(scratch, third));
    OK(arenite_scratch_leave(scratch, outer));
    CHECK(arenite_scratch_alloc(scratch, 1000) != NULL);
    OK(arenite_scratch_reset(scratch));
    CHECK(arenite_scratch_alloc(scratch, 100) == floor);

    arenite_scope scopes[200];
    for (int at = 0; at < 200; at++) {
        OK(arenite_scratch_enter(scratch, &scopes[at]));
        int *number = arenite_scratch_alloc(scratch, sizeof *number);
        *number = at;
    }
    for (int at = 199; at >= 0; at--) OK(arenite_scratch_leave(scratch, scopes[at]));
    CHECK(arenite_scratch_alloc(scratch, 8 << 20) != NULL);
    OK(arenite_scratch_trim(scratch, 0));
    OK(arenite_scratch_figures(scratch, &stats));
    CHECK(stats.used == 0 && stats.committed < 1 << 20 && stats.depth == 0);
    CHECK(arenite_scratch_alloc(scratch, 100) == floor);

    NONE(arenite_scratch_alloc(scratch, 17 << 20), ARENITE_EXHAUSTED);
    NONE(arenite_scratch_alloc(scratch, SIZE_MAX), ARENITE_TOO_LARGE);
    NONE(arenite_scratch_alloc(NULL, 1), ARENITE_NULL_ARGUMENT);
    NONE(arenite_scratch_alloc_zeroed(scratch, SIZE_MAX - 20), ARENITE_TOO_LARGE);
    NONE(arenite_scratch_alloc_aligned(scratch, 1, 6), ARENITE_INVALID_ARGUMENT);
    CODE(arenite_scratch_enter(scratch, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_scratch_create(tag, 0, NULL), ARENITE_NULL_ARGUMENT);
    OK(arenite_scratch_enter(scratch, &outer));
    OK(arenite_scratch_destroy(scratch));
    CODE(arenite_scratch_destroy(scratch), ARENITE_INVALID_OBJECT);
    CODE(arenite_scratch_leave(scratch, outer), ARENITE_INVALID_OBJECT);
    OK(arenite_scratch_destroy(NULL));
    arenite_account account;
    OK(arenite_tag_account(tag, &account));
    CHECK(account.committed == 0 && account.reserved == 0);
}

int main(void) {
    frames();
    scratches();
    return 0;
}
