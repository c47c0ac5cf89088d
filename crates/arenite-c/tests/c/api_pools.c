// Block pool, handle pool, resource arena.
#include <arenite.h>

#include <pthread.h>

#include "../check.h"

static void pools(void) {
    arenite_tag tag;
    arenite_pool *pool;
    arenite_pool_stats stats;
    OK(arenite_tag_register("pool", &tag));
    OK(arenite_pool_create(tag, 48, 0, 100, &pool));
    unsigned char *blocks[100];
    for (int at = 0; at < 100; at++) {
        blocks[at] = arenite_pool_alloc(pool);
        CHECK(blocks[at] != NULL && ALIGNED(blocks[at], 16) && arenite_pool_owns(pool, blocks[at] + 47));
        memset(blocks[at], at, 48);
    }
    NONE(arenite_pool_alloc(pool), ARENITE_FULL);
    NONE(arenite_pool_alloc_zeroed(pool), ARENITE_FULL);
    for (int at = 0; at < 100; at++) CHECK(blocks[at][0] == at && blocks[at][47] == at);
    OK(arenite_pool_figures(pool, &stats));
    CHECK(stats.live == 100 && stats.capacity >= 100 && stats.high_water == 100 && stats.stride == 48);

    int here = 0;
    void *other = malloc(48);
    CODE(arenite_pool_free(pool, &here), ARENITE_FOREIGN);
    CODE(arenite_pool_free(pool, other), ARENITE_FOREIGN);
    CODE(arenite_pool_free(pool, blocks[3] + 8), ARENITE_MISALIGNED);
    OK(arenite_pool_free(pool, blocks[3]));
    CODE(arenite_pool_free(pool, blocks[3]), ARENITE_DOUBLE_FREE);
    CHECK(strstr(arenite_last_message(), "second owner") != NULL);
    OK(arenite_pool_free(pool, NULL));
    CODE(arenite_pool_free(NULL, blocks[4]), ARENITE_NULL_ARGUMENT);
    CHECK(!arenite_pool_owns(pool, other) && !arenite_pool_owns(NULL, other));
    free(other);
    unsigned char *zero = arenite_pool_alloc_zeroed(pool);
    CHECK(zero == blocks[3]);
    for (int at = 0; at < 48; at++) CHECK(zero[at] == 0);
    OK(arenite_pool_free_all(pool, 10));
    CHECK(arenite_pool_free(pool, blocks[5]) != ARENITE_OK);
    OK(arenite_pool_figures(pool, &stats));
    CHECK(stats.live == 0);
    OK(arenite_pool_destroy(pool));
    CODE(arenite_pool_free(pool, blocks[5]), ARENITE_INVALID_OBJECT);
    CODE(arenite_pool_destroy(pool), ARENITE_INVALID_OBJECT);
    OK(arenite_pool_destroy(NULL));

    OK(arenite_pool_create(tag, 100, 256, 1000000, &pool));
    CHECK(ALIGNED(arenite_pool_alloc(pool), 256) && ALIGNED(arenite_pool_alloc(pool), 256));
    unsigned char *first = arenite_pool_alloc(pool);
    CODE(arenite_pool_free(pool, first + 256 * 1000), ARENITE_NOT_ALLOCATED);
    OK(arenite_pool_destroy(pool));
    CODE(arenite_pool_create(tag, 8, 24, 10, &pool), ARENITE_INVALID_ARGUMENT);
    CODE(arenite_pool_create(tag, SIZE_MAX / 2, 0, 10, &pool), ARENITE_TOO_LARGE);
    CODE(arenite_pool_create(tag, 8, 0, SIZE_MAX, &pool), ARENITE_TOO_LARGE);
    CODE(arenite_pool_create(tag, 8, 8, 10, NULL), ARENITE_NULL_ARGUMENT);
}

typedef struct {
    double x, y;
    int health;
} monster;

static void handles(void) {
    arenite_tag tag;
    arenite_handles *pool, *others;
    arenite_handles_stats stats;
    OK(arenite_tag_register("handles", &tag));
    OK(arenite_handles_create(tag, sizeof(monster), 0, 50, &pool));
    OK(arenite_handles_create(tag, sizeof(monster), 0, 50, &others));
    arenite_handle names[50], one, same;
    for (int at = 0; at < 50; at++) {
        monster made = {at, -at, 100 + at};
        monster *kept = arenite_handles_insert(pool, &made, &names[at]);
        CHECK(kept != NULL && kept->health == 100 + at && names[at] != 0 && ALIGNED(kept, 16));
    }
    NONE(arenite_handles_insert(pool, NULL, &one), ARENITE_FULL);
    for (int at = 0; at < 50; at++) CHECK(((monster *)arenite_handles_get(pool, names[at]))->x == at);
    monster out;
    OK(arenite_handles_remove(pool, names[7], &out));
    CHECK(out.health == 107);
    CODE(arenite_handles_remove(pool, names[7], NULL), ARENITE_STALE);
    NONE(arenite_handles_get(pool, names[7]), ARENITE_STALE);
    NONE(arenite_handles_get(pool, 0), ARENITE_STALE);
    NONE(arenite_handles_get(pool, UINT64_MAX), ARENITE_STALE);
    // The slot is another value's now; the old name still finds nothing.
    monster *fresh = arenite_handles_insert(pool, NULL, &one);
    CHECK(fresh->health == 0 && fresh->x == 0 && one != names[7]);
    NONE(arenite_handles_get(pool, names[7]), ARENITE_STALE);
    CHECK(arenite_handles_insert(others, fresh, &same) != NULL);
    NONE(arenite_handles_get(others, names[0]), ARENITE_STALE);

    int seen = 0;
    uint32_t slot = 0;
    arenite_handle name;
    for (monster *each; (each = arenite_handles_next(pool, &slot, &name)) != NULL; seen++) {
        CHECK(arenite_handles_get(pool, name) == each);
        if (each->health % 2) OK(arenite_handles_remove(pool, name, NULL));
    }
    CHECK(seen == 50);
    OK(arenite_handles_figures(pool, &stats));
    CHECK(stats.live == 26 && stats.capacity >= 50 && stats.committed > 0 && stats.reserved > stats.committed && stats.retired == 0);
    CHECK(arenite_handles_next(pool, &slot, &name) == NULL);
    NONE(arenite_handles_next(pool, NULL, &name), ARENITE_NULL_ARGUMENT);
    NONE(arenite_handles_insert(pool, NULL, NULL), ARENITE_NULL_ARGUMENT);
    OK(arenite_handles_destroy(pool));
    OK(arenite_handles_destroy(others));
    CODE(arenite_handles_destroy(pool), ARENITE_INVALID_OBJECT);
    NONE(arenite_handles_get(pool, one), ARENITE_INVALID_OBJECT);
    CODE(arenite_handles_create(tag, 8, 5, 10, &pool), ARENITE_INVALID_ARGUMENT);
    OK(arenite_handles_destroy(NULL));
}

static int order[8], destroyed;
static arenite_resources *level;

static void end(void *user, void *data, size_t size) {
    int number;
    memcpy(&number, data, sizeof number);
    CHECK(size == 100 && user == &order[number]);
    order[number] = ++destroyed;
    CODE(arenite_resources_clear(level), ARENITE_BUSY);
    CODE(arenite_resources_destroy(level), ARENITE_BUSY);
    NONE(arenite_resources_get(level, 1, NULL), ARENITE_BUSY);
}

static void *insert_many(void *resources) {
    arenite_resource name;
    for (int at = 0; at < 500; at++) {
        int *value = arenite_resources_insert(resources, &at, sizeof at, 0, NULL, NULL, &name);
        size_t size;
        CHECK(value != NULL && *value == at && arenite_resources_get(resources, name, &size) == value && size == 4);
    }
    return NULL;
}

static void resources(void) {
    arenite_tag tag;
    OK(arenite_tag_register("level", &tag));
    arenite_resources_options options = {.tag = tag, .reserve = 64 << 20, .capacity = 10000};
    OK(arenite_resources_create(&options, &level));
    arenite_resource names[8], wide;
    for (int at = 0; at < 8; at++) {
        char data[100] = {0};
        memcpy(data, &at, sizeof at);
        CHECK(arenite_resources_insert(level, data, sizeof data, 0, end, &order[at], &names[at]) != NULL);
    }
    char *aligned = arenite_resources_insert(level, NULL, 1000, 4096, NULL, NULL, &wide);
    CHECK(ALIGNED(aligned, 4096) && aligned[0] == 0 && aligned[999] == 0);
    size_t size;
    for (int at = 0; at < 8; at++) {
        int *data = arenite_resources_get(level, names[at], &size);
        CHECK(data != NULL && *data == at && size == 100);
    }
    pthread_t threads[2];
    for (int at = 0; at < 2; at++) CHECK(pthread_create(&threads[at], NULL, insert_many, level) == 0);
    for (int at = 0; at < 2; at++) CHECK(pthread_join(threads[at], NULL) == 0);
    arenite_resources_stats stats;
    OK(arenite_resources_figures(level, &stats));
    CHECK(stats.count == 1009 && stats.used >= 1009 * 4 && stats.committed >= stats.used && stats.reserved >= 64 << 20);

    NONE(arenite_resources_get(level, 0, &size), ARENITE_STALE);
    NONE(arenite_resources_get(level, names[0] + 1000000, &size), ARENITE_STALE);
    NONE(arenite_resources_insert(level, NULL, 100 << 20, 0, end, NULL, &wide), ARENITE_EXHAUSTED);
    NONE(arenite_resources_insert(level, NULL, SIZE_MAX, 0, end, NULL, &wide), ARENITE_TOO_LARGE);
    NONE(arenite_resources_insert(level, NULL, 8, 7, end, NULL, &wide), ARENITE_INVALID_ARGUMENT);
    NONE(arenite_resources_insert(level, NULL, 8, 0, end, NULL, NULL), ARENITE_NULL_ARGUMENT);
    CHECK(destroyed == 0);
    OK(arenite_resources_clear(level));
    CHECK(destroyed == 8);
    for (int at = 0; at < 8; at++) CHECK(order[at] == 8 - at);
    NONE(arenite_resources_get(level, names[0], &size), ARENITE_STALE);
    int seven = 7;
    CHECK(arenite_resources_insert(level, &seven, sizeof seven, 0, NULL, NULL, &wide) != NULL);
    NONE(arenite_resources_get(level, names[0], &size), ARENITE_STALE);
    arenite_resources *other;
    OK(arenite_resources_create(NULL, &other));
    NONE(arenite_resources_get(other, wide, &size), ARENITE_STALE);
    OK(arenite_resources_destroy(other));
    destroyed = 0;
    char last[100] = {0};
    CHECK(arenite_resources_insert(level, last, sizeof last, 0, end, &order[0], &wide) != NULL);
    OK(arenite_resources_destroy(level));
    CHECK(destroyed == 1);
    CODE(arenite_resources_destroy(level), ARENITE_INVALID_OBJECT);
    OK(arenite_resources_destroy(NULL));
    options.capacity = SIZE_MAX;
    CODE(arenite_resources_create(&options, &level), ARENITE_INVALID_ARGUMENT);
    // One resource only: the second is refused, and not destroyed.
    options.capacity = 1;
    OK(arenite_resources_create(&options, &level));
    CHECK(arenite_resources_insert(level, &seven, sizeof seven, 0, NULL, NULL, &wide) != NULL);
    NONE(arenite_resources_insert(level, last, sizeof last, 0, end, &order[0], &wide), ARENITE_FULL);
    OK(arenite_resources_destroy(level));
    CHECK(destroyed == 1);
    arenite_account account;
    OK(arenite_tag_account(tag, &account));
    CHECK(account.committed == 0 && account.reserved == 0);
}

int main(void) {
    pools();
    handles();
    resources();
    return 0;
}
