#include "support/fake_s3/faults.h"

namespace ingot::fake_s3 {

namespace {

struct FaultName {
  Fault fault;
  const char* name;
};
constexpr FaultName kFaultNames[] = {
    {Fault::conflict, "conflict"},
    {Fault::throttled, "throttled"},
    {Fault::too_many, "too-many"},
    {Fault::unavailable, "unavailable"},
    {Fault::fails, "fails"},
    {Fault::fails_done, "fails-done"},
    {Fault::bad_gateway, "bad-gateway"},
    {Fault::bad_gateway_done, "bad-gateway-done"},
    {Fault::error_in_200, "error-in-200"},
    {Fault::error_in_200_done, "error-in-200-done"},
    {Fault::expired, "expired"},
    {Fault::skewed, "skewed"},
    {Fault::reset, "reset"},
    {Fault::stale, "stale"},
    {Fault::lost, "lost"},
    {Fault::late, "late"},
    {Fault::cut, "cut"},
    {Fault::slow, "slow"},
    {Fault::slow_answer, "slow-answer"},
};

bool is_about_objects(Verb verb) {
  switch (verb) {
    case Verb::make_bucket:
    case Verb::head_bucket:
    case Verb::remove_bucket:
    case Verb::list_buckets:
    case Verb::make_session:
      return false;
    default:
      return true;
  }
}

}  // namespace

const char* fault_name(Fault fault) {
  for (const FaultName& one : kFaultNames) {
    if (one.fault == fault) return one.name;
  }
  return "?";
}

std::optional<Fault> fault_of(std::string_view name) {
  for (const FaultName& one : kFaultNames) {
    if (name == one.name) return one.fault;
  }
  return {};
}

void Faults::add(const FaultRule& rule) {
  const std::lock_guard lock(mutex_);
  rules_.push_back(rule);
}

void Faults::clear() {
  const std::lock_guard lock(mutex_);
  rules_.clear();
}

std::optional<FaultRule> Faults::take(Verb verb, std::string_view key) {
  const std::lock_guard lock(mutex_);
  for (auto rule = rules_.begin(); rule != rules_.end(); ++rule) {
    const bool fits = (rule->verb ? *rule->verb == verb : is_about_objects(verb)) &&
                      key.substr(0, rule->key_prefix.size()) == rule->key_prefix;
    if (!fits) continue;
    if (rule->skip > 0) {
      --rule->skip;
      continue;
    }
    FaultRule taken = *rule;
    if (--rule->count == 0) rules_.erase(rule);
    return taken;
  }
  return {};
}

std::uint64_t Faults::left() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t left = 0;
  for (const FaultRule& rule : rules_) left += rule.count;
  return left;
}

}  // namespace ingot::fake_s3
