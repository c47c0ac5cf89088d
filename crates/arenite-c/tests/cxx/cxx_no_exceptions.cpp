// Without exceptions and without type information the headers still say by null and by code what is refused.
#include <arenite.hpp>

#include <vector>

#include "../check.h"

int main() {
    arenite::heap level("cxx/plain"), other("cxx/plain");
    arenite::heap_memory memory(level);
    {
        std::pmr::vector<int> numbers(1000, 1, &memory);
        CHECK(numbers[999] == 1 && level.discard() == ARENITE_STILL_LIVE);
        arenite::tag("cxx/plain").hard_budget(1 << 20);
        CHECK(level.try_allocate(4 << 20) == nullptr && arenite_last_error() == ARENITE_OVER_BUDGET);
    }
    CHECK(memory == memory && memory != arenite::heap_memory(other) && level.discard() == ARENITE_OK);
    arenite::handle_pool<int> pool(arenite::tag("cxx/plain"), 1);
    CHECK(pool.try_emplace(1) && !pool.try_emplace(2) && arenite_last_error() == ARENITE_FULL);
    return 0;
}
