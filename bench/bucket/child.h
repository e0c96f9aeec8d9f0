// Everything that uses a store runs in a process of its own: what it opens is cold, and no thread is forked.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>

namespace bench {

// What `work` returned, in a new process. Throws std::runtime_error with what it threw there.
nlohmann::json in_child(const std::function<nlohmann::json()>& work);

}  // namespace bench
