// What C++ programs do with `new`: the library's, replaced by functions of the program's that call `malloc` (REPLACED), or by a pool
// of its own (POOL), which nobody sees. Prints as programs.c does.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(REPLACED) || defined(POOL)
#ifdef POOL
alignas(64) static char pool[1 << 20];
static std::size_t used;
#endif
void *operator new(std::size_t size)
{
#ifdef POOL
    void *block = pool + used;
    used += (size + 63) / 64 * 64;
    return block;
#else
    if (void *block = std::malloc(size))
        return block;
    throw std::bad_alloc();
#endif
}
void operator delete(void *block) noexcept
{
#ifndef POOL
    std::free(block);
#else
    (void)block;
#endif
}
void operator delete(void *block, std::size_t) noexcept { operator delete(block); }
#endif

static void *volatile last;
struct alignas(128) Wide { char bytes[128]; };

__attribute__((noinline)) static void new_one() { last = new int(1); }
__attribute__((noinline)) static void new_gone()
{
    last = new long(1);
    delete static_cast<long *>(last);
    last = nullptr;
    delete static_cast<long *>(last);
}
__attribute__((noinline)) static void new_many() { last = new char[1000]; }
__attribute__((noinline)) static void new_wide() { last = new Wide; }
__attribute__((noinline)) static void new_quiet() { last = new (std::nothrow) short; }
__attribute__((noinline)) static void new_refused()
{
    // The exception passes through whatever stands before the C++ library, which allocates it.
    try {
        volatile std::size_t much = std::size_t(1) << 62;
        last = ::operator new(much);
        std::abort();
    } catch (const std::bad_alloc &) {
    }
}

int main()
{
    new_one(), new_gone(), new_many(), new_wide(), new_quiet();
#ifndef POOL
    new_refused();
    std::puts("new_one 1 1 4\nnew_gone 1 0 0\nnew_many 1 1 1000\nnew_wide 1 1 128\nnew_quiet 1 1 2\nnew_refused 1 0 0");
#else
    // The aligned form is the library's.
    std::puts("new_one 0 0 0\nnew_gone 0 0 0\nnew_many 0 0 0\nnew_wide 1 1 128\nnew_quiet 0 0 0\nnew_refused 0 0 0");
#endif
    try {
        throw std::runtime_error(std::string(100, 'x'));
    } catch (const std::exception &) {
    }
}
