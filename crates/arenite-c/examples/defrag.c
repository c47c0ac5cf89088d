// Sounds of very different sizes that come and go: without moving them what is free falls into crumbs; with a little of it in each frame it
// stays in one piece. And the same for buffers on a device, which the program copies itself.
#include <arenite.h>

#include <stdio.h>
#include <string.h>

enum { SOUNDS = 400, FRAMES = 20000 };

static unsigned seed = 1;

static unsigned draw(unsigned limit) {
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % limit;
}

// In how many pieces the free space is in the end, if each frame moves so many bytes at most; -1 if something is wrong.
static int play(arenite_tag tag, uint64_t budget) {
    arenite_defrag *heap;
    arenite_defrag_handle sounds[SOUNDS] = {{0, 0}};
    if (arenite_defrag_create(&(arenite_defrag_options){.tag = tag, .reserve = 64 << 20}, &heap)) return -1;
    for (int frame = 0; frame < FRAMES; frame++) {
        // A new sound every tenth frame, in the place of another one.
        if (frame % 10 == 0) {
            unsigned at = draw(SOUNDS);
            if (sounds[at].name != 0 && arenite_defrag_free(heap, sounds[at])) return -1;
            unsigned char *bytes = arenite_defrag_alloc(heap, 1000 + draw(60000), 0, &sounds[at]);
            if (bytes == NULL) return -1;
            bytes[0] = (unsigned char)at;
            // The sound card reads it during this frame: it stays where it is.
            void *address;
            arenite_block_pin *playing = arenite_defrag_pin(heap, sounds[at], &address);
            if (playing == NULL || arenite_defrag_run(heap, budget, UINT64_MAX, NULL)) return -1;
            if (address != bytes || bytes[0] != at % 256 || arenite_defrag_unpin(playing)) return -1;
        } else if (arenite_defrag_run(heap, budget, UINT64_MAX, NULL)) {
            return -1;
        }
    }
    // A handle finds its block wherever it is.
    for (unsigned at = 0; at < SOUNDS; at++) {
        const unsigned char *bytes = sounds[at].name != 0 ? arenite_defrag_get(heap, sounds[at], NULL) : NULL;
        if (sounds[at].name != 0 && (bytes == NULL || bytes[0] != at % 256)) return -1;
    }
    arenite_fit_stats stats;
    if (arenite_defrag_figures(heap, &stats)) return -1;
    printf("%3d KiB a frame: %4d KiB free in %3d pieces, the largest of %4d KiB\n", (int)(budget >> 10), (int)(stats.free >> 10),
           (int)stats.free_blocks, (int)(stats.largest_free >> 10));
    arenite_defrag_destroy(heap);
    return (int)stats.free_blocks;
}

static unsigned char device[1 << 16];

static void copy_later(void *user, const arenite_space_move *step) {
    arenite_space_move **next = user;
    *(*next)++ = *step;
}

static int buffers(arenite_tag tag) {
    arenite_space *space;
    arenite_space_handle all[16];
    if (arenite_space_create(&(arenite_space_options){.tag = tag, .granularity = 256, .capacity = sizeof device}, &space)) return -1;
    for (int at = 0; at < 16; at++) {
        arenite_space_place place;
        if (arenite_space_allocate(space, 4096, 256, &all[at]) || arenite_space_locate(space, all[at], &place)) return -1;
        memset(device + place.offset, at, place.size);
    }
    for (int at = 0; at < 16; at += 2) arenite_space_free(space, all[at]);
    arenite_space_move moves[16], *end;
    do {
        end = moves;
        // At most 16 KiB a frame; the device has copied it when the next one begins.
        if (arenite_space_begin_moves(space, 16 << 10, copy_later, &end, NULL)) return -1;
        for (arenite_space_move *step = moves; step < end; step++) {
            memcpy(device + step->to, device + step->from, step->size);
            if (arenite_space_done(space, step->id, NULL)) return -1;
        }
    } while (end != moves);
    for (int at = 1; at < 16; at += 2) {
        arenite_space_place place;
        if (arenite_space_locate(space, all[at], &place) || device[place.offset] != at) return -1;
    }
    arenite_space_handle large;
    int fits = arenite_space_allocate(space, 32 << 10, 256, &large) == ARENITE_OK;
    arenite_space_destroy(space);
    return fits ? 0 : -1;
}

int main(void) {
    arenite_tag tag;
    if (arenite_tag_register("audio", &tag)) return 1;
    // In bytes, so that it is the same everywhere; a game says microseconds, too.
    int torn = play(tag, 0), tidy = play(tag, 256 << 10);
    if (torn < 0 || tidy < 0 || buffers(tag)) {
        fprintf(stderr, "%s\n", arenite_last_message());
        return 1;
    }
    return tidy * 2 < torn ? 0 : 1;
}
