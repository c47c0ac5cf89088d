// Arenite: a memory system for game engines, from C and C++. Made from the Rust sources; do not edit.
//
// What is true of every function, unless it says otherwise:
//
// - Objects are opaque. Who makes one owns it, until it is given to the function that ends it; nobody may use it after that, nor
//   anything that it handed out. Objects of one thread are used on the thread that made them, to the end; others on any.
// - A function answers a code, or a pointer that is null if it was refused; then `arenite_last_error` says why, and
//   `arenite_last_message` says it in words, with the tag, the sizes and the budget. Codes are `enum arenite_error`.
// - Misuse that can be detected is such a refusal, and changes nothing: an object that was destroyed or is of another kind, a wrong thread,
//   a stale handle, a pointer that was never handed out or was freed already. For objects this is a best effort: functions said to be
//   O(1) look at a magic word only.
// - Pointers to what is written or read by the call itself (`out` parameters, options, texts, data) must be null or good; where null is
//   not allowed it is refused. Texts are UTF-8 with a 0 at the end.
// - Sizes are bytes. An `align` of 0 is 16, enough for every type of C. Memory is as it was left, unless a function says zero.
// - Nothing unwinds out of a function, and nothing of this library runs in a signal handler. Functions of the program that are called
//   from here (callbacks) must return: an exception that leaves one ends the process, and what a `longjmp` out of one leaves behind is
//   nobody's guess.
// - After `fork` in a program of several threads, the child calls nothing of this library before `exec`: another thread may have held a lock.
// - Charging memory to a tag can run pressure callbacks of the program, on the same thread, before the call returns.


#ifndef ARENITE_H
#define ARENITE_H

#include <stddef.h>
#include <stdint.h>

// The version of this header.
#define ARENITE_VERSION_MAJOR 0
#define ARENITE_VERSION_MINOR 1
#define ARENITE_VERSION_PATCH 0
#define ARENITE_VERSION "0.1.0"


// What came of a call. Codes keep their numbers in later versions, and new ones may come.
typedef enum arenite_error {
    // It was done.
    ARENITE_OK = 0,
    // A pointer is null that must not be.
    ARENITE_NULL_ARGUMENT = 1,
    // An argument is not allowed: an alignment that is no power of two, a size of 0 where there must be one, a text that
    // is not UTF-8.
    ARENITE_INVALID_ARGUMENT = 2,
    // Not an object of this kind, or one that was destroyed.
    ARENITE_INVALID_OBJECT = 3,
    // The object belongs to another thread.
    ARENITE_WRONG_THREAD = 4,
    // It can not be done at this time: a scope or a frame is open, somebody holds it, a destructor runs.
    ARENITE_BUSY = 5,
    // A hard budget would be broken.
    ARENITE_OVER_BUDGET = 6,
    // The reserved address space is used up.
    ARENITE_EXHAUSTED = 7,
    // The operating system refused.
    ARENITE_SYSTEM = 8,
    // Every slot is taken.
    ARENITE_FULL = 9,
    // The frame was frozen.
    ARENITE_SEALED = 10,
    // The size does not fit the address space.
    ARENITE_TOO_LARGE = 11,
    // The address is not from here.
    ARENITE_FOREIGN = 12,
    // The address is from here, and not the start of a block.
    ARENITE_MISALIGNED = 13,
    // No block was ever handed out at this address.
    ARENITE_NOT_ALLOCATED = 14,
    // The block is free already.
    ARENITE_DOUBLE_FREE = 15,
    // The handle's value is gone.
    ARENITE_STALE = 16,
    // Something still lives in it.
    ARENITE_STILL_LIVE = 17,
    // Not a tag's name, or no room for another tag.
    ARENITE_BAD_TAG = 18,
    // A function of the program said that it failed.
    ARENITE_CALLBACK = 19,
    // What was to be freed has been written beyond its end.
    ARENITE_OVERRUN = 20,
    // Something failed inside the library that should not: please report it. What the call was about may be lost.
    ARENITE_INTERNAL = 21,
    // Less is free than was asked for.
    ARENITE_OUT_OF_ROOM = 22,
    // Enough is free, but not in one piece: defragmenting would help.
    ARENITE_FRAGMENTED = 23,
} arenite_error;

// What happened to a budget.
typedef enum arenite_pressure_level {
    // The warning mark was reached.
    ARENITE_PRESSURE_WARNING = 0,
    // More is in use than the limit allows.
    ARENITE_PRESSURE_OVER = 1,
    // A commit is about to be refused; it is tried once more after the callbacks, which may free something.
    ARENITE_PRESSURE_REFUSED = 2,
} arenite_pressure_level;

// Keeps a block of an `arenite_defrag` where it is, as long as it is not let go. Any thread may let go of it; it may outlive the heap.
typedef struct arenite_block_pin arenite_block_pin;

// A cache of resources that are loaded when they are asked for, and unloaded, the least recently used first, when the tag's budget
// has no room for another. Any thread may use it; it is destroyed when no other one does.
typedef struct arenite_cache arenite_cache;

// A heap that moves its blocks to where there is room: handles survive that, and what is free stays in one piece. For blocks of very
// different sizes that come and go as a game streams. Of one thread: the one that made it.
typedef struct arenite_defrag arenite_defrag;

// Hands out parts of large chunks, which it gets of a provider: functions of the program that ask a driver, a file, a console's special pool.
// Nothing in them is read or written. Blocks are shared: they are counted, and whoever lets go of one last gives it back. Any thread
// may use it; it is destroyed when no other one does.
typedef struct arenite_external arenite_external;

// A block of an external heap, with a count of those who have it. Any thread may use it, and let go of it. It may outlive the heap.
typedef struct arenite_external_block arenite_external_block;

// A heap for one part of a program, whose memory, limit and policy are its own: in a buffer of the program's, or in address space of its own
// that is committed as it is needed. Of one thread, the one that made it; with `locked`, of any, and then it is destroyed when no other one
// uses it. Unlike `arenite_heap`, it tells why there is no block, where its blocks lie, and how torn it is.
typedef struct arenite_fit_heap arenite_fit_heap;

// A frame arena: what one frame allocates is gone after the next one. Of one thread: the one that made it.
typedef struct arenite_frame arenite_frame;

// A pool of values of one size, each found by a handle. Of one thread: the one that made it.
typedef struct arenite_handles arenite_handles;

// A general heap for one part of a program, which ends whole. Any thread may use it; it is destroyed when no other one does.
typedef struct arenite_heap arenite_heap;

// The memory of an engine: a frame arena and the resources of a scene, each charged to a tag of its own (`frame`, `scene` and the like), in
// order. Of one thread: the one that made it.
typedef struct arenite_manager arenite_manager;

// Hands out parts of a range that it never reads or writes: memory of a GPU, a file, numbers. Of one thread: the one that made it.
typedef struct arenite_offsets arenite_offsets;

// A pinned resource: it stays as long as there is a pin. Any thread may let go of it.
typedef struct arenite_pin arenite_pin;

// A pool of raw blocks of one size. Of one thread: the one that made it.
typedef struct arenite_pool arenite_pool;

// An arena for what lives until the level ends; all of it goes at once. Any thread may insert and get; it is cleared and destroyed
// when no other one does.
typedef struct arenite_resources arenite_resources;

// A ring over a range of the program's: pieces are handed out one behind the other, and come back all together when the device has passed
// the fence of their submission. Nothing of the range is read or written. Of one thread: the one that made it.
typedef struct arenite_ring arenite_ring;

// What a loader claims its bytes with; good until it returns, on its thread.
typedef struct arenite_room arenite_room;

// The resources of one level: filled on any thread, then made current by `arenite_manager_change_scene`.
typedef struct arenite_scene arenite_scene;

// A scratch stack: memory while a function runs, in scopes that are left in reverse order. Of one thread: the one that made it.
typedef struct arenite_scratch arenite_scratch;

// Everything that is known at one moment: a value that does not change any more. Any thread may read it.
typedef struct arenite_snapshot arenite_snapshot;

// Hands out parts of a range that it never touches, under handles that survive moves, and says what should be copied where, so that what is
// free comes together: memory of a GPU, say. Of one thread: the one that made it.
typedef struct arenite_space arenite_space;

// Whom memory is charged to: a name like `scene/textures`, with an account. What is charged to a tag is charged to those
// above it, too (`scene`). A plain number, good in every thread until the process ends; there are at most 256 tags.
typedef uint32_t arenite_tag;

// A tag's budget, and how it stands.
typedef struct arenite_budget {
    // Bytes that may be committed under the tag; `SIZE_MAX` without a budget.
    size_t limit;
    // From how many committed bytes on it is a warning; `SIZE_MAX` without one.
    size_t warning;
    // Bytes committed under the tag now.
    size_t committed;
    // By how many bytes the limit is exceeded: of soft budgets, and of hard ones that were set below what was in use.
    size_t over;
    // 1 if what goes beyond the limit is refused, else 0.
    int32_t is_hard;
    // 1 if `committed` has reached `warning`, else 0.
    int32_t is_warning;
} arenite_budget;

// What a pressure callback is told.
typedef struct arenite_pressure {
    // The tag whose budget is concerned; what was charged may be any tag under it.
    arenite_tag tag;
    // What happened.
    enum arenite_pressure_level level;
    // Bytes committed under the tag just before the call.
    size_t in_use;
    // The budget's limit.
    size_t limit;
    // Bytes that were refused; 0 when nothing was.
    size_t wanted;
} arenite_pressure;

// A function that is told of pressure. It runs on the thread that charged, in the middle of whatever allocates there, with no lock held.
// It may allocate, free blocks and unload resources; what changes an object as a whole (begins a frame, enters, leaves, resets or trims
// scratch, inserts by handle, clears, destroys) answers `ARENITE_BUSY` until it has returned. It must return, not jump out or throw.
typedef void (*arenite_pressure_callback)(void *user, const struct arenite_pressure *pressure);

// A function that loads what a key names. It claims the bytes first (`arenite_cache_claim`), loads, and writes where the resource is to
// `value`: any address, which the cache hands out and does not follow. It runs without a lock, and may pin other resources. Its answer:
// `ARENITE_OK`, or any other number, and then what it claimed is given back. It must return, not jump out or throw.
typedef int32_t (*arenite_loader)(void *user, const void *key, size_t key_size, struct arenite_room *room, void **value);

// A function that unloads what a loader loaded, on whatever thread. It must return, not jump out or throw.
typedef void (*arenite_unloader)(void *user, void *value);

// How a cache is made. Zero is each member's default.
typedef struct arenite_cache_options {
    // Whom resources are charged to. Its budget is the limit.
    arenite_tag tag;
    // 1: what loaders load charges itself (to this tag, or below it, in an arena or a heap); the cache only counts.
    int32_t charged_elsewhere;
    // Loads what is not there.
    arenite_loader load;
    // Unloads it; may be null.
    arenite_unloader unload;
    // Handed to both.
    void *user;
} arenite_cache_options;

// Figures of a cache. Counts are since it was made, sizes in bytes.
typedef struct arenite_cache_stats {
    // Asked for and there.
    uint64_t hits;
    // Asked for and not there, or still being loaded.
    uint64_t misses;
    // Loaded.
    uint64_t loads;
    // Loaders that failed, or found no room.
    uint64_t failures;
    // Unloaded because another one needed the room.
    uint64_t evictions;
    // Claims that did not fit.
    uint64_t refusals;
    // Resources that are loaded.
    size_t count;
    // What they claimed.
    size_t bytes;
    // Bytes of those that nobody pins.
    size_t idle_bytes;
    // The most bytes that were loaded at once.
    size_t peak_bytes;
} arenite_cache_stats;

// How blocks are moved: one of `ARENITE_MOVES_…`.
typedef uint32_t arenite_move_policy;

// How a heap that defragments itself is made. Zero is each member's default. Sizes are bytes.
typedef struct arenite_defrag_options {
    // Whom blocks and book-keeping are charged to.
    arenite_tag tag;
    // How blocks are moved.
    arenite_move_policy policy;
    // 1: asks the system for huge pages.
    int32_t huge_pages;
    // The most that all blocks together can take. Default: 8 GiB of address space (256 MiB on 32-bit machines).
    size_t reserve;
    // How large a segment grows before the next one is begun; for `ARENITE_MOVES_EVACUATE_LAST`. Default: there is one segment.
    size_t segment;
    // How much that is free at the end stays committed for what is allocated next. Default: 1 MiB.
    size_t keep;
    // For how many blocks there is address space; at most 2^30. Default: 2^20.
    size_t blocks;
} arenite_defrag_options;

// The name of a block, wherever it lies: good until it is freed, and never again. A value to copy; all zero is none, ever.
typedef struct arenite_defrag_handle {
    // Which heap of all that the process ever had.
    uint64_t heap;
    // Its name there.
    uint64_t name;
} arenite_defrag_handle;

// What one call of a defragmenter did.
typedef struct arenite_move_report {
    // Blocks that were moved, or whose move has begun if the program copies.
    uint64_t moved_blocks;
    // Their bytes.
    uint64_t moved_bytes;
    // Blocks that could have been moved but are pinned.
    uint64_t skipped_pinned;
    // Blocks that could have been moved but are larger than the whole budget.
    uint64_t too_large;
    // Bytes that went back to the operating system.
    uint64_t returned_bytes;
    // How long it took; 0 where no clock was asked.
    uint64_t nanoseconds;
    // 1: nothing is left to be moved, but for what was passed over, as long as nothing is freed, resized or unpinned.
    int32_t done;
} arenite_move_report;

// Figures of a range, or of a heap that defragments itself. Sizes are bytes, or whatever the range is counted in, rounded to granules.
typedef struct arenite_fit_stats {
    // What all segments have.
    uint64_t capacity;
    // What is handed out.
    uint64_t used;
    // What can be handed out.
    uint64_t free;
    // What is free in segments that are being drained. Together with `used` and `free` it is `capacity`.
    uint64_t aside;
    // The largest free piece.
    uint64_t largest_free;
    // Blocks that are handed out.
    uint64_t used_blocks;
    // Free pieces.
    uint64_t free_blocks;
    // Segments.
    uint64_t segments;
    // Bytes of memory that the book-keeping has committed.
    uint64_t bookkeeping;
    // How torn the free space is, from 0 (one piece, or nothing) to nearly 1: the share of it that is not in the largest piece.
    double fragmentation;
} arenite_fit_stats;

// What a piece of a range is: one of `ARENITE_PIECE_…`.
typedef uint32_t arenite_piece_state;

// A piece of a range. All pieces together are the range, without gaps within a segment.
typedef struct arenite_piece {
    // Where it begins.
    uint64_t offset;
    // How large it is, rounded up to granules.
    uint64_t size;
    // What was asked for; 0 if it is free. (Of `arenite_offsets`, its size.)
    uint64_t asked;
    // Whose it is: an id of `arenite_offsets`, an `arenite_space_handle`, or the `name` of an `arenite_defrag_handle`. 0 if it is free, or was
    // freed while it was copied.
    uint64_t name;
    // What it is.
    arenite_piece_state state;
    // How many frames began since it was made, modulo 2^32; 0 if it is free. (Of `arenite_offsets`, always 0.)
    uint32_t age;
} arenite_piece;

// A function that is called for each piece of a range, by offset. It may look at what it is called for, and not change it
// (`ARENITE_BUSY`). It must return, not jump out or throw.
typedef void (*arenite_piece_callback)(void *user, const struct arenite_piece *piece);

// A function that hands out a chunk of `size` bytes whose offset 0 is at a multiple of `align`: writes what it is called (an address, a
// driver's handle; the library does not follow it) to `memory`, and answers 0; any other number: there is none. It is called without
// other locks than the provider's own, on the thread that wants a block, and never twice at a time. A call of the same heap from here is
// refused (`ARENITE_BUSY`), but blocks may be let go of. It must return, not jump out or throw.
typedef int32_t (*arenite_chunk_allocate)(void *user, uint64_t size, uint64_t align, void **memory);

// A function that takes a chunk back, of which no block is left: on whatever thread lets go of a block, or trims, and as
// `arenite_chunk_allocate` is called. It must return, not jump out or throw.
typedef void (*arenite_chunk_release)(void *user, void *memory, uint64_t size);

// A function that is called once, when nothing of an external heap is left: neither itself nor a block. It must return, not jump out or throw.
typedef void (*arenite_provider_end)(void *user);

// How an external heap is made. Zero is each member's default.
typedef struct arenite_external_options {
    // Whom chunks are charged to, and the books.
    arenite_tag tag;
    // How many empty chunks are kept, so that a block that comes and goes does not make a chunk come and go. 0 is 1, -1 is none.
    int32_t spare;
    // How large a chunk is. Blocks of more than half of that have a chunk of their own. Default: 64 MiB.
    uint64_t chunk;
    // What sizes and offsets are rounded up to, a power of two, at most 2^32. Default: 256. A chunk has less than 2^32 times that.
    uint64_t granularity;
    // What chunks are aligned to, a power of two. A block with a larger alignment has a chunk of its own. Default: 64 KiB.
    uint64_t align;
    // Hands out a chunk; must be there.
    arenite_chunk_allocate allocate;
    // Takes it back; may be null.
    arenite_chunk_release release;
    // Called when neither of these will be any more; may be null.
    arenite_provider_end end;
    // Handed to all of them.
    void *user;
} arenite_external_options;

// Where a block of an external heap is.
typedef struct arenite_external_place {
    // Its chunk, as the provider called it.
    void *memory;
    // Where in its chunk it begins.
    uint64_t offset;
    // How large it is: what was asked for, rounded up to the granularity.
    uint64_t size;
    // How many have it.
    size_t holders;
    // 1: it has a chunk of its own.
    int32_t dedicated;
} arenite_external_place;

// Figures of an external heap.
typedef struct arenite_external_stats {
    // Chunks that the provider has handed out and not got back.
    uint64_t chunks;
    // Bytes of them.
    uint64_t capacity;
    // Bytes of blocks.
    uint64_t used;
    // Blocks.
    uint64_t blocks;
    // Chunks for one block each.
    uint64_t dedicated;
    // Bytes of memory that the book-keeping has committed.
    uint64_t bookkeeping;
} arenite_external_stats;

// How a free block is chosen: one of `ARENITE_FIT_…`.
typedef uint32_t arenite_fit;

// How a fit heap is made. Zero is each member's default.
typedef struct arenite_fit_heap_options {
    // Whom its memory is charged to. (With a buffer: what is beside it.)
    arenite_tag tag;
    // How a free block is chosen.
    arenite_fit fit;
    // 0: eight bytes in front of each block say what it is, and a bit for every 16 bytes. 1: the books are apart from the memory, in tables that are
    // charged to the tag, about 50 bytes a block: what is written beyond a block breaks no book, and blocks of a power of two waste nothing.
    int32_t apart;
    // 1: any thread may use it, one after the other.
    int32_t locked;
    // 1: counts what is asked of it, for `arenite_fit_heap_calls`.
    int32_t count_calls;
    // Bytes of address space without a buffer: the most that the heap can have, at most 16 GiB. Default: 1 GiB. Pages are committed as they are
    // needed, and `arenite_fit_heap_trim` gives those at the end back.
    size_t reserve;
    // Memory of the program's to hand out, at any address; null: the heap has its own. It must be good, and nobody else's, until the heap is
    // destroyed; that does not free it. With `apart` the library neither reads nor writes it, but for `arenite_fit_heap_alloc_zeroed` and
    // `arenite_fit_heap_realloc`.
    void *buffer;
    // How large the buffer is.
    size_t buffer_size;
    // What `arenite_fit_heap_save` wrote of a heap: this one has the same blocks at the same offsets; null: it has none. Only with `apart`.
    // What was in the blocks is the program's to load: see `arenite_fit_heap_memory`. A buffer must have as much memory as there was, from a
    // multiple of 16 on.
    const char *state;
} arenite_fit_heap_options;

// What was asked of a fit heap that counts calls. Bytes are usable ones.
typedef struct arenite_fit_calls {
    // Blocks that were handed out.
    uint64_t allocs;
    // Blocks that came back.
    uint64_t frees;
    // Blocks that got another size where they lie.
    uint64_t resizes;
    // Requests for a block, or for more of one, that were refused.
    uint64_t failures;
    // Pointers that were no used block.
    uint64_t mistakes;
    // Blocks that are out.
    uint64_t live_blocks;
    // Their bytes.
    uint64_t live_bytes;
    // The most bytes that were out at once.
    uint64_t peak_bytes;
    // How many requests for a block there were of each size, refused ones included: place n counts those of at least 2^n bytes and less than
    // 2^(n+1); of no byte, in place 0.
    uint64_t sizes[64];
} arenite_fit_calls;

// A piece of a fit heap, used or free.
typedef struct arenite_fit_block {
    // Where what its owner has begins.
    void *address;
    // Bytes that its owner has, or would have.
    size_t size;
    // 1: it is handed out.
    int32_t used;
} arenite_fit_block;

// A function that is called for each piece of a fit heap, by address. The heap is refused to it (`ARENITE_BUSY`). It must return, not jump out or
// throw.
typedef void (*arenite_fit_block_callback)(void *user, const struct arenite_fit_block *block);

// How a frame arena is made. Zero is each member's default.
typedef struct arenite_frame_options {
    // Whom it is charged to.
    arenite_tag tag;
    // 1: asks the system for huge pages.
    int32_t huge_pages;
    // Bytes of address space for each of its two buffers: no frame can use more. Default: 1 GiB.
    size_t reserve;
    // Bytes to commit for each buffer from the start. Default: none.
    size_t presize;
} arenite_frame_options;

// A ticket for what the next frame may read; see `arenite_frame_keep`. A value to copy.
typedef struct arenite_kept {
    // Which frame of which arena it is of: never the same number again.
    uint64_t stamp;
    // Where it is.
    void *data;
    // Bytes that were asked for.
    size_t size;
} arenite_kept;

// Figures of a frame arena. Sizes are bytes.
typedef struct arenite_frame_stats {
    // Frames begun.
    uint64_t frame;
    // Allocated in this frame so far, padding included.
    size_t used;
    // The most that any finished frame, or this one, allocated.
    size_t high_water;
    // Committed, all buffers together.
    size_t committed;
    // Reserved, all buffers together.
    size_t reserved;
} arenite_frame_stats;

// Figures of a heap: exact while no thread is at it.
typedef struct arenite_heap_stats {
    // Blocks ever handed out.
    uint64_t allocs;
    // Blocks that came back.
    uint64_t frees;
    // Blocks that are with the program.
    uint64_t live_blocks;
    // Bytes of those, rounding included.
    uint64_t live_bytes;
} arenite_heap_stats;

// The name of a value in a handle pool. 0 is none, ever; so is a handle whose value was removed.
typedef uint64_t arenite_handle;

// Figures of a handle pool. Sizes are bytes.
typedef struct arenite_handles_stats {
    // Values there can be.
    size_t capacity;
    // Values there are.
    size_t live;
    // Slots whose generations are used up: 2^31 values each.
    size_t retired;
    // Committed, book-keeping included.
    size_t committed;
    // Reserved, book-keeping included.
    size_t reserved;
} arenite_handles_stats;

// How a heap is made. Zero is each member's default.
typedef struct arenite_heap_options {
    // Whom it is charged to.
    arenite_tag tag;
    // 1: keeps of each block its size and when it was made, so that survivors can be named. 64 bytes more for each block, and one lock
    // for all threads.
    int32_t track_blocks;
    // 1: asks the system for huge pages.
    int32_t huge_pages;
    // How many milliseconds free memory waits for its next use before it goes back to the system; 0 is 200, -1 goes at once.
    int32_t purge_delay;
    // Address space at the most, in steps of 4 MiB, tables included; 0: as much as there is.
    size_t limit;
} arenite_heap_options;

// A block that lives in a heap that was to go; good until the function that is told of it returns.
typedef struct arenite_survivor {
    // Where it is.
    const void *address;
    // Bytes that were asked for.
    size_t size;
    // How long ago it was made, in nanoseconds.
    uint64_t age_ns;
    // How many frames of managers began since.
    uint32_t frames;
} arenite_survivor;

// A function that is told of a block that lives. It must return, not jump out or throw.
typedef void (*arenite_survivor_callback)(void *user, const struct arenite_survivor *survivor);

// How a manager is made. Zero is each member's default.
typedef struct arenite_manager_options {
    // A tag that the manager's own tags are below; `ARENITE_UNTAGGED`: none.
    arenite_tag root;
    // 1: scenes and the end of the manager tell what has grown outside of the manager since.
    int32_t report_leaks;
    // Bytes of address space for each frame buffer. Default: 1 GiB.
    size_t frame_reserve;
    // Bytes to commit for each frame buffer from the start. Default: none.
    size_t frame_presize;
    // Bytes of address space for the resources of a scene. Default: 8 GiB.
    size_t scene_reserve;
    // Bytes of an ended scene's memory that stay committed for the next one. Default: none.
    size_t scene_keep;
} arenite_manager_options;

// What one frame did. Sizes are bytes.
typedef struct arenite_frame_report {
    // Number of the frame; the first one is 1.
    uint64_t frame;
    // Allocated in it.
    size_t used;
    // The most that any frame so far allocated.
    size_t high_water;
    // Calls about memory that this library made to the operating system during the frame, on all threads.
    uint64_t memory_calls;
} arenite_frame_report;

// A function that ends a resource: what it holds outside of its bytes. It may call every function of this library but those of the arena,
// which answer `ARENITE_BUSY`. It must return, not jump out or throw.
typedef void (*arenite_destructor)(void *user, void *data, size_t size);

// The name of a resource. 0 is none, ever; so is one of a time before the arena was cleared.
typedef uint64_t arenite_resource;

// What a scene came to when it ended. Sizes are bytes.
typedef struct arenite_scene_report {
    // Resources that were dropped.
    size_t dropped;
    // What they took.
    size_t freed;
    // Still in use on the scene's account; 0 unless something is broken, or shares the account.
    size_t live_after;
    // Still committed on the scene's account: at most `scene_keep`.
    size_t committed_after;
} arenite_scene_report;

// How an offset allocator is made. Zero is each member's default.
typedef struct arenite_offsets_options {
    // Whom the book-keeping is charged to. What is managed is not charged.
    arenite_tag tag;
    // How a free block is chosen.
    arenite_fit fit;
    // What sizes and offsets are rounded up to, a power of two, at most 2^32. Default: 16.
    uint64_t granularity;
    // How much the first segment has, rounded down to granules; less than 2^32 of them. 0: there is no segment yet.
    uint64_t capacity;
    // For how many blocks, used and free, address space is reserved; at most 2^30. Default: 2^24. 32 bytes each are committed as
    // they are needed.
    size_t blocks;
} arenite_offsets_options;

// A block of an offset allocator.
typedef struct arenite_offset_block {
    // Where it begins.
    uint64_t offset;
    // How large it is: what was asked for, rounded up to granules.
    uint64_t size;
    // Its name, good until it is freed and never again. 0 is none, ever.
    uint64_t id;
} arenite_offset_block;

// The name of a segment, good until it is removed. 0 is none, ever.
typedef uint64_t arenite_segment;

// Figures of a pool. Sizes are bytes.
typedef struct arenite_pool_stats {
    // Blocks there can be.
    size_t capacity;
    // Blocks that are out.
    size_t live;
    // The most that were out when the pool grew, was emptied, or told its figures.
    size_t high_water;
    // From one block to the next.
    size_t stride;
    // Committed, book-keeping included.
    size_t committed;
    // Reserved, book-keeping included.
    size_t reserved;
} arenite_pool_stats;

// How a resource arena is made. Zero is each member's default.
typedef struct arenite_resources_options {
    // Whom it is charged to.
    arenite_tag tag;
    // 1: asks the system for huge pages.
    int32_t huge_pages;
    // Bytes of address space: the most that all resources together can take. Default: 8 GiB.
    size_t reserve;
    // The most resources there can be. Default: half a million.
    size_t capacity;
} arenite_resources_options;

// Figures of a resource arena. Sizes are bytes.
typedef struct arenite_resources_stats {
    // Resources there are.
    size_t count;
    // Taken by them, padding and entries included.
    size_t used;
    // Committed.
    size_t committed;
    // Reserved.
    size_t reserved;
} arenite_resources_stats;

// Figures of a ring.
typedef struct arenite_ring_stats {
    // How large it is.
    uint64_t capacity;
    // How much is in use, submitted or not, gaps included.
    uint64_t used;
    // 1: something is submitted and not retired.
    int32_t waits;
    // The fence that the oldest piece waits for, if something is submitted.
    uint64_t oldest_fence;
} arenite_ring_stats;

// A scope of a scratch stack. 0 is none.
typedef uint64_t arenite_scope;

// Figures of a scratch stack, in bytes.
typedef struct arenite_scratch_stats {
    // In use, padding included.
    size_t used;
    // Committed.
    size_t committed;
    // Reserved.
    size_t reserved;
    // Scopes that are open.
    size_t depth;
} arenite_scratch_stats;

// One account of a snapshot. Sizes are bytes, and count the tags below it, too.
typedef struct arenite_tag_figures {
    // Address space held.
    size_t reserved;
    // Memory that the system stands behind.
    size_t committed;
    // In use, as arenas, pools and heaps told last.
    size_t live;
    // The most that ever was committed at once.
    size_t peak_committed;
    // The most that ever was in use at once.
    size_t peak_live;
    // The hard limit on `committed`; `SIZE_MAX` without one.
    size_t budget;
    // Blocks of the process's heap that live under the tag itself.
    uint64_t heap_blocks;
    // Bytes of those, rounding included.
    uint64_t heap_bytes;
} arenite_tag_figures;

// Memory of the process and of the machine, in bytes.
typedef struct arenite_system_figures {
    // In RAM now, of this process.
    size_t resident;
    // The most that ever was in RAM.
    size_t resident_peak;
    // Address space in use by this process.
    size_t address_space;
    // All RAM of the machine.
    uint64_t machine_total;
    // What of it could be used without swapping.
    uint64_t machine_available;
} arenite_system_figures;

// How a space is made. Zero is each member's default.
typedef struct arenite_space_options {
    // Whom the book-keeping is charged to. What is managed is not charged.
    arenite_tag tag;
    // How blocks are moved.
    arenite_move_policy policy;
    // What sizes and offsets are rounded up to, a power of two, at most 2^32. Default: 16.
    uint64_t granularity;
    // How much the first segment has, rounded down to granules; less than 2^32 of them. 0: there is no segment yet.
    uint64_t capacity;
    // For how many blocks address space is reserved; at most 2^30. Default: 2^24. About 80 bytes each are committed as they are
    // needed.
    size_t blocks;
} arenite_space_options;

// The name of a block of a space, wherever it lies: good until it is freed, and never again. 0 is none, ever.
typedef uint64_t arenite_space_handle;

// Where a block of a space lies.
typedef struct arenite_space_place {
    // Where it begins.
    uint64_t offset;
    // What was asked for.
    uint64_t size;
} arenite_space_place;

// The name of a move, until it is answered and never again.
typedef struct arenite_move_id {
    // Which block.
    uint64_t slot;
    // Which of all moves.
    uint64_t serial;
} arenite_move_id;

// Something to be copied. Source and target do not overlap, and are nobody else's until it is answered.
typedef struct arenite_space_move {
    // To be answered: `arenite_space_done` or `arenite_space_cancel`.
    struct arenite_move_id id;
    // Whose block it is.
    arenite_space_handle handle;
    // Where it lies.
    uint64_t from;
    // Where it shall lie.
    uint64_t to;
    // How much is to be copied.
    uint64_t size;
} arenite_space_move;

// A function that is told what should be copied. The space is refused to it (`ARENITE_BUSY`): note the move, and copy later. It must
// return, not jump out or throw.
typedef void (*arenite_move_callback)(void *user, const struct arenite_space_move *step);

// What came of a move: one of `ARENITE_MOVE_…`.
typedef uint32_t arenite_move_end;

// The figures of one account, in bytes unless it says otherwise.
typedef struct arenite_account {
    // Address space held by the tag and all below it.
    size_t reserved;
    // Memory that the system stands behind, of the tag and all below it: what budgets limit.
    size_t committed;
    // In use, of the tag and all below it, as arenas, pools and heaps told last: whenever memory is committed, at ends of
    // frames, and when a snapshot is taken.
    size_t live;
    // The most that ever was committed at once, tags below included.
    size_t peak_committed;
    // The most that ever was in use at once, tags below included.
    size_t peak_live;
    // Committed by the tag itself, without those below it.
    size_t own_committed;
    // In use by the tag itself, without those below it.
    size_t own_live;
    // How many times memory was committed, tags below included.
    uint64_t commits;
    // How many times memory was given back, tags below included.
    uint64_t decommits;
} arenite_account;

// Each block into the hole in front of it, in order: what is free of a segment ends up in one piece at its end.
#define ARENITE_MOVES_SLIDE 0

// Blocks from the end into holes that fit well: few bytes are moved, and small holes stay.
#define ARENITE_MOVES_FILL_HOLES 1

// The last of several segments is emptied into holes of the others, so that it can be given back.
#define ARENITE_MOVES_EVACUATE_LAST 2

// It can be handed out.
#define ARENITE_PIECE_FREE 0

// Free, in a segment that is being drained.
#define ARENITE_PIECE_ASIDE 1

// A block.
#define ARENITE_PIECE_USED 2

// A block that must stay where it is.
#define ARENITE_PIECE_PINNED 3

// A block that the program copies from here.
#define ARENITE_PIECE_MOVING 4

// Where the program copies a block to.
#define ARENITE_PIECE_TARGET 5

// A block of the smallest class in which every block suffices. O(1). The default.
#define ARENITE_FIT_TLSF 0

// The block with the lowest offset that suffices. O(log n), as all that follow.
#define ARENITE_FIT_FIRST 1

// The next one that suffices, from where the last search ended.
#define ARENITE_FIT_NEXT 2

// The smallest block that suffices.
#define ARENITE_FIT_BEST 3

// The largest block.
#define ARENITE_FIT_WORST 4

// The block lies at its target from now on.
#define ARENITE_MOVE_MOVED 0

// It lies where it was: it was pinned or resized meanwhile, or the move was cancelled.
#define ARENITE_MOVE_CANCELLED 1

// It was freed meanwhile.
#define ARENITE_MOVE_FREED 2

// The tag of what nobody claimed. It is what a zeroed options structure says.
#define ARENITE_UNTAGGED 0

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What a code means, in English: a text that stays for ever, never null. Any number is allowed. Thread-safe.
const char *arenite_error_message(int32_t code);

// The code of the calling thread's last refusal; `ARENITE_OK` if there was none. A call that succeeds leaves it as it is.
// Functions that answer with a pointer say by null that they were refused, and here why.
enum arenite_error arenite_last_error(void);

// What there is to say about the calling thread's last refusal: which tag, how much was wanted, what to do. Never null; it is
// the code's own text where nothing more is known. Good until the thread's next refusal; of the calling thread only.
const char *arenite_last_message(void);

// Forgets the calling thread's last refusal.
void arenite_clear_error(void);

// From now on at most `bytes` are ever committed under the tag: what would go beyond is refused with `ARENITE_OVER_BUDGET`. A limit below
// what is in use is allowed. With `warn_at` between 0 and 1 there is a warning from that fraction of the limit on; any other value:
// none. Thread-safe. Pressure callbacks may run before this returns.
//
// Errors: `ARENITE_BAD_TAG`.
enum arenite_error arenite_budget_set_hard(arenite_tag tag,
                                           size_t bytes,
                                           double warn_at);

// As `arenite_budget_set_hard`, for a limit that is only reported: nothing is refused.
//
// Errors: `ARENITE_BAD_TAG`.
enum arenite_error arenite_budget_set_soft(arenite_tag tag, size_t bytes, double warn_at);

// From now on the tag has no budget of its own; those of tags above it count as before. Thread-safe.
//
// Errors: `ARENITE_BAD_TAG`.
enum arenite_error arenite_budget_clear(arenite_tag tag);

// Writes a tag's budget and how it stands to `budget`. Thread-safe.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_BAD_TAG`.
enum arenite_error arenite_budget_get(arenite_tag tag, struct arenite_budget *budget);

// Keeps a callback for when the bytes committed under the tag reach the budget's warning mark, go over its limit, or would have to. Of a
// mark or a limit it is told once per crossing upwards, and again only after the figure was below 95 % of it; of refusals each time, and a
// call that tries more than one way to get memory may be refused more than once. It runs on the thread whose charge it is, before that
// charge returns; what it takes of the general heap is charged to `ARENITE_UNTAGGED`. It is never called inside itself, nor by two threads
// at once. At most four for each tag; they are never taken back, so `user` must stay good until the process ends. Thread-safe.
//
// Errors: `ARENITE_NULL_ARGUMENT` (no callback), `ARENITE_BAD_TAG`, `ARENITE_FULL` (four are there already).
enum arenite_error arenite_on_pressure(arenite_tag tag,
                                       arenite_pressure_callback callback,
                                       void *user);

// Makes an empty cache and writes it to `cache`. The caller owns it, until `arenite_cache_destroy`; `user` must stay good until then, and
// until the last pin is let go.
//
// Errors: `ARENITE_NULL_ARGUMENT` (also: no loader), `ARENITE_BAD_TAG`, `ARENITE_SYSTEM`.
enum arenite_error arenite_cache_create(const struct arenite_cache_options *options,
                                        struct arenite_cache **cache);

// Unloads everything and ends the cache. What is pinned lives on, and stays charged, until its last pin is let go. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY` (called by a loader or unloader of its own).
enum arenite_error arenite_cache_destroy(struct arenite_cache *cache);

// Pins what a key of `key_size` bytes names; loads it first if it is not there, or waits for the thread that is loading it. Where it is is
// written to `value`, unless that is null. The pin is the caller's, until `arenite_cache_unpin`. Null if it can not be had:
// `arenite_last_error` says why. Thread-safe.
//
// Errors: `ARENITE_OVER_BUDGET` (no room, with everything unpinned unloaded), `ARENITE_CALLBACK` (the loader failed; its own code is in
// `arenite_last_message`), `ARENITE_BUSY` (loaders that wait for each other, in a ring), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
// `ARENITE_SYSTEM`.
struct arenite_pin *arenite_cache_pin(struct arenite_cache *cache,
                                      const void *key,
                                      size_t key_size,
                                      void **value);

// As `arenite_cache_pin`, only if it is loaded: never loads, never waits.
//
// Errors: `ARENITE_STALE` (it is not loaded), `ARENITE_BUSY` (it is being loaded), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
// `ARENITE_SYSTEM`.
struct arenite_pin *arenite_cache_try_pin(struct arenite_cache *cache,
                                          const void *key,
                                          size_t key_size,
                                          void **value);

// Lets go of a pin; the resource stays until the room is needed. Null is allowed. Thread-safe.
//
// Errors: `ARENITE_INVALID_OBJECT`: no pin, or one that was let go.
enum arenite_error arenite_cache_unpin(struct arenite_pin *pin);

// Claims `bytes` more for the resource that is being loaded: unloads what is idle as needed, and charges them. Before the memory is taken,
// as a rule; as often as wished. For loaders, with the room that they were given.
//
// Errors: `ARENITE_OVER_BUDGET` (nothing was unloaded then), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT` (the loader
// has returned), `ARENITE_WRONG_THREAD`, `ARENITE_BUSY` (called by an unloader).
enum arenite_error arenite_cache_claim(struct arenite_room *room,
                                       size_t bytes);

// Unloads what a key names, if it is loaded and nobody pins it. Thread-safe.
//
// Errors: `ARENITE_STALE` (not loaded, or pinned: then it stays), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
enum arenite_error arenite_cache_unload(struct arenite_cache *cache,
                                        const void *key,
                                        size_t key_size);

// Unloads what nobody pins, the least recently used first, until the cache holds at most so many bytes; answers how many bytes were unloaded. From a
// pressure callback, for example. Thread-safe.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, and the answer is 0.
size_t arenite_cache_trim(struct arenite_cache *cache,
                          size_t bytes);

// Writes the figures of a cache to `stats`. Thread-safe.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`.
enum arenite_error arenite_cache_figures(const struct arenite_cache *cache, struct arenite_cache_stats *stats);

// Makes a heap that defragments itself and writes it to `heap`. `options` may be null: all defaults. Only address space is taken; memory
// comes as blocks do. The caller owns it, until `arenite_defrag_destroy`.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (the policy, the blocks), `ARENITE_BAD_TAG`, `ARENITE_OVER_BUDGET`,
// `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
enum arenite_error arenite_defrag_create(const struct arenite_defrag_options *options,
                                         struct arenite_defrag **heap);

// Gives a heap and all of its blocks back. While something of it is pinned, its memory stays, and what is pinned is good: it goes with the
// last pin. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_defrag_destroy(struct arenite_defrag *heap);

// A block of `size` bytes (0 is allowed) at a multiple of `align`, all bytes zero, wherever it moves; its name is written to `handle`. It lives
// until `arenite_defrag_free`. The answer is where it lies, as of `arenite_defrag_get`. Null if it can not be had: `arenite_last_error` says
// why. Moves nothing. O(`size`).
//
// Errors: `ARENITE_OUT_OF_ROOM`, `ARENITE_FRAGMENTED` (no more memory can be had, but moves would make room), `ARENITE_OVER_BUDGET`,
// `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`, `ARENITE_EXHAUSTED`, `ARENITE_FULL` (the blocks of the options), `ARENITE_INVALID_ARGUMENT` (the
// alignment), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
void *arenite_defrag_alloc(struct arenite_defrag *heap,
                           size_t size,
                           size_t align,
                           struct arenite_defrag_handle *handle);

// As `arenite_defrag_alloc`; if enough is free, but not in one piece, and no more memory can be had, moves blocks once within a budget,
// as `arenite_defrag_run`, and tries again.
//
// Errors: as `arenite_defrag_alloc`. (`ARENITE_FRAGMENTED`: a larger budget might have helped.)
void *arenite_defrag_alloc_or_run(struct arenite_defrag *heap,
                                  size_t size,
                                  size_t align,
                                  uint64_t bytes,
                                  uint64_t microseconds,
                                  struct arenite_defrag_handle *handle);

// Where a block lies: good until the next call that moves blocks (`arenite_defrag_run`, `arenite_defrag_run_fully`,
// `arenite_defrag_alloc_or_run`), that resizes or frees this one, or that ends the heap; longer if it is pinned. Its size is written to
// `size`, unless that is null. Null if there is none. O(1).
//
// Errors: `ARENITE_STALE` (freed), `ARENITE_FOREIGN` (of another heap), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
void *arenite_defrag_get(const struct arenite_defrag *heap,
                         struct arenite_defrag_handle handle,
                         size_t *size);

// Keeps a block where it is, until the pin, and all others of it, are let go (`arenite_defrag_unpin`). Where that is is written to `address`,
// unless that is null: it may be read and written on any thread, as the program sees to, also when the heap has ended. A pinned block is not
// freed or resized. Null if it is refused: `arenite_last_error` says why. O(1).
//
// Errors: as `arenite_defrag_get`, and `ARENITE_SYSTEM`.
struct arenite_block_pin *arenite_defrag_pin(const struct arenite_defrag *heap,
                                             struct arenite_defrag_handle handle,
                                             void **address);

// Lets go of a pin. Null is allowed. Thread-safe. O(1), but for the last pin of a heap that has ended.
//
// Errors: `ARENITE_INVALID_OBJECT`: no pin, or one that was let go.
enum arenite_error arenite_defrag_unpin(struct arenite_block_pin *pin);

// Gives a block back. O(1).
//
// Errors: `ARENITE_STALE` (freed already), `ARENITE_FOREIGN` (of another heap), `ARENITE_BUSY` (it is pinned: let go of the pins first),
// `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`.
enum arenite_error arenite_defrag_free(struct arenite_defrag *heap,
                                       struct arenite_defrag_handle handle);

// Makes a block `size` bytes long, where it lies if it can be, or else at another place; its handle stays, and so does its alignment. New
// bytes are zero. Refused, it is as it was. O(`size`).
//
// Errors: as `arenite_defrag_alloc`, and as `arenite_defrag_free`.
enum arenite_error arenite_defrag_resize(struct arenite_defrag *heap,
                                         struct arenite_defrag_handle handle,
                                         size_t size);

// Moves blocks so that what is free comes together, at most `bytes` bytes and for at most so many microseconds (`UINT64_MAX`: no such bound);
// goes on where the last call ended. Once a frame, say. A block that does not fit what is left of the budget is not begun; how long a copy takes
// is foreseen from the slowest of late. Memory that is free at the end goes back to the system. What was done is written to `report`, unless
// that is null. O(what the budget allows), and O(1) when there is nothing to do.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY` (called in a pressure callback, or
// by `arenite_defrag_map`).
enum arenite_error arenite_defrag_run(struct arenite_defrag *heap,
                                      uint64_t bytes,
                                      uint64_t microseconds,
                                      struct arenite_move_report *report);

// Moves all there is to move, whatever that takes, and gives back what can go: for loading screens and tests. What was done is written to
// `report`, unless that is null.
//
// Errors: as `arenite_defrag_run`.
enum arenite_error arenite_defrag_run_fully(struct arenite_defrag *heap,
                                            struct arenite_move_report *report);

// Writes the figures of a heap to `stats`: one before and one after. Its capacity is what is committed for blocks, its book-keeping all
// that is committed besides. O(1) but for the largest free piece.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_defrag_figures(const struct arenite_defrag *heap,
                                          struct arenite_fit_stats *stats);

// Calls `callback` with `user` for all pieces, used and free, by offset; a `name` is that of a handle. O(pieces).
//
// Errors: `ARENITE_NULL_ARGUMENT` (also: no callback), `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_defrag_map(const struct arenite_defrag *heap,
                                      arenite_piece_callback callback,
                                      void *user);

// Makes an external heap and writes it to `heap`. Nothing is asked of the provider yet. The caller owns it, until
// `arenite_external_destroy`; the functions and `user` must stay good until `end` is called; if this is refused, it never is.
// Thread-safe.
//
// Errors: `ARENITE_NULL_ARGUMENT` (also: no options, no `allocate`), `ARENITE_INVALID_ARGUMENT` (the chunk, the granularity, the
// alignment), `ARENITE_BAD_TAG`, `ARENITE_SYSTEM`.
enum arenite_error arenite_external_create(const struct arenite_external_options *options,
                                           struct arenite_external **heap);

// Ends an external heap. Its blocks stay as long as somebody has them; the last one that goes gives what is left back to the provider, and
// calls its `end`. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY` (called by its provider, or by a pressure callback).
enum arenite_error arenite_external_destroy(struct arenite_external *heap);

// Writes a block of at least `size` bytes, at a multiple of `align` (a power of two; 0 is 1) within its chunk, to `block`. The caller has it, until
// `arenite_external_release`. If no chunk has room, the provider is asked for another one. Thread-safe. O(chunks).
//
// Errors: `ARENITE_CALLBACK` (the provider has none), `ARENITE_OVER_BUDGET`, `ARENITE_TOO_LARGE`, `ARENITE_INVALID_ARGUMENT` (the
// alignment), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY` (called by its provider, or by a pressure callback
// that it caused); and `ARENITE_SYSTEM`, `ARENITE_EXHAUSTED`, `ARENITE_FULL` if the books can not grow.
enum arenite_error arenite_external_allocate(struct arenite_external *heap,
                                             uint64_t size,
                                             uint64_t align,
                                             struct arenite_external_block **block);

// One more has the block: each lets go of it by `arenite_external_release`. The caller has it, or somebody who waits. Thread-safe. O(1).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_STALE` (the last one is letting go of it).
enum arenite_error arenite_external_retain(struct arenite_external_block *block);

// One less has the block. The last one gives it back; it may be used no more. Waits for nobody, and is allowed in a provider's functions and in pressure
// callbacks. Null is allowed. Thread-safe. O(1), but for chunks that go.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_STALE` (another one is letting go of it, and nobody else had it).
enum arenite_error arenite_external_release(struct arenite_external_block *block);

// Writes where a block is to `place`. Thread-safe. O(1).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`.
enum arenite_error arenite_external_locate(const struct arenite_external_block *block,
                                           struct arenite_external_place *place);

// Gives chunks that are empty back to the provider, also those that are kept to spare. Thread-safe.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`.
enum arenite_error arenite_external_trim(struct arenite_external *heap);

// Writes the figures of an external heap to `stats`, and tells its tag's account how much is in use. Thread-safe. O(chunks).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY` (as of `arenite_external_allocate`).
enum arenite_error arenite_external_figures(const struct arenite_external *heap,
                                            struct arenite_external_stats *stats);

// Makes a fit heap and writes it to `heap`. `options` may be null: all defaults. The caller owns it, until `arenite_fit_heap_destroy`.
// Thread-safe.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (the fit; a state without `apart`, or one that makes no sense),
// `ARENITE_BAD_TAG`, `ARENITE_EXHAUSTED` (the buffer is too small for a block: about 80 bytes; or for the state), `ARENITE_OVER_BUDGET`,
// `ARENITE_SYSTEM`, `ARENITE_FULL`.
enum arenite_error arenite_fit_heap_create(const struct arenite_fit_heap_options *options,
                                           struct arenite_fit_heap **heap);

// Ends a fit heap with all blocks that are out, and gives its memory back; a buffer is the program's alone again. On its thread; with `locked`, on
// any, when no other one uses it. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY` (called by a callback of this heap, or by a pressure callback).
enum arenite_error arenite_fit_heap_destroy(struct arenite_fit_heap *heap);

// A block of `size` bytes at a multiple of 16, with arbitrary content, until it is given to `arenite_fit_heap_free` or the heap ends. A size of 0 gives a
// block, too. Null if it can not be had: `arenite_last_error` says why. For the heap's own thread, which is not always checked here;
// thread-safe with `locked`. O(1) with `ARENITE_FIT_TLSF`, else O(log n) in the number of free blocks, but for memory that is committed.
//
// Errors: `ARENITE_OUT_OF_ROOM` (less is free, in all that it can have), `ARENITE_FRAGMENTED` (enough is free, but not in one piece),
// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`,
// `ARENITE_BUSY` (by a pressure callback of this heap's own growing, or its own callback); and `ARENITE_EXHAUSTED`, `ARENITE_FULL` if
// books that are apart can not grow.
void *arenite_fit_heap_alloc(struct arenite_fit_heap *heap,
                             size_t size);

// As `arenite_fit_heap_alloc`, at a multiple of `align`: a power of two, at most 1 MiB; 0 is 16.
//
// Errors: as `arenite_fit_heap_alloc`; `ARENITE_INVALID_ARGUMENT`.
void *arenite_fit_heap_alloc_aligned(struct arenite_fit_heap *heap, size_t size, size_t align);

// As `arenite_fit_heap_alloc`, for `count` values of `size` bytes, all bytes zero.
//
// Errors: as `arenite_fit_heap_alloc`; `ARENITE_TOO_LARGE` also if the product does not fit.
void *arenite_fit_heap_alloc_zeroed(struct arenite_fit_heap *heap, size_t count, size_t size);

// Makes a block `size` bytes long at a multiple of `align` (0 is 16), where it lies if there is room, or else somewhere else with what both sizes
// have in common. Null for `block`: as `arenite_fit_heap_alloc_aligned`. The block until now is gone, unless the answer is null: then it is
// as it was. Threads as of `arenite_fit_heap_alloc`.
//
// Errors: as `arenite_fit_heap_alloc_aligned`, and as `arenite_fit_heap_free`.
void *arenite_fit_heap_realloc(struct arenite_fit_heap *heap,
                               void *block,
                               size_t size,
                               size_t align);

// Makes a block `size` bytes long where it lies, larger or smaller. Refused, it is as it was. Threads as of `arenite_fit_heap_alloc`.
//
// Errors: `ARENITE_FRAGMENTED` (what is behind it is neither free nor the end of memory that can grow), `ARENITE_OUT_OF_ROOM`, and as
// `arenite_fit_heap_alloc` and `arenite_fit_heap_free`; a null block is `ARENITE_FOREIGN`.
enum arenite_error arenite_fit_heap_resize(struct arenite_fit_heap *heap,
                                           void *block,
                                           size_t size);

// Gives a block back; null is allowed. Anything but a block of this heap that is out is told, and nothing happens; nothing is read there. For the
// heap's own thread, which is not always checked here; thread-safe with `locked`. O(1) with `ARENITE_FIT_TLSF`, else O(log n).
//
// Errors: `ARENITE_FOREIGN` (not of this heap), `ARENITE_MISALIGNED` (inside a block), `ARENITE_DOUBLE_FREE` (free already, or never handed
// out), `ARENITE_NULL_ARGUMENT` (no heap), `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY` (as of
// `arenite_fit_heap_alloc`: the block is still out).
enum arenite_error arenite_fit_heap_free(struct arenite_fit_heap *heap,
                                         void *block);

// How many bytes of a block may be used: at least what was asked for. 0 if it is no block of this heap that is out. Threads as of
// `arenite_fit_heap_alloc`. O(1).
//
// Errors: as `arenite_fit_heap_free`; a null block is `ARENITE_FOREIGN`.
size_t arenite_fit_heap_usable_size(const struct arenite_fit_heap *heap,
                                    const void *block);

// 1 if an address lies in the heap's memory, in a block or not; else, and if this is no heap, 0. Any address is allowed: nothing is read there.
// Threads as of `arenite_fit_heap_alloc`. O(1).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
int32_t arenite_fit_heap_owns(const struct arenite_fit_heap *heap,
                              const void *address);

// Writes how far a block is from the start of the heap's memory to `offset`: what can be kept where an address can not. Threads as of
// `arenite_fit_heap_alloc`. O(1).
//
// Errors: as `arenite_fit_heap_free`; a null block is `ARENITE_FOREIGN`, a null `offset` is `ARENITE_NULL_ARGUMENT`.
enum arenite_error arenite_fit_heap_offset_of(const struct arenite_fit_heap *heap,
                                              const void *block,
                                              size_t *offset);

// The block that is so far from the start of the heap's memory; null if none that is out begins there. Threads as of `arenite_fit_heap_alloc`. O(1).
//
// Errors: as `arenite_fit_heap_free`.
void *arenite_fit_heap_block_at(struct arenite_fit_heap *heap,
                                size_t offset);

// Writes where the heap's memory starts (offset 0, at a multiple of 16) to `start` and how much there is to `size`; each may be null. That is what to
// save beside `arenite_fit_heap_save`, and where to load it: a heap that was made with a `state` has at least as much as the saved one. If
// blocks are aligned to more than 16, the start must lie as it did, as far as that alignment tells. Threads as of `arenite_fit_heap_alloc`.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_fit_heap_memory(const struct arenite_fit_heap *heap,
                                           void **start,
                                           size_t *size);

// Writes the books of a heap, a text of JSON, to `buffer`, with a 0 behind it, cut if it has no room; answers its whole length, without the 0,
// as `snprintf` does: for `arenite_fit_heap_options::state`, here or in another process. A null `buffer` is allowed. 0 if this is refused.
// Threads as of `arenite_fit_heap_alloc`. O(pieces).
//
// Errors: `ARENITE_INVALID_ARGUMENT` (the heap was made without `apart`: heads in place are a part of the memory, and would have to be
// believed), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
size_t arenite_fit_heap_save(const struct arenite_fit_heap *heap,
                             char *buffer,
                             size_t size);

// Gives the free end of the heap's memory back to the system, but for `keep` bytes of it; answers how many bytes went. With a buffer, 0.
// Threads as of `arenite_fit_heap_alloc`.
//
// Errors: `ARENITE_SYSTEM`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
size_t arenite_fit_heap_trim(struct arenite_fit_heap *heap,
                             size_t keep);

// Writes the figures of a heap to `stats`, and tells its tag's account how much is in use. Sizes are what blocks take, heads included; without a
// buffer the heap may grow beyond `capacity`. `largest_free` is the largest block that there is without growing, its head included. Threads as of
// `arenite_fit_heap_alloc`. O(1) but for the largest free piece, which `ARENITE_FIT_TLSF` finds among the blocks of one class.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_fit_heap_figures(struct arenite_fit_heap *heap,
                                            struct arenite_fit_stats *stats);

// Writes what was asked of a heap to `calls`. Threads as of `arenite_fit_heap_alloc`. O(1).
//
// Errors: `ARENITE_INVALID_ARGUMENT` (it was made without `count_calls`), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_fit_heap_calls(const struct arenite_fit_heap *heap,
                                          struct arenite_fit_calls *calls);

// Calls `callback` with `user` for all pieces, used and free, by address. With `locked`, other threads wait meanwhile. Threads as of
// `arenite_fit_heap_alloc`. O(pieces).
//
// Errors: `ARENITE_NULL_ARGUMENT` (also: no callback), `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_fit_heap_walk(const struct arenite_fit_heap *heap,
                                         arenite_fit_block_callback callback,
                                         void *user);

// Makes a frame arena and writes it to `frame`. `options` may be null: all defaults. The caller owns it, until
// `arenite_frame_destroy`.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (`presize` is larger than `reserve`), `ARENITE_BAD_TAG`,
// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
enum arenite_error arenite_frame_create(const struct arenite_frame_options *options, struct arenite_frame **frame);

// Gives a frame arena and all of its memory back: nothing that it handed out may be used any more. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY` (called from a callback of its own `arenite_frame_begin`).
enum arenite_error arenite_frame_destroy(struct arenite_frame *frame);

// Begins a frame. What the last frame allocated stays readable until the next call; what the one before it did is gone. What was
// allocated before the first call counts as a frame, too. O(1).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`, `ARENITE_SYSTEM`.
enum arenite_error arenite_frame_begin(struct arenite_frame *frame);

// Tells the tag's account what this frame has in use by now: for reports, at the end of a frame. The memory stays until the frame after
// the next begins.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_frame_end(struct arenite_frame *frame);

// `size` bytes at a multiple of 16, with arbitrary content, until the frame after the next begins; nothing is to be freed. Null if it can
// not be had: `arenite_last_error` says why. For the arena's own thread, which is not checked here. O(1): a few instructions.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_OVER_BUDGET`, `ARENITE_EXHAUSTED` (more than was reserved),
// `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
void *arenite_frame_alloc(struct arenite_frame *frame,
                          size_t size);

// As `arenite_frame_alloc`, at a multiple of `align`: a power of two, at most 1 MiB; 0 is 16.
//
// Errors: as `arenite_frame_alloc`; `ARENITE_INVALID_ARGUMENT`, `ARENITE_WRONG_THREAD`.
void *arenite_frame_alloc_aligned(struct arenite_frame *frame, size_t size, size_t align);

// As `arenite_frame_alloc`, all bytes zero.
//
// Errors: as `arenite_frame_alloc`.
void *arenite_frame_alloc_zeroed(struct arenite_frame *frame, size_t size);

// Copies a C string (of UTF-8) into the frame, for as long as what `arenite_frame_alloc` gives. Null if it can not be had.
//
// Errors: as `arenite_frame_alloc`; `ARENITE_INVALID_ARGUMENT` (not UTF-8), `ARENITE_WRONG_THREAD`.
char *arenite_frame_string(struct arenite_frame *frame,
                           const char *text);

// As `arenite_frame_alloc_aligned`; and the next frame may read it: `ticket` is what it is found by then. Fill it in this frame.
//
// Errors: as `arenite_frame_alloc_aligned`.
void *arenite_frame_keep(struct arenite_frame *frame,
                         size_t size,
                         size_t align,
                         struct arenite_kept *ticket);

// What the last frame kept under this ticket, to be read until the next frame begins; its size is written to `size`, unless that is
// null. Null for a ticket of any other frame or arena. O(1).
//
// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
const void *arenite_frame_get(const struct arenite_frame *frame,
                              const struct arenite_kept *ticket,
                              size_t *size);

// Writes the figures of a frame arena to `stats`. O(1).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_frame_figures(const struct arenite_frame *frame, struct arenite_frame_stats *stats);

// A block of `size` bytes at a multiple of 16, with arbitrary content, of the process's heap, charged to the calling thread's tag
// (`arenite_tag_enter`). The caller owns it, until it is given to `arenite_free`, on whatever thread. A size of 0 gives a block, too. Null if it
// can not be had: `arenite_last_error` says why. This is not the program's `malloc`, which is left alone. Thread-safe. O(1).
//
// Errors: `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
void *arenite_alloc(size_t size);

// As `arenite_alloc`, at a multiple of `align`: a power of two, at most 1 MiB; 0 is 16.
//
// Errors: as `arenite_alloc`; `ARENITE_INVALID_ARGUMENT`.
void *arenite_alloc_aligned(size_t size, size_t align);

// As `arenite_alloc`, for `count` values of `size` bytes, all bytes zero.
//
// Errors: as `arenite_alloc`; `ARENITE_TOO_LARGE` also if the product does not fit.
void *arenite_alloc_zeroed(size_t count, size_t size);

// Makes a block `size` bytes long; moves it if it must, with what both sizes have in common, and under its own tag. Null for `block`:
// as `arenite_alloc`. The block until now is gone, unless the answer is null: then it is as it was, and `arenite_last_error` says
// why. A size of 0 gives a block, too. Thread-safe.
//
// Errors: as `arenite_alloc`, and as `arenite_free`.
void *arenite_realloc(void *block,
                      size_t size);

// As `arenite_realloc`, at a multiple of `align`: a power of two, at most 1 MiB; 0 is 16. It may be another one than the block
// has.
//
// Errors: as `arenite_realloc`; `ARENITE_INVALID_ARGUMENT`.
void *arenite_realloc_aligned(void *block,
                              size_t size,
                              size_t align);

// Gives a block of `arenite_alloc` and its like back, on whatever thread; null is allowed. Anything but such a block that is with the program
// is told, and nothing happens: nothing is read at an address that is not this heap's. O(1). Thread-safe.
//
// A block that was freed and has been handed out again since is somebody else's: freeing it a second time is not found. (With
// `ARENITE_HARDENED=1` in the environment the heap quarantines what is freed, and ends the process when it finds a mistake.)
//
// Errors: `ARENITE_FOREIGN` (of another allocator), `ARENITE_MISALIGNED` (inside a block), `ARENITE_NOT_ALLOCATED`,
// `ARENITE_DOUBLE_FREE`.
enum arenite_error arenite_free(void *block);

// How many bytes of a block may be used: what was asked for, and what rounding has added. 0 if it is no block that lives.
// Thread-safe. O(1).
//
// Errors: as `arenite_free`; null is `ARENITE_FOREIGN`.
size_t arenite_usable_size(const void *block);

// 1 if an address lies in the memory of the process's heap, in a block or not; else 0. Any address is allowed: nothing is read there.
// Thread-safe. O(segments of 4 MiB).
int32_t arenite_owns(const void *address);

// Gives what no block needs back to the system, as far as the calling thread and those that have ended have it; answers how many bytes.
// Thread-safe.
size_t arenite_trim(void);

// Writes what a tag has of the process's heap to `stats`, without tags below it. What this library has for itself is charged to the tag
// that the thread was in, too: objects, a few hundred bytes each. Thread-safe. O(pages of the heap).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_BAD_TAG`.
enum arenite_error arenite_alloc_figures(arenite_tag tag,
                                         struct arenite_heap_stats *stats);

// Makes a pool of at most `capacity` values of `value_size` bytes at multiples of `align` (a power of two, at most 1 MiB; 0 is 16), charged to
// `tag`, and writes it to `handles`. A size of 0 is allowed: then there are handles only. Only address space is taken; memory comes as
// values do. The caller owns it, until `arenite_handles_destroy`.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (the alignment), `ARENITE_BAD_TAG`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`
// (2^32 - 2 values at the most).
enum arenite_error arenite_handles_create(arenite_tag tag,
                                          size_t value_size,
                                          size_t align,
                                          size_t capacity,
                                          struct arenite_handles **handles);

// Gives a handle pool and all of its memory back, with the values in it. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_handles_destroy(struct arenite_handles *handles);

// Puts a value in and writes its name to `handle`. `value` is copied; null: all bytes zero. Answers where the value is: it stays
// there until it is removed. Null if there is no room: `arenite_last_error` says why. O(1).
//
// Errors: `ARENITE_FULL`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`,
// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`.
void *arenite_handles_insert(struct arenite_handles *handles,
                             const void *value,
                             arenite_handle *handle);

// Where the value of this name is; null if it is gone, or was never of this pool. O(1).
//
// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
void *arenite_handles_get(const struct arenite_handles *handles, arenite_handle handle);

// Takes a value out; it is copied to `into`, unless that is null. From now on its name finds nothing, ever. O(1).
//
// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT` (no pool), `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_handles_remove(struct arenite_handles *handles,
                                          arenite_handle handle,
                                          void *into);

// Walks the values: writes the name of the first one whose slot is `*slot` or later to `handle`, and where to go on to `slot`; answers
// where the value is. Begin with a `slot` of 0; null: there are no more. Values may be removed and put in between two calls; those that are put in
// meanwhile are met or not. O(1) for each slot.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`; the end of the walk is none.
void *arenite_handles_next(const struct arenite_handles *handles,
                           uint32_t *slot,
                           arenite_handle *handle);

// Writes the figures of a handle pool to `stats`. O(1).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_handles_figures(const struct arenite_handles *handles, struct arenite_handles_stats *stats);

// Makes a heap and writes it to `heap`: 4 MiB of address space, of which a few pages are used at once. `options` may be null: all defaults.
// The caller owns it, until `arenite_heap_discard` or `arenite_heap_destroy`. Thread-safe.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_BAD_TAG`, `ARENITE_OVER_BUDGET`, `ARENITE_EXHAUSTED` (a limit below 4 MiB), `ARENITE_SYSTEM`.
enum arenite_error arenite_heap_create(const struct arenite_heap_options *options,
                                       struct arenite_heap **heap);

// Ends a heap and gives all of its memory back, if none of its blocks lives; then nothing of it may be used any more, by any thread. Otherwise
// it stays as it was, and `callback` is called for the sixteen largest survivors (of heaps with `track_blocks`), unless it is null; it may
// use the heap, but not end it. Null is allowed for `heap`.
//
// Errors: `ARENITE_STILL_LIVE`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
enum arenite_error arenite_heap_discard(struct arenite_heap *heap,
                                        arenite_survivor_callback callback,
                                        void *user);

// Ends a heap and gives all of its memory back, with all blocks that live in it: nothing of it may be used any more. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
enum arenite_error arenite_heap_destroy(struct arenite_heap *heap);

// A block of `size` bytes at a multiple of 16, with arbitrary content, until it is given to `arenite_heap_free` or the heap ends. A size of 0 gives
// a block, too. Null if it can not be had: `arenite_last_error` says why. Thread-safe. O(1).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_OVER_BUDGET`, `ARENITE_EXHAUSTED`, `ARENITE_SYSTEM`,
// `ARENITE_TOO_LARGE`.
void *arenite_heap_alloc(struct arenite_heap *heap,
                         size_t size);

// As `arenite_heap_alloc`, at a multiple of `align`: a power of two, at most 1 MiB; 0 is 16.
//
// Errors: as `arenite_heap_alloc`; `ARENITE_INVALID_ARGUMENT`.
void *arenite_heap_alloc_aligned(struct arenite_heap *heap, size_t size, size_t align);

// As `arenite_heap_alloc`, for `count` values of `size` bytes, all bytes zero.
//
// Errors: as `arenite_heap_alloc`; `ARENITE_TOO_LARGE` also if the product does not fit.
void *arenite_heap_alloc_zeroed(struct arenite_heap *heap, size_t count, size_t size);

// Makes a block `size` bytes long at a multiple of `align` (0 is 16), which may be another one than it has; moves it if it must, with what
// both sizes have in common. Null for `block`: as `arenite_heap_alloc_aligned`. The block until now is gone, unless the answer is
// null: then it is as it was. Thread-safe.
//
// Errors: as `arenite_heap_alloc_aligned`, and as `arenite_heap_free`.
void *arenite_heap_realloc(struct arenite_heap *heap,
                           void *block,
                           size_t size,
                           size_t align);

// Gives a block back, on whatever thread; null is allowed. Anything but a block of this heap that is with the program is told, and nothing
// happens, as of `arenite_free`. Thread-safe. O(1).
//
// Errors: `ARENITE_FOREIGN` (of another allocator or another heap), `ARENITE_MISALIGNED` (inside a block), `ARENITE_NOT_ALLOCATED`,
// `ARENITE_DOUBLE_FREE`, `ARENITE_NULL_ARGUMENT` (no heap), `ARENITE_INVALID_OBJECT`.
enum arenite_error arenite_heap_free(struct arenite_heap *heap,
                                     void *block);

// How many bytes of a block of this heap may be used. 0 if it is none that lives. Thread-safe. O(1).
//
// Errors: as `arenite_heap_free`; a null block is `ARENITE_FOREIGN`.
size_t arenite_heap_usable_size(const struct arenite_heap *heap, const void *block);

// 1 if an address lies in the heap's memory, in a block or not; else, and if this is no heap, 0. Any address is allowed: nothing is read
// there. Thread-safe. O(segments of 4 MiB).
int32_t arenite_heap_owns(const struct arenite_heap *heap,
                          const void *address);

// Writes the figures of a heap to `stats`. Thread-safe. O(pages of the heap).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
enum arenite_error arenite_heap_figures(const struct arenite_heap *heap, struct arenite_heap_stats *stats);

// Writes a table of what lives in a heap to `buffer`, with a 0 behind it, cut if it has no room; answers its whole length, without the 0,
// as `snprintf` does. Its last line has no newline. A null `buffer` is allowed. 0 if this is no heap. What it calls the place where a block
// was made is known of Rust code only: for blocks of these functions it is a line of this library. Thread-safe. O(pages; with
// `track_blocks`, blocks).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
size_t arenite_heap_report(const struct arenite_heap *heap,
                           char *buffer,
                           size_t size);

// Gives what no block of a heap needs back to the system; answers how many bytes. Thread-safe.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
size_t arenite_heap_trim(struct arenite_heap *heap);

// Makes a manager with an empty scene and writes it to `manager`. `options` may be null: all defaults. The caller owns it, until
// `arenite_manager_shutdown`.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (`frame_presize` is larger than `frame_reserve`), `ARENITE_BAD_TAG`,
// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
enum arenite_error arenite_manager_create(const struct arenite_manager_options *options,
                                          struct arenite_manager **manager);

// Ends a manager: its open frame, its scene, whose destructors run, and all of its memory. What it leaves behind is written to `buffer` as a
// table, with a 0 behind it, cut if it has no room; the whole length, without the 0, to `length`, unless that is null. A null
// `buffer` is allowed, and a null manager. Scenes that are still loading are to be destroyed first, or afterwards.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY` (in a callback).
enum arenite_error arenite_manager_shutdown(struct arenite_manager *manager,
                                            char *buffer,
                                            size_t size,
                                            size_t *length);

// Begins a frame. What the last frame allocated stays readable until the next one begins. O(1).
//
// Errors: `ARENITE_BUSY` (a frame is open), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_SYSTEM`.
enum arenite_error arenite_manager_begin_frame(struct arenite_manager *manager);

// Ends the frame, and writes what it did to `report`, unless that is null.
//
// Errors: `ARENITE_BUSY` (no frame is open), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`.
enum arenite_error arenite_manager_end_frame(struct arenite_manager *manager, struct arenite_frame_report *report);

// `size` bytes at a multiple of 16 in the open frame, with arbitrary content, until the frame after the next begins; nothing is to be freed. Null
// if it can not be had: `arenite_last_error` says why. For the manager's own thread, which is not checked here. O(1).
//
// Errors: `ARENITE_BUSY` (no frame is open), and as `arenite_frame_alloc`.
void *arenite_manager_alloc(struct arenite_manager *manager,
                            size_t size);

// As `arenite_manager_alloc`, at a multiple of `align`: a power of two, at most 1 MiB; 0 is 16.
//
// Errors: as `arenite_manager_alloc`; `ARENITE_INVALID_ARGUMENT`, `ARENITE_WRONG_THREAD`.
void *arenite_manager_alloc_aligned(struct arenite_manager *manager, size_t size, size_t align);

// As `arenite_frame_keep`, in the open frame.
//
// Errors: as `arenite_manager_alloc_aligned`.
void *arenite_manager_keep(struct arenite_manager *manager, size_t size, size_t align, struct arenite_kept *ticket);

// As `arenite_frame_get`, in the open frame: what the last one kept.
//
// Errors: as `arenite_frame_get`; `ARENITE_BUSY` (no frame is open).
const void *arenite_manager_get_kept(const struct arenite_manager *manager,
                                     const struct arenite_kept *ticket,
                                     size_t *size);

// Makes an empty scene with an account of its own and writes it to `scene`: to be filled on any thread, while frames run. The caller owns it, until
// it is made current or destroyed.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY` (a frame is open), `ARENITE_SYSTEM`.
enum arenite_error arenite_manager_load_scene(struct arenite_manager *manager,
                                              struct arenite_scene **scene);

// Puts a resource in a scene that is not current yet; as `arenite_resources_insert`. Its name stays good when the scene is made
// current. Thread-safe.
//
// Errors: as `arenite_resources_insert`.
void *arenite_scene_insert(struct arenite_scene *scene,
                           const void *data,
                           size_t size,
                           size_t align,
                           arenite_destructor destructor,
                           void *user,
                           arenite_resource *resource);

// Ends a scene that was never made current: its destructors run. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
enum arenite_error arenite_scene_destroy(struct arenite_scene *scene);

// Makes `scene` the current one and ends the one before: its destructors run, the last resource's first; its memory goes back to the system. The
// scene is the manager's from here on: `scene` must not be used any more. What the old one came to is written to `report`, unless that is
// null. No frame may be open.
//
// Errors: `ARENITE_BUSY` (a frame is open; nothing has happened), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`.
enum arenite_error arenite_manager_change_scene(struct arenite_manager *manager,
                                                struct arenite_scene *scene,
                                                struct arenite_scene_report *report);

// Ends the current scene and leaves an empty one; as `arenite_manager_change_scene`.
//
// Errors: as `arenite_manager_change_scene`.
enum arenite_error arenite_manager_clear_scene(struct arenite_manager *manager, struct arenite_scene_report *report);

// The bytes of a resource of the current scene, until that ends; how many they are is written to `size`, unless that is null. Null if it is gone.
// O(1).
//
// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
void *arenite_manager_get(const struct arenite_manager *manager,
                          arenite_resource resource,
                          size_t *size);

// Puts a resource in the current scene; as `arenite_resources_insert`, but for the manager's thread.
//
// Errors: as `arenite_resources_insert`; `ARENITE_WRONG_THREAD`.
void *arenite_manager_insert(struct arenite_manager *manager,
                             const void *data,
                             size_t size,
                             size_t align,
                             arenite_destructor destructor,
                             void *user,
                             arenite_resource *resource);

// Gives memory that the current scene does not use back to the system, and all that was kept for the next one. No frame may be open.
//
// Errors: `ARENITE_BUSY` (a frame is open), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_SYSTEM`.
enum arenite_error arenite_manager_trim(struct arenite_manager *manager);

// Makes an offset allocator and writes it to `offsets`. `options` may be null: all defaults. The caller owns it, until
// `arenite_offsets_destroy`.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (the granularity, the fit, the blocks), `ARENITE_BAD_TAG`,
// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE` (2^32 granules or more).
enum arenite_error arenite_offsets_create(const struct arenite_offsets_options *options,
                                          struct arenite_offsets **offsets);

// Ends an offset allocator; what it handed out names nothing any more. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_offsets_destroy(struct arenite_offsets *offsets);

// Writes a part of `size`, at a multiple of `align` (a power of two; 0 is 1), to `block`. It is the caller's, until
// `arenite_offsets_free`. O(1), or O(log n) in the number of free blocks, as the fit has it.
//
// Errors: `ARENITE_OUT_OF_ROOM`, `ARENITE_FRAGMENTED` (enough is free, but not in one piece), `ARENITE_TOO_LARGE`,
// `ARENITE_INVALID_ARGUMENT` (the alignment), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`; and
// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_EXHAUSTED`, `ARENITE_FULL` if the book-keeping can not grow.
enum arenite_error arenite_offsets_allocate(struct arenite_offsets *offsets,
                                            uint64_t size,
                                            uint64_t align,
                                            struct arenite_offset_block *block);

// Takes a part back and joins it with free neighbours. O(1), or O(log n), as the fit has it.
//
// Errors: `ARENITE_STALE` (free already, or never a block of this allocator), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_offsets_free(struct arenite_offsets *offsets,
                                        uint64_t id);

// Makes a block larger where it lies, to `size` in all; of a smaller `size` nothing comes. What it is then is written to `block`, unless
// that is null. Refused, nothing has changed.
//
// Errors: as `arenite_offsets_allocate`, and `ARENITE_STALE`. (`ARENITE_FRAGMENTED`: what is behind it is not free, or not large enough.)
enum arenite_error arenite_offsets_grow(struct arenite_offsets *offsets,
                                        uint64_t id,
                                        uint64_t size,
                                        struct arenite_offset_block *block);

// Makes a block smaller; what is left over at its end is free. Of a larger `size` nothing comes. What it is then is written to `block`,
// unless that is null.
//
// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`; and
// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_EXHAUSTED`, `ARENITE_FULL` if the book-keeping can not grow.
enum arenite_error arenite_offsets_shrink(struct arenite_offsets *offsets,
                                          uint64_t id,
                                          uint64_t size,
                                          struct arenite_offset_block *block);

// Writes where a block lies to `block`. O(1).
//
// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_offsets_get(const struct arenite_offsets *offsets,
                                       uint64_t id,
                                       struct arenite_offset_block *block);

// Adds a segment of `size` behind all others, and writes its name to `segment`. Blocks do not span segments. O(segments).
//
// Errors: `ARENITE_TOO_LARGE` (2^32 granules or more in all, or less than one), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`; and `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_EXHAUSTED`, `ARENITE_FULL` if the
// book-keeping can not grow.
enum arenite_error arenite_offsets_append(struct arenite_offsets *offsets,
                                          uint64_t size,
                                          arenite_segment *segment);

// Writes the name of the segment that comes `place`-th by offset (0 is the first), where it begins and how large it is; each pointer may
// be null. O(segments).
//
// Errors: `ARENITE_STALE` (there are not so many), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`,
// `ARENITE_BUSY`.
enum arenite_error arenite_offsets_segment(const struct arenite_offsets *offsets,
                                           size_t place,
                                           arenite_segment *segment,
                                           uint64_t *offset,
                                           uint64_t *size);

// Whether a segment is to become empty (`drain` is not 0): then nothing is handed out of it, and what is freed in it stays apart. O(its
// blocks). While one is drained, freeing takes O(segments).
//
// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_offsets_drain(struct arenite_offsets *offsets,
                                         arenite_segment segment,
                                         int32_t drain);

// Removes a segment in which nothing is used. If it was not the last one, its offsets are not used again. O(segments).
//
// Errors: `ARENITE_STILL_LIVE` (something in it is used), `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_offsets_remove(struct arenite_offsets *offsets,
                                          arenite_segment segment);

// Writes the figures of a range to `stats`. O(1) but for the largest free piece, which `ARENITE_FIT_TLSF` finds among the blocks of one
// class.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_offsets_figures(const struct arenite_offsets *offsets,
                                           struct arenite_fit_stats *stats);

// Calls `callback` with `user` for all pieces, used and free, by offset. O(pieces).
//
// Errors: `ARENITE_NULL_ARGUMENT` (also: no callback), `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_offsets_walk(const struct arenite_offsets *offsets,
                                        arenite_piece_callback callback,
                                        void *user);

// Makes a pool of at most `capacity` blocks of `block_size` bytes at multiples of `align` (a power of two, at most 1 MiB; 0 is 16), charged to
// `tag`, and writes it to `pool`. Blocks of 0 bytes have addresses of their own. Only address space is taken; memory comes as blocks
// are. The caller owns it, until `arenite_pool_destroy`.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (the alignment), `ARENITE_BAD_TAG`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`
// (2^32 - 2 blocks at the most).
enum arenite_error arenite_pool_create(arenite_tag tag,
                                       size_t block_size,
                                       size_t align,
                                       size_t capacity,
                                       struct arenite_pool **pool);

// Gives a pool and all of its memory back, blocks that are out included. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_pool_destroy(struct arenite_pool *pool);

// A block, until it is given to `arenite_pool_free`. Its bytes are zero, or as they were left. Null if it can not be had:
// `arenite_last_error` says why. For the pool's own thread, which is not checked here. O(1).
//
// Errors: `ARENITE_FULL`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`.
void *arenite_pool_alloc(struct arenite_pool *pool);

// As `arenite_pool_alloc`, all bytes zero.
//
// Errors: as `arenite_pool_alloc`.
void *arenite_pool_alloc_zeroed(struct arenite_pool *pool);

// Gives a block back; null is allowed. Anything but a block of this pool that is out is told, and nothing happens. For the pool's own
// thread, which is not checked here. O(1), without a look at the block.
//
// Errors: `ARENITE_FOREIGN` (not of this pool), `ARENITE_MISALIGNED` (inside a block), `ARENITE_NOT_ALLOCATED` (never handed out),
// `ARENITE_DOUBLE_FREE`, `ARENITE_NULL_ARGUMENT` (no pool), `ARENITE_INVALID_OBJECT`.
enum arenite_error arenite_pool_free(struct arenite_pool *pool,
                                     void *block);

// Frees all blocks at once and gives their memory back to the system, but for the first `keep` blocks'. O(blocks ever used / 64).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_pool_free_all(struct arenite_pool *pool,
                                         size_t keep);

// 1 if an address lies in the pool's blocks, handed out or not; else, and if this is no pool, 0. Any address is allowed: nothing is
// read there. O(1).
int32_t arenite_pool_owns(const struct arenite_pool *pool,
                          const void *address);

// Writes the figures of a pool to `stats`. O(1).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_pool_figures(const struct arenite_pool *pool, struct arenite_pool_stats *stats);

// Makes a resource arena and writes it to `resources`. `options` may be null: all defaults. The caller owns it, until
// `arenite_resources_destroy`.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (a capacity above 2^31 - 1), `ARENITE_BAD_TAG`, `ARENITE_SYSTEM`,
// `ARENITE_TOO_LARGE`.
enum arenite_error arenite_resources_create(const struct arenite_resources_options *options,
                                            struct arenite_resources **resources);

// Clears an arena and gives all of its memory back. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY` (called by a destructor of its own).
enum arenite_error arenite_resources_destroy(struct arenite_resources *resources);

// Puts a resource of `size` bytes in, at a multiple of `align` (a power of two, at most 1 MiB; 0 is 16), and writes its name to `resource`.
// `data` is copied; null: all bytes zero. `destructor`, unless it is null, is called with `user` when the resource goes. Answers where the
// bytes are: they stay there, and may be filled until others are told the name. Null if there is no room: `arenite_last_error` says
// why, and the destructor is not called (bytes that were taken already may stay until the arena is cleared). Thread-safe.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (the alignment), `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`, `ARENITE_FULL`,
// `ARENITE_OVER_BUDGET`, `ARENITE_EXHAUSTED`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
void *arenite_resources_insert(struct arenite_resources *resources,
                               const void *data,
                               size_t size,
                               size_t align,
                               arenite_destructor destructor,
                               void *user,
                               arenite_resource *resource);

// The bytes of a resource, until the arena is cleared; how many they are is written to `size`, unless that is null. Null if it is gone,
// or was never of this arena. Thread-safe, without a lock. O(1).
//
// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
void *arenite_resources_get(const struct arenite_resources *resources,
                            arenite_resource resource,
                            size_t *size);

// Calls all destructors, the last resource's first, and gives the memory back to the system; the arena can be filled again. No other thread may
// use it meanwhile, nor what it handed out.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY` (called by a destructor of its own).
enum arenite_error arenite_resources_clear(struct arenite_resources *resources);

// Writes the figures of a resource arena to `stats`. Thread-safe.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
enum arenite_error arenite_resources_figures(const struct arenite_resources *resources,
                                             struct arenite_resources_stats *stats);

// Makes a ring over a range of `capacity` bytes, or of whatever it is counted in (at most 2^62), and writes it to `ring`. The caller owns it,
// until `arenite_ring_destroy`.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_TOO_LARGE`, `ARENITE_SYSTEM`.
enum arenite_error arenite_ring_create(uint64_t capacity,
                                       struct arenite_ring **ring);

// Ends a ring. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_ring_destroy(struct arenite_ring *ring);

// Writes the offset of a piece of `size`, a multiple of `align` (a power of two; 0 is 1), to `offset`. It is in use until its submission is
// retired. If there is none now, the fence to wait for, to retire, and to ask again after, is written to `fence`, unless that is null. O(1).
//
// Errors: `ARENITE_OUT_OF_ROOM` (wait for `*fence`), `ARENITE_BUSY` (what has not been submitted is in the way: submit it; or
// called in a pressure callback), `ARENITE_TOO_LARGE` (the whole ring is smaller), `ARENITE_INVALID_ARGUMENT` (the alignment),
// `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`.
enum arenite_error arenite_ring_allocate(struct arenite_ring *ring,
                                         uint64_t size,
                                         uint64_t align,
                                         uint64_t *offset,
                                         uint64_t *fence);

// All pieces since the last submission are in use until the device has passed `fence`. Fences must not go down. At most 32 submissions
// are told apart; of more, the last ones are retired together. O(1).
//
// Errors: `ARENITE_INVALID_ARGUMENT` (a larger fence was submitted before), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_ring_submit(struct arenite_ring *ring,
                                       uint64_t fence);

// The device has passed all fences up to `completed`: what was submitted with them is free again. How much that is, gaps included, is
// written to `freed`, unless that is null. O(submissions).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_ring_retire(struct arenite_ring *ring,
                                       uint64_t completed,
                                       uint64_t *freed);

// Writes the figures of a ring to `stats`. O(1).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_ring_figures(const struct arenite_ring *ring, struct arenite_ring_stats *stats);

// Makes a scratch stack, charged to `tag`, and writes it to `scratch`. `reserve` is the address space that it may use: no more can
// be allocated at a time; 0 is 1 GiB. The caller owns it, until `arenite_scratch_destroy`.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_BAD_TAG`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
enum arenite_error arenite_scratch_create(arenite_tag tag,
                                          size_t reserve,
                                          struct arenite_scratch **scratch);

// Gives a scratch stack and all of its memory back, scopes that are open included. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_scratch_destroy(struct arenite_scratch *scratch);

// Opens a scope and writes it to `scope`: what is allocated from now on goes when it is left. Scopes nest. O(1).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`, `ARENITE_SYSTEM`.
enum arenite_error arenite_scratch_enter(struct arenite_scratch *scratch, arenite_scope *scope);

// Leaves a scope: what was allocated since it was entered is gone. It must be the innermost one that is open. O(1).
//
// Errors: `ARENITE_BUSY` (a scope inside of it is open), `ARENITE_STALE` (left already, or another stack's), `ARENITE_NULL_ARGUMENT`,
// `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`.
enum arenite_error arenite_scratch_leave(struct arenite_scratch *scratch,
                                         arenite_scope scope);

// Frees what was allocated outside of all scopes. None may be open.
//
// Errors: `ARENITE_BUSY`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`.
enum arenite_error arenite_scratch_reset(struct arenite_scratch *scratch);

// As `arenite_scratch_reset`, and gives committed memory beyond the first `keep` bytes back to the system.
//
// Errors: as `arenite_scratch_reset`; `ARENITE_SYSTEM` (the memory stays committed).
enum arenite_error arenite_scratch_trim(struct arenite_scratch *scratch, size_t keep);

// `size` bytes at a multiple of 16, with arbitrary content, until the innermost scope is left; nothing is to be freed. Null if it
// can not be had: `arenite_last_error` says why. For the stack's own thread, which is not checked here. O(1): a few instructions.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_OVER_BUDGET`, `ARENITE_EXHAUSTED` (more than was reserved),
// `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
void *arenite_scratch_alloc(struct arenite_scratch *scratch,
                            size_t size);

// As `arenite_scratch_alloc`, at a multiple of `align`: a power of two, at most 1 MiB; 0 is 16.
//
// Errors: as `arenite_scratch_alloc`; `ARENITE_INVALID_ARGUMENT`, `ARENITE_WRONG_THREAD`.
void *arenite_scratch_alloc_aligned(struct arenite_scratch *scratch, size_t size, size_t align);

// As `arenite_scratch_alloc`, all bytes zero.
//
// Errors: as `arenite_scratch_alloc`.
void *arenite_scratch_alloc_zeroed(struct arenite_scratch *scratch, size_t size);

// Writes the figures of a scratch stack to `stats`. O(1).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_scratch_figures(const struct arenite_scratch *scratch, struct arenite_scratch_stats *stats);

// Takes a snapshot and writes it to `snapshot`. With a `manager`, of its frame arena and scene, too, and on its thread; it may be null. The
// caller owns it, until `arenite_snapshot_destroy`. Allocates, reads the system's figures, and walks the process's heap: not for every frame.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`, `ARENITE_SYSTEM`.
enum arenite_error arenite_snapshot_take(const struct arenite_manager *manager,
                                         struct arenite_snapshot **snapshot);

// Gives a snapshot back. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`.
enum arenite_error arenite_snapshot_destroy(struct arenite_snapshot *snapshot);

// How many tags a snapshot has; 0 if it is none. They are numbered from 0, parents before what is below them.
size_t arenite_snapshot_tags(const struct arenite_snapshot *snapshot);

// Writes the figures of a tag to `figures` and its full path to `name`, with a 0 behind it, cut if `size` bytes do not suffice (256 do). Either
// may be null.
//
// Errors: `ARENITE_BAD_TAG` (so many there are not), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`.
enum arenite_error arenite_snapshot_tag(const struct arenite_snapshot *snapshot,
                                        size_t index,
                                        char *name,
                                        size_t size,
                                        struct arenite_tag_figures *figures);

// Writes what a snapshot says of process and machine to `figures`.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`.
enum arenite_error arenite_snapshot_system(const struct arenite_snapshot *snapshot,
                                           struct arenite_system_figures *figures);

// Writes a snapshot as a table to `buffer`, with a 0 behind it, cut if it has no room; answers its whole length, without the 0, as
// `snprintf` does. Its last line has no newline. A null `buffer` is allowed. 0 if it is no snapshot.
size_t arenite_snapshot_text(const struct arenite_snapshot *snapshot,
                             char *buffer,
                             size_t size);

// As `arenite_snapshot_text`, as JSON: what the Rust library writes with its feature `serde`.
size_t arenite_snapshot_json(const struct arenite_snapshot *snapshot, char *buffer, size_t size);

// Makes a space and writes it to `space`. `options` may be null: all defaults. The caller owns it, until `arenite_space_destroy`.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (the granularity, the policy, the blocks), `ARENITE_BAD_TAG`,
// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE` (2^32 granules or more).
enum arenite_error arenite_space_create(const struct arenite_space_options *options,
                                        struct arenite_space **space);

// Ends a space; what it handed out names nothing any more, and nobody waits for moves. Null is allowed.
//
// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_space_destroy(struct arenite_space *space);

// Writes the name of a part of `size` to `handle`; it begins at a multiple of `align` (a power of two; 0 is 1), wherever it moves. It is
// the caller's, until `arenite_space_free`. O(1).
//
// Errors: `ARENITE_OUT_OF_ROOM`, `ARENITE_FRAGMENTED` (moves would make room), `ARENITE_TOO_LARGE`, `ARENITE_INVALID_ARGUMENT` (the
// alignment), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`; and `ARENITE_OVER_BUDGET`,
// `ARENITE_SYSTEM`, `ARENITE_EXHAUSTED`, `ARENITE_FULL` if the book-keeping can not grow.
enum arenite_error arenite_space_allocate(struct arenite_space *space,
                                          uint64_t size,
                                          uint64_t align,
                                          arenite_space_handle *handle);

// Takes a part back, pinned or not, also while it is being copied: what that occupies is free once the move is answered. O(1).
//
// Errors: `ARENITE_STALE` (free already, or never a block of this space), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_space_free(struct arenite_space *space,
                                      arenite_space_handle handle);

// Writes where a part lies to `place`. While it is being copied, that is where it comes from. O(1).
//
// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_space_locate(const struct arenite_space *space,
                                        arenite_space_handle handle,
                                        struct arenite_space_place *place);

// Makes a part larger or smaller where it lies. If it is being copied, that comes to nothing. Refused, nothing has changed.
//
// Errors: as `arenite_space_allocate`, and `ARENITE_STALE`. (`ARENITE_FRAGMENTED`: what is behind it is not free, or not large enough.)
enum arenite_error arenite_space_resize(struct arenite_space *space,
                                        arenite_space_handle handle,
                                        uint64_t size);

// Keeps a part where it is, until it is unpinned as often. If it is being copied, that comes to nothing. O(1).
//
// Errors: `ARENITE_STALE`, `ARENITE_FULL` (pinned 2^32 - 1 times), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_space_pin(struct arenite_space *space, arenite_space_handle handle);

// Takes one pin away. O(1).
//
// Errors: `ARENITE_STALE` (the part is gone), `ARENITE_INVALID_ARGUMENT` (it is not pinned), `ARENITE_NULL_ARGUMENT`,
// `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_space_unpin(struct arenite_space *space, arenite_space_handle handle);

// Calls `callback` with `user` for what should be copied, up to `bytes` in all: a hard bound. Goes on where the last call ended. What is told
// has begun, and waits for an answer, frames later if need be; meanwhile the block lies where it was, and may be freed, resized or pinned. It
// must not be written while it is copied: pin it first, and the move comes to nothing. What was done is written to `report`, unless that is null.
// O(what the bound allows), and O(1) when there is nothing to do.
//
// Errors: `ARENITE_NULL_ARGUMENT` (also: no callback), `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_space_begin_moves(struct arenite_space *space,
                                             uint64_t bytes,
                                             arenite_move_callback callback,
                                             void *user,
                                             struct arenite_move_report *report);

// A move has been made: all of it has been copied. What came of it is written to `end`, unless that is null. O(1).
//
// Errors: `ARENITE_STALE` (answered already, or no move of this space), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
// `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_space_done(struct arenite_space *space,
                                      struct arenite_move_id id,
                                      arenite_move_end *end);

// A move is not made, and nobody copies any more. What came of it is written to `end`, unless that is null. O(1).
//
// Errors: as `arenite_space_done`.
enum arenite_error arenite_space_cancel(struct arenite_space *space, struct arenite_move_id id, arenite_move_end *end);

// No move that has begun is made, and nobody copies any more: for when the device was lost. Answers how many there were. O(blocks).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`, and the answer is 0.
size_t arenite_space_cancel_all(struct arenite_space *space);

// How many moves have begun and are not answered. O(1).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`, and the answer is 0.
size_t arenite_space_moving(const struct arenite_space *space);

// Adds a segment of `size` behind all others, and writes its name to `segment`. Blocks do not span segments. O(segments).
//
// Errors: as `arenite_offsets_append`.
enum arenite_error arenite_space_append(struct arenite_space *space,
                                        uint64_t size,
                                        arenite_segment *segment);

// Writes the name of the last segment to `segment`, if `ARENITE_MOVES_EVACUATE_LAST` has emptied it: remove it, and give its memory back. Else
// that is 0. O(1).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_space_evacuated(const struct arenite_space *space,
                                           arenite_segment *segment);

// Removes a segment in which nothing is used. O(segments).
//
// Errors: as `arenite_offsets_remove`.
enum arenite_error arenite_space_remove(struct arenite_space *space, arenite_segment segment);

// Writes the figures of a space to `stats`; targets of moves count as used. O(1) but for the largest free piece.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_space_figures(const struct arenite_space *space, struct arenite_fit_stats *stats);

// Calls `callback` with `user` for all pieces, used and free, by offset. O(pieces).
//
// Errors: `ARENITE_NULL_ARGUMENT` (also: no callback), `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
enum arenite_error arenite_space_map(const struct arenite_space *space,
                                     arenite_piece_callback callback,
                                     void *user);

// Registers a tag, or finds it if it is registered, and writes it to `tag`. `path` is parts joined by single slashes, like
// `scene/textures`; tags above it are registered, too. Tags are never taken back. Thread-safe.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (not UTF-8), `ARENITE_BAD_TAG` (not a tag's name, or no room for another tag).
enum arenite_error arenite_tag_register(const char *path,
                                        arenite_tag *tag);

// As `arenite_tag_register`, for a path below `parent`: `textures` below `scene` is `scene/textures`.
//
// Errors: as `arenite_tag_register`.
enum arenite_error arenite_tag_child(arenite_tag parent, const char *path, arenite_tag *tag);

// Finds a tag that is registered under exactly this path, and writes it to `tag`. Thread-safe. O(tags).
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (not UTF-8), `ARENITE_BAD_TAG` (there is none).
enum arenite_error arenite_tag_find(const char *path, arenite_tag *tag);

// Writes the tag that `tag` is inside of to `parent`: `scene` of `scene/textures`. Thread-safe.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_BAD_TAG` (no tag, or none above it).
enum arenite_error arenite_tag_parent(arenite_tag tag, arenite_tag *parent);

// Writes the full path of a tag to `buffer`, with a 0 behind it, cut if it has no room; answers its whole length in bytes, without
// the 0, as `snprintf` does. A null `buffer` is allowed. 0 if there is no such tag. Thread-safe.
size_t arenite_tag_name(arenite_tag tag,
                        char *buffer,
                        size_t size);

// Writes the figures of a tag to `account`, all of one moment. Thread-safe: a short lock.
//
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_BAD_TAG`.
enum arenite_error arenite_tag_account(arenite_tag tag, struct arenite_account *account);

// From now on the calling thread's blocks of the general heap (`arenite_alloc` and its like) are charged to `tag`. The tag until now is
// written to `previous`, unless that is null: enter it again to leave. Blocks keep the tag that they were taken under; each thread
// begins with `ARENITE_UNTAGGED`. A few stores, once the thread has allocated under the tag before.
//
// Errors: `ARENITE_BAD_TAG`; `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM` (the first time of a thread under a tag, which needs a place in
// the heap; nothing has changed then).
enum arenite_error arenite_tag_enter(arenite_tag tag,
                                     arenite_tag *previous);

// The tag that the calling thread's blocks of the general heap are charged to.
arenite_tag arenite_tag_current(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* ARENITE_H */
