#include "storage/bucket.h"

namespace ingot::storage {

const char* outcome_name(Outcome outcome) {
  static constexpr const char* kNames[] = {"done",   "absent",     "exists", "conflict", "throttled",
                                           "failed", "unanswered", "unsent", "too late", "refused"};
  return kNames[static_cast<std::size_t>(outcome)];
}

}  // namespace ingot::storage
