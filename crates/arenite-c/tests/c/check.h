// What the tests in this folder have in common. A check holds in release builds, too, and says where it did not.
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(what)                                                                     \
    do {                                                                                \
        if (!(what)) {                                                                  \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);   \
            exit(1);                                                                    \
        }                                                                               \
    } while (0)

// A call that answers a code.
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

// A call that answers null, and why.
#define NONE(call, code)                       \
    do {                                       \
        arenite_clear_error();                 \
        CHECK((call) == NULL);                 \
        CODE(arenite_last_error(), code);      \
    } while (0)

#define ALIGNED(pointer, align) (((size_t)(pointer)) % (align) == 0)

#endif
