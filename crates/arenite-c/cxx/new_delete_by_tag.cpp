// Every `new` and `delete` of a program, on Arenite's general heap, each block on the account of the tag that its thread is in
// (`arenite_tag_enter`, `arenite::tag_scope`): compile this file once, or link its object, instead of new_delete.cpp.
//
// `arenite_alloc_figures` counts them by tag, as snapshots do, and a block may be given to `arenite_free` instead of `delete`. `delete` also takes
// what memory_wrapper.h gave, its `new (MEM_CLEAR)` included; but `Free` takes nothing of plain `new` here. Without memory
// std::get_new_handler is asked, and then std::bad_alloc is thrown, or NULL answered. Alignments: up to 1 MiB. C++11 or later.
#define ARENITE_NEW_BY_TAG
#include "new_delete.cpp"
