/* mem_pool.h - a pool in a buffer of the caller's, as games of the 1990s had for what they load: first fit in paragraphs of 16
 * bytes, an id and a time stamp for each block, the oldest goes when room is needed, and what is left moves together.
 *
 * The buffer stays the caller's; all that the pool needs lies in it: 32 bytes, and 32 more for each block. It may begin
 * anywhere. It is named by its address in every call. A pool needs no end: its buffer is simply not used as one any more,
 * or Mem_Init makes it anew.
 *
 * A block either may go (as it is after Mem_Alloc), or is in use, and then it may move but not go. Locked blocks do neither. A block
 * moves only in Mem_Cleanup; whoever has pointers asks Mem_Find for its id afterwards.
 *
 * One thread at a time may be at a pool; different pools are independent. Mistakes are answered with 0 or NULL, and
 * Platform_Last_Error (platform.h) then says what it was, by a code of `arenite_error` in arenite.h: a buffer that is no pool (3), a
 * pointer into another place (12), one that is no block's start or whose block is gone (14), a pool whose own words were written
 * over (20: it is good for nothing from then on, and the program goes on). What can not be found: use of a buffer that is no more.
 *
 * Every call walks over the pool's blocks: O(blocks).
 */
#ifndef ARENITE_MEM_POOL_H
#define ARENITE_MEM_POOL_H

#ifdef __cplusplus
extern "C" {
#endif
int arenite_Mem_Init(void *buffer, long size);
void *arenite_Mem_Alloc(void *pool, long bytes, unsigned long id);
int arenite_Mem_Free(void *pool, void *block);
void *arenite_Mem_Find(void *pool, unsigned long id);
unsigned long arenite_Mem_Get_ID(void *pool, void *block);
int arenite_Mem_Reference(void *pool, void *block);
int arenite_Mem_In_Use(void *pool, void *block);
int arenite_Mem_Lock_Block(void *pool, void *block);
int arenite_Mem_Unlock_Block(void *pool, void *block);
void *arenite_Mem_Find_Oldest(void *pool);
void *arenite_Mem_Free_Oldest(void *pool);
long arenite_Mem_Avail(void *pool);
long arenite_Mem_Largest_Avail(void *pool);
long arenite_Mem_Pool_Size(void *pool);
int arenite_Mem_Cleanup(void *pool);
void arenite_Mem_Copy(const void *source, void *dest, unsigned long bytes);
#ifdef __cplusplus
}
#endif

/* Makes a buffer of `size` bytes an empty pool, whatever it was. Pools that overlap it are none any more. 1; or 0 if it is too small:
 * it needs room for 80 bytes at a multiple of 16. */
static inline int Mem_Init(void *buffer, long size) { return arenite_Mem_Init(buffer, size); }

/* Takes a block of `bytes` bytes, at a multiple of 16: the first gap that is large enough. Its time stamp is now. Ids may be
 * any number; several blocks may have one. NULL if no gap is large enough (9): Mem_Free_Oldest and Mem_Cleanup make one. */
static inline void *Mem_Alloc(void *pool, long bytes, unsigned long id) { return arenite_Mem_Alloc(pool, bytes, id); }

/* Gives a block back, whatever its state. 1, or 0 if it is none. */
static inline int Mem_Free(void *pool, void *block) { return arenite_Mem_Free(pool, block); }

/* The block with this id, the lowest one if there are several; NULL if there is none (16). Changes nothing. */
static inline void *Mem_Find(void *pool, unsigned long id) { return arenite_Mem_Find(pool, id); }

/* The id of a block; 0 if it is none. */
static inline unsigned long Mem_Get_ID(void *pool, void *block) { return arenite_Mem_Get_ID(pool, block); }

/* The block was used now: its time stamp is the latest. If it was in use, it may go again. 1, or 0 if it is none. */
static inline int Mem_Reference(void *pool, void *block) { return arenite_Mem_Reference(pool, block); }

/* The block is in use until Mem_Reference: it may move, but not go. 1, or 0 if it is none. */
static inline int Mem_In_Use(void *pool, void *block) { return arenite_Mem_In_Use(pool, block); }

/* The block is locked until Mem_Unlock_Block: it neither moves nor goes. 1, or 0 if it is none. */
static inline int Mem_Lock_Block(void *pool, void *block) { return arenite_Mem_Lock_Block(pool, block); }
static inline int Mem_Unlock_Block(void *pool, void *block) { return arenite_Mem_Unlock_Block(pool, block); }

/* Of the blocks that may go (not in use, not locked), the one whose time stamp is the oldest; NULL if there is none (5). */
static inline void *Mem_Find_Oldest(void *pool) { return arenite_Mem_Find_Oldest(pool); }

/* Gives that block back, and answers where it was: not to be used any more. NULL if there is none (5). */
static inline void *Mem_Free_Oldest(void *pool) { return arenite_Mem_Free_Oldest(pool); }

/* Bytes that no block has, in all gaps together. A block takes 32 more than its own, and whole paragraphs. */
static inline long Mem_Avail(void *pool) { return arenite_Mem_Avail(pool); }

/* The most bytes that Mem_Alloc could be asked for now; 0 if there is no such gap. */
static inline long Mem_Largest_Avail(void *pool) { return arenite_Mem_Largest_Avail(pool); }

/* Bytes of the whole pool: Mem_Avail of an empty one. */
static inline long Mem_Pool_Size(void *pool) { return arenite_Mem_Pool_Size(pool); }

/* Moves every block that is not locked down to the end of the one before it, in order. 1, or 0 if it is no pool. */
static inline int Mem_Cleanup(void *pool) { return arenite_Mem_Cleanup(pool); }

/* Copies; the source comes first. Ranges may overlap. */
static inline void Mem_Copy(const void *source, void *dest, unsigned long bytes) { arenite_Mem_Copy(source, dest, bytes); }

#endif
