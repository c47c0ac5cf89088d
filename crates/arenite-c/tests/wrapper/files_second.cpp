#define MEMORY_WRAPPER_FLAGS 2
#define OTHER check_second
#include "files.cpp"
