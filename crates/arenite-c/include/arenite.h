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
//   from here (callbacks) must return.
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

// A cache of resources that are loaded when they are asked for, and unloaded, the least recently used first, when the tag's budget
// has no room for another. Any thread may use it; it is destroyed when no other one does.
typedef struct arenite_cache arenite_cache;

// A frame arena: what one frame allocates is gone after the next one. Of one thread: the one that made it.
typedef struct arenite_frame arenite_frame;

// A pool of values of one size, each found by a handle. Of one thread: the one that made it.
typedef struct arenite_handles arenite_handles;

// A general heap for one part of a program, which ends whole. Any thread may use it; it is destroyed when no other one does.
typedef struct arenite_heap arenite_heap;

// The memory of an engine: a frame arena and the resources of a scene, each charged to a tag of its own (`frame`, `scene` and the like), in
// order. Of one thread: the one that made it.
typedef struct arenite_manager arenite_manager;

// A pinned resource: it stays as long as there is a pin. Any thread may let go of it.
typedef struct arenite_pin arenite_pin;

// A pool of raw blocks of one size. Of one thread: the one that made it.
typedef struct arenite_pool arenite_pool;

// An arena for what lives until the level ends; all of it goes at once. Any thread may insert and get; it is cleared and destroyed
// when no other one does.
typedef struct arenite_resources arenite_resources;

// What a loader claims its bytes with; good until it returns, on its thread.
typedef struct arenite_room arenite_room;

// The resources of one level: filled on any thread, then made current by `arenite_manager_change_scene`.
typedef struct arenite_scene arenite_scene;

// A scratch stack: memory while a function runs, in scopes that are left in reverse order. Of one thread: the one that made it.
typedef struct arenite_scratch arenite_scratch;

// Everything that is known at one moment: a value that does not change any more. Any thread may read it.
typedef struct arenite_snapshot arenite_snapshot;

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

// A block that lives in a heap that was to go.
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

// A function that is told of a block that lives.
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

// Keeps a callback for when the bytes committed under the tag reach the budget's warning mark, go over its limit, or would have to. It is
// called once per crossing upwards, and again only after the figure was below 95 % of the mark; on the thread whose charge crossed it,
// before that charge returns. It is never called inside itself, nor by two threads at once. At most four for each tag; they are
// never taken back, so `user` must stay good until the process ends. Thread-safe.
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

// Begins a frame. What the last frame allocated stays readable until the next call; what the one before it did is gone. O(1).
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

// Copies a C string (of UTF-8) into the frame. Null if it can not be had.
//
// Errors: as `arenite_frame_alloc`; `ARENITE_INVALID_ARGUMENT` (not UTF-8), `ARENITE_WRONG_THREAD`.
char *arenite_frame_string(struct arenite_frame *frame, const char *text);

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
// `tag`, and writes it to `handles`. Only address space is taken; memory comes as values do. The caller owns it, until
// `arenite_handles_destroy`.
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
// use the heap. Null is allowed for `heap`.
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

// Makes a block `size` bytes long at a multiple of `align`, which is the one that it was asked for with (0 is 16); moves it if it must, with
// what both sizes have in common. Null for `block`: as `arenite_heap_alloc_aligned`. The block until now is gone, unless the answer is
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
// as `snprintf` does. A null `buffer` is allowed. 0 if this is no heap. Thread-safe. O(pages; with `track_blocks`, blocks).
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
// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT`, `ARENITE_BAD_TAG`, `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`.
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

// Makes a pool of at most `capacity` blocks of `block_size` bytes at multiples of `align` (a power of two, at most 1 MiB; 0 is 16), charged to
// `tag`, and writes it to `pool`. Only address space is taken; memory comes as blocks are. The caller owns it, until
// `arenite_pool_destroy`.
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
// `snprintf` does. A null `buffer` is allowed. 0 if it is no snapshot.
size_t arenite_snapshot_text(const struct arenite_snapshot *snapshot,
                             char *buffer,
                             size_t size);

// As `arenite_snapshot_text`, as JSON: what the Rust library writes with its feature `serde`.
size_t arenite_snapshot_json(const struct arenite_snapshot *snapshot, char *buffer, size_t size);

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
