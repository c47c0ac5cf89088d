// Objects that name each other: a name finds nothing once its object is gone.
#include <arenite.h>

#include <stdio.h>

typedef struct {
    int health;
    arenite_handle target;
} agent;

int main(void) {
    arenite_tag tag;
    arenite_handles *agents;
    if (arenite_tag_register("agents", &tag) || arenite_handles_create(tag, sizeof(agent), 0, 1000, &agents)) {
        fprintf(stderr, "%s\n", arenite_last_message());
        return 1;
    }
    arenite_handle first = 0, last = 0;
    for (int number = 0; number < 10; number++) {
        agent made = {.health = 100 + number, .target = last};
        if (arenite_handles_insert(agents, &made, &last) == NULL) return 1;
        if (number == 0) first = last;
    }
    arenite_handles_remove(agents, first, NULL);

    int alive = 0, lost = 0;
    uint32_t slot = 0;
    arenite_handle name;
    for (agent *each; (each = arenite_handles_next(agents, &slot, &name)) != NULL; alive++)
        if (each->target != 0 && arenite_handles_get(agents, each->target) == NULL) lost++;
    printf("%d agents; %d has lost its target: %s\n", alive, lost, arenite_last_message());
    arenite_handles_destroy(agents);
    return alive == 9 && lost == 1 ? 0 : 1;
}
