// What the C++ tests have in common: a value that counts what happens to it, and checks of what is thrown.
#ifndef COUNTED_HPP
#define COUNTED_HPP

#include <arenite.hpp>

#include "../check.h"

// Knows how many of it live, and finds destructors that run twice or on what is none.
struct counted {
    static inline int live = 0;
    static inline int ended = 0;

    explicit counted(int number = 0) : number(number) { begin(); }
    counted(const counted &other) : number(other.number) { begin(); }
    counted(counted &&other) noexcept : number(std::exchange(other.number, -1)) { begin(); }
    counted &operator=(const counted &) = default;
    counted &operator=(counted &&) = default;
    ~counted() {
        CHECK(self == this);
        self = nullptr;
        live--;
        ended++;
    }

    int number;
    const void *self = nullptr;

private:
    void begin() {
        self = this;
        live++;
    }
};

// A constructor that throws, of a type that has a destructor.
struct throws {
    explicit throws(bool now) {
        if (now) throw std::runtime_error("now");
    }
    ~throws() { value.number++; }
    counted value{7};
};

// What `call` throws; fails the test if it is something else, or nothing.
template <class Error, class Call>
arenite::code_type thrown(Call call) {
    try {
        call();
    } catch (const Error &error) {
        CHECK(error.what()[0] != 0);
        return error.code();
    }
    CHECK(!"thrown");
    return ARENITE_OK;
}

#endif
