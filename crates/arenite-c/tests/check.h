/* What tests in C and C++ have in common. A check holds in every build, and says where it did not. Those that look at codes need arenite.h. */
#ifndef ARENITE_CHECK_H
#define ARENITE_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                \
    do {                                                                                \
        if (!(condition)) {                                                             \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                    \
        }                                                                               \
    } while (0)

/* A call that answers a code. */
#define CODE(call, code)                                                                                 \
    do {                                                                                                 \
        int got = (int)(call);                                                                           \
        if (got != (int)(code)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: \"%s\" (%s) instead of \"%s\"\n", __FILE__, __LINE__, #call,     \
                    arenite_error_message(got), arenite_last_message(), arenite_error_message(code));    \
            exit(1);                                                                                     \
        }                                                                                                \
    } while (0)

#define OK(call) CODE(call, ARENITE_OK)

/* A call that answers null, and why. */
#define NONE(call, code)                       \
    do {                                       \
        arenite_clear_error();                 \
        CHECK((call) == NULL);                 \
        CODE(arenite_last_error(), code);      \
    } while (0)

#define ALIGNED(pointer, align) (((size_t)(pointer)) % (align) == 0)

/* Numbers for random programs. */
static inline uint32_t check_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

#endif
