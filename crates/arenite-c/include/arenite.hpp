// Arenite: a memory system for game engines, from C++17 on. Header-only, over arenite.h; link the library as a C program does.
//
//   arenite/base.hpp      error, bad_alloc, tag, tag_scope, owner
//   arenite/arenas.hpp    frame_arena, scratch with scratch_scope, resources with resource<T>
//   arenite/pools.hpp     block_pool, handle_pool<T> with handle<T>, cache with pin
//   arenite/fits.hpp      offsets, fit_heap, defrag_heap with movable<T> and block_pin<T>, space, external_heap with external_block, ring
//   arenite/heap.hpp      heap, and the functions of the process's heap
//   arenite/manager.hpp   manager with scene, snapshot
//   arenite/memory.hpp    std::pmr::memory_resource and allocators for the containers of the standard library
//
// What is true of everything here, unless it says otherwise:
//
// - *Ownership.* Owners can be moved and not copied. Their destructors end what they own. An owner that was moved from, or that a `try_create`
//   answered because it was refused, is empty: `if (owner)` says so, and its functions are refused with `ARENITE_NULL_ARGUMENT`. Nothing
//   that an owner handed out may be used after it has ended; moving an owner leaves all of that good.
// - *Threads.* As arenite.h says of the object behind: frame arenas, scratch stacks, pools, managers and what is in fits.hpp are of the thread
//   that made them, to the end; heaps, resources, caches, external heaps and locked fit heaps are of any. A destructor on a wrong thread is
//   refused, and then the memory stays.
// - *Errors.* What can be refused throws: `bad_alloc`, which is a `std::bad_alloc`, where there is no memory, and `error` where a call is wrong. Both
//   say the code and what arenite.h's `arenite_last_message` said. Functions that begin with `try_`, or answer a code, do not throw. Without
//   exceptions (`-fno-exceptions`) what would throw writes the message to stderr and aborts.
// - *Alignment* may be what the type wants, up to 1 MiB.
#ifndef ARENITE_HPP
#define ARENITE_HPP

#include "arenite/arenas.hpp"
#include "arenite/base.hpp"
#include "arenite/fits.hpp"
#include "arenite/heap.hpp"
#include "arenite/manager.hpp"
#include "arenite/memory.hpp"
#include "arenite/pools.hpp"

#endif
