/* The operators of C++, in every form: that they serve, refuse, throw, and call the new-handler.
 *
 *   c++ operators.cc                          a program: prints one line if all is well
 *   c++ -shared -fPIC -DMODULE operators.cc   the same, to be loaded by a program that knows nothing of C++ (load.c)
 *   c++ -DREPLACED operators.cc               a program that brings its own new and delete: all others stand for those
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#define CHECK(what)                                      \
    do {                                                 \
        if (!(what)) {                                   \
            std::printf("line %d: %s\n", __LINE__, #what); \
            std::fflush(stdout);                         \
            _exit(1);                                    \
        }                                                \
    } while (0)

#ifdef REPLACED
/* In front of each block there is a word that says so: whoever frees without asking us is found out. */
static long ours;
void *operator new(size_t size)
{
    char *block = static_cast<char *>(std::malloc(size + 16));
    if (!block) throw std::bad_alloc();
    std::memcpy(block, "replaced", 8);
    __atomic_add_fetch(&ours, 1, __ATOMIC_RELAXED);
    return block + 16;
}
void operator delete(void *block) noexcept
{
    if (!block) return;
    CHECK(std::memcmp(static_cast<char *>(block) - 16, "replaced", 8) == 0);
    __atomic_sub_fetch(&ours, 1, __ATOMIC_RELAXED);
    std::free(static_cast<char *>(block) - 16);
}
#endif

static volatile std::size_t absurd = SIZE_MAX / 2 - 100;
/* What is kept is not thought away. */
static void *volatile kept;
static int destroyed, handled;

struct Witness {
    ~Witness() { destroyed++; }
};
struct alignas(256) Wide {
    char bytes[300];
};
struct Throws {
    Throws() { throw std::runtime_error("in the constructor"); }
    char bytes[700];
};

static bool is_aligned(void *block, std::size_t align) { return reinterpret_cast<std::uintptr_t>(block) % align == 0; }

template <class Work> static bool refuses(Work work)
{
    int before = destroyed;
    try {
        Witness one;
        std::vector<Witness> more(3);
        work();
    } catch (const std::bad_alloc &error) {
        return destroyed == before + 4 && error.what() != nullptr;
    }
    return false;
}

static void every_form()
{
    const std::align_val_t align{512};
    for (std::size_t size = 0; size < 5000000; size = size * 3 + 1) {
        struct {
            void *block;
            int how;
        } all[] = {
            {operator new(size), 0},          {operator new[](size), 1},
            {operator new(size, std::nothrow), 2}, {operator new[](size, std::nothrow), 3},
            {operator new(size), 4},          {operator new[](size), 5},
            {operator new(size, align), 6},   {operator new[](size, align), 7},
            {operator new(size, align, std::nothrow), 8}, {operator new[](size, align, std::nothrow), 9},
            {operator new(size, align), 10},  {operator new[](size, align), 11},
        };
        for (auto &one : all) {
            CHECK(one.block && is_aligned(one.block, one.how < 6 ? 16 : 512));
            std::memset(one.block, one.how + 1, size);
        }
        for (auto &one : all) {
            for (std::size_t at = 0; at < size; at += 4095) CHECK(static_cast<char *>(one.block)[at] == one.how + 1);
            switch (one.how) {
            case 0: operator delete(one.block); break;
            case 1: operator delete[](one.block); break;
            case 2: operator delete(one.block, std::nothrow); break;
            case 3: operator delete[](one.block, std::nothrow); break;
            case 4: operator delete(one.block, size); break;
            case 5: operator delete[](one.block, size); break;
            case 6: operator delete(one.block, align); break;
            case 7: operator delete[](one.block, align); break;
            case 8: operator delete(one.block, align, std::nothrow); break;
            case 9: operator delete[](one.block, align, std::nothrow); break;
            case 10: operator delete(one.block, size, align); break;
            case 11: operator delete[](one.block, size, align); break;
            }
        }
    }
    operator delete(nullptr);
    operator delete[](nullptr, std::size_t(7));
    operator delete(nullptr, align);
    Wide *wide = new Wide, *row = new Wide[5];
    CHECK(is_aligned(wide, 256) && is_aligned(row, 256));
    delete wide;
    delete[] row;
    delete[] new Witness[20];
    bool caught = false;
    try {
        new Throws;
    } catch (const std::runtime_error &) {
        caught = true;
    }
    CHECK(caught);
}

static void refusals()
{
    const std::align_val_t align{64};
    CHECK(refuses([] { kept = operator new(absurd); }));
    CHECK(refuses([] { kept = operator new[](absurd); }));
    CHECK(refuses([=] { kept = operator new(absurd, align); }));
    CHECK(refuses([=] { kept = operator new[](absurd, align); }));
    CHECK(refuses([] { kept = std::vector<int>(absurd / 8).data(); }));
    CHECK(!operator new(absurd, std::nothrow) && !operator new[](absurd, std::nothrow));
    CHECK(!operator new(absurd, align, std::nothrow) && !operator new[](absurd, align, std::nothrow));
}

#ifndef REPLACED
static void handlers()
{
    std::set_new_handler([] {
        if (++handled == 3) std::set_new_handler(nullptr);
    });
    CHECK(refuses([] { kept = operator new[](absurd); }) && handled == 3);
    std::set_new_handler([] {
        handled++;
        throw std::bad_alloc();
    });
    CHECK(refuses([] { kept = operator new(absurd, std::align_val_t{128}); }) && handled == 4);
    CHECK(!operator new(absurd, std::nothrow) && handled == 5);
    std::set_new_handler(nullptr);
}

/* When there really is nothing left: a handler that gives up a reserve lets `new` succeed. In a process of its own. */
static void *reserve;
static void out_of_memory()
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        reserve = operator new(std::size_t(64) << 20);
        std::memset(reserve, 1, std::size_t(64) << 20);
        rlimit limit = {std::size_t(512) << 20, std::size_t(512) << 20};
        CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
        std::set_new_handler([] {
            handled++;
            if (!reserve) throw std::bad_alloc();
            operator delete(reserve);
            reserve = nullptr;
        });
        struct Link {
            Link *next;
            char rest[4000];
        } *list = nullptr;
        long count = 0, at_first = 0, before = handled;
        try {
            for (;; count++) {
                list = new Link{list, {}};
                if (handled == before + 1 && !at_first) at_first = count;
            }
        } catch (const std::bad_alloc &) {
        }
        CHECK(handled == before + 2 && !reserve && at_first > 10000 && count > at_first + 8000);
        while (list) {
            Link *next = list->next;
            delete list;
            list = next;
        }
        kept = new char[100 << 20];
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif

extern "C" const char *work()
{
    every_form();
    refusals();
#ifndef REPLACED
    handlers();
    out_of_memory();
#endif
    std::vector<std::thread> threads;
    for (int index = 0; index < 4; index++)
        threads.emplace_back([] {
            every_form();
            CHECK(!operator new(absurd, std::nothrow));
        });
    for (auto &thread : threads) thread.join();
    return "the operators are well";
}

#ifndef MODULE
int main()
{
#ifdef REPLACED
    long before = ours;
#endif
    std::puts(work());
#ifdef REPLACED
    CHECK(ours == before);
    char *block = static_cast<char *>(operator new[](3, std::nothrow));
    CHECK(ours == before + 1);
    operator delete[](block, std::size_t(3));
    CHECK(ours == before);
#endif
    return 0;
}
#endif
