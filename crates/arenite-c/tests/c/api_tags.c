// Errors, tags, budgets and what is said when they are reached.
#include <arenite.h>

#include "../check.h"

static int told[3];
static size_t wanted;
static arenite_pool *busy;

static void on_pressure(void *user, const arenite_pressure *pressure) {
    CHECK(user == told);
    told[pressure->level] += 1;
    if (pressure->level == ARENITE_PRESSURE_REFUSED) {
        wanted = pressure->wanted;
        // Something grows: nothing is changed as a whole now, and blocks can be freed.
        CODE(arenite_pool_free_all(busy, 0), ARENITE_BUSY);
        CODE(arenite_pool_destroy(busy), ARENITE_BUSY);
    }
}

static void errors(void) {
    arenite_clear_error();
    OK(arenite_last_error());
    CHECK(strcmp(arenite_last_message(), arenite_error_message(ARENITE_OK)) == 0);
    for (int code = -2; code < 100; code++) CHECK(strlen(arenite_error_message(code)) > 0);
    arenite_tag tag;
    CODE(arenite_tag_register(NULL, &tag), ARENITE_NULL_ARGUMENT);
    CODE(arenite_last_error(), ARENITE_NULL_ARGUMENT);
    CODE(arenite_tag_register("a//b", &tag), ARENITE_BAD_TAG);
    CHECK(strstr(arenite_last_message(), "empty part") != NULL);
    CODE(arenite_tag_register("a\xff", &tag), ARENITE_INVALID_ARGUMENT);
    CODE(arenite_tag_register("fine", NULL), ARENITE_NULL_ARGUMENT);
}

static void tags(void) {
    arenite_tag scene, textures, found, above;
    char name[64];
    OK(arenite_tag_register("scene", &scene));
    OK(arenite_tag_child(scene, "textures", &textures));
    OK(arenite_tag_find("scene/textures", &found));
    CHECK(found == textures && scene != textures && scene != ARENITE_UNTAGGED);
    CODE(arenite_tag_find("nobody", &found), ARENITE_BAD_TAG);
    CODE(arenite_tag_child(99999, "x", &found), ARENITE_BAD_TAG);
    OK(arenite_tag_parent(textures, &above));
    CHECK(above == scene);
    CODE(arenite_tag_parent(scene, &above), ARENITE_BAD_TAG);
    CHECK(arenite_tag_name(textures, name, sizeof name) == 14 && strcmp(name, "scene/textures") == 0);
    CHECK(arenite_tag_name(textures, name, 6) == 14 && strcmp(name, "scene") == 0);
    CHECK(arenite_tag_name(textures, NULL, 0) == 14 && arenite_tag_name(99999, name, 6) == 0);

    arenite_tag before;
    CHECK(arenite_tag_current() == ARENITE_UNTAGGED);
    OK(arenite_tag_enter(textures, &before));
    CHECK(before == ARENITE_UNTAGGED && arenite_tag_current() == textures);
    void *block = arenite_alloc(5000);
    arenite_account account;
    OK(arenite_tag_account(textures, &account));
    CHECK(account.committed >= 5000 && account.own_committed == account.committed && account.commits > 0);
    OK(arenite_tag_account(scene, &account));
    CHECK(account.committed >= 5000 && account.own_committed == 0 && account.peak_committed >= 5000);
    OK(arenite_tag_enter(before, NULL));
    OK(arenite_free(block));
    CODE(arenite_tag_enter(99999, NULL), ARENITE_BAD_TAG);
    CODE(arenite_tag_account(scene, NULL), ARENITE_NULL_ARGUMENT);
}

static void budgets(void) {
    arenite_tag tag;
    arenite_budget budget;
    OK(arenite_tag_register("limited", &tag));
    OK(arenite_budget_get(tag, &budget));
    CHECK(budget.limit == SIZE_MAX && budget.warning == SIZE_MAX && !budget.is_hard && budget.over == 0);
    OK(arenite_budget_set_hard(tag, 1 << 20, 0.5));
    OK(arenite_on_pressure(tag, on_pressure, told));
    CODE(arenite_on_pressure(tag, NULL, NULL), ARENITE_NULL_ARGUMENT);
    CODE(arenite_on_pressure(99999, on_pressure, NULL), ARENITE_BAD_TAG);
    OK(arenite_budget_get(tag, &budget));
    CHECK(budget.limit == 1 << 20 && budget.warning == 1 << 19 && budget.is_hard && !budget.is_warning);

    OK(arenite_pool_create(tag, 4096, 0, 1000, &busy));
    int blocks = 0;
    while (arenite_pool_alloc(busy) != NULL) blocks++;
    CODE(arenite_last_error(), ARENITE_OVER_BUDGET);
    CHECK(strstr(arenite_last_message(), "limited") != NULL);
    CHECK(blocks > 100 && blocks < 257 && told[ARENITE_PRESSURE_WARNING] == 1 && told[ARENITE_PRESSURE_REFUSED] == 1);
    CHECK(wanted > 0);
    OK(arenite_budget_get(tag, &budget));
    CHECK(budget.is_warning && budget.committed > 1 << 19 && budget.over == 0);
    OK(arenite_budget_set_soft(tag, 4096, 0));
    OK(arenite_budget_get(tag, &budget));
    CHECK(!budget.is_hard && budget.over == budget.committed - 4096 && budget.warning == SIZE_MAX);
    CHECK(arenite_pool_alloc(busy) != NULL);
    OK(arenite_budget_clear(tag));
    OK(arenite_pool_destroy(busy));
    OK(arenite_budget_get(tag, &budget));
    CHECK(budget.limit == SIZE_MAX && budget.committed == 0);
    for (int more = 0; more < 3; more++) OK(arenite_on_pressure(tag, on_pressure, told));
    CODE(arenite_on_pressure(tag, on_pressure, told), ARENITE_FULL);
    CODE(arenite_budget_set_hard(99999, 1, 0), ARENITE_BAD_TAG);
    CODE(arenite_budget_set_soft(99999, 1, 0), ARENITE_BAD_TAG);
    CODE(arenite_budget_clear(99999), ARENITE_BAD_TAG);
    CODE(arenite_budget_get(tag, NULL), ARENITE_NULL_ARGUMENT);
}

int main(void) {
    errors();
    tags();
    budgets();
    return 0;
}
